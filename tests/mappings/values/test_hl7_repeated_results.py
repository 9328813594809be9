"""A test that comes twice in a message: in one report, or in two OBR of one number and one code."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from hub.records.drafts import offline
from mappings.reading.engine import translate

HEAD = (
    "MSH|^~\\&|LIS|LAB|HUB||20261128100000||ORU^R01^ORU_R01|1|P|2.5.1\rPID|1||4711^^^HOSP^MR||Silva^Maria||19800102|F\r"
)
GLUCOSE = "GLI^Glicemia^L"


def collection(at: str, *values: str, code: str = GLUCOSE, status: str = "F") -> str:
    obr = f"OBR|1|P1^HIS|F1^LIS|{code}|||{at}|||||||||||||||20261128100000||CH|{status}\r"
    return obr + "".join(f"OBX|1|NM|{GLUCOSE}||{value}|mg/dL|||||{status}\r" for value in values)


def stored(*collections: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], set[tuple[str, str]]]:
    """The reports and results of a message as they are kept, and what is told."""
    message = er7.read((HEAD + "".join(collections)).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    bundle, _ = offline.bundle(translation.drafts, "seed")
    bodies = [entry["resource"] for entry in bundle["entry"]]
    by_type = {kind: [b for b in bodies if b["resourceType"] == kind] for kind in ("DiagnosticReport", "Observation")}
    told = {(problem.code, problem.where) for problem in translation.problems}
    return by_type["DiagnosticReport"], by_type["Observation"], told


def of(results: list[dict[str, Any]]) -> list[tuple[str, float, str]]:
    return sorted(
        (body["effectiveDateTime"][11:16], float(body["valueQuantity"]["value"]), body["status"]) for body in results
    )


def test_collections_of_other_times_under_one_number_and_code_keep_their_values() -> None:
    reports, results, told = stored(collection("20261126080000", "90", status="P"), collection("20261126090000", "140"))
    assert of(results) == [("08:00", 90, "preliminary"), ("09:00", 140, "final")]
    assert len(reports) == 1 and len(reports[0]["result"]) == 2
    assert told == {("semantic.result-of-other-time", "OBX#6")}


def test_three_times_and_a_test_repeated_at_one_of_them() -> None:
    sent = [collection(f"202611260{hour}0000", *values) for hour, values in ((7, "1"), (8, "23"), (9, "4"))]
    _, results, told = stored(*sent)
    assert of(results) == [(f"0{hour}:00", value, "final") for hour, value in ((7, 1), (8, 2), (8, 3), (9, 4))]
    assert {code for code, _ in told} == {"semantic.result-of-other-time"}
    assert {b["id"] for b in results} == {b["id"] for b in stored(*sent)[1]}, "sent again they are the same"


def test_said_anew_at_the_same_time_it_is_the_same_result_and_what_went_is_told() -> None:
    _, results, told = stored(collection("20261126080000", "90", status="P"), collection("20261126080000", "140"))
    assert of(results) == [("08:00", 140, "final")]
    assert told == {("field.nothing-made", "OBX#4-5"), ("field.nothing-made", "OBX#4-11")}


@pytest.mark.parametrize("again", [collection("20261126080000", "90"), collection("20261126080000")])
def test_said_again_alike_nothing_is_told(again: str) -> None:
    _, results, told = stored(collection("20261126080000", "90"), again)
    assert of(results) == [("08:00", 90, "final")] and told == set()


def test_another_code_under_the_number_is_another_report() -> None:
    reports, results, told = stored(
        collection("20261126080000", "90"), collection("20261126090000", "140", code="CURVA^Curva^L")
    )
    assert len(reports) == 2 and len(results) == 2 and told == set()
