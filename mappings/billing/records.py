"""FHIR records of billing by tables: a guide's tree, a payer's answer, a statement as Claim, ClaimResponse and EOB.

Same columns and rules as the guide tables: `target` is a FHIR path, `source` a dotted path of the record described or a
constant (`=…`), a blank `when` needs the value, `absent` fills a place no earlier row filled.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from canonical.problem import Problem
from fhir.definitions.table import type_named
from mappings.billing.guide_values import Unmapped
from mappings.billing.guides import GuideRow, Record, rows, value_at
from mappings.billing.record_values import RECORD_CONVERSIONS, RecordConversion
from mappings.tables.body import Body, compiled
from mappings.tables.table import HERE, TableError

_KNOWN = frozenset(RECORD_CONVERSIONS)
_ROOM = "billing"
_EMPTY: tuple[Any, ...] = ("", [])


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPart:
    """A repeating element: the list it comes from, the name an entry has as a source, its element and tables.

    `<each>_position` is the entry's number from 1.
    """

    source: str
    each: str
    element: str
    tables: tuple[str, ...]
    parts: tuple[RecordPart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPlan:
    """A record: its type, its tables and its repeating elements."""

    name: str
    type: str
    tables: tuple[str, ...]
    parts: tuple[RecordPart, ...]


@cache
def record_plan(name: str) -> RecordPlan:
    """The plan `mappings/plans/billing/<name>.toml`; raises TableError."""
    try:
        with (HERE / "plans" / _ROOM / f"{name}.toml").open("rb") as file:
            raw = tomllib.load(file)
        return RecordPlan(name=name, type=raw["type"], tables=tuple(raw["tables"]), parts=_parts(raw))
    except (OSError, KeyError, TypeError) as error:
        raise TableError(f"plans/{_ROOM}/{name}.toml: {error}") from None


def record_plans() -> tuple[str, ...]:
    """The names of all plans."""
    return tuple(sorted(path.stem for path in (HERE / "plans" / _ROOM).glob("*.toml")))


def _parts(raw: Mapping[str, Any]) -> tuple[RecordPart, ...]:
    return tuple(
        RecordPart(
            source=row["source"],
            each=row["each"],
            element=row["element"],
            tables=tuple(row["tables"]),
            parts=_parts(row),
        )
        for row in raw.get("parts", ())
    )


def describe(
    plan: RecordPlan, record: Record, version: str, onto: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """The body a record becomes, and what it lacks for it; with `onto`, that body with the plan's elements over it."""
    problems: list[Problem] = []
    body = _filled(_Place(plan.type, plan.type), (plan.tables, plan.parts), record, version, problems)
    if onto is not None:
        return _laid_over(dict(onto), body), problems
    return {"resourceType": plan.type, **body}, problems


def _laid_over(onto: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Lists grow, single elements are replaced."""
    for name, value in body.items():
        kept = onto.get(name)
        onto[name] = [*kept, *value] if isinstance(kept, list) and isinstance(value, list) else value
    return onto


@dataclass(frozen=True, slots=True)
class _Place:
    """Where rows write: the type of the element, and its path in the record type."""

    type: str
    path: str


def _filled(
    place: _Place,
    content: tuple[Sequence[str], Sequence[RecordPart]],
    record: Record,
    version: str,
    problems: list[Problem],
) -> dict[str, Any]:
    body = Body(place.type)
    for row in _rows(tuple(content[0]), version, place):
        _fill(body, row, record, problems)
    for part in content[1]:
        inner = _inner(place, part.element)
        for position, entry in enumerate(value_at(record, part.source) or (), start=1):
            scope = {**record, part.each: entry, f"{part.each}_position": position}
            found = _filled(inner, (part.tables, part.parts), scope, version, problems)
            if found:
                body.value.setdefault(part.element, []).append(found)
    return body.value


class _Ready(NamedTuple):
    """A row with all that can be worked out before a record is there: the steps of its source and of its place, the
    text its source must equal, its conversion, and what a constant becomes (None: worked out each time).
    """

    row: GuideRow
    source: tuple[str, ...]
    steps: tuple[tuple[str, str, bool], ...]
    equals: str | None
    absent: bool
    convert: RecordConversion
    fixed: str | None


def _fill(body: Body, ready: _Ready, record: Record, problems: list[Problem]) -> None:
    row = ready.row
    value = row.constant if row.constant is not None else _value(ready, record)
    if ready.equals is not None and str(value) != ready.equals:
        return
    if ready.absent and _is_there(body, ready.steps):
        return
    if value is None or value in _EMPTY:
        if not row.when:
            problems.append(Problem("guide.missing", row.target, args=(("field", row.label), ("source", row.source))))
        return
    if ready.fixed is not None:
        body.put_at(ready.steps, ready.fixed)
        return
    try:
        for one in value if isinstance(value, list) else (value,):
            body.put_at(ready.steps, ready.convert(one, row.argument))
    except Unmapped as error:
        problems.append(Problem(error.code, row.target, args=(("field", row.label), ("table", row.argument))))


def _value(ready: _Ready, record: Record) -> Any:
    """What `value_at` gives for the source."""
    value: Any = record
    for step in ready.source:
        if type(value) is not dict:  # hardly ever
            return value_at(record, ready.row.source)
        value = value.get(step)
    return value


def _is_there(body: Body, steps: tuple[tuple[str, str, bool], ...]) -> bool:
    """Whether the place of a path without tags has a value."""
    node: Any = body.value
    for name, tag, repeats in steps:
        here = node.get(name) if isinstance(node, dict) else None
        node = body.tags.get((id(node), name, tag), here) if repeats and tag else here
        if isinstance(node, list):
            node = node[-1]
    return node is not None


@cache
def _rows(tables: tuple[str, ...], version: str, place: _Place) -> tuple[_Ready, ...]:
    """The rows of tables with their paths below the place, `absent` ones last; raises TableError for a wrong path."""
    found = []
    for table in tables:
        for row in rows(f"records/{table}", version, _KNOWN):
            path = row.target.removeprefix(f"{place.path}.")
            try:
                steps = compiled(place.type, path)
            except LookupError:
                text = f"tiss/records/{table}.csv: target {row.target!r} is not below {place.path}"
                raise TableError(text) from None
            found.append(_ready(row, steps))
    return tuple(sorted(found, key=lambda ready: ready.absent))


def _ready(row: GuideRow, steps: tuple[tuple[str, str, bool], ...]) -> _Ready:
    equals = row.when.removeprefix("equals:") if row.when.startswith("equals:") else None
    convert = RECORD_CONVERSIONS[row.convert]
    fixed = (
        row.constant if row.convert == "text" and row.constant and convert(row.constant, "") == row.constant else None
    )
    source = tuple(row.source.split("."))
    return _Ready(row, source, steps, equals, row.when == "absent", convert, fixed)


@cache
def _inner(place: _Place, element: str) -> _Place:
    found = type_named(place.type)
    if found is None or element not in found.elements or not found.elements[element].repeats:
        raise TableError(f"{place.path} has no repeating element {element!r}")
    return _Place(found.elements[element].types[0], f"{place.path}.{element}")
