"""Numbers that are shared, and fields a place off."""

from __future__ import annotations

from typing import Any

import pytest

from api.hl7_reading import read_file
from tests.mappings.misplaced.test_hl7_parts_elsewhere import made


def read(text: str) -> tuple[dict[str, list[dict[str, Any]]], set[str]]:
    """The records of a message as `ponte hl7 read` shows them, by type, and the codes of what is told."""
    (document,) = read_file("m", [text.replace("\n", "\r").encode()], to="fhir", zone="America/Sao_Paulo")
    bodies: dict[str, list[dict[str, Any]]] = {}
    for entry in (document["bundle"] or {}).get("entry", []):
        bodies.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return bodies, {problem["code"] for problem in document["problems"]}


HEAD = "MSH|^~\\&|A|B|C|D|20261122||{kind}|1|P|2.5.1\nEVN||20261122\n"
BOTH = "52998224725^^^&2.16.840.1.113883.13.237&ISO^CPF"


def test_a_cpf_on_both_sides_of_a_merge_does_not_merge_a_patient_into_itself() -> None:
    rest = f"PID|1||{BOTH}~700^^^H^MR||Souza^Ana\nMRG|{BOTH}~655^^^H^MR\n"
    bodies, told = read(HEAD.format(kind="ADT^A40") + rest)
    kept, gone = bodies["Patient"] if bodies["Patient"][0]["active"] else reversed(bodies["Patient"])
    assert kept["active"] is True and gone["active"] is False and not told
    ((to, kind),) = [(link["other"]["reference"], link["type"]) for link in kept["link"]]
    assert to.endswith(gone["id"]) and kind == "replaces"
    ((to, kind),) = [(link["other"]["reference"], link["type"]) for link in gone["link"]]
    assert to.endswith(kept["id"]) and kind == "replaced-by"


def test_a_merge_of_a_patient_into_itself_is_told_and_undoes_nobody() -> None:
    bodies, told = read(HEAD.format(kind="ADT^A40") + "PID|1||700^^^H^MR||Souza^Ana\nMRG|700^^^H^MR\n")
    (patient,) = bodies["Patient"]
    assert told == {"semantic.merge-self"} and patient["active"] is True and "link" not in patient


def test_two_patients_linked_refer_to_each_other() -> None:
    bodies, _ = read(HEAD.format(kind="ADT^A24") + "PID|1||700^^^H^MR||Souza^Ana\nPID|2||701^^^H^MR||Souza^Bia\n")
    one, two = bodies["Patient"]
    for own, other in ((one, two), (two, one)):
        (link,) = own["link"]
        assert link["type"] == "seealso" and link["other"]["reference"].endswith(other["id"])


def test_charges_that_share_a_transaction_number_stay_apart() -> None:
    rest = "FT1|1|55||20261120||CG|4030401^Hemograma^L||1\nFT1|2|55||20261120||CG|4030120^Glicose^L||1\n"
    bodies, told = read(HEAD.format(kind="DFT^P03") + "PID|1||700^^^H^MR||Souza^Ana\n" + rest)
    assert {c["code"]["coding"][0]["code"] for c in bodies["ChargeItem"]} == {"4030401", "4030120"}
    assert all("identifier" not in charge for charge in bodies["ChargeItem"]) and "field.misplaced" in told
    credit = rest.replace("FT1|2|55||20261120||CG|4030120^Glicose", "FT1|2|55||20261120||CD|4030401^Hemograma")
    bodies, told = read(HEAD.format(kind="DFT^P03") + "PID|1||700^^^H^MR||Souza^Ana\n" + credit)
    assert bodies["ChargeItem"][0]["identifier"][0]["value"] == "55" and "field.misplaced" not in told


@pytest.mark.parametrize(
    ("sent", "points"),
    [
        ("ana@example.test^EMAIL", [("email", "ana@example.test", "home")]),
        ("51998765432^MOBILE", [("phone", "51998765432", "mobile")]),
        ("5133334444^WORK", [("phone", "5133334444", "work")]),
    ],
)
def test_the_kind_of_a_contact_in_words(sent: str, points: list[tuple[str, str, str]]) -> None:
    bodies, _ = made("ADT^A31", "", phone=sent)
    assert [(p["system"], p["value"], p["use"]) for p in bodies["Patient"][0]["telecom"]] == points


@pytest.mark.parametrize(
    "person", ["DR4455^ROCHA^WILMA", "1234567893^Rocha^Wilma^^^^^^^^^^NPI", "4455^Rocha^Wilma^^^Dra.", "E125^Yano^Jiro"]
)
def test_a_person_is_no_telephone(person: str) -> None:
    rest = f"ORC|NW|P1||||||||||41^Reis^Nora||{person}\nOBR|1|P1||HEM^Hemograma^L\n"
    bodies, told = made("ORM^O01", rest.replace("\n", "\r"))
    assert told == {"ORC#3-14"} and "callback" not in str(bodies["ServiceRequest"][0].get("extension"))


@pytest.mark.parametrize(
    ("event", "said", "status"),
    [
        ("S26", "Booked", "noshow"),
        ("S15", "Booked", "cancelled"),
        ("S17", "Pending", "entered-in-error"),
        ("S26", "Cancelled", "cancelled"),
        ("S12", "Booked", "booked"),
        ("S26", "", "noshow"),
    ],
)
def test_an_event_that_ends_an_appointment_is_stronger_than_the_status_before_it(
    event: str, said: str, status: str
) -> None:
    times = "^^30^20261124090000^20261124093000"
    bodies, _ = made(f"SIU^{event}", f"SCH|A1|A2|||||||||{times}||||||||||||||{said}\r")
    assert bodies["Appointment"][0]["status"] == status


def test_times_where_the_type_of_an_appointment_belongs() -> None:
    bodies, told = made("SIU^S12", "SCH|A1|A2||||||^^^20261124090000|30|min|Booked\r")
    appointment = bodies["Appointment"][0]
    assert appointment["start"] == "2026-11-24T09:00:00-03:00" and "appointmentType" not in appointment
    assert "SCH#3-8" in told


def test_a_specialty_as_its_own_type_has_no_code_system_called_certified() -> None:
    head = "MFI|PRA||UPD|||NE\rMFE|MAD|||77|CE\rSTF|77||Reis^Nora\r"
    text = "MSH|^~\\&|A|B|C|D|20261122||MFN^M02|1|P|2.5.1\n" + head.replace("\r", "\n")
    bodies, _ = read(text + "PRA|77||||Obstetrícia^CONSELHO DE OBSTETRÍCIA^C^19990101\n")
    assert bodies["PractitionerRole"][0]["specialty"] == [{"text": "Obstetrícia"}]
    bodies, _ = read(text + "PRA|77||||OBS^Obstetrícia^L\n")
    assert bodies["PractitionerRole"][0]["specialty"][0]["coding"][0]["code"] == "OBS"


@pytest.mark.parametrize(("said", "code"), [("Confirmed", "confirmed"), ("SUSPEITO", "provisional"), ("", "")])
def test_the_confirmation_of_a_problem(said: str, code: str) -> None:
    bodies, _ = made("PPR^PC1", f"PRB|AD|20261120|J45^Asma^I10|9|||||||||{said}\r")
    found = bodies["Condition"][0].get("verificationStatus", {}).get("coding", [{}])[0].get("code", "")
    assert found == code


def test_a_moment_is_no_problem() -> None:
    bodies, told = made("PPR^PC1", "PRB|AD||202611200900|Asma|9\r")
    assert bodies["Condition"][0]["code"] == {"text": "Asma"} and {"PRB#3-3", "PRB#3-4"} <= told


def test_a_number_is_no_religion_and_one_letter_no_language() -> None:
    head = "MSH|^~\\&|A|B|C|D|20261122||ADT^A31|1|P|2.5.1\n"
    bodies, told = read(head + "PID|1||7^^^H^MR||Souza^Ana||||||||||S||CONTA4471\n")
    assert "field.misplaced" in told
    assert not {"communication", "extension"} & bodies["Patient"][0].keys()
    bodies, told = read(head + "PID|1||7^^^H^MR||Souza^Ana||||||||||pt||CAT\n")
    assert bodies["Patient"][0]["communication"][0]["language"]["coding"][0]["code"] == "pt" and not told


def test_the_procedure_is_what_is_asked_for_where_no_examination_is_named() -> None:
    bodies, _ = made("OMI^O23", "ORC|NW|P1\rOBR|1|P1|" + "|" * 41 + "TX^Radiografia de tórax^L\r")
    assert bodies["ServiceRequest"][0]["code"]["coding"][0]["code"] == "TX"


def test_a_visit_of_nobody_without_number_is_none() -> None:
    text = "MSH|^~\\&|A|B|C|D|20261122||OUL^R22|1|P|2.5\nPV1|1|N\nSPM|1|S1||BLD^Sangue^L\nOBR|1||F1|HEM^Hemograma^L\n"
    bodies, _ = read(text + "OBX|1|NM|HB^Hb^L||13|g/dL|||||F\n")
    assert "Encounter" not in bodies and bodies["Observation"]


def test_a_name_no_longer_to_be_used_is_an_old_one() -> None:
    text = "MSH|^~\\&|A|B|C|D|20261122||ADT^A31|1|P|2.9\nPID|1||7^^^H^MR||Souza^Ana^^^^^L~Lima^Ana^^^^^NOUSE\n"
    assert [name["use"] for name in read(text)[0]["Patient"][0]["name"]] == ["official", "old"]


@pytest.mark.parametrize(
    ("account", "number"), [("S", ""), ("0", ""), ("529.982.247-25", ""), ("", "000000"), ("", "-"), ("0", "0")]
)
def test_what_is_no_number_is_no_account_and_no_visit_of_all_who_say_the_same(account: str, number: str) -> None:
    head = "MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5.1\nPID|1||7^^^H^MR||Souza^Ana|||||||||||||"
    bodies, _ = read(f"{head}{account}\nPV1|1|I|4N{'|' * 16}{number}\n")
    assert "Account" not in bodies and "identifier" not in bodies["Encounter"][0]


def test_an_admission_where_the_discharge_belongs() -> None:
    text = (
        "MSH|^~\\&|A|B|C|D|20261122||ADT^{event}|1|P|2.5.1\nEVN||20261122\nPID|1||7^^^H^MR||Souza^Ana\nPV1|1|I|4N"
        + "|" * 42
    )
    bodies, told = read(text.format(event="A01") + "20261121080000\n")
    assert bodies["Encounter"][0]["period"] == {"start": "2026-11-21T08:00:00-03:00"} and "field.misplaced" in told
    bodies, told = read(text.format(event="A03") + "20261121080000\n")
    assert bodies["Encounter"][0]["period"]["end"] == "2026-11-21T08:00:00-03:00" and "field.misplaced" not in told


def test_the_status_of_a_document_a_field_early_is_no_file_name() -> None:
    rest = "TXA|1|DS|TX" + "|" * 13 + "AU^Autenticado^HL70271\rOBX|1|TX|DS^Sumário^L||Alta||||||F\r"
    bodies, told = made("MDM^T02", rest)
    (document,) = bodies["DocumentReference"]
    assert document["docStatus"] == "final" and "identifier" not in document and told == {"TXA#3-16"}


def test_the_status_of_an_appointment_is_no_person() -> None:
    rest = "SCH|A1|A2" + "|" * 9 + "^^30^20261124090000" + "|" * 9 + "Booked\r"
    bodies, told = made("SIU^S12", rest)
    assert len(bodies["Appointment"][0]["participant"]) == 1 and told == {"SCH#3-20"}


def test_a_code_of_another_table_is_no_language() -> None:
    head = "MSH|^~\\&|A|B|C|D|20261122||ADT^A31|1|P|2.5.1\n"
    bodies, told = read(head + "PID|1||7^^^H^MR||Souza^Ana||||||||||M^Married^HL70002\n")
    assert "communication" not in bodies["Patient"][0] and "field.misplaced" in told


@pytest.mark.parametrize(
    ("number", "values"),
    [("77^LABOR", ["77"]), ("77^B", ["77"]), ("77&LABOR^88&B", ["88", "77"]), ("77^88", ["88", "77"]), ("77", ["77"])],
)
def test_who_gave_a_specimen_its_number_is_no_number(number: str, values: list[str]) -> None:
    rest = f"SPM|1|{number}||BLD^Sangue^L" + "|" * 28 + "9001^CORREIO\\r"
    rest += "OBR|1||F1|HEM^Hemograma^L\\rOBX|1|NM|HB^Hb^L||13|g/dL|||||F\\r"
    bodies, _ = made("OUL^R22", rest)
    found = bodies["Specimen"][0]["identifier"]
    assert [one["value"] for one in found] == [*values, "9001"]
    assert found[-1]["type"]["coding"][0]["code"] == "STN"


@pytest.mark.parametrize("said", ["SEL^Self^HL70063", "18^Self", "SELF"])
def test_a_card_holder_who_is_the_patient(said: str) -> None:
    text = "MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5.1\nPID|1||7^^^H^MR||Souza^Ana\nPV1|1|I|4N\n"
    bodies, _ = read(text + f"IN1|1|P1|77|Convênio||||||||||||Souza^Ana|{said}\n")
    (coverage,) = bodies["Coverage"]
    assert "RelatedPerson" not in bodies
    assert coverage["subscriber"]["reference"].endswith(bodies["Patient"][0]["id"])
    assert coverage["relationship"]["coding"][0]["code"] == "ONESELF"


def test_each_specimen_names_its_own_parent() -> None:
    orders = "".join(f"OBR|{n}|A{n}||X{n}^Exame^L\nSPM|1|S{n}^LAB|P{n}^LAB|BLD\n" for n in (1, 2, 3))
    bodies, _ = read(HEAD.format(kind="OML^O21") + "PID|1||700^^^H^MR||Souza^Ana\n" + orders)
    parents = {body["identifier"][0]["value"]: body["parent"][0] for body in bodies["Specimen"]}
    assert {number: parent["identifier"]["value"] for number, parent in parents.items()} == {
        "S1": "P1",
        "S2": "P2",
        "S3": "P3",
    }
    assert all("reference" not in parent for parent in parents.values())


def test_each_place_of_a_master_file_is_part_of_its_own() -> None:
    places = "".join(
        f"MFE|MAD|{n}|20261122|L{n}|PL\nLOC|A{n}^Q{n}^L{n}^HOSP||B\nLRL|A{n}^Q{n}^L{n}^HOSP|A||PAR||A{9 - n}^^^HOSP\n"
        for n in (1, 2, 3)
    )
    bodies, _ = read(HEAD.format(kind="MFN^M05") + "MFI|LOC||UPD|||AL\n" + places)
    names = {f"Location/{body['id']}": body["name"] for body in bodies["Location"]}
    above = {body["name"]: names[body["partOf"]["reference"]] for body in bodies["Location"] if "partOf" in body}
    assert above == {f"HOSP / A{n} / Q{n} / L{n}": f"HOSP / A{9 - n}" for n in (1, 2, 3)}


def test_a_specimen_told_below_two_orders_is_of_both() -> None:
    orders = "".join(f"OBR|{n}|A{n}||X{n}^Exame^L\nSPM|1|S1^LAB||BLD\n" for n in (1, 2))
    bodies, _ = read(HEAD.format(kind="OML^O21") + "PID|1||700^^^H^MR||Souza^Ana\n" + orders)
    (specimen,) = bodies["Specimen"]
    requests = {f"ServiceRequest/{body['id']}" for body in bodies["ServiceRequest"]}
    assert {one["reference"] for one in specimen["request"]} == requests and len(requests) == 2


def test_a_dose_whose_start_cannot_be_read_is_kept_by_its_end() -> None:
    dose = "ORC|RE||V1^H\nRXA|0|1|{start}|20261120|141^Influenza^CVX|1|mL\n"
    for start, told in (("202611201", {"field.date"}), ("", set())):
        bodies, codes = read(HEAD.format(kind="VXU^V04") + "PID|1||700^^^H^MR||Souza^Ana\n" + dose.format(start=start))
        assert [body["occurrenceDateTime"] for body in bodies["Immunization"]] == ["2026-11-20"]
        assert codes - {"structure.segment-unmapped"} == told  # EVN


@pytest.mark.parametrize(
    ("sent", "point"),
    [
        ("^NET^Internet^^^^^^^^^ana@example.test", {"system": "email", "value": "ana@example.test"}),
        ("^PRN^^^PH^86^5551234", {"system": "phone", "value": "86 5551234"}),
        ("^PRN^PH^^55^86^5551234", {"system": "phone", "value": "+55 86 5551234"}),
    ],
)
def test_an_e_mail_or_a_kind_of_equipment_is_no_part_of_a_number(sent: str, point: dict[str, str]) -> None:
    bodies, _ = read(HEAD.format(kind="ADT^A28") + f"PID|1||700^^^H^MR||Souza^Ana||||||||{sent}\n")
    (made_of,) = bodies["Patient"][0]["telecom"]
    assert {name: made_of[name] for name in point} == point


def test_a_moment_with_its_zone_is_no_number_of_a_result_or_a_parent() -> None:
    rest = "PID|1||700^^^H^MR||Souza^Ana\nORC|RE|A1|F1|||||202611221030-0300\nOBR|1|A1|F1|X^Exame^L\n"
    bodies, told = read(
        HEAD.format(kind="ORU^R01") + rest + f"OBX|1|NM|G^Glicose^L||9|mg|||||F{'|' * 10}202611221030-0300\n"
    )
    assert "identifier" not in bodies["Observation"][0] and "basedOn" not in bodies["ServiceRequest"][0]
    assert told == {"field.misplaced"}


def test_a_number_made_of_a_day_stays_one() -> None:
    rest = (
        "PID|1||700^^^H^MR||Souza^Ana\nOBR|1|A1|F1|X^Exame^L\nOBX|1|NM|G^Glicose^L||9|mg|||||F||||||||||20261122-0300\n"
    )
    bodies, told = read(HEAD.format(kind="ORU^R01") + rest)
    assert bodies["Observation"][0]["identifier"][0]["value"] == "20261122-0300" and not told


def test_separators_behind_a_note_are_none_of_it() -> None:
    rest = "PID|1||700^^^H^MR||Souza^Ana\nOBR|1|A1|F1|X^Exame^L\nOBX|1|NM|G^Glicose^L||9|mg|||||F\nNTE|1||em jejum^^\n"
    bodies, _ = read(HEAD.format(kind="ORU^R01") + rest)
    assert bodies["Observation"][0]["note"] == [{"text": "em jejum"}]


def test_a_problem_in_words_where_its_number_belongs_is_one_of_each_patient() -> None:
    rest = "PID|1||{who}^^^H^MR||Souza^Ana\nPRB|AD||20260101120000|estenose aórtica|53692\nPRB|AD||20260101120000|gota|53693\n"
    made_of = [read(HEAD.format(kind="PPR^PC1") + rest.format(who=who)) for who in (700, 701)]
    for bodies, told in made_of:
        assert [body["code"] for body in bodies["Condition"]] == [{"text": "estenose aórtica"}, {"text": "gota"}]
        assert all("identifier" not in body for body in bodies["Condition"]) and "field.misplaced" in told
    ids = {body["id"] for bodies, _ in made_of for body in bodies["Condition"]}
    assert len(ids) == 4


def test_a_problem_keeps_its_number() -> None:
    rest = "PID|1||700^^^H^MR||Souza^Ana\nPRB|AD|20260101|I35.0^Estenose aórtica^I10|P53\n"
    bodies, told = read(HEAD.format(kind="PPR^PC1") + rest)
    assert bodies["Condition"][0]["identifier"][0]["value"] == "P53" and "field.misplaced" not in told


@pytest.mark.parametrize(
    ("kind", "rest", "told"),
    [
        (
            "ADT^A01",
            "PV1|1|I\nMRG|655^^^H^MR\n",
            {"structure.segment-unmapped"},
        ),  # a merge that the event does not ask for
        ("ADT^A01", "PV1|1|I\nORC|NW\n", {"structure.segment-unmapped"}),
        ("ADT^A01", 'PV1|1|I\nMRG|""\n', set()),
        ("ADT^A01", "PV1|1|I\nZXX|1\n", set()),
        ("ADT^A40", "MRG|655^^^H^MR\n", set()),
    ],
)
def test_a_segment_whose_first_field_alone_says_something_is_told(kind: str, rest: str, told: set[str]) -> None:
    _, codes = read(HEAD.format(kind=kind) + "PID|1||700^^^H^MR||Souza^Ana\n" + rest)
    assert codes & {"structure.segment-unmapped"} == told


@pytest.mark.parametrize(
    ("sent", "number"),
    [("^^12345", "12345"), ("^ARQUIVO^12345", "12345"), ("9^ARQUIVO^1.2.3^ISO", "9"), ("^ARQUIVO^1.2.3^ISO", "")],
)
def test_the_number_of_a_document_in_the_third_component(sent: str, number: str) -> None:
    rest = f"PID|1||700^^^H^MR||Souza^Ana\nTXA|1|OP|TX||||||||||{sent}|||||LA\nOBX|1|TX|T^Texto^L||a||||||F\n"
    bodies, _ = read(HEAD.format(kind="MDM^T02") + rest)
    assert bodies["DocumentReference"][0].get("masterIdentifier", {}).get("value", "") == number


def test_an_authority_alone_is_no_number_of_an_order() -> None:
    rest = "PID|1||700^^^H^MR||Souza^Ana\nORC|NW|^HIS^1.2.3\nOBR|1|||X^Exame^L\n"
    bodies, _ = read(HEAD.format(kind="ORM^O01") + rest)
    assert "identifier" not in bodies["ServiceRequest"][0]


@pytest.mark.parametrize(
    ("numbers", "council", "expected"),
    [("", "1869^CRM-SP", {"1869", "15101"}), ("", "", {"15101"}), ("88", "1869^CRM-SP", {"1869", "88", "15101"})],
)
def test_the_key_of_a_professional_beside_the_council_is_kept(numbers: str, council: str, expected: set[str]) -> None:
    rest = f"MFI|PRA||UPD|||AL\nMFE|MAD|1|20261122|15101|CE\nSTF|15101|{numbers}|Reis^Nora|C|M\nPRA|15101|MED||||{council}\n"
    bodies, _ = read(HEAD.format(kind="MFN^M02") + rest)
    assert {one["value"] for one in bodies["Practitioner"][0]["identifier"]} == expected
