"""Maps canonical billing records to guide trees by tables: target a guide path, source a record path.

Same columns and rules as the HL7 tables. A blank `when` means the guide needs the value, and so does `absent`, the way
to it where no other row gave one; rows of `tiss/<version>/`
replace rows of the same target, so a version is only the rows that moved.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from canonical.problem import Problem
from mappings.billing.guide_values import CONVERSIONS, Unmapped
from mappings.tables.table import HERE, TableError

Record = Mapping[str, Any]
Tree = dict[str, Any]
_EMPTY: tuple[Any, ...] = ("", [])
_COLUMNS = ["target", "source", "convert", "when", "note", "spec"]


@dataclass(frozen=True, slots=True)
class GuideRow:
    """One row: `source` is a dotted record path, or a constant; `label` is how a biller calls the field."""

    target: str
    source: str
    constant: str | None
    convert: str
    argument: str
    when: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A repeating part of a guide: the record list it comes from, its path in the tree and its table.

    `each` is the name an entry has as a source; `items`: the entries are what the guide bills. `parts` repeat inside.
    """

    name: str
    path: str
    table: str
    each: str = "item"
    items: bool = True
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidePlan:
    """A kind of guide: the element it becomes, its table and its repeating parts.

    `once` names what all entries must agree in, where the version states it once for all of them.
    """

    kind: str
    guide: str
    table: str
    parts: tuple[Part, ...]
    once: tuple[str, ...] = ()


@cache
def plan(kind: str, room: str = "tiss", version: str = "") -> GuidePlan:
    """The plan of a kind (`consulta`, `sp-sadt`, …), or of a request in room `requests`; raises TableError.

    Where a version has another shape, its plan stands in a folder of its own.
    """
    try:
        own = HERE / "plans" / room / version / f"{kind}.toml"
        with (own if own.is_file() else HERE / "plans" / room / f"{kind}.toml").open("rb") as file:
            raw = tomllib.load(file)
        parts = tuple(_part(row) for row in raw.get("parts", ()))
        once = tuple(raw.get("once", ()))
        return GuidePlan(kind=raw["kind"], guide=raw["guide"], table=raw["table"], parts=parts, once=once)
    except (OSError, KeyError, TypeError) as error:
        raise TableError(f"plans/{room}/{kind}.toml: {error}") from None


def _part(raw: dict[str, Any]) -> Part:
    inner = tuple(_part(row) for row in raw.get("parts", ()))
    return Part(**{**raw, "parts": inner})


@cache
def rows(table: str, version: str, known: frozenset[str] = frozenset(CONVERSIONS)) -> tuple[GuideRow, ...]:
    """The rows of `mappings/tiss/<table>.csv` with those of the version laid over, by target; raises TableError.

    `known` names the conversions its rows may use.
    """
    found = _read(f"tiss/{table}", known)
    if (HERE / "tiss" / version / f"{table}.csv").is_file():
        moved = _read(f"tiss/{version}/{table}", known)
        targets = {row.target for row in moved}
        found = sorted([*(row for row in found if row.target not in targets), *moved], key=lambda row: row.target)
    return tuple(row for row in found if row.source or row.constant is not None)


def kinds(room: str = "tiss") -> tuple[str, ...]:
    """The kinds of guide (or of requests to payers, room `requests`) that have a plan."""
    return tuple(sorted(path.stem for path in (HERE / "plans" / room).glob("*.toml")))


@cache
def asks_for(source: str, version: str) -> bool:
    """Whether the guide of any kind reads `source` in a version."""

    def read(table: str, parts: tuple[Part, ...]) -> bool:
        return any(row.source == source for row in rows(table, version)) or any(
            read(part.table, part.parts) for part in parts
        )

    return any(read(found.table, found.parts) for found in map(plan, kinds()))


def guide_tree(found: GuidePlan, record: Record, version: str) -> tuple[Tree, list[Problem]]:
    """The guide of a record as a tree of texts, and what the record lacks for it."""
    problems: list[Problem] = []
    tree = _fill(rows(found.table, version), record, found.guide, problems)
    _fill_parts(tree, found.parts, record, (version, found.guide), problems)
    return tree, problems


def _fill_parts(
    tree: Tree, parts: tuple[Part, ...], record: Record, place: tuple[str, str], problems: list[Problem]
) -> None:
    """The repeating parts into a tree at a place (version and path)."""
    version, path = place
    for part in parts:
        entries = []
        for number, entry in enumerate(value_at(record, part.name) or (), start=1):
            scope, where = {**record, part.each: entry}, f"{path}/{part.path}[{number}]"
            inner = _fill(rows(part.table, version), scope, where, problems)
            _fill_parts(inner, part.parts, scope, (version, where), problems)
            entries.append(inner)
        if entries:
            _put(tree, part.path, entries)


def value_at(record: Record, path: str) -> Any:
    """The value at a dotted path, list entries by their number from 0; None when any step is absent."""
    node: Any = record
    for step in _steps(path):
        if type(node) is dict:  # nearly always; asking whether it is a Mapping costs more than the step
            node = node.get(step)
        elif node is None:
            return None
        elif isinstance(node, list):
            node = node[int(step)] if step.isdigit() and int(step) < len(node) else None
        else:
            node = node.get(step) if isinstance(node, Mapping) else None
    return node


@lru_cache(maxsize=8192)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _fill(table: tuple[GuideRow, ...], record: Record, place: str, problems: list[Problem]) -> Tree:
    tree: Tree = {}
    for row in table:
        value = row.constant if row.constant is not None else value_at(record, row.source)
        if row.when.startswith("equals:") and str(value) != row.when.removeprefix("equals:"):
            continue
        if row.when == "absent" and value_at(tree, row.target.replace("/", ".")) is not None:
            continue
        if value is None or value in _EMPTY:
            if row.when in ("", "absent"):  # the last way to a value the guide needs
                where = f"{place}/{row.target}"
                problems.append(Problem("guide.missing", where, args=(("field", row.label), ("source", row.source))))
            continue
        try:
            _put(tree, row.target, CONVERSIONS[row.convert](value, row.argument))
        except Unmapped as error:
            where = f"{place}/{row.target}"
            problems.append(Problem(error.code, where, args=(("field", row.label), ("table", row.argument))))
    return tree


def _put(tree: Tree, path: str, value: Any) -> None:
    *steps, last = path.split("/")
    for step in steps:
        tree = tree.setdefault(step, {})
    tree[last] = value


def _read(name: str, known: frozenset[str]) -> list[GuideRow]:
    try:
        with (HERE / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if reader.fieldnames != _COLUMNS:
                raise TableError(f"{name}.csv:1: columns must be {','.join(_COLUMNS)}")
            return [_row(values, f"{name}.csv:{line}", known) for line, values in enumerate(reader, start=2)]
    except FileNotFoundError:
        raise TableError(f"{name}.csv does not exist") from None


def _row(values: dict[str, str], place: str, known: frozenset[str]) -> GuideRow:
    if None in values or None in values.values():
        raise TableError(f"{place}: wrong number of columns")
    convert, _, argument = values["convert"].partition(":")
    if (convert or "text") not in known:
        raise TableError(f"{place}: convert {convert!r}")
    when = values["when"]
    if when not in ("", "present", "absent") and not when.startswith("equals:"):
        raise TableError(f"{place}: when {when!r}")
    source = values["source"]
    constant = source[1:] if source.startswith("=") else None
    label = values["note"] or values["target"]
    return GuideRow(
        values["target"], "" if constant is not None else source, constant, convert or "text", argument, when, label
    )
