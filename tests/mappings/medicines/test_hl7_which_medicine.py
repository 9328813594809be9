"""Where a prescription says its medicine: in words, by a code of the house, in another field; and where it says none."""

from __future__ import annotations

import pytest

from tests.mappings.misplaced.test_hl7_parts_elsewhere import made
from tests.mappings.misplaced.test_hl7_shared_numbers import HEAD, read

LIST = "urn:ponte:codes:l"


@pytest.mark.parametrize(
    ("line", "text", "coding"),
    [
        ("RXE||^Dipirona 500 mg|500||mg", "Dipirona 500 mg", None),
        ("RXE||^^^^^^^^Dipirona 500 mg|500||mg", "Dipirona 500 mg", None),
        ("RXE||123^Dipirona|500||mg", "Dipirona", {"code": "123", "display": "Dipirona"}),
        ("RXE|||500||mg" + "|" * 26 + "^Dipirona 500 mg", "Dipirona 500 mg", None),
        ("RXO|^Dipirona|500||mg\rRXE|||500||mg", "Dipirona", None),
        ("RXE|||123^Dipirona^L|500||mg", "Dipirona", {"code": "123", "system": LIST, "display": "Dipirona"}),
    ],
)
def test_a_medicine_is_kept_wherever_it_is_named(line: str, text: str, coding: dict[str, str] | None) -> None:
    bodies, told = made("RDE^O11", f"ORC|NW|P1\r{line}\r")
    concept = bodies["MedicationRequest"][0]["medicationCodeableConcept"]
    assert concept["text"] == text and concept.get("coding") == ([coding] if coding else None)
    assert told == ({"RXE#4-3", "RXE#4-6"} if line.startswith("RXE|||123") else set())  # and the unit for the form


@pytest.mark.parametrize(
    "line", ["RXE|||123^Dipirona^L|500|20|mg|500", "RXE|||123^Dipirona^L|500|mg", "RXE|||123^Dipirona^L"]
)
def test_beside_a_medicine_in_its_place_no_dose_is_guessed(line: str) -> None:
    bodies, _ = made("RDE^O11", f"ORC|NW|P1\r{line}\r")
    request = bodies["MedicationRequest"][0]
    assert "doseAndRate" not in str(request) and "Dose:" not in str(request.get("note", ""))


def test_the_same_in_an_order_of_the_ward() -> None:
    bodies, told = made("OMP^O09", "ORC|NW|P1\rRXO||123^Dipirona^L|500||mg\r")
    assert bodies["MedicationRequest"][0]["medicationCodeableConcept"]["text"] == "Dipirona"
    assert told == {"RXO#4-2", "RXO#4-5"}


@pytest.mark.parametrize("dose", ["500", "1^comprimido", "500^mg^L", "1 a 2 comprimidos"])
def test_a_dose_is_no_medicine_and_an_order_without_any_is_told(dose: str) -> None:
    bodies, told = read(HEAD.format(kind="RDE^O11") + f"PID|1||7^^^H^MR||Souza^Ana\nORC|NW|P1\nRXE|||{dose}||mg\n")
    assert "MedicationRequest" not in bodies and {"structure.element", "semantic.no-record"} <= told
