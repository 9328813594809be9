"""A damaged message is never acknowledged in silence: AA means records of its kind, or a finding that says why none.

Every case message is damaged in the ways feeds damage them (a bit, a segment, a field, a separator). What is then still
taken (AA) and has no blocking finding must make a record its type is about, or tell that it did not.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canonical.problem import Problem, blocking
from hl7 import batch, er7
from hl7.er7 import Message
from hub.exchange.door.receive import judge_header, verdict
from mappings.reading.engine import translate
from mappings.tables.serving import plan_for

CASES = Path(__file__).resolve().parents[2] / "cases" / "hl7"
ZONE = "America/Sao_Paulo"
SMALL = 20_000


def told(raw: bytes) -> tuple[Message, set[str], list[Problem]] | None:
    """What is acknowledged with AA: the message, the types of records it makes, and its findings."""
    message = er7.read(raw)
    if isinstance(message, Problem) or verdict([*message.problems, *judge_header(message)]) != "AA":
        return None
    translation = translate(message, zone=ZONE)
    return message, {draft.type for draft in translation.drafts}, [*message.problems, *translation.problems]


def kinds(message: Message) -> set[str]:
    plan = plan_for(message.type)
    return {record.type for record in plan.records if record.name in plan.about} if plan else set()


@cache
def good() -> list[bytes]:
    """Messages of the cases that make what their type is about."""
    found = []
    for path in sorted(CASES.glob("*/in.hl7")):
        raws = batch.split(path.read_bytes()).messages if path.stat().st_size < SMALL else []
        found += [raw for raw in raws if (said := told(raw)) and not blocking(said[2]) and said[1] & kinds(said[0])]
    return found


def damaged(raw: bytes, draw: st.DataObject) -> bytes:
    """`raw` with one damage of a kind that is met in feeds."""
    kind = draw.draw(st.sampled_from(["bit", "segment", "name", "blank", "doubled", "lost", "garbage"]))
    if kind == "bit":
        place, bit = draw.draw(st.integers(0, len(raw) - 1)), draw.draw(st.integers(0, 6))
        return raw[:place] + bytes((raw[place] ^ 1 << bit,)) + raw[place + 1 :]
    lines = raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r")
    number = draw.draw(st.integers(0, len(lines) - 1))
    if kind == "segment":
        return b"\r".join(lines[:number] + lines[number + 1 :])
    if kind == "name":
        lines[number] = b"Q" + lines[number][1:]
        return b"\r".join(lines)
    fields = lines[number].split(b"|")
    at = draw.draw(st.integers(0, len(fields) - 1))
    change = {"blank": [b""], "doubled": [b"", fields[at]], "lost": [], "garbage": [b"?"]}[kind]
    lines[number] = b"|".join(fields[:at] + change + fields[at + 1 :])
    return b"\r".join(lines)


@settings(max_examples=600, deadline=None)
@given(st.deferred(lambda: st.sampled_from(good())), st.data())
def test_aa_means_records_or_a_finding(raw: bytes, data: st.DataObject) -> None:
    said = told(damaged(raw, data))
    if said is None or blocking(said[2]):
        return
    message, types, problems = said
    wanted = kinds(message)
    reasons = {"semantic.no-record", "semantic.not-a-record"}
    assert not wanted or types & wanted or reasons & {problem.code for problem in problems}, message.type


def test_the_search_has_enough_to_damage() -> None:
    types = {said[0].type.partition("^")[0] for raw in good() if (said := told(raw))}
    assert len(good()) > 150 and {"ADT", "DFT", "MFN", "ORM", "ORU"} <= types


HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||{kind}|c1|P|2.5.1||||||UNICODE UTF-8\r"
PID = "PID|1||31^^^HOSP^MR||Souza^Ana\r"


@pytest.mark.parametrize(
    ("kind", "rest", "code", "where"),
    [
        ("ADT^A03", PID, "structure.segment-required", "PV1"),
        ("ADT^A11", PID + "QV1|1|I\r", "structure.segment-required", "PV1"),
        ("RDS^O13", PID + "ORC|RE|1|2\r", "structure.segment-required", "RXD"),
        ("RAS^O17", PID + "ORC|RE|1|2\r", "structure.segment-required", "RXA"),
        ("ADT^A01", PID, "semantic.no-record", "MSH-9"),
        ("ADT^A08", PID + "PV1|1\r", "semantic.no-record", "MSH-9"),
        ("VXU^V04", PID, "semantic.no-record", "MSH-9"),
        ("RRD^O14", "MSA|AA|1\rORC|UA|1|2\r", "semantic.no-record", "MSH-9"),
        ("RRA^O18", "MSA|AA|1\rORC|OK|1|2||IP\rORC|OK|3|4||CA\r", "structure.segment-unmapped", "ORC#4"),
        ("ORM^O01", "ORC|NW|P1\rOBR|1|P1||X^Exame^L\r", "structure.element", "OBR#3"),
        ("VXU^V04", PID + "ORC|RE||I1\rRXA|0|1|20260101|||1" + "|" * 15 + "A\r", "structure.element", "RXA#4"),
        ("ORU^R01", "OBR|1||F1|X^Exame^L\rOBX|1|NM|Y^Y^L||1||||||F\r", "structure.segment-expected", "PID"),
    ],
)
def test_what_is_missing_is_told(kind: str, rest: str, code: str, where: str) -> None:
    message = er7.read((HEAD.format(kind=kind) + rest).encode())
    assert isinstance(message, Message)
    found = [*judge_header(message), *translate(message, zone=ZONE).problems]
    assert (code, where) in {(problem.code, problem.where) for problem in found}


@pytest.mark.parametrize("kind", ["RRD^O14", "RRA^O18^RRA_O18", "RRG^O16", "RRD^O02"])
def test_an_answer_that_says_that_all_was_taken_makes_nothing(kind: str) -> None:
    """An ORC alone, OK or received, is the other side's receipt of a dispense, a dose or a give (2.5.1 §4.13)."""
    message = er7.read((HEAD.format(kind=kind) + "MSA|AA|1\rORC|OK|P1|F1||IP\rORC|RR|P2\r").encode())
    assert isinstance(message, Message)
    found = translate(message, zone=ZONE)
    assert (found.drafts, found.problems, found.account.counts()["unmapped"]) == ([], [], 0)
