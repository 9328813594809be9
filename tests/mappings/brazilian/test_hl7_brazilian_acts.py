"""What Brazilian systems write of acts in words: doses given or not, rates, appointments, diets, blood, problems, beds."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

PATIENT = "PID|1||5001^^^HOSP^PI||ROCHA^DIEGO||19850503|M\r"


def told(kind: str, rest: str) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """The records of a message of that kind by type, and the codes of what was found."""
    head = f"MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261127090000||{kind}|T1|P|2.5||||||UNICODE UTF-8\r"
    message = er7.read((head + rest).encode())
    assert isinstance(message, Message)
    made = translate(message, zone="America/Sao_Paulo")
    found: dict[str, list[dict[str, Any]]] = {}
    for draft in made.drafts:
        found.setdefault(draft.type, []).append({**draft.initial, **draft.body})
    return found, [problem.code for problem in made.problems]


def given(completion: str, reason: str = "") -> tuple[dict[str, Any], list[str]]:
    rxa = f"RXA|0|1|20261127090000||TRAM^TRAMADOL|50|mg|||||||||||{reason}||{completion}\r"
    records, codes = told("RAS^O17", PATIENT + "ORC|RE|P1\r" + rxa)
    return records["MedicationAdministration"][0], codes


@pytest.mark.parametrize(
    ("completion", "reason", "status"),
    [
        ("ADMINISTRADO", "", "completed"),
        ("Não administrado", "", "not-done"),
        ("SUSPENSA", "", "not-done"),
        ("", "^RECUSA DO PACIENTE", "not-done"),
        ("XYZ", "^RECUSA DO PACIENTE", "not-done"),
        ("XYZ", "", "unknown"),
        ("CP", "^ATRASO", "completed"),
        ("", "", "completed"),
    ],
)
def test_a_dose_is_given_only_where_it_is_said(completion: str, reason: str, status: str) -> None:
    record, codes = given(completion, reason)
    assert record["status"] == status
    assert ("code.unmapped" in codes) == (completion == "XYZ")


@pytest.mark.parametrize(
    ("completion", "reason", "status"),
    [("NÃO APLICADA", "", "not-done"), ("", "^RECUSA DO RESPONSAVEL", "not-done"), ("APLICADA", "", "completed")],
)
def test_a_vaccine_is_given_only_where_it_is_said(completion: str, reason: str, status: str) -> None:
    rxa = f"RXA|0|1|20261127||24^VIP^SIPNI|0,5|mL|||||||||||{reason}||{completion}\r"
    records, _ = told("VXU^V04", PATIENT + "ORC|RE||V1\r" + rxa)
    assert records["Immunization"][0]["status"] == status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NÃO COMPARECEU", "noshow"),
        ("Desmarcado", "cancelled"),
        ("CIRURGIA SUSPENSA", "booked"),
        ("SUSPENSA", "cancelled"),
        ("AGUARDANDO CONFIRMAÇÃO", "pending"),
        ("LISTA DE ESPERA", "waitlist"),
        ("ENCAIXE", "booked"),
        ("EM ATENDIMENTO", "checked-in"),
        ("ATENDIDO", "fulfilled"),
        ("EXCLUÍDO", "entered-in-error"),
    ],
)
def test_what_became_of_an_appointment_in_words(word: str, status: str) -> None:
    sch = f"SCH|AG1||||||^CONSULTA||20|MIN|^^20^20261128103000||||||||||||||{word}\r"
    records, codes = told("SIU^S14", sch + PATIENT + "RGS|1\rAIP|1||4711^BRAGA^LUCIA\r")
    record = records["Appointment"][0]
    assert record["status"] == status and ("_status" in record) == ("code.unmapped" in codes)
    places = {one["status"] for one in record["participant"] if "Patient" not in str(one["actor"].get("reference"))}
    assert places and (status != "booked" or places == {"accepted"})


def prescription(rate: str, often: str = "^8/8H") -> dict[str, Any]:
    rxe = f"RXE|{often}|NORA^NOREPINEFRINA|16||mg" + "|" * 18 + f"{rate}|ml/h\r"
    records, _ = told("RDE^O11", PATIENT + "ORC|NW|P1\r" + rxe + "RXR|EV\r")
    return records["MedicationRequest"][0]


def test_a_rate_between_two_is_both_of_them() -> None:
    dose = prescription("10 a 20")["dosageInstruction"][0]["doseAndRate"][0]
    assert dose["rateRange"] == {"low": {"value": 10, "unit": "ml/h"}, "high": {"value": 20, "unit": "ml/h"}}


@pytest.mark.parametrize("rate", ["ACM", "20 a 10", "1.500"])
def test_a_rate_that_is_no_number_is_said_in_words(rate: str) -> None:
    record = prescription(rate)
    assert not {"rateRange", "rateQuantity"} & set(record["dosageInstruction"][0]["doseAndRate"][0])
    assert {"text": f"Velocidade: {rate} ml/h"} in record["note"]


@pytest.mark.parametrize(("often", "needed"), [("^SN", True), ("^S.N.", True), ("^SNE", None)])
def test_if_necessary_in_two_letters(often: str, needed: bool | None) -> None:
    assert prescription("33", often)["dosageInstruction"][0].get("asNeededBoolean") is needed


def test_each_line_of_a_diet_is_kept() -> None:
    lines = "ODS|D|^DESJEJUM~^ALMOÇO|DB^DIETA BRANDA|Sem leite\rODS|P||^JEJUM A PARTIR DAS 22H\r"
    records, _ = told("OMD^O03", PATIENT + "ORC|NW|D1\r" + lines + "ORC|NW|D2\rODS|D||^DIETA ENTERAL\r")
    first, second = records["ServiceRequest"]
    assert first["code"]["text"] == "DIETA BRANDA"
    assert [one["text"] for one in first["orderDetail"]] == ["JEJUM A PARTIR DAS 22H"]
    assert {one["text"] for one in first["note"]} == {"Refeição: DESJEJUM", "Refeição: ALMOÇO", "Sem leite"}
    assert second["code"]["text"] == "DIETA ENTERAL" and "orderDetail" not in second


def test_an_order_of_blood_says_which_and_how_much() -> None:
    bpo = "BPO|1|CH^CONCENTRADO DE HEMACIAS|FILTRADO~IRRADIADO|2|300|ml|20261127140000||||||^ANEMIA GRAVE\r"
    records, codes = told("OMB^O27", PATIENT + "ORC|NW|H1\r" + bpo)
    order = records["ServiceRequest"][0]
    assert order["code"]["text"] == "CONCENTRADO DE HEMACIAS" and order["quantityQuantity"] == {"value": 2}
    assert [one["coding"][0]["code"] for one in order["orderDetail"]] == ["FILTRADO", "IRRADIADO"]
    assert order["occurrenceDateTime"] == "2026-11-27T14:00:00-03:00"
    assert order["reasonCode"] == [{"text": "ANEMIA GRAVE"}]
    assert {"text": "Quantidade de cada unidade: 300 ml"} in order["note"] and "structure.segment-unmapped" not in codes


def test_a_denied_allergy_has_the_code_of_none() -> None:
    lines = "PV1|1|I\rAL1|1|MEDICAMENTO|^NEGA ALERGIAS\rAL1|2|Alimento|^CAMARÃO|Grave|URTICÁRIA\rAL1|3|LATEX|^LATEX\r"
    records, codes = told("ADT^A01", "EVN|A01|20261127090000\r" + PATIENT + lines)
    none, food, latex = records["AllergyIntolerance"]
    assert none["code"]["coding"] == [
        {"system": "http://snomed.info/sct", "code": "716186003", "display": "No known allergy"}
    ]
    assert (
        food["category"] == ["food"] and food["reaction"][0]["severity"] == "severe" and food["criticality"] == "high"
    )
    assert "coding" not in food["code"] and latex["type"] == "allergy" and "code.unmapped" not in codes


@pytest.mark.parametrize(
    ("word", "role", "sure"),
    [("COMORBIDADE", "CM", ""), ("Admissão", "AD", "provisional"), ("ALTA", "DD", "confirmed"), ("PRINCIPAL", "", "")],
)
def test_what_a_diagnosis_is_in_words(word: str, role: str, sure: str) -> None:
    dg1 = f"PV1|1|I||||||||||||||||V1\rDG1|1||I10^HIPERTENSAO^CID10|||{word}\r"
    records, codes = told("ADT^A01", "EVN|A01|20261127090000\r" + PATIENT + dg1)
    use = records["Encounter"][0]["diagnosis"][0].get("use", {"coding": [{"code": ""}]})
    status = records["Condition"][0].get("verificationStatus", {"coding": [{"code": ""}]})
    assert (use["coding"][0]["code"], status["coding"][0]["code"]) == (role, sure) and "code.unmapped" not in codes


@pytest.mark.parametrize(("word", "status"), [("RESOLVIDO", "resolved"), ("Ativo", "active"), ("INATIVA", "inactive")])
def test_how_a_problem_stands_in_words(word: str, status: str) -> None:
    prb = f"PRB|AD|20261127|J45^ASMA^CID10|PB1|||||||||^CONFIRMADO|{word}\r"
    records, _ = told("PPR^PC1", PATIENT + "PV1|1|I\r" + prb)
    assert records["Condition"][0]["clinicalStatus"]["coding"][0]["code"] == status


@pytest.mark.parametrize(
    ("word", "code"), [("HIGIENIZAÇÃO", "H"), ("Livre", "U"), ("INTERDITADO", "C"), ("OCUPADO", "O")]
)
def test_how_a_bed_stands_in_words(word: str, code: str) -> None:
    records, _ = told("ADT^A20", f"EVN|A20|20261127090000\rNPU|CM^210^1|{word}\r")
    assert records["Location"][0]["operationalStatus"]["code"] == code


def values(*lines: tuple[str, str, str]) -> list[Any]:
    """What OBX lines of a type, a value and a unit are read as: a number or a text."""
    obx = "".join(f"OBX|{n}|{kind}|X{n}||{text}|{unit}|||||F\r" for n, (kind, text, unit) in enumerate(lines, 1))
    records, _ = told("ORU^R01", PATIENT + "OBR|1|||SV^SINAIS VITAIS|||20261127140000\r" + obx)
    read = [one.get("valueQuantity", {}).get("value", one.get("valueString")) for one in records["Observation"]]
    return [one if isinstance(one, str) else float(one) for one in read]


def test_a_point_and_a_comma_that_both_may_part_thousands_are_neither() -> None:
    assert values(("NM", "1.150", "mL"), ("NM", "71,400", "kg")) == ["1.150", "71,400"]
    assert values(("NM", "1.150", "mL")) == [1.15]


def test_a_measure_said_as_a_text_shows_the_decimal_sign() -> None:
    assert values(("NM", "1.150", "mL"), ("NM", "71,400", "kg"), ("ST", "36,8 ºC", "")) == [1150, 71.4, "36,8 ºC"]
    assert values(("NM", "1.150", "mL"), ("ST", "82x46", "")) == [1.15, "82x46"]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("HOSPITAL DE EXEMPLO^CNES 2077485", "HOSPITAL DE EXEMPLO / CNES 2077485"),
        ("2077485^HOSPITAL DE EXEMPLO", "HOSPITAL DE EXEMPLO"),
        ("HOSPITAL DE EXEMPLO^20261127", "HOSPITAL DE EXEMPLO"),
        ("HOSP^20261127", "HOSP"),
    ],
)
def test_where_a_patient_went(sent: str, said: str) -> None:
    pv1 = "PV1|1|I" + "|" * 17 + "V1" + "|" * 18 + f"{sent}\r"
    records, _ = told("ADT^A03", "EVN|A03|20261127090000\r" + PATIENT + pv1)
    assert records["Encounter"][0]["hospitalization"]["destination"]["display"] == said


@pytest.mark.parametrize(
    ("word", "holder"), [("FILHO", "PRN"), ("NETA", "GRPRN"), ("CONJUGE", "SPS"), ("DEPENDENTE", None), ("SPO", "SPS")]
)
def test_what_a_card_holder_is_to_the_patient(word: str, holder: str | None) -> None:
    in1 = f"PV1|1|I\rIN1|1|ENF|326305|OPERADORA EXEMPLO||||||||||||ROCHA^SANDRA|{word}|19800101{'|' * 18}00123\r"
    records, _ = told("ADT^A01", "EVN|A01|20261127090000\r" + PATIENT + in1)
    kin = records["RelatedPerson"][0].get("relationship", [{"coding": [{"code": None}]}])
    assert kin[0]["coding"][0]["code"] == holder
    assert records["Coverage"][0]["relationship"]["coding"]


@pytest.mark.parametrize(("quantity", "said"), [("2", {"value": 2}), ("1", None), ("", None)])
def test_how_many_are_asked_for(quantity: str, said: dict[str, Any] | None) -> None:
    order = f"ORC|NW|H1|||||{quantity}^^^20261127140000^^R\rOBR|1|H1||CH^CONCENTRADO DE HEMACIAS\r"
    records, _ = told("ORM^O01", PATIENT + order)
    assert records["ServiceRequest"][0].get("quantityQuantity") == said


@pytest.mark.parametrize(
    ("times", "minutes", "end"),
    [
        ("^^20^20261128103000", 20, "2026-11-28T10:50:00-03:00"),
        ("^^H1^20261128103000", 60, "2026-11-28T11:30:00-03:00"),
        ("^^1^20261128103000", None, None),
        ("^^20^20261128103000^20261128110000", None, "2026-11-28T11:00:00-03:00"),
    ],
)
def test_how_long_an_appointment_lasts_within_its_times(times: str, minutes: int | None, end: str | None) -> None:
    sch = f"SCH|AG1||||||^CONSULTA||||{times}||||||||||||||MARCADO\r"
    record = told("SIU^S12", sch + PATIENT)[0]["Appointment"][0]
    assert (record.get("minutesDuration"), record.get("end")) == (minutes, end)


@pytest.mark.parametrize(("unit", "kind"), [("ml/h", "rateQuantity"), ("mL", "dose"), ("mcg/kg/min", "rateQuantity")])
def test_how_fast_is_no_dose(unit: str, kind: str) -> None:
    rxa = f"RXA|0|1|20261127100000||NORA^NOREPINEFRINA|12,5|{unit}|||||||||||||CP\r"
    dosage = told("RAS^O17", PATIENT + "ORC|RE|P1\r" + rxa)[0]["MedicationAdministration"][0]["dosage"]
    assert set(dosage) == {kind} and float(dosage[kind]["value"]) == 12.5 and dosage[kind]["unit"] == unit


@pytest.mark.parametrize(
    ("encoded", "asked", "end"),
    [
        ("^6/6H^^20261127080000", "^6/6H^^20261127080000^20261204080000", "2026-12-04T08:00:00-03:00"),
        ("^6/6H", "^6/6H^D7^20261127080000", "2026-12-04T08:00:00-03:00"),
        ("^6/6H^^20261128080000", "^6/6H^^20261127080000^20261204080000", None),
        ("^6/6H^^^20261130080000", "^6/6H^^20261127080000^20261204080000", "2026-11-30T08:00:00-03:00"),
    ],
)
def test_the_end_of_a_prescription_is_that_of_its_order(encoded: str, asked: str, end: str | None) -> None:
    rxe = f"ORC|NW|P1|||||{asked}\rRXE|{encoded}|MEPE^MEROPENEM|1||g\rRXR|EV\r"
    record = told("RDE^O11", PATIENT + rxe)[0]["MedicationRequest"][0]
    assert record["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"].get("end") == end


@pytest.mark.parametrize(
    ("word", "report", "result"),
    [
        ("LIBERADO", "final", "final"),
        ("Parcial", "partial", "preliminary"),
        ("RETIFICADA", "corrected", "corrected"),
        ("CANCELADO", "cancelled", "cancelled"),
        ("PENDENTE", "registered", "registered"),
    ],
)
def test_how_a_result_stands_in_words(word: str, report: str, result: str) -> None:
    obr = f"OBR|1|C1|C1|K^POTASSIO|||20261127080000{'|' * 18}{word}\rOBX|1|NM|K^Potássio||3,9|mmol/L|||||{word}\r"
    records, codes = told("ORU^R01", PATIENT + obr)
    assert records["DiagnosticReport"][0]["status"] == report and "code.unmapped" not in codes
    assert records["Observation"][0]["status"] == result


@pytest.mark.parametrize(
    ("word", "status"),
    [("SOLICITADO", "active"), ("Cancelada", "revoked"), ("SUSPENSO", "on-hold"), ("REALIZADO", "completed")],
)
def test_how_an_order_stands_in_words(word: str, status: str) -> None:
    records, _ = told("ORM^O01", PATIENT + f"ORC|SC|P1|||{word}\rOBR|1|P1||K^POTASSIO\r")
    assert records["ServiceRequest"][0]["status"] == status


@pytest.mark.parametrize(("word", "status"), [("DEVOLVIDO", "cancelled"), ("ENTREGUE", "completed")])
def test_what_was_handed_out_came_back_in_words(word: str, status: str) -> None:
    rxd = f"ORC|RE|P1|D1||{word}\rRXE|^12/12H|CEFT^CEFTRIAXONA|1||g\rRXD|1|CEFT^CEFTRIAXONA|20261127|1|FA||D1\r"
    records, codes = told("RDS^O13", PATIENT + rxd)
    assert records["MedicationDispense"][0]["status"] == status and "code.unmapped" not in codes
