"""Contents that a field never has, values that contradict the message, and parts a component early: told, and read only
where what is meant is sure."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|{sent}||{kind}|c1|P|2.5.1||||||UNICODE UTF-8"
PID = {1: "1", 3: "4455^^^HSL^MR", 5: "Amaral^Rute"}
PV1 = {1: "1", 2: "I", 3: "UTI^101^A", 19: "V5501"}


def segment(name: str, *parts: dict[int, str]) -> str:
    fields = {number: text for part in parts for number, text in part.items()}
    return "|".join([name, *(fields.get(n, "") for n in range(1, max(fields) + 1))])


def read(*lines: str, kind: str = "ADT^A01^ADT_A01", sent: str = "20261122090000") -> tuple[dict[str, Any], set[Any]]:
    message = er7.read(("\r".join([HEAD.format(kind=kind, sent=sent), *lines]) + "\r").encode())
    assert isinstance(message, Message)
    found = translate(message, zone="America/Sao_Paulo")
    bodies = {draft.type: {**draft.initial, **draft.body} for draft in found.drafts}
    return bodies, {(p.code, p.where) for p in found.problems}


@pytest.mark.parametrize(
    ("pid", "pv1", "where", "element", "gone"),
    [
        ({9: "O+"}, {}, "PID#2-9", ("Patient", "name"), "O+"),
        ({9: "A^POS"}, {}, "PID#2-9", ("Patient", "name"), "POS"),
        ({9: "AB NEG"}, {}, "PID#2-9", ("Patient", "name"), "NEG"),
        ({6: "NOME SOCIAL"}, {}, "PID#2-6", ("Patient", "extension"), "SOCIAL"),
        ({6: "Nome social: Ruti"}, {}, "PID#2-6", ("Patient", "extension"), "Ruti"),
        ({28: "N"}, {}, "PID#2-28", ("Patient", "extension"), "nationality"),
        ({18: "CASADO"}, {}, "PID#2-18", ("Encounter", "identifier"), "CASADO"),
        ({18: "Viúva"}, {}, "PID#2-18", ("Encounter", "identifier"), "Vi"),
        ({19: "rute@example.test"}, {}, "PID#2-19", ("Patient", "identifier"), "@"),
        ({16: "ENG"}, {}, "PID#2-16", ("Patient", "maritalStatus"), "ENG"),
        ({18: "412-55-8830"}, {}, "PID#2-18", ("Encounter", "identifier"), "8830"),
        ({17: "HOSP"}, {}, "PID#2-17", ("Patient", "extension"), "HOSP"),
        ({21: "DECLINED TO ANSWER"}, {}, "PID#2-21", ("RelatedPerson", "name"), "DECLINED"),
        ({}, {15: "REF"}, "PV1#3-15", ("Encounter", "hospitalization"), "REF"),
        ({}, {54: "V"}, "PV1#3-54", ("Encounter", "episodeOfCare"), "V"),
        ({9: "600123^^^"}, {}, "PID#2-9", ("Patient", "name"), "600123"),
        ({20: "4455"}, {}, "PID#2-20", ("Patient", "identifier"), "DL"),
        ({19: "77120", 20: "77120"}, {}, "PID#2-20", ("Patient", "identifier"), "DL"),
        ({}, {7: "+5581933334444"}, "PV1#3-7", ("Encounter", "participant"), "+55"),
        ({}, {7: "20261122090000-03:00"}, "PV1#3-7", ("Encounter", "participant"), "2026"),
        ({}, {22: "V5599^^^HSL^VN"}, "PV1#3-22", ("Encounter", "identifier"), "V5599"),
        ({}, {19: "7788^Lima^Rui^^^Dr.^MD"}, "PV1#3-19", ("Encounter", "identifier"), "7788"),
        ({}, {3: "UTI^101^A^HSL", 42: "HSL"}, "PV1#3-42", ("Encounter", "location"), "reserved"),
        ({}, {3: "UTI^101^A^HSL", 37: "HSL"}, "PV1#3-37", ("Encounter", "hospitalization"), "HSL"),
        ({15: "M", 18: "518273946"}, {19: ""}, "PID#2-18", ("Encounter", "identifier"), "518273946"),
        ({}, {19: "SELF"}, "PV1#3-19", ("Encounter", "identifier"), "SELF"),
        ({}, {19: "Cônjuge"}, "PV1#3-19", ("Encounter", "identifier"), "njuge"),
        ({}, {43: "20261122256100"}, "PV1#3-43", ("Encounter", "location"), "2026"),
        ({}, {43: "22/11/2026 08:00"}, "PV1#3-43", ("Encounter", "location"), "2026"),
        ({}, {6: "2026-11-22T08:00"}, "PV1#3-6", ("Encounter", "location"), "2026"),
        ({19: "C900^^^HSL^AN"}, {}, "PID#2-19", ("Patient", "identifier"), "C900"),
        ({21: "SSN412-55-8830"}, {}, "PID#2-21", ("RelatedPerson", "identifier"), "8830"),
        ({18: "RSSMRA80A01H501U"}, {19: ""}, "PID#2-18", ("Encounter", "identifier"), "RSSMRA"),
        ({18: "SOLA800101MDFTRN09"}, {19: ""}, "PID#2-18", ("Encounter", "identifier"), "SOLA"),
        ({}, {13: "7"}, "PV1#3-13", ("Encounter", "hospitalization"), "reAdmission"),
        ({}, {11: "UTI"}, "PV1#3-11", ("Encounter", "location"), "temporary"),
        ({}, {9: "ATT"}, "PV1#3-9", ("Encounter", "participant"), "ATT"),
        ({}, {13: "CAR"}, "PV1#3-13", ("Encounter", "hospitalization"), "CAR"),
        ({}, {13: "CLM^Clínica Médica"}, "PV1#3-13", ("Encounter", "hospitalization"), "CLM"),
    ],
)
def test_a_word_of_another_field_is_told_and_not_read(
    pid: dict[int, str], pv1: dict[int, str], where: str, element: tuple[str, str], gone: str
) -> None:
    bodies, told = read(segment("PID", PID, pid), segment("PV1", PV1, pv1))
    assert ("field.misplaced", where) in told
    assert gone not in repr(bodies.get(element[0], {}).get(element[1]))


@pytest.mark.parametrize(
    ("pid", "pv1"),
    [
        ({9: "Amaral^Nega"}, {}),
        ({6: "Social^Elza"}, {}),
        ({28: "BRA"}, {}),
        ({28: "N", 30: "N"}, {}),  # naturalized, of a house that says both
        ({}, {19: "SELF4401"}),
        ({}, {13: "R"}),
        ({}, {3: "20261122^101^A", 6: "UTI 2/3^2026"}),
        ({}, {3: "1201-01-02", 6: "2104-10-02"}),  # ward, room, bed
        ({}, {13: "2^Segunda internação"}),
        ({3: "4455^^^HSL^MR~998877^^^DETRAN^DL", 20: "998877"}, {}),
        ({}, {15: "A3"}),
        ({}, {54: "V88"}),
        ({16: "S", 17: "M", 20: "99881"}, {}),  # a religion of old versions
        ({}, {22: "12^Isento^HL70032"}),
        ({}, {3: "UTI^101^A^HSL", 42: "CC^1^1^HSL"}),
        ({15: "pt", 18: "518273946"}, {}),
    ],
)
def test_what_may_be_meant_stays(pid: dict[int, str], pv1: dict[int, str]) -> None:
    _, told = read(segment("PID", PID, pid), segment("PV1", PV1, pv1))
    assert "field.misplaced" not in {code for code, _ in told}


@pytest.mark.parametrize(("sent", "licence"), [("M", "4455"), ("S", "4455"), ("SINGLE", "")])
def test_a_marital_status_beside_the_patients_number_a_field_late_is_no_religion(sent: str, licence: str) -> None:
    bodies, told = read(segment("PID", PID, {17: sent, 20: licence}), segment("PV1", PV1))
    assert bodies["Patient"]["maritalStatus"]["coding"][0]["code"] == sent[0] and "extension" not in bodies["Patient"]
    assert ("field.out-of-place", "PID#2-17") in told


@pytest.mark.parametrize(
    ("kind", "lines", "where", "gone"),
    [
        ("RDE^O11", ("RXE||X^Droga^L|5||mg||||||||||7788^Lima^Rui^B^^^MD",), "RXE#4-15", "7788"),
        ("RDE^O11", ("RXE|||X^Droga^L|500||mg|CAP|1||||10",), "RXE#4-12", "numberOfRepeats"),
        ("RDE^O11", ("RXE|||X^Droga^L|500||mg|CAP|1||||10",), "RXE#4-7", "CAP"),
        ("RDE^O11", ("RXE||X^Droga^L|5||mg|MG",), "RXE#4-6", "MG"),
        ("RDE^O11", ("RXE||X^Droga^L|5||mg||||CAPSULE",), "RXE#4-9", "CAPSULE"),
        ("RDS^O13", ("RXD|1|20261122^STAT|X^Droga^L|5|mg|1",), "RXD#4-2", "STAT"),
        ("RDS^O13", ("RXD|1|202611220800^Urgente|X^Droga^L|5|mg|1",), "RXD#4-2", "Urgente"),
        ("ORM^O01", ("OBR|1|P1||X^Exame^L",), "ORC#3-8", "987654"),
    ],
)
def test_what_is_no_part_of_an_order_is_told(kind: str, lines: tuple[str, ...], where: str, gone: str) -> None:
    common = "ORC|NW|P1" + ("||||||987654^Lima Reis^Rui^A" if kind == "ORM^O01" else "")
    bodies, told = read(segment("PID", PID), common, *lines, kind=kind)
    assert ("field.misplaced", where) in told and gone not in repr(bodies)


def test_a_place_of_the_house_is_no_reason_of_an_admission() -> None:
    for sent, wrong in (("CLM^402^A^HSL", True), ("402^Dor torácica^L", False)):
        bodies, told = read(segment("PID", PID), segment("PV1", PV1, {3: "UTI^101^A^HSL"}), f"PV2|||{sent}")
        assert (("field.misplaced", "PV2#4-3") in told) is wrong
        assert ("reasonCode" in bodies["Encounter"]) is not wrong


@pytest.mark.parametrize(("start", "end"), [("20261130154800", None), ("20261130080000", "2026-11-30T08:50:00-03:00")])
def test_a_service_does_not_end_before_its_appointment_begins(start: str, end: str | None) -> None:
    ais = "AIS|1||CONS^Consulta^L|20261130081500|||35|MIN"
    bodies, told = read(f"SCH|A1^H||||||||||^^^{start}", segment("PID", PID), "RGS|1", ais, kind="SIU^S12")
    assert bodies["Appointment"].get("end") == end
    assert (("field.period", "AIS#5-4") in told) is (end is None)


def test_a_shift_makes_no_discharge_without_an_admission() -> None:
    """Fields two and three places off: what would end the visit stays where it was sent, and is told."""
    pv1 = {3: "UTI^101^A^HSL^^^N", 4: "E", 12: "CLM", 19: "M77^Lima^Rui^^^Dr^MD", 20: "IN", 42: "HSL", 44: "A"}
    bodies, told = read(segment("PID", PID), segment("PV1", PV1, pv1, {47: "20261120080000"}), kind="ORM^O01")
    assert bodies["Encounter"]["status"] == "in-progress" and "period" not in bodies["Encounter"]
    assert {("field.misplaced", "PV1#3-47"), ("field.misplaced", "PV1#3-19")} <= told


def test_the_number_of_a_visit_two_fields_late_is_its_number_by_its_type() -> None:
    bodies, told = read(segment("PID", PID), segment("PV1", PV1, {19: "", 21: "V77^^^HSL^VN"}))
    (number,) = bodies["Encounter"]["identifier"]
    assert (number["system"], number["value"]) == ("urn:ponte:hsl:vn", "V77")
    assert ("field.out-of-place", "PV1#3-21") in told


@pytest.mark.parametrize(
    ("sent", "kind", "number", "told"),
    [
        ("PP^X7712345", "PPN", "X7712345", True),
        ("7712345^CC", "NI", "7712345", True),
        ("7712345^K", "PI", "7712345", False),
        ("7712345^CC^ISO", "PI", "7712345", False),
        ("CPF^11144477735", "TAX", "11144477735", True),
        ("DL^88-123456", "DL", "88-123456", True),
        ("PP^4", "PI", "PP", False),  # a check digit
        ("HSL^X7712345", "PI", "HSL", False),  # no name of a document
        ("PP^X7712345^^HSL^MR", "MR", "PP", False),
    ],
)
def test_a_type_before_a_number_is_no_number(sent: str, kind: str, number: str, told: bool) -> None:
    bodies, problems = read(segment("PID", PID, {4: sent}), segment("PV1", PV1))
    found = bodies["Patient"]["identifier"][1]
    assert (found["type"]["coding"][0]["code"], found["value"]) == (kind, number)
    assert (("field.out-of-place", "PID#2-4") in problems) is told


def test_admission_and_discharge_where_adjustments_and_payments_belong() -> None:
    off = {48: "20261120080000", 49: "20261122090000"}
    bodies, told = read(segment("PID", PID), segment("PV1", PV1, off), kind="ADT^A03^ADT_A03")
    assert bodies["Encounter"]["period"] == {"start": "2026-11-20T08:00:00-03:00", "end": "2026-11-22T09:00:00-03:00"}
    assert {("field.out-of-place", "PV1#3-48"), ("field.out-of-place", "PV1#3-49")} <= told


def test_a_place_without_number_and_name_is_none() -> None:
    bodies, told = read("MFI|LOC||UPD|||NE", "MFE|MAD|D5", "LCC|D5", kind="MFN^M05^MFN_M05")
    assert "Location" not in bodies and ("structure.element", "MFE#3") in told


def test_a_day_is_no_group_of_appointments() -> None:
    bodies, told = read("SCH|A1^H|||20261130|||||30|MIN|^^^20261130080000", segment("PID", PID), kind="SIU^S12")
    assert ("field.misplaced", "SCH#2-4") in told and "20261130'" not in repr(bodies["Appointment"]["identifier"])


def test_the_oid_of_who_gave_a_professional_the_number_is_kept() -> None:
    bodies, _ = read(segment("PID", PID), segment("PV1", PV1, {7: "7788^Lima^Rui^^^^^^&1.2.840.99.7&ISO"}))
    assert bodies["Practitioner"]["identifier"][0]["system"] == "urn:ponte:1.2.840.99.7:dn"


@pytest.mark.parametrize(
    ("born", "sent", "late"),
    [
        ("20261123", "20261122090000", True),
        ("202612", "20261122090000", True),
        ("2027", "20261122", True),
        ("20261122", "20261122090000", False),
        ("2026", "20261122", False),
        ("20261123", "20261122230000+0000", False),  # born where it is the next day
        ("20261124", "20261122230000+0000", True),
    ],
)
def test_a_birth_after_its_message_is_told_and_read(born: str, sent: str, late: bool) -> None:
    bodies, told = read(segment("PID", PID, {7: born}), segment("PV1", PV1), sent=sent)
    assert (("field.born-later", "PID#2-7") in told) is late
    assert bodies["Patient"]["birthDate"].replace("-", "") == born


@pytest.mark.parametrize(
    ("event", "differs"), [("A08", True), ("A01", False), ("a01", False), ("", False), ("ADT", False)]
)
def test_another_event_in_evn_is_told(event: str, differs: bool) -> None:
    _, told = read(f"EVN|{event}|20261122090000", segment("PID", PID), segment("PV1", PV1))
    assert (("type.event-differs", "EVN-1") in told) is differs


def test_an_event_read_from_evn_is_not_said_to_be_read_from_msh() -> None:
    _, told = read("EVN|A04|20261122090000", segment("PID", PID), segment("PV1", PV1), kind="ADT^A99^ADT_A01")
    assert "type.event-differs" not in {code for code, _ in told}


def test_an_order_of_birth_that_pid_24_denies_is_told() -> None:
    bodies, told = read(segment("PID", PID, {24: "N", 25: "2"}), segment("PV1", PV1))
    assert ("field.differs", "PID#2-24") in told and bodies["Patient"]["multipleBirthInteger"] == 2
    bodies, told = read(segment("PID", PID, {24: "N", 25: "1"}), segment("PV1", PV1))
    assert ("field.differs", "PID#2-24") not in told and bodies["Patient"]["multipleBirthBoolean"] is False


@pytest.mark.parametrize(
    ("address", "finding", "state", "code"),
    [
        ("Rua Nova 5^^Olinda^53110-000", ("field.address-form", "PID#2-11"), None, "53110-000"),
        ("12 Elm St^^Salem^97301-1234", ("field.address-form", "PID#2-11"), None, "97301-1234"),
        ("12 Elm St^^Salem^97301^^USA", ("field.address-form", "PID#2-11"), None, "97301"),
        ("12 Elm St^^Salem^97301", ("field.misplaced", "PID#2-11.4"), None, None),
        ("12 Elm St^^Salem^97301^OR^USA", ("field.misplaced", "PID#2-11.4"), None, "OR"),
        ("Rua Nova 5^^Olinda^PE^53110-000", None, "PE", "53110-000"),
        ("1 rue Haute^^Paris^75^75011^FRA", None, "75", "75011"),
        ("1 Lu^^Beijing^110000^100010^CHN", None, "110000", "100010"),
    ],
)
def test_a_postal_code_is_no_state(
    address: str, finding: tuple[str, str] | None, state: str | None, code: str | None
) -> None:
    bodies, told = read(segment("PID", PID, {11: address}), segment("PV1", PV1))
    found = bodies["Patient"]["address"][0]
    assert finding in told if finding else not {c for c, _ in told if c.startswith("field.")}
    assert (found.get("state"), found.get("postalCode")) == (state, code)


def test_a_visit_has_one_bed() -> None:
    bodies, told = read(segment("PID", PID), segment("PV1", PV1, {3: "UTI^101^A~UTI^102^B"}))
    assert ("structure.repetition-lost", "PV1#3-3") in told
    assert [place["location"]["display"] for place in bodies["Encounter"]["location"]] == ["UTI / 101 / A"]


@pytest.mark.parametrize("nothing", ["\x1f~\x1f", "\xa0~", "~\x1c", " ~ ~\x85", "\t~UTI^101^A", "~", "~~"])
@pytest.mark.parametrize("field", [3, 6, 11, 42, 43])
def test_what_only_looks_empty_is_no_bed(field: int, nothing: str) -> None:
    """Marks, characters of control and hard spaces alone fill a field and say nothing."""
    bodies, _ = read(segment("PID", PID), segment("PV1", PV1, {field: nothing}))
    assert len(bodies["Encounter"].get("location", ())) <= 1


@pytest.mark.parametrize(
    ("sent", "display"),
    [("SMITH^ROBERT^MD", "ROBERT SMITH"), ("Lima^Rui^Alves^M.D.", "Rui Alves Lima"), ("Lima^Rui^DR", "Rui Lima")],
)
def test_a_name_without_number_ends_with_its_degree(sent: str, display: str) -> None:
    bodies, told = read(segment("PID", PID), segment("PV1", PV1, {7: sent}))
    person = bodies["Encounter"]["participant"][0]["individual"]
    assert ("field.name-form", "PV1#3-7") in told
    assert display in person["display"] and "identifier" not in person


@pytest.mark.parametrize(
    ("sent", "given", "degree"),
    [
        ("7788^Lima^Rui^MD", ["Rui"], True),
        ("7788^Lima^Rui^DO", ["Rui", "DO"], False),
        ("7788^Lima^R.N.", ["R.N."], False),
    ],
)
def test_a_degree_where_another_given_name_belongs_is_a_degree(sent: str, given: list[str], degree: bool) -> None:
    bodies, told = read(segment("PID", PID), segment("PV1", PV1, {7: sent}))
    assert bodies["Practitioner"]["name"][0]["given"] == given and not told
    assert ("qualification" in bodies["Practitioner"]) is degree


@pytest.mark.parametrize("sent", ["jlima^Lima^Rui", "7788^Lima^Rui", "rlima^Lima^Rui^^^^MD", "Lima^Rui", "A1^Lima^MD"])
def test_a_login_or_a_number_stays_one(sent: str) -> None:
    _, told = read(segment("PID", PID), segment("PV1", PV1, {7: sent}))
    assert ("field.name-form", "PV1#3-7") not in told


def test_a_person_in_txa_14_is_no_order() -> None:
    txa = {1: "1", 2: "DS", 3: "TX", 12: "D1^HIS", 17: "AU"}
    for sent, wrong in (
        ("7788^Lima^Rui", True),
        ("AV", True),
        ("V", True),
        ("P9^HIS", False),
        ("P9^HIS^1.2.3^ISO", False),
    ):
        bodies, told = read(segment("PID", PID), segment("PV1", PV1), segment("TXA", txa, {14: sent}), kind="MDM^T01")
        assert (("field.misplaced", "TXA#4-14") in told) is wrong
        assert ("ServiceRequest" in bodies) is not wrong


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({6: "20261222"}, True),
        ({4: "20261122", 6: "20261222"}, False),  # a number may look like a day
        ({5: "20261222", 6: "A77"}, False),
    ],
)
def test_a_day_is_no_authorization(fields: dict[int, str], wrong: bool) -> None:
    bodies, told = read(
        segment("PID", PID), "RF1|A|R|MED|||R1", segment("AUT", fields), "PRD|RP|Lima^Rui", kind="REF^I12"
    )
    assert (("field.misplaced", "AUT#4-6") in told) is wrong
    assert (fields[6] in repr(bodies["ServiceRequest"]["identifier"])) is not wrong


def test_an_authorization_where_no_referral_takes_it_is_told() -> None:
    _, told = read(segment("PID", PID), "AUT||||||A77", "RF1|A|R|MED|||R1", "PRD|RP|Lima^Rui", kind="REF^I12")
    assert ("structure.segment-unmapped", "AUT#3") in told


def test_an_orders_number_is_no_procedure() -> None:
    for placer, sent, wrong in (("P77", "P77", True), ("P78", "P77", False), ("10101012", "10101012", False)):
        ft1 = {1: "1", 4: "20261122", 6: "CG", 7: "X1^Curativo^L", 25: sent}
        lines = (segment("PV1", PV1), f"ORC|NW|{placer}", segment("FT1", ft1))
        bodies, told = read(segment("PID", PID), *lines, kind="DFT^P03")
        assert (("field.misplaced", "FT1#5-25") in told) is wrong
        assert len(bodies["ChargeItem"]["code"]["coding"]) == 2 - wrong


def test_sex_and_birth_of_a_relative_two_fields_early_are_read_in_their_place() -> None:
    nk1 = {1: "1", 2: "Amaral^Elza", 3: "MTH", 13: "F", 14: "19600102"}
    bodies, told = read(segment("PID", PID), segment("NK1", nk1), segment("PV1", PV1))
    assert "structure.shifted" in {code for code, where in told if where.startswith("NK1")}
    assert bodies["Patient"]["contact"][0]["gender"] == "female"
    assert "organization" not in bodies["Patient"]["contact"][0]


def test_a_guarantor_a_field_late_is_read_in_its_place() -> None:
    gt1 = {1: "1", 3: "Amaral^Davi", 6: "Rua Nova 5^^Olinda^PE^53110-000", 7: "(81) 3333-4444", 9: "19600102", 10: "M"}
    bodies, told = read(segment("PID", PID), segment("PV1", PV1), segment("GT1", gt1))
    assert {code for code, where in told if where.startswith("GT1")} >= {"structure.shifted"}
    person = bodies["RelatedPerson"]
    assert (person["birthDate"], person["gender"]) == ("1960-01-02", "male")
    assert person["address"][0]["city"] == "Olinda"
