"""Fields one or two places beside their own, in orders, visits and medicines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.misplaced.test_hl7_parts_elsewhere import made

HOUR = "20261122080000"
ORDER = "ORC|NW|P1||{group}|{state}|||{parent}\rOBR|1|P1||X^Exame^L\r"


@pytest.mark.parametrize("parent", ["S", "R^ROUTINE", "S^STAT", "^ROTINA"])
def test_the_urgency_of_an_order_is_no_parent_of_all_orders_of_that_urgency(parent: str) -> None:
    bodies, told = made("ORM^O01", ORDER.format(group="", state="", parent=parent))
    assert "basedOn" not in bodies["ServiceRequest"][0]
    assert told == {"ORC#3-8"}


def test_a_parent_stays_a_parent_whatever_its_number() -> None:
    for parent in ("P0", "S1^LAB", "A^B7", "P5^LIS^CENTRAL^L"):
        bodies, told = made("ORM^O01", ORDER.format(group="", state="", parent=parent))
        assert bodies["ServiceRequest"][0]["basedOn"], parent
        assert not told


@pytest.mark.parametrize(("parent", "kin"), [("^URO", 1), ("F1", 1), ("^F9", 0)])
def test_the_code_of_an_examination_is_no_number_of_its_results(parent: str, kin: int) -> None:
    body = "OBR|1|P1|F1|URO^Urocultura^L|||||||||||||||||||||F\rOBX|1|CE|GERME^Germe^L||EC^E. coli^L||||||F\r"
    body += f"OBR|2|P1|F1|ATB^Antibiograma^L|||||||||||||||||||||F|GERME|||{parent}\r"
    bodies, told = made("ORU^R01", body + "OBX|1|ST|AMI^Amicacina^L||S||||||F\r")
    assert sum("hasMember" in one for one in bodies["Observation"] if one["code"]["coding"][0]["code"] == "GERME") == 1
    assert len([one for one in bodies["Observation"] if "hasMember" in one and "valueCodeableConcept" in one]) == kin
    assert told == ({"OBR#5-29"} if parent == "^URO" else set())


def test_words_with_a_number_are_no_coding_system_of_a_result() -> None:
    result = "OBR|1|P1|F1|X^Urocultura^L|||||||||||||||||||||F\rOBX|1|CE|Y^Contagem^L||{}||||||F\r"
    bodies, told = made("ORU^R01", result.format("CRESC^Crescimento de^100 a 1.000 UFC por mL"))
    value = bodies["Observation"][0]["valueCodeableConcept"]
    assert value == {
        "coding": [{"code": "CRESC", "display": "Crescimento de"}],
        "text": "Crescimento de 100 a 1.000 UFC por mL",
    }
    assert told == {"OBX#4-5.3"}
    bodies, told = made("ORU^R01", result.format("CRESC^Crescimento^Tabela da casa 2"))
    assert bodies["Observation"][0]["valueCodeableConcept"]["coding"][0]["system"] and not told


def test_the_state_of_an_order_is_no_group_of_all_orders_of_that_state() -> None:
    result = ORDER.replace("|NW|", "|RE|") + "OBX|1|ST|Y^Z^L||bom||||||F\r"
    bodies, told = made("ORU^R01", result.format(group="CM", state="", parent=""))
    assert "requisition" not in bodies["ServiceRequest"][0]
    assert [n["value"] for n in bodies["DiagnosticReport"][0]["identifier"]] == ["P1"]
    assert told == {"ORC#3-4"}
    bodies, told = made("ORU^R01", result.format(group="CM", state="IP", parent=""))
    assert bodies["ServiceRequest"][0]["requisition"]["value"] == "CM"
    assert not told


RESULT = "OBR|1||F1|X^Exame^L|||20261122070000|||||||||||||{}\rOBX|1|ST|Y^Z^L||bom||||||F\r"


@pytest.mark.parametrize(("letter", "status"), [("F", "final"), ("C", "corrected"), ("P", "preliminary")])
def test_the_status_of_a_result_a_field_early_with_its_time(letter: str, status: str) -> None:
    bodies, told = made("ORU^R01", RESULT.format(f"|{HOUR}||LAB|{letter}"))
    report = bodies["DiagnosticReport"][0]
    assert (report["status"], report["issued"]) == (status, "2026-11-22T08:00:00-03:00")
    assert report["category"][0]["coding"][0]["code"] == "LAB"
    assert told == {"OBR#3-21"}


def test_a_letter_as_section_says_no_status() -> None:
    bodies, told = made("ORU^R01", RESULT.format(f"||{HOUR}||C"))
    report = bodies["DiagnosticReport"][0]
    assert (report["status"], report["category"][0]["coding"][0]["code"]) == ("unknown", "C")
    assert not told


VISIT = "EVN||20261122\rPV1||I|4N^1^2^H||||41^Reis^Nora||||||||||{admitter}||{visit}|||||||||||||||||{end}||{diet}\r"


@pytest.mark.parametrize("number", ["VIS20261122001", "VN445566", "V-2026-3344", "ADM20261122001"])
def test_the_number_of_a_visit_is_no_professional(number: str) -> None:
    bodies, told = made("ADT^A01", VISIT.format(admitter=number, visit="", end="", diet=""))
    visit = bodies["Encounter"][0]
    assert [n["value"] for n in visit["identifier"]] == [number]
    assert [p["identifier"][0]["value"] for p in bodies["Practitioner"]] == ["41"]
    assert len(visit["participant"]) == 1
    assert told == {"PV1#4-17"}


@pytest.mark.parametrize(
    ("number", "visit"),
    [("52", ""), ("DR4455", ""), ("CRM123456", ""), ("V12345^Lima^Rui", ""), ("VN445566", "88")],
)
def test_who_admitted_stays_a_professional(number: str, visit: str) -> None:
    bodies, told = made("ADT^A01", VISIT.format(admitter=number, visit=visit, end="", diet=""))
    numbers = [n["value"] for n in bodies["Encounter"][0].get("identifier", ())]
    assert numbers == ([visit] if visit else [])
    assert len(bodies["Encounter"][0]["participant"]) == 2
    assert not told


def test_the_hospital_is_no_end_of_a_visit_and_no_diet() -> None:
    bodies, told = made("ADT^A03", VISIT.format(admitter="", visit="88", end="B", diet="H"))
    assert "hospitalization" not in bodies["Encounter"][0]
    assert told == {"PV1#4-36", "PV1#4-38"}
    bodies, told = made("ADT^A03", VISIT.format(admitter="", visit="88", end="12", diet="BRANDA"))
    stay = bodies["Encounter"][0]["hospitalization"]
    assert stay["dischargeDisposition"]["coding"][0]["code"] == "12"
    assert stay["dietPreference"][0]["coding"][0]["code"] == "BRANDA"
    assert not told


@pytest.mark.parametrize(
    ("form", "notes"),
    [("HR^hora^ISO+", []), ("SC^Subcutânea^HL70162", []), ("TAB^Comprimido^L", ["Forma farmacêutica: Comprimido"])],
)
def test_a_unit_or_a_route_is_no_form_of_a_medicine(form: str, notes: list[str]) -> None:
    bodies, told = made("RDE^O11", f"ORC|NW|P1\rRXE|^BID|M1^Remédio^L|1||mg|{form}\rRXR|PO\r")
    assert [n["text"] for n in bodies["MedicationRequest"][0].get("note", ())] == notes
    assert told == (set() if notes else {"RXE#4-6"})


def test_a_moment_is_no_status_of_a_dose() -> None:
    bodies, told = made("RAS^O17", f"ORC|RE|P1\rRXA|0|1|{HOUR}|{HOUR}|M1^Remédio^L|1|mg|||||||||||||{HOUR}\rRXR|PO\r")
    assert "_status" not in bodies["MedicationAdministration"][0]
    assert "RXA#4-20" in told


@pytest.mark.parametrize("term", ["MDC_PULS_RATE^149514^MDC", "149514^MDC_PULS_RATE^MDC"])
def test_the_number_of_a_device_term_is_its_code(term: str) -> None:
    bodies, _ = made(
        "ORU^R01", f"OBR|1||F1|X^Exame^L|||{HOUR}|||||||||||||||{HOUR}|||F\rOBX|1|NM|{term}||71|bpm|||||F\r"
    )
    coding: dict[str, Any] = bodies["Observation"][0]["code"]["coding"][0]
    assert coding == {"system": "urn:iso:std:iso:11073:10101", "code": "149514", "display": "MDC_PULS_RATE"}


def test_an_address_behind_the_name_of_a_house() -> None:
    bodies, _ = made("ADT^A31", "", address="Clínica do Vale^^Rua das Flores 12^^Otago^^1051^NZ")
    assert bodies["Patient"][0]["address"] == [
        {"line": ["Clínica do Vale", "Rua das Flores 12"], "city": "Otago", "postalCode": "1051", "country": "NZ"}
    ]


def test_the_number_of_a_visit_as_type_of_patient_and_one_letter_as_number() -> None:
    bodies, told = made("ADT^A01", "EVN||20261122\rPV1||I|4N|||||||||||||||VN445566\r")
    assert [n["value"] for n in bodies["Encounter"][0]["identifier"]] == ["VN445566"]
    assert told == {"PV1#4-18"}
    bodies, told = made("ADT^A01", "EVN||20261122\rPV1||I|4N||||||||||||||||C\r")
    assert "identifier" not in bodies["Encounter"][0]
    assert told == {"PV1#4-19"}


@pytest.mark.parametrize(
    "code", ["OP", "IP", "MED", "SUR", "CARD", "^CARDIOLOGY", "Clínica Médica", "RES", "CARD^Cardiologia"]
)
def test_a_service_is_no_professional(code: str) -> None:
    bodies, told = made("ADT^A01", f"EVN||20261122\rPV1||I|4N||||41^Reis^Nora||{code}||||||||{code}||88\r")
    assert len(bodies["Encounter"][0]["participant"]) == 1
    assert told == {"PV1#4-9", "PV1#4-17"}


def test_a_professional_known_by_the_type_of_the_number_is_no_courtesy() -> None:
    person = "45678^Mak^Kok Wah^^^^^NUH^^^^^NPI"
    bodies, told = made("ADT^A01", f"EVN||20261122\rPV1||I|4N|||||||||||||{person}|||88\r")
    assert "hospitalization" not in bodies["Encounter"][0]
    assert told == {"PV1#4-16"}


@pytest.mark.parametrize(
    ("kind", "fields", "start"),
    [
        ("ADT^A01", "20261120083000|||", "2026-11-20T08:30:00-03:00"),
        ("ADT^A03", "20261120083000|||20261122162500", "2026-11-20T08:30:00-03:00"),
        ("ADT^A01", "20261120|||", "2026-11-20"),
    ],
)
def test_an_admission_three_fields_early(kind: str, fields: str, start: str) -> None:
    bodies, told = made(kind, "EVN||20261122162500\rPV1||I|4N||||||||||||||||88" + "|" * 22 + fields + "\r")
    assert bodies["Encounter"][0]["period"]["start"] == start
    assert told == {"PV1#4-41"}


def test_a_discharge_behind_an_admission_four_fields_early_is_told() -> None:
    bodies, told = made("DFT^P11", "PV1||I|4N||||||||||||||||88" + "|" * 21 + "20261120|20261122\r")
    assert bodies["Encounter"][0]["period"] == {"start": "2026-11-20"} and told == {"PV1#3-40", "PV1#3-41"}


def test_an_admission_in_its_field_stays_whatever_the_account_says() -> None:
    for fields in (
        "20261122162500|||20261120083000",
        "A|||20261120083000",
        "20261119080000|||20261120083000|20261122162500",
    ):
        bodies, told = made("ADT^A03", "EVN||20261122162500\rPV1||I|4N||||||||||||||||88" + "|" * 22 + fields + "\r")
        assert bodies["Encounter"][0]["period"]["start"] == "2026-11-20T08:30:00-03:00"
        assert not told


def test_time_length_and_unit_are_no_reasons_of_an_appointment() -> None:
    bodies, told = made("SIU^S12", f"SCH|AG1|||||{HOUR}|30|MIN\rRGS|1\rAIS|1||X^Exame^L|{HOUR}|30|MIN\r")
    booked = bodies["Appointment"][0]
    assert "reasonCode" not in booked and "appointmentType" not in booked
    assert told == {"SCH#3-6", "SCH#3-7", "SCH#3-8"}


def test_a_visit_whose_number_and_admission_stand_a_field_late_is_not_over() -> None:
    late = "PV1||O|RX|||||||||||||||" + "|OP|4471902" + "|" * 25 + "20261120083000\r"
    order = "ORC|RE|1^RIS\rOBR|1|1^RIS||X^Raio X^L|||20261120083000\rOBX|1|TX|X^Laudo^L||Normal||||||F\r"
    bodies, told = made("ORU^R01", late + order)
    (visit,) = bodies["Encounter"]
    assert visit["identifier"][0]["value"] == "4471902" and len(visit["identifier"]) == 1
    assert visit["status"] != "finished" and visit["period"] == {"start": "2026-11-20T08:30:00-03:00"}
    assert {"PV1#3-19", "PV1#3-45"} <= told
    usual = "PV1||O|RX|||||||||||||||" + "|4471902|OP" + "|" * 24 + "20261120083000|20261120093000\r"
    bodies, told = made("ORU^R01", usual + order)
    (visit,) = bodies["Encounter"]
    assert visit["identifier"][0]["value"] == "4471902" and visit["status"] == "finished" and not told
