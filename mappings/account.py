"""What became of every segment and every field of a message: mapped, ignored by declaration, or unmapped.

A populated field is mapped when a table row of a record made from its segment reads it, or a conversion of such a row
asked for it; ignored when `hl7/ignored.csv` says why; else it is unmapped, and a Problem says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from canonical.problem import Problem
from hl7.er7 import NULL, Delimiters, Message, Segment
from hl7.versions.table import NEWEST, version_named
from mappings.grouping import Occurrence
from mappings.plan import Plan
from mappings.program import reads
from mappings.table import HERE, TableError, overlaid, read_rows, shown

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

    `read` holds the fields that table rows read, as bits by segment index: bit n stands for field n.
    """

    fate: dict[int, str] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    fields: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FATES, 0))

    def counts(self) -> dict[str, int]:
        """Of segments: `total`, `mapped`, `ignored`, `unmapped`; the last three add up to the first."""
        fates = list(self.fate.values())
        return {"total": len(fates), **{name: fates.count(name) for name in FATES}}

    def field_counts(self) -> dict[str, int]:
        """The same of populated fields."""
        return {"total": sum(self.fields.values()), **self.fields}

    def take(self, occurrence: Occurrence) -> None:
        """A record was made: its segments are mapped, and what its rows read of them and of those above is read."""
        plan = occurrence.plan
        masks = reads(plan)
        for name, segments in occurrence.own.items():
            mask = masks.get(name, 0)
            for segment in segments:
                self.fate[segment.index] = "mapped"
                self.read[segment.index] = self.read.get(segment.index, 0) | mask
        for name, mask in masks.items():
            above = None if name in occurrence.own or plan.owns(name) else occurrence.above.get(name)
            if above is not None:
                self.read[above.index] = self.read.get(above.index, 0) | mask


def close(message: Message, plan: Plan, account: Account, problems: list[Problem]) -> None:
    """Decide what is still open: the header is read for every record, what a plan ignores is ignored, the rest told."""
    left: dict[tuple[str, int], list[int]] = {}
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
        unread = populated & ~(account.read.get(segment.index, 0) | segment.asked)
        unmapped = unread & ~ignored_bits(segment.name, plan.overlay) if unread else 0
        account.fields["mapped"] += (populated & ~unread).bit_count()
        account.fields["ignored"] += (unread & ~unmapped).bit_count()
        if unmapped:
            account.fields["unmapped"] += unmapped.bit_count()
            account.left[segment.index] = unmapped
            for number in numbers(unmapped):
                left.setdefault((segment.name, number), []).append(segment.index)
    for (name, number), indexes in left.items():  # once for each kind of field: forty results would say it forty times
        args = (("count", str(len(indexes))),)
        problems.append(Problem("field.unmapped", f"{name}#{indexes[0]}-{number}", args=args))


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
    """Whether a field says something: separators alone say nothing."""
    return bool(content.strip(delimiters.component + delimiters.repetition + delimiters.sub))


def populated_bits(segment: Segment) -> int:
    """The fields that say something, as bits; separators alone say nothing, an explicit null of a field nobody reads
    takes nothing away."""
    bits, bit, d = 0, 1, segment.delimiters
    marks = d.component + d.repetition + d.sub
    for content in segment.fields():
        if content and content != NULL and (content[0] not in marks or content.strip(marks)):
            bits |= bit
        bit <<= 1
    return bits & ~1


def numbers(bits: int) -> list[int]:
    """The field numbers that `bits` stand for, rising."""
    return [n for n in range(1, bits.bit_length()) if bits >> n & 1]


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
    found: dict[tuple[str, int], Declared] = {}
    for line, values in read_rows(file, _COLUMNS):
        place = f"{shown(file)}:{line}"
        if not values["field"].isdigit() or not values["reason"] or not values["spec"]:
            raise TableError(f"{place}: a field number, a reason and a source are needed")
        key = (values["segment"], int(values["field"]))
        if key in found:
            raise TableError(f"{place}: {key[0]}-{key[1]} is there twice")
        found[key] = Declared(reason=values["reason"], spec=values["spec"], place=place)
    return found
