"""ViewDefinition (SQL on FHIR v2): compiled once into functions that turn a resource into rows of plain values.

Rows are tuples in the order of the columns. `select`s multiply, `forEach` unfolds, `unionAll` appends; a resource that
meets not every `where` gives no row.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jiter import LosslessFloat

from canonical.problem import Problem
from fhir.definitions.table import resource_types
from fhir.fhirpath.engine import compiled
from fhir.fhirpath.evaluation import Budget, Items, PathError, Scope, Step, boolean
from fhir.fhirpath.items import Item, of, resource
from fhir.fhirpath.syntax import BadExpression

MOST_COLUMNS = 500
MOST_ROWS = 10_000  # of one resource
MOST_STEPS = 500_000  # of one resource
DEEPEST = 12
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}\Z")
_ROW = "rowIndex"
_SYSTEM = {"boolean": "Boolean", "integer": "Integer", "decimal": "Decimal", "date": "Date", "time": "Time"}
Row = tuple[Any, ...]
Work = Callable[["_At", Item], list[Row]]


class BadView(Exception):
    """The view cannot be carried out as written, or a resource does not fit it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def bad(code: str, where: str, **named: str) -> BadView:
    """The exception of a problem."""
    return BadView(Problem(f"fhir.view.{code}", where[:200], args=tuple((k, v[:64]) for k, v in named.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A compiled view: the type its rows come from, and their columns."""

    type_name: str
    columns: tuple[str, ...]
    work: Work
    tests: tuple[Step, ...]
    constants: Mapping[str, Items]

    def rows(self, body: dict[str, Any]) -> list[Row]:
        """The rows of a resource; raises BadView where it does not fit the columns."""
        item = resource(body)
        at = _At(item, self.constants, Budget(MOST_STEPS))
        try:
            if not all(_holds(at.values(test, item)) for test in self.tests):
                return []
            return self.work(at, item)
        except PathError as error:
            raise bad("path", "ViewDefinition", reason=str(error)) from None


@dataclass(frozen=True, slots=True)
class _At:
    """The resource under way."""

    root: Item
    constants: Mapping[str, Items]
    budget: Budget
    place: int = 0  # of the item among those that its select unfolds to: %rowIndex

    def values(self, step: Step, item: Item) -> Items:
        """What an expression finds from an item."""
        scope = Scope(item, self.root, self.root, budget=self.budget)
        scope.variables = {**self.constants, _ROW: [of("Integer", self.place)]}
        return step(scope, scope.this)

    def moved(self, place: int) -> _At:
        """The same at another place of what is unfolded."""
        return _At(self.root, self.constants, self.budget, place)


def _holds(found: Items) -> bool:
    if found and (len(found) > 1 or found[0].kind != "Boolean"):
        raise bad("where", "ViewDefinition.where")
    return boolean(found) is True


def view(document: Mapping[str, Any]) -> View:
    """The view of a ViewDefinition; raises BadView with the place of what is wrong."""
    kind = document.get("resource")
    if document.get("resourceType", "ViewDefinition") != "ViewDefinition" or kind not in resource_types():
        raise bad("resource", "ViewDefinition.resource")
    columns, work = _all(_list(document, "select", "ViewDefinition", least=1), "ViewDefinition.select", 1)
    if len(columns) > MOST_COLUMNS:
        raise bad("too-large", "ViewDefinition.select")
    if double := next((name for name in columns if columns.count(name) > 1), ""):
        raise bad("twice", "ViewDefinition.select", name=double)
    wheres = _list(document, "where", "ViewDefinition")
    tests = [_path(each.get("path"), f"ViewDefinition.where[{n}].path") for n, each in enumerate(wheres)]
    return View(
        type_name=str(kind), columns=columns, work=work, tests=tuple(tests), constants=_constants(document)
    )  # fmt: skip


def _list(node: Mapping[str, Any], name: str, where: str, *, least: int = 0) -> list[Mapping[str, Any]]:
    found = node.get(name, [])
    if not isinstance(found, list) or len(found) < least or not all(isinstance(each, dict) for each in found):
        raise bad("structure", f"{where}.{name}")
    return found


def _constants(document: Mapping[str, Any]) -> dict[str, Items]:
    found: dict[str, Items] = {}
    for number, each in enumerate(_list(document, "constant", "ViewDefinition")):
        name, values = each.get("name"), [(key, value) for key, value in each.items() if key.startswith("value")]
        if not isinstance(name, str) or not _NAME.match(name) or len(values) != 1 or isinstance(values[0][1], dict):
            raise bad("constant", f"ViewDefinition.constant[{number}]")
        key, value = values[0]
        kind = key.removeprefix("value")
        system = _SYSTEM.get(kind[0].lower() + kind[1:], "")
        if kind in ("PositiveInt", "UnsignedInt", "Integer64"):
            system = "Integer"
        elif kind in ("DateTime", "Instant"):
            system = "DateTime"
        found[name] = [of(system or "String", value)]
    return found


def _path(text: Any, where: str) -> Step:
    """The compiled expression; raises BadView."""
    if not isinstance(text, str) or not text:
        raise bad("path", where, reason="no expression")
    try:
        return compiled(text)
    except (BadExpression, PathError) as error:
        raise bad("path", where, reason=str(error)) from None


def _all(nodes: Sequence[Mapping[str, Any]], where: str, depth: int) -> tuple[tuple[str, ...], Work]:
    """Several selects beside each other: each row of one with each row of the others."""
    if depth > DEEPEST:
        raise bad("too-large", where)
    parts = [_select(node, f"{where}[{number}]", depth) for number, node in enumerate(nodes)]
    return tuple(name for columns, _ in parts for name in columns), _product([work for _, work in parts])


def _product(works: Sequence[Work]) -> Work:
    if len(works) == 1:
        return works[0]

    def work(at: _At, item: Item) -> list[Row]:
        found: list[Row] = [()]
        for each in works:
            more = each(at, item)
            if len(found) * len(more) > MOST_ROWS:
                raise bad("too-many-rows", "ViewDefinition.select")
            found = [one + other for one, other in itertools.product(found, more)]
        return found

    return work


def _select(node: Mapping[str, Any], where: str, depth: int) -> tuple[tuple[str, ...], Work]:
    """One select: its columns, nested selects and union, for each item it unfolds to."""
    names: tuple[str, ...] = ()
    works: list[Work] = []
    if columns := _list(node, "column", where):
        names, own = _columns(columns, f"{where}.column")
        works.append(own)
    if inner := _list(node, "select", where):
        more, work = _all(inner, f"{where}.select", depth + 1)
        names, works = (*names, *more), [*works, work]
    if branches := _list(node, "unionAll", where):
        more, work = _union(branches, f"{where}.unionAll", depth)
        names, works = (*names, *more), [*works, work]
    if not works:
        raise bad("structure", where)
    return names, _unfolded(node, where, _product(works), len(names))


def _columns(nodes: Sequence[Mapping[str, Any]], where: str) -> tuple[tuple[str, ...], Work]:
    names: list[str] = []
    steps: list[tuple[Step, bool, str]] = []
    for number, node in enumerate(nodes):
        name = node.get("name")
        if not isinstance(name, str) or not _NAME.match(name):
            raise bad("column", f"{where}[{number}].name")
        names.append(name)
        steps.append((_path(node.get("path"), f"{where}[{number}].path"), node.get("collection") is True, name))

    def work(at: _At, item: Item) -> list[Row]:
        return [tuple(_cell(at.values(step, item), many, name) for step, many, name in steps)]

    return tuple(names), work


def _cell(found: Items, many: bool, name: str) -> Any:
    """The value of a column: null, one value, or a list where the column is a collection."""
    if many:
        return [_plain(item) for item in found]
    if len(found) > 1:
        raise bad("several", "ViewDefinition.select.column", name=name)
    return _plain(found[0]) if found else None


def _plain(item: Item) -> Any:
    value = item.value
    if isinstance(value, Decimal):
        return LosslessFloat(format(value, "f").encode())
    if item.type == "System.Quantity":
        return {"value": LosslessFloat(format(value[0], "f").encode()), "code": value[1]}
    return value


def _union(nodes: Sequence[Mapping[str, Any]], where: str, depth: int) -> tuple[tuple[str, ...], Work]:
    if depth >= DEEPEST:
        raise bad("too-large", where)
    parts = [_select(node, f"{where}[{number}]", depth + 1) for number, node in enumerate(nodes)]
    if any(columns != parts[0][0] for columns, _ in parts):
        raise bad("union", where)
    return parts[0][0], lambda at, item: [row for _, work in parts for row in work(at, item)]


def _unfolded(node: Mapping[str, Any], where: str, work: Work, width: int) -> Work:
    """`work` for each item of `forEach`, `forEachOrNull` (without any: a row of nulls) or `repeat`."""
    stated = [name for name in ("forEach", "forEachOrNull", "repeat") if name in node]
    if not stated:
        return work
    if len(stated) > 1:
        raise bad("structure", f"{where}.{stated[1]}")
    find = _repeated(node, where) if stated == ["repeat"] else _found(_path(node[stated[0]], f"{where}.{stated[0]}"))
    own = [0 if column.get("path") == f"%{_ROW}" else None for column in _list(node, "column", where)]
    nothing: list[Row] = [(*own, *[None] * (width - len(own)))] if stated == ["forEachOrNull"] else []

    def unfold(at: _At, item: Item) -> list[Row]:
        rows: list[Row] = []
        place = -1
        for place, each in enumerate(find(at, item)):
            rows += work(at.moved(place), each)
            if len(rows) > MOST_ROWS:
                raise bad("too-many-rows", where)
        return rows if place >= 0 else list(nothing)

    return unfold


def _found(step: Step) -> Callable[[_At, Item], Iterator[Item]]:
    return lambda at, item: iter(at.values(step, item))


def _repeated(node: Mapping[str, Any], where: str) -> Callable[[_At, Item], Iterator[Item]]:
    """The items that the paths of `repeat` lead to, and those they lead to from there, depth first."""
    paths = node["repeat"]
    if not isinstance(paths, list) or not paths:
        raise bad("structure", f"{where}.repeat")
    steps = [_path(text, f"{where}.repeat[{number}]") for number, text in enumerate(paths)]

    def find(at: _At, item: Item) -> Iterator[Item]:
        waiting = [item]
        while waiting:
            found = [each for step in steps for each in at.values(step, waiting[-1])]
            current = waiting.pop()
            if current is not item:
                yield current
            waiting += reversed(found)

    return find
