"""Timings, doses and words beside their place in prescriptions; swapped codes."""

from __future__ import annotations

import pytest

from canonical import codes as systems
from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from tests.mappings.misplaced.test_hl7_parts_elsewhere import made

GIVEN = "RXA|0|1|20261122100000|20261122100000|0123^DIPIRONA^L|500|mg\r"
PRESCRIBED = "ORC|RE|P1|F1\rRXE|1^Q6H|0123^DIPIRONA^L|500||mg\r"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("1^Q6H^D5^20261122100000^^R", "Q6H"),
        ("^BID", "BID"),
        ("1&CP^3ID", "3ID"),
        ("1^^D5^20261122100000", ""),
        ("BID", "BID"),
        ("Q6H^6/6h", "6/6h"),
    ],
)
def test_a_timing_where_the_instruction_belongs_is_the_timing(sent: str, code: str) -> None:
    bodies, told = made("ORM^O01", f"ORC|NW|P1\rRXO|0123^DIPIRONA^L|500||mg|||{sent}\r")
    dosage = bodies["MedicationRequest"][0]["dosageInstruction"][0]
    assert "additionalInstruction" not in dosage
    assert dosage["timing"].get("code", {}).get("text", "") == code
    assert told == {"RXO#4-7"}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("20261122100000", {"occurrenceDateTime": "2026-11-22T10:00:00-03:00"}),
        ("1^20261122100000", {"occurrenceDateTime": "2026-11-22T10:00:00-03:00"}),
        (
            "^20261122100000^20261124100000",
            {"occurrencePeriod": {"start": "2026-11-22T10:00:00-03:00", "end": "2026-11-24T10:00:00-03:00"}},
        ),
    ],
)
def test_a_start_where_how_often_belongs_is_the_start(sent: str, read: dict[str, object]) -> None:
    bodies, told = made("ORM^O01", f"ORC|NW|P1|||||{sent}\rOBR|1|P1||X^Exame^L\r")
    place = "ORC#3-7.2" if "^" in sent else "ORC#3-7.1"
    assert bodies["ServiceRequest"][0].items() >= read.items() and told == {place}
    assert "quantityQuantity" not in bodies["ServiceRequest"][0]
    bodies, told = made("ORM^O01", f"ORC|NW|P1|||||{sent}\rRXO|0123^DIPIRONA^L|500||mg\r")
    timing = bodies["MedicationRequest"][0]["dosageInstruction"][0]["timing"]
    assert timing["repeat"]["boundsPeriod"]["start"] == "2026-11-22T10:00:00-03:00" and told == {place}


def test_the_priority_and_the_words_of_such_a_timing() -> None:
    rest = "ORC|NW|P1\rRXO|0123^DIPIRONA^L|500||mg|||1^Q6H^^^^S^se dor^com água\r"
    request = made("ORM^O01", rest)[0]["MedicationRequest"][0]
    assert request["priority"] == "stat"
    dosage = request["dosageInstruction"][0]
    assert (dosage["text"], dosage["asNeededCodeableConcept"]) == ("com água", {"text": "se dor"})


def test_the_timing_of_orc_7_is_taken_first() -> None:
    bodies, _ = made("ORM^O01", "ORC|NW|P1|||||1^Q8H\rRXO|0123^DIPIRONA^L|500||mg|||1^Q6H\r")
    assert bodies["MedicationRequest"][0]["dosageInstruction"][0]["timing"]["code"]["text"] == "Q8H"


@pytest.mark.parametrize("sent", ["AGUA^com água^L", "^tomar em jejum", "C", "1^um comprimido", "X^BID"])
def test_an_instruction_stays_one(sent: str) -> None:
    bodies, told = made("ORM^O01", f"ORC|NW|P1\rRXO|0123^DIPIRONA^L|500||mg|||{sent}\r")
    dosage = bodies["MedicationRequest"][0]["dosageInstruction"][0]
    assert dosage["additionalInstruction"] and "timing" not in dosage and not told


@pytest.mark.parametrize("sent", ["1^Q6H^D5", "1^Q6H^D5^20261122100000", "20261122100000"])
def test_a_timing_as_parent_of_what_was_given_is_told(sent: str) -> None:
    bodies, told = made("RAS^O17", f"ORC|RE|P1|F1|||||{sent}\r{GIVEN}")
    assert bodies["MedicationAdministration"] and told == {"ORC#3-8"}
    assert made("RAS^O17", f"ORC|RE|P1|F1|||||P0^HIS\r{GIVEN}")[1] == set()


def test_a_timing_as_parent_is_no_parent_of_an_order() -> None:
    bodies, told = made("ORM^O01", "ORC|NW|P1||||||1^Q6H^D5\rOBR|1|P1||X^Exame^L\r")
    assert "basedOn" not in bodies["ServiceRequest"][0] and told == {"ORC#3-8"}


@pytest.mark.parametrize("sent", ["500", "0.5"])
def test_a_dose_where_the_medicine_belongs_is_none_the_prescribed_one_is(sent: str) -> None:
    bodies, told = made("RDS^O13", f"{PRESCRIBED}RXD|1|{sent}|20261122100000|10|CP||RX123\r")
    medicine = bodies["MedicationDispense"][0]["medicationCodeableConcept"]
    assert medicine["coding"][0]["code"] == "0123" and told == {"RXD#5-2"}


@pytest.mark.parametrize("before", ["ORC|RE|P1|F1\r", f"{PRESCRIBED}ORC|RE|P2|F2\r", PRESCRIBED])
def test_a_number_that_may_be_a_code_stays_the_medicine(before: str) -> None:
    sent = "510" if before == PRESCRIBED else "500"
    bodies, told = made("RDS^O13", f"{before}RXD|1|{sent}|20261122100000|10|CP||RX123\r")
    assert bodies["MedicationDispense"][0]["medicationCodeableConcept"]["coding"] == [{"code": sent}] and not told


@pytest.mark.parametrize(("field", "kind"), [("RXD|1|{}|20261122", "RDS^O13"), ("RXE|1^Q6H|{}|500", "RDE^O11")])
def test_words_as_medicine_are_its_text_and_no_code(field: str, kind: str) -> None:
    bodies, _ = made(kind, f"ORC|RE|P1|F1\r{field.format('Dipirona 500 mg')}\r")
    found = bodies.get("MedicationDispense") or bodies["MedicationRequest"]
    assert found[0]["medicationCodeableConcept"] == {"text": "Dipirona 500 mg"}
    coded = made(kind, f"ORC|RE|P1|F1\r{field.format('AMX 500')}\r")[0]
    found = coded.get("MedicationDispense") or coded["MedicationRequest"]
    assert found[0]["medicationCodeableConcept"]["coding"][0]["code"] == "AMX 500"


@pytest.mark.parametrize("sent", ["tomar com água", "20261122100000", "dose única"])
def test_words_and_moments_are_no_number_of_a_prescription(sent: str) -> None:
    bodies, told = made("RDS^O13", f"{PRESCRIBED}RXD|1|0123^DIPIRONA^L|20261122100000|10|CP||{sent}\r")
    assert "identifier" not in bodies["MedicationDispense"][0] and told == {"RXD#5-7"}
    assert made("RDS^O13", f"{PRESCRIBED}RXD|1|0123^DIPIRONA^L|20261122|10|CP||RX 123\r")[1] == set()


def person(marital: str, religion: str) -> tuple[str, str, set[str]]:
    """The codes of marital status and religion in the record, and what is told, of a person with these in PID-16, 17."""
    text = f"MSH|^~\\&|A|B|C|D|20261122||ADT^A31|1|P|2.5.1\rPID|1||7^^^H^MR||Souza^Ana{'|' * 11}{marital}|{religion}\r"
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    body = next(d.body for d in translation.drafts if d.type == "Patient")
    status = body.get("maritalStatus", {}).get("coding", [{}])[0].get("code", "")
    said = [e["valueCodeableConcept"]["coding"][0] for e in body.get("extension", ())]
    assert all(one.get("system") == f"{systems.V2}0006" for one in said)
    return status, "".join(e["code"] for e in said), {p.where for p in translation.problems}


@pytest.mark.parametrize(
    ("marital", "religion", "read"),
    [
        ("CAT", "M", ("M", "CAT", {"PID#2-16", "PID#2-17"})),
        ("CAT^Católica^HL70006", "S^Solteira^HL70002", ("S", "CAT", {"PID#2-16", "PID#2-17"})),
        ("CAT", "", ("", "CAT", {"PID#2-16"})),
        ("", "W^Viúva^HL70002", ("W", "", {"PID#2-17"})),
        ("CAT", "BAP", ("", "BAP", {"PID#2-16"})),
        ("M", "CAT", ("M", "CAT", set())),
        ("", "M", ("", "M", set())),
    ],
)
def test_marital_status_and_religion_swapped(marital: str, religion: str, read: tuple[str, str, set[str]]) -> None:
    assert person(marital, religion) == read
