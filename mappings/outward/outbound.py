"""Records out as HL7 v2: a plan names the segments, a table per segment says which place comes from which element.

The same table-driven way as in: `target` is an HL7 place, `source` a path into one of the named sources (`order`,
`patient`, `encounter`, `partner`, `message`) or a constant (`=NW`), `convert` one of `mappings.outward`. A plan's
segment is the name of its table, or a table of its own that says more: `for`, a path each of whose values makes a
segment (named `as` in the rows, its number `index.n`); `messages` and `since`, the types and the first version that
have it; several tables under one name make one segment. A `group` of segments is written for each value of its path,
which lies over the sources. What a plan has `asked` (segments, and fields of them) goes only to a partner whose
document asks for it, and such a segment only where the structure of the message has it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from canonical.problem import Problem
from hl7.structure import structure
from hl7.versions.table import version_named
from hl7.writer import SegmentWriter
from mappings.outward import CONVERSIONS, OF_ALL, Repetition
from mappings.tables.table import HERE, TableError, read_rows

_COLUMNS = ["target", "source", "convert", "note", "spec"]
_TARGET = re.compile(r"([A-Z][A-Z0-9]{2})-(\d+)(?:\.(\d+))?\Z")
_RECORDS = (
    "order",
    "patient",
    "loser",
    "encounter",
    "role",
    "practitioner",
    "task",
    "coverage",
    "condition",
    "observation",
    "allergy",
    "contact",
)
SOURCES = frozenset((*_RECORDS, "specimen", "place", "prior", "facility", "note", "partner", "message", "index"))
_SAYS = {"table", "for", "as", "messages", "since"}
Sources = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutRow:
    """One row: a place in a segment (component 0: the whole field), where it comes from, and how."""

    segment: str
    field: int
    component: int
    source: tuple[str, ...]
    constant: str
    convert: str
    argument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutSegment:
    """One segment of a plan: its rows; `each`, the path whose values it is written for, and what they are `named` in
    the rows; the types of message that have it (none: all), and the version of HL7 since which they do. An `optional`
    one of which there is only the number and what is constant is left out."""

    rows: tuple[OutRow, ...]
    each: tuple[str, ...] = ()
    named: str = ""
    messages: tuple[str, ...] = ()
    since: tuple[int, ...] = ()
    optional: bool = False

    def fits(self, sources: Sources) -> bool:
        """Whether the message that is made may have it."""
        partner = sources.get("partner", {})
        kind = str(partner.get("message", "")).split("^", 1)[0]
        return (not self.messages or kind in self.messages) and _version(partner.get("version", "")) >= self.since

    def scenes(self, sources: Sources) -> list[Sources]:
        """The sources of each segment that is written."""
        if not self.each:
            return [sources]
        values = found(sources, self.each)
        return [{**sources, self.named: value, "index": {"n": str(n)}} for n, value in enumerate(values, start=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutGroup:
    """Segments written once; or, of a group, for each of the values at a path, its number being `index.n`."""

    segments: tuple[OutSegment, ...]
    each: tuple[str, ...] = ()

    def scenes(self, sources: Sources) -> list[Sources]:
        """The sources of each time it is written."""
        if not self.each:
            return [sources]
        return [{**sources, "index": {"n": str(n)}, **one} for n, one in enumerate(found(sources, self.each), start=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutPlan:
    """A plan: its segments in order, the places without which the message may not go out, what must be asked for."""

    name: str
    groups: tuple[OutGroup, ...]
    required: tuple[str, ...]
    asked: frozenset[str] = frozenset()

    @property
    def segments(self) -> tuple[OutSegment, ...]:
        """All segments, whatever group they are of."""
        return tuple(segment for group in self.groups for segment in group.segments)

    def left(self, partner: Mapping[str, Any]) -> frozenset[str]:
        """What is not told to this partner: asked for by nobody, or without a place in the message's structure."""
        version = version_named(str(partner.get("version", "")))
        code, event, stated = (*str(partner.get("message", "")).split("^"), "", "")[:3]
        line = version.structures.get(version.structure_of(code, event, stated), "") if version else ""
        strange = {name for name in self.asked if "-" not in name and name not in structure(line).names}
        return frozenset((self.asked - set(partner.get("beside", ()))) | strange)


@cache
def out_plan(name: str) -> OutPlan:
    """The plan `mappings/plans/<name>.toml`; raises TableError naming what is wrong."""
    path = HERE / "plans" / f"{name}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        groups = tuple(_group(said, f"plans/{name}.toml") for said in document["segments"])
        asked = frozenset(document.get("asked", ()))
        return OutPlan(name=name, groups=groups, required=tuple(document["required"]), asked=asked)
    except (FileNotFoundError, KeyError) as error:
        raise TableError(f"plans/{name}.toml: {error}") from None


def _group(said: Any, place: str) -> OutGroup:
    if isinstance(said, Mapping) and "group" in said:
        if set(said) != {"group", "segments"}:
            raise TableError(f"{place}: group {said['group']}")
        segments = tuple(_segment(one, place) for one in said["segments"])
        return OutGroup(segments=segments, each=tuple(str(said["group"]).split(".")))
    return OutGroup(segments=(_segment(said, place),))


def _segment(said: Any, place: str) -> OutSegment:
    table = {"table": said} if isinstance(said, str) else dict(said)
    each, named = str(table.get("for", "")), str(table.get("as", ""))
    if not set(table) <= _SAYS or bool(each) != bool(named) or (named and named not in SOURCES):
        raise TableError(f"{place}: segment {table}")
    tables = [table["table"]] if isinstance(table["table"], str) else table["table"]
    return OutSegment(
        rows=tuple(row for name in tables for row in out_table(name)),
        each=tuple(each.split(".")) if each else (),
        named=named,
        messages=tuple(table.get("messages", ())),
        since=_version(table.get("since", "")),
        optional=not isinstance(said, str),
    )


def _version(text: object) -> tuple[int, ...]:
    """`2.5.1` as numbers to compare; none for no version."""
    return tuple(int(part) for part in str(text).split(".") if part.isdigit())


@cache
def out_table(name: str) -> tuple[OutRow, ...]:
    """The rows of `mappings/out/<name>.csv`; raises TableError naming file and line."""
    file = HERE / "out" / f"{name}.csv"
    return tuple(_row(values, f"out/{name}.csv:{line}", name) for line, values in read_rows(file, _COLUMNS))


def _row(values: dict[str, str], place: str, name: str) -> OutRow:
    match = _TARGET.match(values["target"])
    if match is None or match[1] != name.partition("-")[0].upper():
        raise TableError(f"{place}: target {values['target']!r}")
    convert, _, argument = values["convert"].partition(":")
    if (convert or "text") not in CONVERSIONS:
        raise TableError(f"{place}: conversion {convert!r}")
    text = values["source"]
    steps = () if text.startswith("=") else tuple(text.split("."))
    if not text.startswith("=") and steps[0] not in SOURCES:
        raise TableError(f"{place}: source {text!r}")
    return OutRow(
        segment=match[1],
        field=int(match[2]),
        component=int(match[3] or 0),
        source=steps,
        constant=text[1:] if text.startswith("=") else "",
        convert=convert or "text",
        argument=argument,
    )


def render(plan: OutPlan, sources: Sources) -> tuple[list[SegmentWriter], list[Problem]]:
    """The segments that have content, and a Problem for each required place that stayed empty, if only in one group."""
    segments: list[SegmentWriter] = []
    empty: list[str] = []
    left = plan.left(sources.get("partner", {})) if plan.asked else frozenset()
    for group in plan.groups:
        for scene in group.scenes(sources) or [{}]:
            written = [writer for part in group.segments for writer in _written(part, scene, left)]
            filled = {f"{segment.name}-{number}" for segment in written for number in segment.fields}
            names = {part.rows[0].segment for part in group.segments}
            empty += [one for one in plan.required if one.partition("-")[0] in names and one not in filled]
            segments += written
    missing = [place for place in plan.required if place in empty]
    return segments, [Problem("order.incomplete", place) for place in missing]


def _written(part: OutSegment, scene: Sources, left: frozenset[str]) -> Iterator[SegmentWriter]:
    if not part.fits(scene) or part.rows[0].segment in left:
        return
    for sources in part.scenes(scene):
        writer = SegmentWriter(part.rows[0].segment)
        for row in part.rows:
            if f"{row.segment}-{row.field}" not in left:
                _put(writer, row, sources)
        if set(writer.fields) - _set_ids(part):
            yield writer


def _set_ids(part: OutSegment) -> set[int]:
    """The fields of a segment that say nothing by themselves: its number, and constants."""
    return {row.field for row in part.rows if part.optional and (row.constant or row.source[0] == "index")}


def _put(writer: SegmentWriter, row: OutRow, sources: Sources) -> None:
    values = [row.constant] if row.constant else found(sources, row.source)
    repetitions: list[Repetition] = []
    for value in [values] if row.convert in OF_ALL and values else values:
        repetitions += CONVERSIONS[row.convert](value, row.argument)
    for place, repetition in enumerate(repetitions):
        for (component, sub), text in repetition.items():
            writer.put(row.field, text, row.component or component, sub, place)


def found(node: Any, path: Sequence[str]) -> list[Any]:
    """All values at a path; lists on the way are walked through, and so is one at its end."""
    if isinstance(node, list):
        return [value for item in node for value in found(item, path)]
    if not path:
        return [] if node is None else [node]
    return found(node[path[0]], path[1:]) if isinstance(node, Mapping) and path[0] in node else []
