"""Records out as HL7 v2: a plan names the segments, a table per segment says which place comes from which element.

The same table-driven way as in: `target` is an HL7 place, `source` a path into one of the named sources (`order`,
`patient`, `encounter`, `partner`, `message`) or a constant (`=NW`), `convert` one of `mappings.outward`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from canonical.problem import Problem
from hl7.writer import SegmentWriter
from mappings.outward import CONVERSIONS, Repetition
from mappings.table import HERE, TableError, read_rows

_COLUMNS = ["target", "source", "convert", "note", "spec"]
_TARGET = re.compile(r"([A-Z][A-Z0-9]{2})-(\d+)(?:\.(\d+))?\Z")
SOURCES = frozenset(
    ("order", "patient", "loser", "encounter", "place", "partner", "message", "task", "role", "practitioner", "note")
)


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
class OutPlan:
    """A plan: its segments' rows in order, and the places without which the message may not go out."""

    name: str
    segments: tuple[tuple[OutRow, ...], ...]
    required: tuple[str, ...]


@cache
def out_plan(name: str) -> OutPlan:
    """The plan `mappings/plans/<name>.toml`; raises TableError naming what is wrong."""
    path = HERE / "plans" / f"{name}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        segments = tuple(out_table(table) for table in document["segments"])
        return OutPlan(name=name, segments=segments, required=tuple(document["required"]))
    except (FileNotFoundError, KeyError) as error:
        raise TableError(f"plans/{name}.toml: {error}") from None


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
    if not text.startswith("=") and (len(steps) < 2 or steps[0] not in SOURCES):
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


def render(plan: OutPlan, sources: Mapping[str, Any]) -> tuple[list[SegmentWriter], list[Problem]]:
    """The segments that have content, and a Problem for each required place that stayed empty."""
    segments = []
    for rows in plan.segments:
        writer = SegmentWriter(rows[0].segment)
        for row in rows:
            _put(writer, row, sources)
        if writer.fields:
            segments.append(writer)
    filled = {f"{segment.name}-{number}" for segment in segments for number in segment.fields}
    return segments, [
        Problem("order.incomplete", place, args=(("place", place),)) for place in plan.required if place not in filled
    ]


def _put(writer: SegmentWriter, row: OutRow, sources: Mapping[str, Any]) -> None:
    values = [row.constant] if row.constant else found(sources, row.source)
    repetitions: list[Repetition] = []
    for value in values:
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
