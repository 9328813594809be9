"""A test that comes twice in a message: in one report, or in two OBR of one number and one code."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from hub.records.drafts import offline
from mappings.reading.engine import translate

CHARGES = (
    "MSH|^~\\&|HIS|HOSP|HUB||20261128100000||DFT^P03^DFT_P03|1|P|2.5.1\rEVN|P03|20261128100000\r"
    "PID|1||4711^^^HOSP^MR||Silva^Maria||19800102|F\rPV1|1|O|AMB^^^HOSP||||||||||||||||A1^^^HOSP^VN\r"
)
HEAD = (
    "MSH|^~\\&|LIS|LAB|HUB||20261128100000||ORU^R01^ORU_R01|1|P|2.5.1\rPID|1||4711^^^HOSP^MR||Silva^Maria||19800102|F\r"
)
GLUCOSE = "GLI^Glicemia^L"


def collection(at: str, *values: str, code: str = GLUCOSE, status: str = "F") -> str:
    obr = f"OBR|1|P1^HIS|F1^LIS|{code}|||{at}|||||||||||||||20261128100000||CH|{status}\r"
    return obr + "".join(f"OBX|1|NM|{GLUCOSE}||{value}|mg/dL|||||{status}\r" for value in values)


def kept(text: str) -> tuple[dict[str, list[dict[str, Any]]], set[tuple[str, str]]]:
    """The records of a message by type, as they are kept, and what is told."""
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    bundle, _ = offline.bundle(translation.drafts, "seed")
    bodies: dict[str, list[dict[str, Any]]] = {}
    for entry in bundle["entry"]:
        bodies.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return bodies, {(problem.code, problem.where) for problem in translation.problems}


def stored(*collections: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], set[tuple[str, str]]]:
    """The reports and results of a message, and what is told."""
    bodies, told = kept(HEAD + "".join(collections))
    return bodies["DiagnosticReport"], bodies["Observation"], told


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
    assert told == {
        ("semantic.said-anew", "OBX#4"),
        ("field.nothing-made", "OBX#4-5"),
        ("field.nothing-made", "OBX#4-11"),
    }


@pytest.mark.parametrize("again", [collection("20261126080000", "90"), collection("20261126080000")])
def test_said_again_alike_nothing_is_told(again: str) -> None:
    _, results, told = stored(collection("20261126080000", "90"), again)
    assert of(results) == [("08:00", 90, "final")] and told == set()


def test_another_code_under_the_number_is_another_report() -> None:
    reports, results, told = stored(
        collection("20261126080000", "90"), collection("20261126090000", "140", code="CURVA^Curva^L")
    )
    assert len(reports) == 2 and len(results) == 2 and told == set()


def charge(number: str, day: str, price: str, kind: str = "CG") -> str:
    return f"FT1|1|{number}||{day}||{kind}|60000651^Diária^TUSS|||1|{price}\r"


def prices(*charges: str) -> tuple[list[str], set[str]]:
    bodies, told = kept(CHARGES + "".join(charges))
    return sorted(str(body["priceOverride"]["value"]) for body in bodies["ChargeItem"]), {code for code, _ in told}


def test_one_number_charged_on_several_days_is_that_of_none() -> None:
    days = [charge("T1", f"2026112{n}", f"10{n}.00") for n in range(3)]
    assert prices(*days) == (["100.00", "101.00", "102.00"], {"field.misplaced"})


def test_a_credit_has_its_own_day() -> None:
    assert prices(charge("T1", "20261120", "100.00"), charge("T1", "20261121", "100.00", "CD"))[1] == {
        "semantic.said-anew"
    }


def test_a_charge_said_anew_with_another_price_is_told() -> None:
    assert prices(charge("T1", "20261120", "100.00"), charge("T1", "20261120", "90.00")) == (
        ["90.00"],
        {"semantic.said-anew"},
    )
