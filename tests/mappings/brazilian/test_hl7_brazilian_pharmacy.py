"""Infusions, mixtures and lots as Brazilian pharmacies send them: in how much time, how strong, of which lot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.misplaced.test_hl7_parts_elsewhere import made

PRESCRIBED = "ORC|NW|P1|F1\rRXE||8812^SORO FISIOLOGICO^L|500||mL"
DISPENSED = "ORC|RE|P1|F1\rRXD|1|9901^DIPIRONA^L|20261110071500|3|AMP"
GIVEN = "ORC|RE|P1|F1\rRXA|0|1|20261110071500||9901^DIPIRONA^L|2|mL"


def rate(amount: int, unit: str, time: int, time_unit: str) -> dict[str, Any]:
    per = {"value": time, "unit": time_unit, "system": "http://unitsofmeasure.org", "code": time_unit}
    return {"numerator": {"value": amount, "unit": unit}, "denominator": per}


def notes(body: dict[str, Any]) -> list[str]:
    return [note["text"] for note in body.get("note", ())]


@pytest.mark.parametrize(
    ("sent", "time", "unit"), [("H6", 6, "h"), ("6 h", 6, "h"), ("30 min", 30, "min"), ("h", 1, "h"), ("hora", 1, "h")]
)
def test_a_dose_is_given_in_the_time_that_is_said(sent: str, time: int, unit: str) -> None:
    bodies, told = made("RDE^O11", f"{PRESCRIBED}{'|' * 17}{sent}\r")
    request = bodies["MedicationRequest"][0]
    assert request["dosageInstruction"][0]["doseAndRate"][0]["rateRatio"] == rate(500, "mL", time, unit)
    assert notes(request) == [] and told == set()
    given = made("RAS^O17", f"{GIVEN}{'|' * 5}{sent}\r")[0]["MedicationAdministration"][0]
    assert given["dosage"]["rateRatio"] == rate(2, "mL", time, unit)
    asked = made("RGV^O15", f"ORC|RE|P1|F1\rRXG|1|1||8812^SORO^L|500||mL|||||||{sent}\r")[0]["MedicationRequest"][0]
    assert asked["dosageInstruction"][0]["doseAndRate"][0]["rateRatio"] == rate(500, "mL", time, unit)


@pytest.mark.parametrize(("sent", "behind"), [("6", ""), ("H0", ""), ("ACM", ""), ("H6", "|84|mL/h")])
def test_a_time_that_makes_no_rate_is_said_in_words(sent: str, behind: str) -> None:
    request = made("RDE^O11", f"{PRESCRIBED}{'|' * 17}{sent}{behind}\r")[0]["MedicationRequest"][0]
    dose = request["dosageInstruction"][0]["doseAndRate"][0]
    assert "rateRatio" not in dose and notes(request) == [f"Tempo da dose: {sent}"]
    assert dose.get("rateQuantity") == ({"value": 84, "unit": "mL/h"} if behind else None)


def test_the_strength_of_a_component_is_kept() -> None:
    mixture = "RXC|B|1^SF^L|500|mL\rRXC|A|2^PACLITAXEL^L|51|mL|306|mg||51|mL\rRXC|A|3^ONDANSETRONA^L|4|mL|8|mg\r"
    request = made("RDE^O11", f"{PRESCRIBED}\r{mixture}")[0]["MedicationRequest"][0]
    assert notes(request) == [
        "Concentração de PACLITAXEL: 306 mg em 51 mL", "Concentração de ONDANSETRONA: 8 mg",
    ]  # fmt: skip


def test_lot_validity_and_maker_of_what_was_handed_over_and_given() -> None:
    said = ["Lote: LT1", "Validade: 2027-12-31", "Fabricante: FARMAQUIMICA"]
    dispensed = made("RDS^O13", f"{DISPENSED}{'|' * 13}LT1|20271231|^FARMAQUIMICA\r")[0]["MedicationDispense"][0]
    assert notes(dispensed) == said
    given = made("RAS^O17", f"{GIVEN}{'|' * 6}50|mg/mL|LT1|20271231|^FARMAQUIMICA\r")[0]["MedicationAdministration"][0]
    assert sorted(notes(given)) == sorted([*said, "Concentração: 50 mg/mL"])


def test_a_validity_that_is_no_day_is_said_as_it_was_sent() -> None:
    bodies, _ = made("RDS^O13", f"{DISPENSED}{'|' * 13}LT1|12.27\r")
    assert notes(bodies["MedicationDispense"][0]) == ["Lote: LT1", "Validade: 12.27"]


def dosage(often: str) -> dict[str, Any]:
    found = made("RDE^O11", f"{PRESCRIBED}\rTQ1|1||{often}\r")[0]["MedicationRequest"][0]["dosageInstruction"][0]
    assert isinstance(found, dict) and found["timing"]["code"]["text"] == often
    return found


@pytest.mark.parametrize(
    ("often", "times", "period", "unit"),
    [
        ("2/2 DIAS", 1, 2, "d"), ("a cada 15 dias", 1, 15, "d"), ("DE 8 EM 8 HORAS", 1, 8, "h"), ("3X SEMANA", 3, 1, "wk"),
        ("2 vezes por semana", 2, 1, "wk"), ("1X/MÊS", 1, 1, "mo"), ("2X AO DIA", 2, 1, "d"),
    ],
)  # fmt: skip
def test_how_often_in_days_and_weeks(often: str, times: int, period: int, unit: str) -> None:
    assert dosage(often)["timing"]["repeat"] == {"frequency": times, "period": period, "periodUnit": unit}


@pytest.mark.parametrize(("often", "hours"), [("12/12H SN", 12), ("6/6H (S/N)", 6), ("8/8 HORAS SE NECESSÁRIO", 8)])
def test_as_needed_behind_how_often(often: str, hours: int) -> None:
    found = dosage(often)
    assert found["asNeededBoolean"] is True
    assert found["timing"]["repeat"] == {"frequency": 1, "period": hours, "periodUnit": "h"}


@pytest.mark.parametrize(
    ("often", "condition"),
    [("SE DOR", "SE DOR"), ("6/6H SE DOR OU FEBRE", "SE DOR OU FEBRE"), ("8/8H (se temp > 37,8)", "se temp > 37,8")],
)
def test_a_condition_behind_how_often(often: str, condition: str) -> None:
    assert dosage(often)["asNeededCodeableConcept"] == {"text": condition}


@pytest.mark.parametrize("often", ["SEG QUA SEX", "8/8H", "CONFORME GLICEMIA", "SEMPRE", "1X/DIA NO SETOR SE"])
def test_what_is_no_condition(often: str) -> None:
    assert not {"asNeededBoolean", "asNeededCodeableConcept"} & dosage(often).keys()


def test_hours_of_the_day_and_once() -> None:
    assert dosage("08:00;14:00; 20:00")["timing"]["repeat"] == {"timeOfDay": ["08:00:00", "14:00:00", "20:00:00"]}
    assert "repeat" not in dosage("08:00;25:00")["timing"]
    assert dosage("dose única")["timing"]["repeat"] == {"count": 1}
