"""People, services, numbers and lengths that name themselves in a field beside their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.codes.test_hl7_unknown_codes import mapped

PID = "PID|1||31^^^HOSP^MR||Souza^Ana\r"


def visit(fields: dict[int, str]) -> tuple[dict[str, Any], set[tuple[str, str]]]:
    whole = {1: "1", 2: "I", 19: "V9^^^HOSP^VN", **fields}
    line = "|".join(["PV1", *(whole.get(number, "") for number in range(1, max(whole) + 1))])
    bodies, told = mapped("ADT^A01", f"{PID}{line}\r")
    return next(body for body in bodies if body["resourceType"] == "Encounter"), set(told)


@pytest.mark.parametrize("person", ["ab12^Costa^Lia^^^Dra.", "DOC^Costa^Lia", "4455^Costa^Lia Maria"])
def test_a_person_is_no_number_of_a_pre_admission(person: str) -> None:
    body, told = visit({5: person})
    assert "hospitalization" not in body and ("field.misplaced", "PV1#3-5") in told


@pytest.mark.parametrize("number", ["4455", "4455^7^M10", "4455^^^HOSP^AN"])
def test_a_number_of_a_pre_admission_stays(number: str) -> None:
    body, told = visit({5: number})
    assert body["hospitalization"]["preAdmissionIdentifier"]["value"] == "4455" and not told


@pytest.mark.parametrize("person", ["LC^Costa^Lia", "lcosta^Costa^Lia", "CL^COSTA^LIA", "costal^Costa^Lia"])
def test_a_person_by_letters_of_the_names_is_no_former_place(person: str) -> None:
    body, told = visit({6: person})
    assert "location" not in body and ("field.misplaced", "PV1#3-6") in told


@pytest.mark.parametrize("place", ["UTI^BOX^LEITO", "CLI^Enf^A", "CTI^Enfermaria^Central"])
def test_a_former_place_in_words_stays(place: str) -> None:
    body, told = visit({6: place})
    assert len(body["location"]) == 1 and not told


@pytest.mark.parametrize(
    "service", ["12^Clínica Médica^99SERV", "CAR^Cardiologia^HOSPSERV", "MED^Clínica Médica^L", "CLM^Clínica Médica"]
)
def test_a_service_by_a_system_of_the_house_is_no_professional(service: str) -> None:
    body, told = visit({9: service})
    assert body["serviceType"]["text"] in ("Clínica Médica", "Cardiologia") and "participant" not in body
    assert {code for code, where in told if where == "PV1#3-9"}


def test_a_code_of_a_local_system_is_no_professional() -> None:
    body, told = visit({7: "12^Ala Leste^99SERV"})
    assert "participant" not in body and ("field.misplaced", "PV1#3-7") in told


@pytest.mark.parametrize("person", ["7788^Costa^L", "7788^Geral^Ana"])
def test_a_professional_with_an_initial_stays(person: str) -> None:
    body, told = visit({9: person})
    assert len(body["participant"]) == 1 and not told


@pytest.mark.parametrize("field", [13, 14, 15, 16])
@pytest.mark.parametrize("number", ["ACC-12345", "VN20001", "conta 88"])
def test_a_number_of_the_account_is_no_condition_of_the_visit(field: int, number: str) -> None:
    body, told = visit({field: number.replace(" ", "-")})
    assert "hospitalization" not in body and ("field.misplaced", f"PV1#3-{field}") in told


def test_a_bare_day_among_amounts_of_a_discharge_is_told() -> None:
    line = f"PV1|1|I|{'|' * 16}V9{'|' * 25}20261122090000||20261125"
    told = mapped("ADT^A03", f"{PID}{line}\r")[1]
    assert ("field.misplaced", "PV1#3-46") in told


@pytest.mark.parametrize(
    ("sent", "number"),
    [("0^06128764", "06128764"), ("53^32221234", "53 32221234"), ("0^53^32221234^x@y.test", "53 32221234")],
)
def test_a_telephone_in_parts_is_whole(sent: str, number: str) -> None:
    bodies, told = mapped("ADT^A31", f"PID|1||31^^^HOSP^MR||Souza^Ana||||||||{sent}\r")
    assert bodies[0]["telecom"][0]["value"] == number and ("field.out-of-place", "PID#2-13") in told


@pytest.mark.parametrize(("country", "read"), [("USA", False), ("BRA", True), ("", True)])
def test_a_digit_as_race_is_of_brazil_where_the_patient_lives_there(country: str, read: bool) -> None:
    bodies, told = mapped("ADT^A31", f"PID|1||31^^^HOSP^MR||Souza^Ana|||F||1|^^Porto^^^{country}\r")
    assert ("extension" in bodies[0]) is read and (("code.unmapped", "PID#2-10") in told) is not read


@pytest.mark.parametrize(("field", "sent"), [(11, "DOC5501^HOSP"), (11, "DOC5501"), (21, "DOC5501")])
def test_the_number_of_a_document_beside_its_field_is_that(field: int, sent: str) -> None:
    body, told = document({field: sent})
    assert body["masterIdentifier"]["value"] == "DOC5501" and {where for _, where in told} == {f"TXA#3-{field}"}


@pytest.mark.parametrize("field", [11, 21])
def test_a_number_that_may_be_a_document_s_is_told(field: int) -> None:
    body, told = document({field: "55012026"})
    assert "masterIdentifier" not in body and ("field.misplaced", f"TXA#3-{field}") in told
    body, told = document({field: "55012026", 12: "77"})
    assert body["masterIdentifier"]["value"] == "77" and not told


@pytest.mark.parametrize("word", ["AUTENTICADO", "LABORATORIO", "Souza"])
def test_a_word_is_no_number_of_an_order(word: str) -> None:
    body, told = document({12: "77", 14: word})
    assert "related" not in body.get("context", {}) and ("field.misplaced", "TXA#3-14") in told


def document(fields: dict[int, str]) -> tuple[dict[str, Any], set[tuple[str, str]]]:
    whole = {1: "1", 2: "CN^Consulta", 17: "AU", **fields}
    line = "|".join(["TXA", *(whole.get(number, "") for number in range(1, max(whole) + 1))])
    bodies, told = mapped("MDM^T02", f"{PID}{line}\rOBX|1|TX|N^Nota^L||Texto||||||F\r")
    return next(body for body in bodies if body["resourceType"] == "DocumentReference"), set(told)


def test_a_uuid_is_no_reason_of_an_order() -> None:
    uuid = "3f2b8c1e-7a64-4b1d-9c52-0a1b2c3d4e5f"
    bodies, told = mapped("ORM^O01", f"{PID}ORC|NW|P1||||||||||||||{uuid}\rOBR|1|P1||GLI^Glicose^L\r")
    assert uuid not in str(bodies) and ("field.misplaced", "ORC#3-16") in told


@pytest.mark.parametrize("field", [6, 13])
def test_a_length_in_tq1_is_that_of_the_appointment(field: int) -> None:
    timing = "|".join(
        ["TQ1", "1", *("30^min" if n == field else "20261125090000" if n == 7 else "" for n in range(2, 14))]
    )
    bodies, _ = mapped(
        "SIU^S12", f"SCH|AG7|||||||||||||||||||||||||Booked\r{timing}\r{PID}RGS|1\rAIS|1||C^Consulta^L\r"
    )
    (booked,) = (body for body in bodies if body["resourceType"] == "Appointment")
    assert booked["minutesDuration"] == 30


@pytest.mark.parametrize("field", [33, 34, 37, 38])
def test_a_card_beside_its_field_is_told(field: int) -> None:
    told = set(mapped("ADT^A01", f"{PID}IN1|1|ENF|326305|SAUDE SUL{'|' * (field - 4)}00123456789012345\r")[1])
    assert ("field.misplaced", f"IN1#3-{field}") in told


def test_a_service_alone_is_no_temporary_place_where_none_is_said() -> None:
    body, told = visit({3: "UTI^3^1", 11: "MED"})
    assert len(body["location"]) == 1 and ("field.misplaced", "PV1#3-11") in told
    body, told = visit({3: "UTI^3^1", 10: "SUR", 11: "MED"})
    assert len(body["location"]) == 2 and not told


def test_a_diagnosis_of_nothing_is_told_and_none() -> None:
    bodies, told = mapped("ADT^A01", f"{PID}PV1|1|I||||||||||||||||||V9\rDG1|1|||||A\r")
    assert "Condition" not in {body["resourceType"] for body in bodies} and ("structure.element", "DG1#4") in told
