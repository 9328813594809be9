"""Infusions, mixtures and lots as Brazilian pharmacies send them: in how much time, how strong, of which lot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.test_hl7_strangers import made

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
