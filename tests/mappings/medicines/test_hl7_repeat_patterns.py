"""How often, by what TQ1-3 says beside its code: a period of so many hours or days, and more than one pattern."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||OMP^O09|c1|P|2.5.1\rPID|1||31^^^HOSP^MR||Souza^Ana\r"


def timing(pattern: str) -> tuple[dict[str, Any], set[tuple[str, str]]]:
    raw = f"{HEAD}ORC|NW|P1\rTQ1|1||{pattern}||||20261122\rRXO|D1^Dipirona^L|1||mg^mg\r"
    message = er7.read(raw.encode())
    assert isinstance(message, Message)
    found = translate(message, zone="America/Sao_Paulo")
    (body,) = [draft.body for draft in found.drafts if draft.type == "MedicationRequest"]
    return body["dosageInstruction"][0]["timing"], {(p.code, p.where) for p in found.problems}


@pytest.mark.parametrize(
    ("pattern", "often"),
    [
        ("^^^^6^H", (1, 6, "h")),
        ("X1^^^^2^d", (1, 2, "d")),
        ("^^^^1^semana", (1, 1, "wk")),
        ("BID^^^^6^H", (2, 1, "d")),  # the code says it
    ],
)
def test_the_period_of_a_pattern(pattern: str, often: tuple[int, int, str]) -> None:
    repeat = timing(pattern)[0]["repeat"]
    assert (repeat["frequency"], repeat["period"], repeat["periodUnit"]) == often


def test_a_period_that_is_none_is_told() -> None:
    found, problems = timing("^^^^seis^H")
    assert "period" not in found["repeat"] and ("field.duration-form", "TQ1#4-3") in problems


def test_a_second_pattern_is_not_lost_in_silence() -> None:
    found, problems = timing("Q6H~QHS")
    assert found["code"]["text"] == "Q6H"
    assert ("structure.repetition-lost", "TQ1#4-3") in problems


@pytest.mark.parametrize("pattern", ["ACM", "acm.", "ACM&a critério médico&HL70335", "M", "D", "V", "ACM&&L"])
def test_an_abbreviation_with_a_brazilian_meaning_says_no_time(pattern: str) -> None:
    found, problems = timing(pattern)
    assert found["code"] == {"text": pattern.split("&")[1] if "&a" in pattern else pattern.split("&")[0]}
    assert "when" not in found["repeat"] and ("field.two-meanings", "TQ1#4-3") in problems


@pytest.mark.parametrize(
    ("pattern", "when"), [("ACM&&HL70335", "ACM"), ("AC", "AC"), ("PC", "PC"), ("PCV", "PCV"), ("HS", "HS")]
)
def test_a_time_is_said_where_the_abbreviation_has_one_meaning(pattern: str, when: str) -> None:
    found, problems = timing(pattern)
    assert found["repeat"]["when"] == [when] and found["code"]["coding"][0]["code"] == pattern.split("&")[0]
    assert not {code for code, _ in problems} & {"field.two-meanings"}
