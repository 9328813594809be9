"""What the report calls mapped stands in a record: of every field of 2.5.1 that a plan reads, alone in its segment, taken
away from beside the others, and with single components only.

A field that is called mapped has a value of a row in an emitted record, or taking it away changes what is said.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hl7 import er7
from hl7.er7 import Message
from hl7.versions.table import Version, version_named
from mappings.reading.engine import Translation, translate
from mappings.reading.nested import nodes, stands
from mappings.reading.trace import Trace, told, traced
from mappings.tables.serving import plan_for
from tests.mappings.accounted.test_hl7_every_segment import made

ZONE = "America/Sao_Paulo"
FEW = {"ADT^A01": ("NK1",)}
HEADER = ("MSH", "EVN")


def read(lines: list[str]) -> Message:
    message = er7.read(("\r".join(lines) + "\r").encode())
    assert isinstance(message, Message)
    return message


def said(lines: list[str]) -> str:
    translation = translate(read(lines), zone=ZONE)
    found = [(p.code, p.where, p.args) for p in translation.problems if p.code != "field.nothing-made"]
    return repr((translation.drafts, found))


def with_field(line: str, number: int, text: str) -> str:
    fields = line.split("|")
    fields += [""] * (number + 1 - len(fields))
    fields[number] = text
    return "|".join(fields)


def untrue(lines: list[str], only: str) -> set[str]:
    """The fields of segments named `only` that are called mapped, of which nothing stands anywhere."""
    translation, trace = traced(read(lines), zone=ZONE)
    there = standing(translation)
    found = set()
    for entry in told(read(lines), translation, trace):
        if entry["segment"] != only or entry["fate"] != "mapped" or "unused" in entry:
            continue
        index, number = entry["index"], entry["field"]
        if translation.account.decide.get(index, 0) >> number & 1 or has_value(trace, index, number, there):
            continue
        cut = [with_field(line, number, "") if at == index else line for at, line in enumerate(lines, start=1)]
        if said(cut) == said(lines):
            found.add(f"{only}-{number}")
    return found


def standing(translation: Translation) -> frozenset[str]:
    return nodes(*(body for draft in translation.drafts for body in (draft.body, draft.initial)))


def has_value(trace: Trace, index: int, number: int, there: frozenset[str]) -> bool:
    notes = [note for note in trace.notes if (note.index, note.field) == (index, number)]
    return any(note.path.startswith("@") or (note.made is not None and stands(note.made, there)) for note in notes)


def variants(lines: list[str], at: int, number: int, components: bool) -> Iterator[list[str]]:
    """The message with this field alone in its segment, without it, and with parts of it only."""
    line = lines[at]
    raw = line.split("|")[number]
    set_id = line.split("|")[1] if number > 1 and line[:3] not in ("ORC", "RXO", "RXE", "PV2", "SCH") else ""
    bare = with_field(f"{line[:3]}|{set_id}", number, raw)
    changed = [bare, with_field(line, number, ""), with_field(line, number, f"{raw}~9{raw}")]
    parts = raw.split("^")
    if components and len(parts) > 1:
        for nth, part in enumerate(parts):
            if part:
                changed.append(with_field(bare, number, "^" * nth + part))
                changed.append(with_field(line, number, "^".join("" if n == nth else p for n, p in enumerate(parts))))
    for one in changed:
        yield [*lines[:at], one, *lines[at + 1 :]]


def lies(
    kind: str, only: tuple[str, ...], version: Version, seen: set[object], components: bool
) -> tuple[set[str], int]:
    """The fields that some variant of a message calls mapped untruly, and how many variants there were."""
    code, _, event = kind.partition("^")
    structure, plan = version.structure_of(code, event, ""), plan_for(kind)
    if not structure or plan is None or (plan.name, structure) in seen:
        return set(), 0
    seen.add((plan.name, structure))
    lines = [segment.raw for segment in made(kind, version, structure).segments]
    account = translate(read(lines), zone=ZONE).account
    found, tried = set[str](), 0
    for at, line in enumerate(lines):
        name = line[:3]
        if name in HEADER or (only and name not in only) or account.fate[at + 1] != "mapped":
            continue
        for number, raw in enumerate(line.split("|")):
            key = (plan.name, name, number)
            if number and raw and key not in seen and account.read.get(at + 1, 0) >> number & 1:
                seen.add(key)
                for variant in variants(lines, at, number, components):
                    found |= {f"{kind} {place}" for place in untrue(variant, name)}
                    tried += 1
    return found, tried


def judged(kinds: dict[str, tuple[str, ...]], *, components: bool) -> tuple[set[str], int]:
    version, seen = version_named("2.5.1"), set[object]()
    assert version is not None
    found, tried = set[str](), 0
    for kind, only in kinds.items():
        more, count = lies(kind, only, version, seen, components)
        found, tried = found | more, tried + count
    return found, tried


def test_what_is_called_mapped_is_there() -> None:
    found, tried = judged(FEW, components=True)
    assert found == set() and tried > 40


@pytest.mark.parametrize(
    ("kind", "rest", "place"),
    [
        ("OML^O21", "ORC|NW|P1||||||||||^Lima^Rui|||||||||UBS Centro|Rua A 1^^Recife\rOBR|1|P1||X^Exame^L\r", None),
        ("OMP^O09", "ORC|NW|P1\rRXO|10^Dipirona^L|||mg^miligrama\r", None),
        ("ADT^A01", "NK1|1|||Rua A 1^^Recife\rPV1|1|I\r", None),
        ("ADT^A01", "NK1|1|Souza^Rui||||||20260102|20260101\rPV1|1|I\r", "NK1#3-8"),
        ("ADT^A01", "PV1|1|I|||||||||||||||||||||||||||||||||||||||||20260101\r", None),
    ],
)
def test_a_value_without_what_it_completes(kind: str, rest: str, place: str | None) -> None:
    """A unit without dose, a place of a person without number: both stand; what has no place is told."""
    head = f"MSH|^~\\&|HIS|HOSP|PONTE|HUB|20260101100000||{kind}|C1|P|2.5.1"
    lines = [head, "PID|1||31^^^HOSP^MR||Souza^Ana", *rest.rstrip("\r").split("\r")]
    for name in {line[:3] for line in lines[2:]}:
        assert untrue(lines, name) == set()
    places = {p.where for p in translate(read(lines), zone=ZONE).problems if p.code == "field.nothing-made"}
    assert place is None or place in places
