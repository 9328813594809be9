"""Contents that stand in another field's place, and parts put elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from canonical import codes as systems
from hl7 import er7
from hl7.er7 import STANDARD, Message, Segment
from mappings.convert.datatypes import xtn
from mappings.convert.registry import Context, Value
from mappings.reading.engine import translate
from mappings.tables.table import Source

HEAD = "MSH|^~\\&|A|B|C|D|20261122||{kind}|1|P|2.5.1\rPID|1||7^^^H^MR||Souza^Ana||||||{address}||{phone}|||||{account}||{licence}\r"

ELSEWHERE = ("field.misplaced", "field.out-of-place", "structure.shifted")


def made(kind: str, rest: str, **person: str) -> tuple[dict[str, list[dict[str, Any]]], set[str]]:
    """The bodies by type, and the places told to hold what belongs elsewhere, or from which a segment is a field off."""
    text = HEAD.format(kind=kind, **{"address": "", "phone": "", "account": "", "licence": "", **person}) + rest
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    bodies: dict[str, list[dict[str, Any]]] = {}
    for draft in translation.drafts:
        bodies.setdefault(draft.type, []).append({**draft.initial, **draft.body})
    return bodies, {p.where for p in translation.problems if p.code in ELSEWHERE}


@pytest.mark.parametrize(
    ("sent", "numbers", "mail"),
    [
        ("^^^ana@example.test^NET^Internet", [], "ana@example.test"),
        ("^PRN^CP^^^^^^^(086)5551234", ["(086)5551234"], ""),
        ("^PRN^PH^^^^^5550133", ["5550133"], ""),
        ("(555)555-0133^^^ana@example.test^^^555^5550133", ["(555)555-0133"], "ana@example.test"),
        ("(51)555-0133^PRN^PH^^55^51^5550133^12", ["+55 51 5550133 x12"], ""),
        ("^WPN^PH^^^^4321", ["4321"], ""),
        ("5550133^^^HOME", ["5550133"], ""),  # a use in words where an address belongs
        ("ana@example.test^^^EMAIL", [], "ana@example.test"),
        ("555-0133^PRN^PH^^^212^5550133", ["212 5550133"], ""),
    ],
)
def test_numbers_wherever_the_parts_of_an_xtn_stand(sent: str, numbers: list[str], mail: str) -> None:
    segment = Segment(f"PID|||||||||||||{sent}", 1, STANDARD)
    message = er7.read(HEAD.format(kind="ADT^A31", address="", phone=sent, account="", licence="").encode())
    assert isinstance(message, Message)
    points = xtn(Value(sent, Source("PID", 13), segment), Context(message, "UTC"), "home") or []
    assert [p["value"] for p in points if p["system"] == "phone"] == numbers
    assert [p["value"] for p in points if p["system"] == "email"] == ([mail] if mail else [])


PERSON = "41^Reis^Nora^B^^Dr."
PLACES = {
    f"PV1||I|4N||||||||||||||||||||||||||||||||||||||||{PERSON}": "PV1#3-43",
    "PV1||I|4N||||||||||||||||||||||||||||||||||||||||20261120": "PV1#3-43",
    f"PV1||I|4N|||{PERSON}": "PV1#3-6",
    "PV1||I|4N||||||||||||||||||||||||||||||||||20261120080000": "PV1#3-37",
    "PV1||I|4N|||||||||||||41^Reis^Nora^B^^^MD": "PV1#3-16",
    "IN1|1|P1|77|Convenio||||||||||||19800101": "IN1#3-16",
    "IN1|1|P1|77|Convenio|||||||||||||2 Elm^^Salem^OR^97301": "IN1#3-17",
    "NK1|1|Souza^Rui||^PRN^PH^^^51^5550133": "NK1#3-4",
}


@pytest.mark.parametrize("rest", PLACES)
def test_a_person_a_day_an_address_or_a_telephone_where_it_cannot_be(rest: str) -> None:
    bodies, told = made("ADT^A01", rest + "\r")
    assert told == {PLACES[rest]}
    assert not [b for b in bodies.get("Location", ()) if "Reis" in b["name"] or b["name"].isdigit()]
    assert not [b for b in bodies.get("RelatedPerson", ()) if b.get("name")]


def test_a_place_called_by_eight_digits_and_a_real_address_stay() -> None:
    bodies, told = made("ADT^A01", "PV1||I|20261120\r", address="5 Elm^^Salem^OR^97301")
    assert not told and bodies["Location"][0]["name"] == "20261120"
    assert bodies["Patient"][0]["address"][0]["postalCode"] == "97301"


@pytest.mark.parametrize("licence", ["AN55^^^H^AN", "NAO INFORMOU"])
def test_a_licence_is_a_number_of_its_own(licence: str) -> None:
    bodies, told = made("ADT^A28", "", licence=licence)
    assert told == {"PID#2-20"} and len(bodies["Patient"][0]["identifier"]) == 1
    bodies, told = made("ADT^A28", "", licence="998877^RS")
    assert not told and bodies["Patient"][0]["identifier"][1]["value"] == "998877"


@pytest.mark.parametrize(("seventh", "thirteenth"), [("20261120080000", ""), ("10101012^Consulta^TUSS22", "150.00")])
def test_a_moment_is_no_service_and_an_amount_no_department(seventh: str, thirteenth: str) -> None:
    charge = f"FT1|1|T9||20261120||CG|{seventh}|Consulta|||||{thirteenth}\r"
    bodies, told = made("DFT^P03", charge)
    assert told == {f"FT1#3-{13 if thirteenth else 7}"}
    assert not any("performingOrganization" in body for body in bodies.get("ChargeItem", ()))
    assert bool(thirteenth) == ("ChargeItem" in bodies)  # what is charged must be said


def test_start_and_end_one_component_late() -> None:
    bodies, _ = made("SIU^S12", "SCH|A7||||||||30|MIN|^^^^20261201090000^20261201093000\r")
    appointment = bodies["Appointment"][0]
    assert appointment["start"].startswith("2026-12-01T09:00") and appointment["end"].startswith("2026-12-01T09:30")


@pytest.mark.parametrize(
    ("kind", "authority", "universal", "number", "system"),
    [
        ("PI", "SUS", "", "20038812345", "urn:ponte:sus:pi"),
        ("", "SUS", "", "700500000000001", systems.CNS),
        ("SUS", "", "", "70050", systems.CNS),
        ("SS", "X", "2.16.840.1.113883.4.1", "123-45-6789", "http://hl7.org/fhir/sid/us-ssn"),
        ("NPI", "", "2.16.840.1.113883.4.6", "1234567893", "http://hl7.org/fhir/sid/us-npi"),
        ("SS", "SSA", "", "123456789", "http://hl7.org/fhir/sid/us-ssn"),
        ("SS", "SSA", "", "SSN456789", "urn:ponte:ssa:ss"),
        ("SS", "", "2.16.840.1.113883.4.1", "N/A", "urn:oid:2.16.840.1.113883.4.1"),
    ],
)
def test_whose_number_it_is(kind: str, authority: str, universal: str, number: str, system: str) -> None:
    assert systems.identifier_system(kind, authority, universal, number)[0] == system


def test_the_coding_method_names_the_system_of_a_bare_diagnosis() -> None:
    bodies, _ = made("ADT^A01", "PV1||I\rDG1|1|I9C|155.0|Neoplasm\rDG1|2|HOUSE|77|Else\rDG1|3|I10|S72.002A|Fracture\r")
    codings = [b["code"]["coding"][0] for b in bodies["Condition"]]
    assert codings[0] == {"code": "155.0", "system": "http://hl7.org/fhir/sid/icd-9-cm"}
    assert codings[1] == {"code": "77"}
    assert codings[2]["code"] == "S72.002A"  # a national edition's code keeps its dot


@pytest.mark.parametrize(("sent", "code", "told"), [("E11.9", "E119", False), ("250.00", "250.00", True)])
def test_a_problem_under_cid10_without_its_form_is_told_and_stays(sent: str, code: str, told: bool) -> None:
    text = (
        HEAD.format(kind="PPR^PC1", address="", phone="", account="", licence="")
        + f"PRB|AD|20261122|{sent}^X^I10||P1\r"
    )
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    (problem,) = (draft.body for draft in translation.drafts if draft.type == "Condition")
    assert problem["code"]["coding"][0]["code"] == code
    assert told == ("code.cid10" in {p.code for p in translation.problems})


def test_who_gets_a_copy_performed_nothing() -> None:
    role = "PRT||UC||{0}^x^HL70912|{1}^Reis^Nora\r"
    results = "OBR|1||F1|X^X^L|||||||||||||||||||||F\r" + role.format("RCT", 41) + role.format("PO", 42)
    bodies, _ = made("ORU^R01", results + "OBX|1|ST|Y^Y^L||x||||||F\r")
    assert [each["identifier"]["value"] for each in bodies["DiagnosticReport"][0]["performer"]] == ["42"]


def test_who_sent_a_result_performed_nothing_but_has_a_part_in_a_dose() -> None:
    sent = "PRT||UC||SB^x^HL70912|41^Reis^Nora|||Lab Sul^^^^^H^XX^^^9\r"
    results = "OBR|1||F1|X^X^L|||||||||||||||||||||F\r" + sent + "OBX|1|ST|Y^Y^L||x||||||F\r" + sent
    bodies, _ = made("ORU^R01", results)
    assert "performer" not in bodies["DiagnosticReport"][0] and "performer" not in bodies["Observation"][0]
    bodies, _ = made("RDS^O13", "ORC|RE|P1\rRXD|1|M^M^L|20261122|1|mg\r" + sent)
    assert bodies["MedicationDispense"][0]["performer"][0]["function"]["coding"][0]["code"] == "SB"


@pytest.mark.parametrize(
    ("name", "written", "order", "said"),
    [
        ("Souza^Ana^Rita", "", "", "Ana Rita Souza"),
        ("Souza^Ana^Rita", "A", "G", "Ana Rita Souza"),
        ("Souza^Ana^Rita", "A", "F", "Souza Ana Rita"),
        ("山田^花子^", "I", "", "山田 花子"),
        ("ヤマダ^ハナコ^", "P", "", "ヤマダ ハナコ"),
    ],
)
def test_names_are_said_in_their_order(name: str, written: str, order: str, said: str) -> None:
    patient, doctor = f"{name}^^^^L^{written}^^^{order}", f"41^{name}{'^' * 11}{written}^^^{order}"
    text = f"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5.1\rPID|1||7^^^H^MR||{patient}\rPV1||I|||||{doctor}\r"
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    drafts = {draft.type: {**draft.initial, **draft.body} for draft in translate(message, zone="UTC").drafts}
    assert [drafts[kind]["name"][0]["text"] for kind in ("Patient", "Practitioner")] == [said, said]


@pytest.mark.parametrize("letter", ["A", "B", "I", "N", "P"])
def test_a_bare_letter_of_race_is_told_and_not_guessed(letter: str) -> None:
    text = f"MSH|^~\\&|A|B|C|D|2026||ADT^A31|1|P|2.5\rPID|1||7^^^H^MR||Souza^Ana|||||{letter}\r"
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="UTC")
    assert "extension" not in translation.drafts[0].body
    assert ("code.unmapped", "PID#2-10") in {(p.code, p.where) for p in translation.problems}


def test_the_document_a_document_belongs_to() -> None:
    """TXA-13 of an event that says no relation (T01, T02) is a related document; an addendum's is one it completes."""
    for event, there, other in (("T02", "context", "relatesTo"), ("T06", "relatesTo", "context")):
        bodies, _ = made(f"MDM^{event}", "TXA|1|CN|TX|||||||||D2|D1\rOBX|1|TX|A^A^L||x||||||F\r")
        (document,) = [each for each in bodies["DocumentReference"] if "masterIdentifier" in each]
        named = document[there]["related"][0] if there == "context" else document[there][0]["target"]
        assert named["identifier"]["value"] == "D1" and other not in document


def test_a_dose_that_is_no_number_is_said_in_words() -> None:
    """RXE-3 and RXO-2: two substances in one tablet, or from one to two; nobody may have to guess that a dose was sent."""
    for kind, rest in (("RDE^O11", "RXE||M^M^L|{0}||mg\r"), ("OMP^O09", "RXO|M^M^L|{0}||mg\r")):
        for dose, said in (("875/125", "Dose: 875/125 mg"), ("1 a 2", "Dose: 1 a 2 mg"), ("500", None)):
            bodies, _ = made(kind, "ORC|NW|P1\r" + rest.format(dose))
            (request,) = bodies["MedicationRequest"]
            assert [note["text"] for note in request.get("note", [])] == ([said] if said else [])


@pytest.mark.parametrize(
    ("length", "start", "end", "bounds"),
    [
        ("7^d", "20261216", "", ("2026-12-16", "2026-12-22")),
        ("7^d", "20261216080000-0300", "", ("2026-12-16T08:00:00-03:00", "2026-12-23T08:00:00-03:00")),
        ("2^wk", "", "20261216", ("2026-12-03", "2026-12-16")),
        ("1^mo", "20270131080000-0300", "", ("2027-01-31T08:00:00-03:00", "2027-02-28T08:00:00-03:00")),
        ("12^h", "20261216", "", ("2026-12-16", None)),
        ("7^d", "20261216", "20261230", ("2026-12-16", "2026-12-30")),
        ("9999^a", "20261216", "", ("2026-12-16", None)),
        ("0^d", "20261216", "", ("2026-12-16", None)),
    ],
)
def test_an_end_follows_from_start_and_duration(
    length: str, start: str, end: str, bounds: tuple[str | None, str | None]
) -> None:
    """TQ1-6 with one of TQ1-7 and TQ1-8 (v2-to-fhir TQ1[MedicationRequest]); a bare last day is inside the period."""
    bodies, _ = made("RDE^O11", f"ORC|NW|P1\rTQ1|1||BID|||{length}|{start}|{end}\rRXE||M^M^L|1||mg\r")
    span = bodies["MedicationRequest"][0]["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]
    assert (span.get("start"), span.get("end")) == bounds


def test_contents_of_a_document() -> None:
    """Codes are said in words, separators behind a text are none of it, a file is one without its type as well."""
    bodies, _ = made(
        "MDM^T02",
        "TXA|1|DS|TX|20261122||||||||D9\rOBX|1|ST|A^A^L||Sim^^^||||||F\rOBX|2|CE|B^Motivo^L||N^^L||||||F\r"
        "OBX|3||C^Anexo^L||^^^Base64^JVBERi0xLjQ=||||||F\rOBX|4|ED|D^Corpo^L||^TEXT^^Base64^b2xh||||||F\r",
    )
    contents = [each["attachment"] for each in bodies["DocumentReference"][0]["content"]]
    assert [each["contentType"] for each in contents] == ["text/plain; charset=utf-8", "application/pdf", "text/plain"]
    assert contents[0]["data"] == "U2ltCk1vdGl2bzogTg=="


def test_who_orders_and_from_where_is_a_role_the_order_names_the_person() -> None:
    order = "ORC|NW|P1||||||||||41^Reis^Nora|||||||||Clinica Sul^^^^^^XX^^^C9{0}\rOBR|1|P1||X^X^L\r"
    bodies, _ = made("ORM^O01", order.format("|5 Elm^^Salem^OR^97301|^WPN^PH^^^51^5550177"))
    (role,), (place,) = bodies["PractitionerRole"], bodies["Organization"]
    assert role["practitioner"]["reference"] == bodies["ServiceRequest"][0]["requester"]["reference"]
    assert role["organization"]["identifier"]["value"] == "C9" and role["organization"]["reference"]
    assert place["address"][0]["city"] == "Salem" and place["telecom"][0]["value"] == "51 5550177"
    bodies, _ = made("ORM^O01", order.format(""))
    assert bodies["PractitionerRole"][0]["organization"]["display"] == "Clinica Sul" and "Organization" not in bodies
    named = bodies["ServiceRequest"][0]["requester"]["extension"][0]["valueReference"]
    assert named == {"reference": "draft:practitionerrole+1", "type": "PractitionerRole"}
    unnumbered = order.replace("^^^^^^XX^^^C9", "")
    bodies, _ = made("ORM^O01", unnumbered.format("|5 Elm^^Salem^OR^97301|^WPN^PH^^^51^5550177"))
    role = bodies["PractitionerRole"][0]
    assert role["identifier"][0]["value"] == "41 / Clinica Sul" and role["organization"]["display"] == "Clinica Sul"
    assert role["contained"][0]["address"][0]["city"] == "Salem" and "contained" not in bodies["ServiceRequest"][0]
    bodies, _ = made("ORM^O01", order.replace("41^Reis", "^Reis").format(""))
    assert "PractitionerRole" not in bodies  # nobody to find it by
    bodies, _ = made("ORM^O01", order.replace("41^Reis", "^Reis").format("|||7 Elm^^Salem"))
    assert "PractitionerRole" not in bodies and bodies["ServiceRequest"][0]["requester"]["reference"].startswith("#")


def test_the_place_of_a_provider_of_a_referral() -> None:
    provider = (
        "PRD|RP|Reis^Nora|||||41^NPI|||Clinica Sul^^^^^^XX^^^C9|5 Elm^^Salem^OR^97301|AMB^2|^WPN^PH^^^51^5550177\r"
    )
    bodies, _ = made("REF^I12", "RF1||||||R1\r" + provider)
    role = bodies["PractitionerRole"][0]
    assert role["organization"]["reference"] and role["location"][0]["display"] == "AMB / 2"
    assert bodies["Organization"][0]["address"][0]["city"] == "Salem"


ONE = "OBR|1|P1|F1|X^X^L|||||||||||||||||||||F\r"
SHIFTED = [
    ("SIU^S12", "SCH|A1|A2|||||||||15|min|^^^20261201090000^20261201091500\r", "Appointment", "start", "2026-12-01T09:00:00-03:00", "SCH#3-11"),
    ("SIU^S12", "SCH|A1|A2|||||||||15|min|^^^20261201090000^20261201091500\r", "Appointment", "participant", [{"actor": {"reference": "draft:patient"}, "status": "accepted"}], "SCH#3-12"),
    ("SIU^S12", "SCH|A1|A2||||||15|MIN|^^15^20261201090000^20261201091500\r", "Appointment", "end", "2026-12-01T09:15:00-03:00", "SCH#3-8"),
    ("SIU^S12", "SCH|A1|A2||||||15|MIN|^^15^20261201090000^20261201091500|41^Reis^Nora\r", "Appointment", "start", "2026-12-01T09:00:00-03:00", "SCH#3-8"),
    ("SIU^S12", "SCH|A1|A2|||||C^Consulta^L|15|MIN\r", "Appointment", "minutesDuration", 15, "SCH#3-8"),
    ("SIU^S12", "SCH|A1|A2||||||15|MIN\r", "Appointment", "appointmentType", None, "SCH#3-8"),
    ("SIU^S12", "SCH|A1|A2||||||15|MIN|||||||||||^^PH^+551155550133\r", "Appointment", "participant", [{"actor": {"reference": "draft:patient"}, "status": "accepted"}], "SCH#3-8"),
    ("ADT^A01", "PV1|1|I\rIN1|1|P|O|Op" + "|" * 18 + "19810314\r", "Coverage", "order", None, "IN1#4-22"),
    ("ADT^A01", "PV1|1|I\rIN1|1|P|O|Op" + "|" * 12 + "01|19\r", "RelatedPerson", "name", None, "IN1#4-16"),
    ("ORU^R01", ONE + "OBX|1|NM|Y^Y^L||1||||||F||||20261122100000\r", "Observation", "performer", None, "OBX#4-15"),
    ("ORU^R01", ONE + "OBX|1|NM|Y^Y^L||1|mg||||P\r", "Observation", "status", "preliminary", "OBX#4-10"),
    ("ORU^R01", ONE + "OBX|1|NM|Y^Y^L||1|mg||||P\r", "Observation", "extension", None, "OBX#4-10"),
    ("ORU^R01", ONE + "OBX|1|ST|Y^Y^L||>32|mg/L||||R|||P\r", "Observation", "status", "preliminary", "OBX#4-13"),
    ("ORU^R01", ONE + "OBX|1|ST|Y^Y^L||>32|mg/L||||R|||P\r", "Observation", "interpretation", [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "R", "display": "Resistant"}]}], "OBX#4-10"),
    ("ORU^R01", ONE + "OBX|1|ST|Y^Y^L||>32|mg/L||||R|||P\r", "Observation", "extension", None, "OBX#4-10"),
    ("SIU^S12", "SCH|A1|A2||||||||||30|min|^^^20261201090000^20261201093000\r", "Appointment", "participant", [{"actor": {"reference": "draft:patient"}, "status": "accepted"}], "SCH#3-12"),
    ("ORM^O01", "ORC|NW|P1||||||1^^^20261201090000^^R|20261122\rOBR|1|P1||X^X^L\r", "ServiceRequest", "basedOn", None, "ORC#3-8"),
    ("VXU^V04", "RXA|0|1|20261122||8^HB^CVX|1|mL||00||||||||||CP|D\r", "Immunization", "status", "entered-in-error", "RXA#3-19"),
    ("VXU^V04", "RXA|0|1|20261122||8^HB^CVX|1|mL||00||||||||||CP|A\r", "Immunization", "status", "completed", "RXA#3-19"),
    ("ORM^O01", "ORC|NW|P1\rRXO|M^M^L|400|mg/m2||IV\r", "MedicationRequest", "dosageInstruction", [{"doseAndRate": [{"doseQuantity": {"value": 400, "unit": "mg/m2"}}], "route": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0162", "code": "IV"}]}}], "RXO#4-3"),
    ("ORM^O01", "ORC|NW|P1\rRXO|M^M^L|400|como antes|TAB\r", "MedicationRequest", "dosageInstruction", None, "RXO#4-2"),
    ("MDM^T02", "TXA|1|CN|TX|||||||||D1|||AU^Autenticado\rOBX|1|TX|A^A^L||x||||||F\r", "DocumentReference", "context", None, "TXA#3-15"),
    ("REF^I12", "RF1||||||20261122\rPRD|RP|Reis^Nora|||||41^NPI\r", "ServiceRequest", "identifier", None, "RF1#3-6"),
    ("ORU^R01", ONE + "SPM|1|||UR^Urina^HL70487||||||||||||20261122100000\r", "Specimen", "note", None, "SPM#4-16"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "rest", "record", "name", "made_of_it", "place"), SHIFTED)
def test_what_stands_one_or_two_fields_beside(
    kind: str, rest: str, record: str, name: str, made_of_it: Any, place: str
) -> None:
    bodies, misplaced = made(kind, rest)
    assert place in misplaced and [each.get(name) for each in bodies.get(record, [{}])][:1] == [made_of_it]


def test_numbers_with_a_unit_whatever_their_type_and_what_is_beside_them() -> None:
    bodies, _ = made("ORU^R01", ONE + "OBX|1|CE|A^A^L||15|mm/h|||||F\rOBX|2|NM|B^B^L||2.5^(25,7 %)|K/uL|||||F\r")
    erythrocytes, lymphocytes = bodies["Observation"]
    assert erythrocytes["valueQuantity"]["unit"] == "mm/h" and lymphocytes["valueQuantity"]["unit"] == "K/uL"
    assert lymphocytes["note"] == [{"text": "(25,7 %)"}]
    bodies, _ = made("ORU^R01", ONE + "OBX|1|CE|A^A^L||15^Quinze^L|mm/h|||||F\rOBX|2|CE|B^B^L||15||||||F\r")
    assert all("valueCodeableConcept" in each for each in bodies["Observation"])


def test_words_alone_where_a_coding_system_belongs_and_a_person_as_resource() -> None:
    bodies, _ = made("ORM^O01", "ORC|NW|P1\rRXO|M^M^L|1||mg|||^^Tomar em jejum\r")
    assert bodies["MedicationRequest"][0]["dosageInstruction"][0]["additionalInstruction"] == [
        {"text": "Tomar em jejum"}
    ]
    bodies, _ = made("SIU^S12", "SCH|A1|A2\rRGS|1\rAIG|1||23456^Vega^Ana^Maria^^^DRA\rAIG|2||7^Arco C^L\r")
    person, device = bodies["Appointment"][0]["participant"][1:]
    assert person["actor"]["type"] == "Practitioner" and person["actor"]["display"] == "Dra. Ana Maria Vega"
    assert device["actor"] == {"type": "Device", "display": "Arco C / 7"}


def test_a_social_security_number_is_no_account_and_a_postal_code_no_country() -> None:
    bodies, misplaced = made(
        "ADT^A01", "PV1|1|I\r", address="Rua 1^^Centro^Dunedin^^9016^NZ", phone="|||||427613948^^^SS"
    )
    (visit,), (patient,) = bodies["Encounter"], bodies["Patient"]
    assert "identifier" not in visit and "Account" not in bodies and "PID#2-18" in misplaced
    assert (patient["address"][0]["postalCode"], patient["address"][0]["country"]) == ("9016", "NZ")


def test_the_order_stands_between_specimen_and_examination() -> None:
    rest = "SPM|1|S1||BLD^Sangue^L\rORC|RE|P1^H|F1^L\rOBR|1|||HEM^Hemograma^L\rOBX|1|NM|HB^Hb^L||13|g/dL|||||F\r"
    again = "ORC|RE|P2^H|F2^L\rOBR|2|||GLI^Glicose^L\rOBX|1|NM|GLI^Glicose^L||90|mg/dL|||||F\r"
    bodies, _ = made("OUL^R22", rest + again)
    numbers = [{i["value"] for i in request["identifier"]} for request in bodies["ServiceRequest"]]
    assert numbers == [{"P1", "F1"}, {"P2", "F2"}]


@pytest.mark.parametrize(("sent", "use"), [("5550133^^^HOME", "home"), ("5550133^^^MOBILE", "mobile")])
def test_the_use_of_a_telephone_where_its_address_belongs(sent: str, use: str) -> None:
    bodies, told = made("ADT^A31", "EVN||20261122\r", phone=sent)
    assert bodies["Patient"][0]["telecom"] == [{"system": "phone", "value": "5550133", "use": use}] and not told
