"""Drafts that are one record: what the heir says otherwise is told, since nothing of it stands."""

from __future__ import annotations

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from mappings.reading.trace import fields

ZONE = "America/Sao_Paulo"
HEAD = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||ADT^A31^ADT_A05|c1|P|2.5.1||||||UNICODE UTF-8\rEVN||20261122090000\r"
)
MOTHER = "PID|1||4455^^^HSL^MR||Amaral^Rute|Amaral^Elza^Maria|||||||||||||||998877^^^HSL^MR\r"


def read(rest: str) -> Message:
    message = er7.read((HEAD + rest).encode())
    assert isinstance(message, Message)
    return message


def told(rest: str) -> list[tuple[str, str]]:
    return [(p.code, p.where) for p in translate(read(rest), zone=ZONE).problems]


def fate(rest: str, segment: str, number: int) -> str:
    found = [e for e in fields(read(rest), zone=ZONE) if (e["segment"], e["field"]) == (segment, number)]
    return str(found[0]["fate"])


def test_a_mother_told_twice_alike_loses_nothing() -> None:
    rest = (
        MOTHER
        + "NK1|1|Amaral^Elza^Maria|MTH|Rua Nova 5^^Olinda^PE^53000-000||||||||||||19700102|||||||||||||||||998877^^^HSL^MR\r"
    )
    assert "field.nothing-made" not in [code for code, _ in told(rest)]
    assert fate(rest, "NK1", 2) == fate(rest, "NK1", 4) == "mapped"


def test_a_name_of_fewer_words_loses_nothing() -> None:
    rest = MOTHER + "NK1|1|Amaral^Elza|MTH" + "|" * 30 + "998877^^^HSL^MR\r"
    assert "field.nothing-made" not in [code for code, _ in told(rest)]


def test_what_the_mother_of_pid_says_otherwise_is_told_of_nk1() -> None:
    rest = MOTHER + "NK1|1|Souza^Elza^Maria|MTH" + "|" * 30 + "998877^^^HSL^MR\r"
    assert ("field.nothing-made", "NK1#4-2") in told(rest)
    assert fate(rest, "NK1", 2) == "unmapped"
    assert fate(rest, "NK1", 33) == "mapped"
