"""How often a medicine is taken, where the quantity at each time (TQ1-2) belongs."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|X|Y|Z|W|20261122080000||{kind}|1|P|2.5.1\rPID|1||7^^^H^MR||Reis^Nora\r"
ORDERED = "RXO|0123^DIPIRONA^L|500||mg\r"
ENCODED = "RXE||0123^DIPIRONA^L|500||mg\r"
MEDICINES = {
    "OMP^O09": "ORC|NW|P1\rTQ1|{timing}\r" + ORDERED,
    "RDE^O11": "ORC|NW|P1\r" + ENCODED + "TQ1|{timing}\r",
    "RDE^O25": "ORC|NW|P1\r" + ORDERED + ENCODED + "TQ1|{timing}\r",
    "RGV^O15": "ORC|NW|P1|F1\rRXG|1|||0123^DIPIRONA^L|500||mg\rTQ1|{timing}\r",
    "RDS^O13": "ORC|NW|P1|F1\rRXD|1|0123^DIPIRONA^L|20261122|10\rTQ1|{timing}\r",
}


def read(kind: str, timing: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The first record with a dosage, and the findings of TQ1-2 and 3: code by field."""
    message = er7.read((HEAD.format(kind=kind) + MEDICINES[kind].format(timing=timing)).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    found = [{**d.initial, **d.body} for d in translation.drafts if d.type.startswith("Medication")]
    told = {p.where.rpartition("-")[2]: p.code for p in translation.problems if p.where.startswith("TQ1")}
    return next((body for body in found if "dosageInstruction" in body), found[0]), told


@pytest.mark.parametrize("kind", MEDICINES)
@pytest.mark.parametrize(
    ("sent", "text"),
    [("Q6H", "Q6H"), ("Q6H&a cada 6 horas", "a cada 6 horas"), ("&a cada 6 horas", "a cada 6 horas"), ("6/6h", "6/6h")],
)
def test_how_often_for_the_quantity_is_how_often(kind: str, sent: str, text: str) -> None:
    record, told = read(kind, f"1|{sent}")
    timing = record["dosageInstruction"][0]["timing"]
    assert timing["repeat"] == {"frequency": 1, "period": 6, "periodUnit": "h"}
    assert timing["code"]["text"] == text
    assert told == {"2": "field.out-of-place"} and "note" not in record


def test_its_bounds_are_those_of_its_segment() -> None:
    timing = read("OMP^O09", "1|BID||||5^d|20261122100000")[0]["dosageInstruction"][0]["timing"]
    assert timing["repeat"]["boundsPeriod"]["start"] == "2026-11-22T10:00:00-03:00"


def test_a_unit_that_says_how_often_is_no_unit() -> None:
    record, told = read("RDS^O13", "1|2^Q6H&a cada 6 horas")
    dosage = record["dosageInstruction"][0]
    assert dosage["doseAndRate"] == [{"doseQuantity": {"value": 2}}]
    assert dosage["timing"]["repeat"]["period"] == 6 and told == {"2": "field.out-of-place"}


@pytest.mark.parametrize("sent", ["2", "2^PC", "2^CPR&comprimido", "1^AMP"])
def test_a_quantity_stays_one(sent: str) -> None:
    record, told = read("RDS^O13", f"1|{sent}")
    dosage = record["dosageInstruction"][0]
    assert "timing" not in dosage and dosage["doseAndRate"][0]["doseQuantity"]["value"] == int(sent[0])
    assert not told and "note" not in record


@pytest.mark.parametrize("sent", ["ACM", "6/6h SN", "meio comprimido", "S/N"])
def test_words_that_may_be_another_time_are_a_note(sent: str) -> None:
    record, _ = read("OMP^O09", f"1|{sent}")
    assert "timing" not in record.get("dosageInstruction", [{}])[0]
    assert [note["text"] for note in record["note"]] == [f"Quantidade por vez: {sent}"]


@pytest.mark.parametrize(("sent", "told"), [("Q6H", {}), ("BID", {"2": "field.differs"})])
def test_beside_its_own_field_it_must_say_the_same(sent: str, told: dict[str, str]) -> None:
    record, found = read("OMP^O09", f"1|{sent}|Q6H")
    assert record["dosageInstruction"][0]["timing"]["code"]["text"] == "Q6H" and found == told
