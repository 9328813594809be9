"""A translation that tells where everything came from: for each value the field, the table row and the code rows.

It is made again from the kept message when someone asks; a feed that is worked makes none.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from hl7.er7 import Message, Segment
from mappings.convert import Value
from mappings.reading.account import Account, numbers, populated_bits
from mappings.reading.engine import Translation, translate
from mappings.reading.parts import left
from mappings.reading.program import program
from mappings.tables.plan import Plan
from mappings.tables.serving import plan_for, read_as
from mappings.tables.site import PLAIN, Site
from mappings.tables.table import HERE, Row, overlay_folder, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One value: in which draft and path it landed, from which place of the message, by which row and code rows.

    `segment` is empty for a constant or a link between records; `made` is the value itself and is never shown.
    `beside` are the fields of the same segment that the conversion looked at too: the unit of a number.
    """

    local: str
    path: str
    segment: str
    index: int
    field: int
    component: int
    row: Row
    codes: tuple[str, ...]
    made: Any
    beside: tuple[int, ...] = ()

    @property
    def source(self) -> str:
        """The place in the message: `PID#3-5.1`."""
        if not self.segment:
            return ""
        place = f"{self.segment}#{self.index}-{self.field}"
        return f"{place}.{self.component}" if self.component else place

    @property
    def others(self) -> tuple[str, ...]:
        """The places looked at beside it: `OBX#6-6`."""
        return tuple(f"{self.segment}#{self.index}-{number}" for number in self.beside)


@dataclass(slots=True)
class Trace:
    """Collects notes; `also` tells which rows' conversions asked for a field beside their own, with the paths, `over`
    for which paths a field was passed over, each with the place that had said it."""

    overlay: str = ""
    notes: list[Note] = field(default_factory=list)
    also: dict[tuple[int, int], list[tuple[str, str]]] = field(default_factory=dict)
    over: dict[tuple[int, int], dict[str, str]] = field(default_factory=dict)
    _codes: list[str] = field(default_factory=list)
    _named: list[str] = field(default_factory=list)
    _held: list[tuple[Segment, int]] = field(default_factory=list)
    _last: Value | None = None

    def begins(self, segments: Sequence[Segment]) -> None:
        """A row begins. What the one before looked up or asked for without making anything is not the next one's; what
        it asked for stays on its segments, for the account."""
        for segment, asked in self._held:
            segment.asked |= asked
        self._held = [(segment, segment.asked) for segment in segments]
        for segment in segments:
            segment.asked = 0
        self._codes.clear()
        self._last = None

    def note(self, local: str, path: str, row: Row, made: Any, value: Value | None) -> None:
        """One value of a row; the code rows looked up since the last conversion are its own."""
        if value is None or value is not self._last:
            codes, self._codes = tuple(dict.fromkeys(self._codes)), []
        else:
            codes = self.notes[-1].codes if self.notes else ()
        self._last = value
        target = f"{row.target.partition('.')[0]}.{path}"
        for name in self._named:
            self.notes.append(_note(name, "", row, value, codes, None))
        self._named.clear()
        self.notes.append(_note(local, path, row, value, codes, made))
        if value is not None:
            segment = value.segment
            for number in numbers(segment.asked):
                self.also.setdefault((segment.index, number), []).append((row.place, target))

    def gathered(self, row: Row, segment: Segment, number: int) -> None:
        """Several values were made of this segment and others together."""
        for one in {number, *numbers(segment.asked)}:
            self.also.setdefault((segment.index, one), []).append((row.place, row.target))

    def passed(self, row: Row, index: int, field: int, by: Value | None) -> None:
        """A field was left alone by a row, whose target another field had given."""
        if row.path.startswith("@"):  # it finds the record, and states nothing of it
            return
        said = f"{by.segment.name}#{by.segment.index}-{by.source.field}" if by is not None else ""
        self.over.setdefault((index, field), {}).setdefault(row.target, said)

    def emitted(self, local: str) -> None:
        """A side record was named; the note that follows says by what."""
        self._named.append(local)

    def united(self, local: str, heir: str) -> None:
        """The notes of a draft that went into another are the other's."""
        self.notes = [replace(note, local=heir) if note.local == local else note for note in self.notes]

    def left_out(self, local: str, stands: Callable[[Any], bool]) -> None:
        """The notes of what was left out of a draft are none."""
        self.notes = [
            note for note in self.notes if note.local != local or note.path.startswith("@") or stands(note.made)
        ]

    def codes(self, name: str, table: dict[str, str]) -> dict[str, str]:
        """The table, in a form that remembers what is looked up."""
        return _Watched(table, name, self)

    def looked_up(self, name: str, code: str) -> None:
        """The row of a code table that answered."""
        place = code_row(name, code, self.overlay)
        if place:
            self._codes.append(place)


class _Watched(dict[str, str]):
    """A code table that tells the trace which rows were asked for."""

    def __init__(self, table: dict[str, str], name: str, trace: Trace) -> None:
        super().__init__(table)
        self._name = name
        self._trace = trace

    def get(self, key: str, default: Any = None) -> Any:
        self._trace.looked_up(self._name, key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> str:
        self._trace.looked_up(self._name, key)
        return super().__getitem__(key)


def _note(local: str, path: str, row: Row, value: Value | None, codes: tuple[str, ...], made: Any) -> Note:
    return Note(
        local=local,
        path=path,
        segment=value.segment.name if value else "",
        index=value.segment.index if value else 0,
        field=value.source.field if value else 0,
        component=value.source.component if value else 0,
        row=row,
        codes=codes,
        made=made,
        beside=tuple(n for n in numbers(value.segment.asked) if n != value.source.field) if value else (),
    )


def traced(message: Message, *, zone: str, site: Site = PLAIN) -> tuple[Translation, Trace]:
    """The translation of `message`, and where everything in it came from."""
    trace = Trace(site.overlay)
    for segment in message.segments:
        segment.asked = 0
    return translate(message, zone=zone, site=site, trace=trace), trace


def code_row(name: str, code: str, overlay: str = "") -> str:
    """The file and line of a code in a code table, an overlay's first; empty when the table does not list it."""
    return next((table[code] for table in _code_places(name, overlay) if code in table), "")


@cache
def _code_places(name: str, overlay: str) -> tuple[dict[str, str], ...]:
    """Where each code stands, in the overlay's table and in that of all."""
    folders = (overlay_folder(overlay), HERE) if overlay else (HERE,)
    files = [folder / "codes" / f"{name}.csv" for folder in folders]
    return tuple(_lines(file) for file in files if file.exists())


def _lines(file: Path) -> dict[str, str]:
    with file.open(encoding="utf-8", newline="") as stream:
        return {row["from"]: f"{shown(file)}:{line}" for line, row in enumerate(csv.DictReader(stream), start=2)}


def fields(message: Message, *, zone: str, site: Site = PLAIN) -> list[dict[str, Any]]:
    """What became of each populated field: segment, index, field, fate, and paths and rows, or the reason and row.

    `left` are the parts of a mapped field that have no place in a record, each with the reason and its row; `unused`
    the paths a field would have filled had another (`said_by`) not said them already, when it filled none.
    """
    return told(message, *traced(message, zone=zone, site=site), site=site)


def told(message: Message, translation: Translation, trace: Trace, *, site: Site = PLAIN) -> list[dict[str, Any]]:
    """The same of a message that was just translated with a trace (`traced`)."""
    kind, made = read_as(message, site), _made(trace)
    plan = plan_for(kind, site)
    known = _static(kind, site) if plan else {}
    found = []
    for segment in translation.message.segments:
        for number in numbers(populated_bits(segment)):
            entry: dict[str, Any] = {"segment": segment.name, "index": segment.index, "field": number}
            entry.update(_fate(segment, number, translation.account, plan))
            if entry["fate"] == "mapped":
                place = (segment.index, number)
                own, also = made.get(place, []), trace.also.get(place, [])
                entry["paths"] = sorted({path for _, path in (*own, *also)})
                static = () if own else known.get((segment.name, number), ())
                entry["rows"] = sorted({*(row for row, _ in (*own, *also)), *static})
                if not entry["paths"] and (over := trace.over.get(place)):
                    entry["unused"] = [{"path": path, "said_by": by} for path, by in sorted(over.items())]
                if kept := left(segment, number):
                    entry["left"] = kept
            found.append(entry)
    return found


def _made(trace: Trace) -> dict[tuple[int, int], list[tuple[str, str]]]:
    """By segment index and field number: the rows that made something of it, each with the path."""
    found: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for note in trace.notes:
        path = f"{note.row.target.partition('.')[0]}.{note.path}".rstrip(".")
        found.setdefault((note.index, note.field), []).append((note.row.place, path))
    return found


def _fate(segment: Segment, number: int, account: Account, plan: Plan | None) -> dict[str, str]:
    fate = account.fate[segment.index]
    if fate == "ignored":
        reason = plan.ignored.get(segment.name, "") if plan else ""
        return {"fate": "ignored", "reason": reason or "the segment makes no record", "row": ""}
    if fate == "unmapped" or account.left.get(segment.index, 0) >> number & 1:
        return {"fate": "unmapped"}
    if account.mapped(segment) >> number & 1:
        return {"fate": "mapped"}
    declared = account.declared(segment, number, plan.overlay if plan else "")
    return {"fate": "ignored", "reason": declared.reason, "row": declared.place} if declared else {"fate": "mapped"}


@cache
def _static(message_type: str, site: Site) -> dict[tuple[str, int], list[str]]:
    """The rows that read a field, whatever came of it, and the plan where it decides what record there is."""
    plan = plan_for(message_type, site)
    found: dict[tuple[str, int], list[str]] = {}
    for record in plan.records if plan else ():
        for step in program(record):
            if step.row.source is not None:
                found.setdefault((step.segment, step.number), []).append(step.row.place)
        for name in (record.where, *record.join):
            segment, _, number = name.partition("-")
            if plan and number:
                found.setdefault((segment, int(number)), []).append(f"plans/hl7/{plan.name}.toml")
    return {key: sorted(set(places)) for key, places in found.items()}
