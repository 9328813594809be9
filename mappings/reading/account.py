"""What became of every segment and every field of a message: mapped, ignored by declaration, or unmapped.

A populated field is mapped when a value made of it stands in a record, when a conversion asked for it to make one, when
another field had said the same before it, or when it decides what becomes of its segment (rows with a target like
`@skip`). It is ignored when `hl7/ignored.csv` says why of a field that no row reads for what it is, or
`nothing-made.csv` of one that rows read; else it is unmapped, and a Problem says so.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from canonical.problem import Problem
from hl7.er7 import NULL, Delimiters, Message, Segment
from hl7.versions.table import NEWEST, version_named
from mappings.reading.grouping import Occurrence
from mappings.reading.program import decides, reads
from mappings.reading.typed import of_others, typed
from mappings.tables.plan import Plan, RecordPlan
from mappings.tables.table import HERE, TableError, overlaid, read_rows, shown

Made = tuple[int, int, Any]
"""Which fields (as bits) of a segment, by its index, gave which value."""
FATES = ("mapped", "ignored", "unmapped")
_COUNT = re.compile(r"[0-9]{0,4}\Z")
_COLUMNS = ["segment", "field", "reason", "spec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Why a field is knowingly left in the message: a row of `hl7/ignored.csv`."""

    reason: str
    spec: str
    place: str


@dataclass(slots=True)
class Account:
    """`fate` is what became of each segment by index; `left` are the unmapped fields of mapped segments as bits.

    `read` holds the fields that table rows read, as bits by segment index: bit n stands for field n; `made` those that
    a value was made of, `passed` those that others had said, `decide` those that say what becomes of their segment.
    """

    fate: dict[int, str] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)
    made: dict[int, int] = field(default_factory=dict)
    passed: dict[int, int] = field(default_factory=dict)
    decide: dict[int, int] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    fields: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FATES, 0))

    def counts(self) -> dict[str, int]:
        """Of segments: `total`, `mapped`, `ignored`, `unmapped`; the last three add up to the first."""
        fates = list(self.fate.values())
        return {"total": len(fates), **{name: fates.count(name) for name in FATES}}

    def field_counts(self) -> dict[str, int]:
        """The same of populated fields."""
        return {"total": sum(self.fields.values()), **self.fields}

    def take(self, occurrence: Occurrence, made: Sequence[Made], passed: Sequence[tuple[int, int]]) -> None:
        """A record was made: its segments are mapped, with what its rows made, read and decide of them and of those
        above."""
        plan, own, read, decide = occurrence.plan, occurrence.own, self.read, self.decide
        masks, deciding = reads(plan), decides(plan)
        for name, segments in own.items():
            mask, deciding_mask = masks.get(name, 0), deciding.get(name, 0)
            for segment in segments:
                index = segment.index
                self.fate[index] = "mapped"
                read[index] = read.get(index, 0) | mask
                decide[index] = decide.get(index, 0) | deciding_mask
        for name, mask, deciding_mask in _read_above(plan):
            above = None if name in own else occurrence.above.get(name)
            if above is not None:
                index = above.index
                read[index] = read.get(index, 0) | mask
                decide[index] = decide.get(index, 0) | deciding_mask
        _add_all(self.made, ((index, bits) for index, bits, _ in made))
        _add_all(self.passed, passed)

    def mapped(self, segment: Segment) -> int:
        """The fields of a mapped segment that something became of, as bits."""
        index = segment.index
        return self.made.get(index, 0) | self.passed.get(index, 0) | self.decide.get(index, 0) | segment.asked

    def declared(self, segment: Segment, number: int, overlay: str = "") -> Declared | None:
        """Why nothing became of a field of a mapped segment; None where no declaration says so."""
        why = why_nothing(segment, number)
        if why is not None or self.read.get(segment.index, 0) >> number & 1:
            return why
        return ignored(overlay).get((segment.name, number))


@cache
def _read_above(plan: RecordPlan) -> tuple[tuple[str, int, int], ...]:
    """The segments that a record looks at above it, with the fields its rows read and that decide, as bits."""
    masks, deciding = reads(plan), decides(plan)
    return tuple((name, mask, deciding.get(name, 0)) for name, mask in masks.items() if not plan.owns(name))


def _add_all(to: dict[int, int], fields: Iterable[tuple[int, int]]) -> None:
    for index, bits in fields:
        to[index] = to.get(index, 0) | bits


def close(message: Message, plan: Plan, account: Account, problems: list[Problem]) -> None:
    """Decide what is still open: the header is read for every record, what a plan ignores is ignored, the rest told."""
    lost: list[tuple[Segment, list[int]]] = []
    others: dict[tuple[str, int], Problem] = {}
    for segment in message.segments:
        fate = account.fate[segment.index]
        if fate == "unmapped":
            fate = account.fate[segment.index] = _fate(segment, plan)
            if fate == "unmapped":
                problems.append(Problem("structure.segment-unmapped", f"{segment.name}#{segment.index}"))
        populated = populated_bits(segment)
        if fate != "mapped":
            account.fields[fate] += populated.bit_count()
            continue
        rest = populated & ~account.mapped(segment)
        account.fields["mapped"] += (populated & ~rest).bit_count()
        unmapped = [n for n in numbers(rest) if account.declared(segment, n, plan.overlay) is None] if rest else []
        account.fields["ignored"] += rest.bit_count() - len(unmapped)
        if doubtful := rest & typed(segment.name):
            why = ignored(plan.overlay)
            left = [n for n in numbers(doubtful) if n not in unmapped and (segment.name, n) in why]
            of_others(segment, left, others)
        if unmapped:
            account.fields["unmapped"] += len(unmapped)
            account.left[segment.index] = sum(1 << number for number in unmapped)
            lost.append((segment, unmapped))
    problems += others.values()
    if lost:
        problems += _losses(lost, account, {problem.where.partition(".")[0] for problem in problems})


def _losses(lost: Sequence[tuple[Segment, list[int]]], account: Account, told: set[str]) -> Iterator[Problem]:
    """What to tell of the fields that nothing became of: once for each kind, since forty results would say it forty
    times, and not where it is told already why a row that read it could make nothing."""
    indexes: dict[tuple[str, str, int], list[int]] = {}
    for segment, unmapped in lost:
        read = account.read.get(segment.index, 0)
        for number in unmapped:
            code = "field.nothing-made" if read >> number & 1 else "field.unmapped"
            if code == "field.unmapped" or f"{segment.name}#{segment.index}-{number}" not in told:
                indexes.setdefault((code, segment.name, number), []).append(segment.index)
    for (code, name, number), found in indexes.items():
        yield Problem(code, f"{name}#{found[0]}-{number}", args=(("count", str(len(found))),))


def close_whole(message: Message, account: Account, fate: str) -> None:
    """All segments and fields have the same fate: no plan maps them, or the channel only passes the message on."""
    account.fate = {segment.index: fate for segment in message.segments}
    account.fields[fate] = sum(populated_bits(segment).bit_count() for segment in message.segments)


def _fate(segment: Segment, plan: Plan) -> str:
    if segment.name in plan.header:
        return "mapped"
    return "ignored" if segment.name in plan.ignored or _says_nothing(segment) else "unmapped"


def _says_nothing(segment: Segment) -> bool:
    """Whether a segment is empty but for its set id."""
    fields = segment.fields()
    counts = _begins_with_set_id(segment.name)
    if counts is None:  # a segment HL7 does not know (Z): its first field may be all it has to say
        counts = _COUNT.match(fields[1]) is not None if len(fields) > 1 else True
    return not any(content and content != NULL for content in fields[2 if counts else 1 :])


@cache
def _begins_with_set_id(name: str) -> bool | None:
    """Whether the first field of such segments only counts them (type SI): not that of MRG, ORC or PRB. None for a
    segment that HL7 does not know."""
    version = version_named(NEWEST)
    fields = version.segments.get(name) if version is not None else None
    return None if not fields else 1 not in fields or fields[1].type == "SI"


def populated(content: str, delimiters: Delimiters) -> bool:
    """Whether a field says something: separators and blanks alone say nothing."""
    marks = delimiters.blank
    return content[:1] not in marks or bool(content.strip(marks))


def populated_bits(segment: Segment) -> int:
    """The fields that say something, as bits; separators and blanks alone say nothing, an explicit null of a field
    nobody reads takes nothing away."""
    bits, bit, marks = 0, 1, segment.delimiters.blank
    for content in segment.fields():
        if content and content != NULL and (content[0] not in marks or content.strip(marks)):
            bits |= bit
        bit <<= 1
    return bits & ~1


def numbers(bits: int) -> list[int]:
    """The field numbers that `bits` stand for, rising."""
    return [n for n in range(1, bits.bit_length()) if bits >> n & 1]


def nothing_made(segment: str) -> dict[int, tuple[frozenset[str], int, Declared]]:
    """The fields of a segment of which rightly nothing is made though rows read them (`nothing-made.csv`), each
    with the contents this holds for (none: whatever it says) and the field beside it that must say something (0: none);
    raises TableError."""
    return _nothing_made().get(segment, {})


@cache
def _nothing_made() -> dict[str, dict[int, tuple[frozenset[str], int, Declared]]]:
    file = HERE / "nothing-made.csv"
    found: dict[str, dict[int, tuple[frozenset[str], int, Declared]]] = {}
    for line, values in read_rows(file, [*_COLUMNS[:2], "contents", "beside", *_COLUMNS[2:]]):
        number, declared = _declaration(values, f"{shown(file)}:{line}", found.get(values["segment"], {}))
        beside = int(values["beside"]) if values["beside"].isdigit() else 0
        contents = frozenset(values["contents"].split())
        found.setdefault(values["segment"], {})[number] = (contents, beside, declared)
    return found


def why_nothing(segment: Segment, number: int, raw: str = "") -> Declared | None:
    """Why nothing is made of what this field, or its repetition `raw`, says; None where no declaration holds for it."""
    contents, beside, declared = nothing_made(segment.name).get(number, (None, 0, None))
    if beside and not populated_bits(segment) >> beside & 1:
        return None
    first = (raw or segment.raw_field(number)).partition(segment.delimiters.component)[0].strip()
    return declared if not contents or first in contents else None


@cache
def ignored_bits(segment: str, overlay: str = "") -> int:
    """The fields of a segment that are ignored by declaration, as bits."""
    return sum(1 << number for name, number in ignored(overlay) if name == segment)


@cache
def ignored(overlay: str = "") -> dict[tuple[str, int], Declared]:
    """The declarations by segment and field number, with those of an overlay; raises TableError."""
    own = overlaid("hl7/ignored.csv", overlay)
    if own is not None:
        return {**ignored(), **_declared(own)}
    return _declared(HERE / "hl7" / "ignored.csv")


def _declared(file: Path) -> dict[tuple[str, int], Declared]:
    found: dict[str, dict[int, Declared]] = {}
    for line, values in read_rows(file, _COLUMNS):
        of_segment = found.setdefault(values["segment"], {})
        number, declared = _declaration(values, f"{shown(file)}:{line}", of_segment)
        of_segment[number] = declared
    return {(name, number): one for name, of_segment in found.items() for number, one in of_segment.items()}


def _declaration(values: dict[str, str], place: str, known: Container[int]) -> tuple[int, Declared]:
    if not values["field"].isdigit() or not values["reason"] or not values["spec"]:
        raise TableError(f"{place}: a field number, a reason and a source are needed")
    if int(values["field"]) in known:
        raise TableError(f"{place}: {values['segment']}-{values['field']} is there twice")
    return int(values["field"]), Declared(reason=values["reason"], spec=values["spec"], place=place)
