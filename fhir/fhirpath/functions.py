"""The functions of FHIRPath (N1 §5) and R4's additions (R4 §2.9.1): by name, what compiles a call of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import Any

from fhir.fhirpath import bounds, compare, keys, syntax, texts
from fhir.fhirpath.evaluation import Items, PathError, Scope, Step, boolean, distinct, single, type_test
from fhir.fhirpath.items import (
    Item,
    all_children,
    children,
    descendants,
    is_a,
    is_known,
    number,
    of,
    truth,
    type_of,
)

Parts = Sequence[syntax.Node]
Compile = Callable[[syntax.Node], Step]
Maker = Callable[[Parts, Compile], Step]


def _plain(work: Callable[[Scope, Items], Items]) -> Maker:
    """A function without arguments."""

    def make(parts: Parts, compiled: Compile) -> Step:
        _count(parts, 0)
        return work

    return make


def _with(work: Callable[..., Items], least: int = 1, most: int = 1) -> Maker:
    """A function whose arguments are worked out first, for `$this` of the caller."""

    def make(parts: Parts, compiled: Compile) -> Step:
        _count(parts, least, most)
        steps = [compiled(part) for part in parts]
        return lambda scope, focus: work(scope, focus, *(step(scope, scope.this) for step in steps))

    return make


def _count(parts: Parts, least: int, most: int | None = None) -> None:
    if not least <= len(parts) <= (least if most is None else most):
        raise PathError("a function with too few or too many arguments")


def _where(parts: Parts, compiled: Compile) -> Step:
    _count(parts, 1)
    test = compiled(parts[0])
    return lambda scope, focus: [item for place, item in enumerate(focus) if boolean(scope.within([item], place, test))]


def _select(parts: Parts, compiled: Compile) -> Step:
    _count(parts, 1)
    inner = compiled(parts[0])
    return lambda scope, focus: [
        found for place, item in enumerate(focus) for found in scope.within([item], place, inner)
    ]


def _exists(parts: Parts, compiled: Compile) -> Step:
    _count(parts, 0, 1)
    if not parts:
        return lambda scope, focus: truth(bool(focus))
    kept = _where(parts, compiled)
    return lambda scope, focus: truth(bool(kept(scope, focus)))


def _all(parts: Parts, compiled: Compile) -> Step:
    _count(parts, 1)
    test = compiled(parts[0])
    return lambda scope, focus: truth(
        all(boolean(scope.within([item], place, test)) for place, item in enumerate(focus))
    )


def _repeat(parts: Parts, compiled: Compile) -> Step:
    _count(parts, 1)
    inner = compiled(parts[0])

    def step(scope: Scope, focus: Items) -> Items:
        found: Items = []
        level = focus
        while level:
            reached = [each for place, item in enumerate(level) for each in scope.within([item], place, inner)]
            fresh = distinct(reached, scope.budget)
            scope.budget.spend(len(fresh) * len(found))
            level = [each for each in fresh if not any(compare.equal_items(each, old) for old in found)]
            found += level
        return found

    return step


def _aggregate(parts: Parts, compiled: Compile) -> Step:
    _count(parts, 1, 2)
    inner = compiled(parts[0])
    start = compiled(parts[1]) if len(parts) > 1 else None

    def step(scope: Scope, focus: Items) -> Items:
        before = scope.total
        scope.total = start(scope, scope.this) if start is not None else []
        for place, item in enumerate(focus):
            scope.total = scope.within([item], place, inner)
        found, scope.total = scope.total, before
        return found

    return step


def _iif(parts: Parts, compiled: Compile) -> Step:
    _count(parts, 2, 3)
    test, *ways = map(compiled, parts)

    def step(scope: Scope, focus: Items) -> Items:
        def way(inner: Step) -> Items:
            return scope.within(focus, scope.index, inner)

        if len(focus) > 1:
            raise PathError("several items where one is meant")

        if boolean(way(test)):
            return way(ways[0])
        return way(ways[1]) if len(ways) > 1 else []

    return step


def _trace(parts: Parts, compiled: Compile) -> Step:
    _count(parts, 1, 2)
    return lambda scope, focus: focus


def _typed(*, keeps: bool, many: bool = False) -> Maker:
    def make(parts: Parts, compiled: Compile) -> Step:
        _count(parts, 1)
        return type_test(lambda scope, focus: focus, _type_name(parts[0]), keeps=keeps)

    return make


def _type_name(node: syntax.Node) -> str:
    """A type specifier, which reads as a name or a path of two."""
    if node.kind == "path":
        return ".".join(_type_name(part) for part in node.parts)
    if node.kind != "name":
        raise PathError("no name of a type")
    return str(node.value)


def _sort(parts: Parts, compiled: Compile) -> Step:
    """By the values themselves or by keys; `-key` turns the order round, nothing counts as greater than anything."""
    ways = [(compiled(p.parts[0] if p.kind == "negative" else p), p.kind == "negative") for p in parts]
    ways = ways or [(_this, False)]

    def step(scope: Scope, focus: Items) -> Items:
        scope.budget.spend(len(focus) * max(len(focus).bit_length(), 1))
        rows = [
            ([single(scope.within([item], place, key)) for key, _ in ways], item) for place, item in enumerate(focus)
        ]
        for number_of_key, (_, down) in reversed(list(enumerate(ways))):
            by_key = cmp_to_key(lambda one, other, n=number_of_key: _order(one[0][n], other[0][n]))  # type: ignore[misc]
            rows.sort(key=by_key, reverse=down)
        return [item for _, item in rows]

    return step


def _this(scope: Scope, focus: Items) -> Items:
    return scope.this


def _order(one: Item | None, other: Item | None) -> int:
    if one is None or other is None:
        return (one is None) - (other is None)
    order = compare.order(one, other)
    if order is None:
        raise PathError("values that have no order")
    return order


def _comparable(scope: Scope, focus: Items, other: Items) -> Items:
    a, b = single(focus), single(other)
    return [] if a is None or b is None else truth(compare.comparable(a, b))


def _conforms(scope: Scope, focus: Items, url: Items) -> Items:
    """Whether an item is of a type of R4; raises PathError for other profiles."""
    item, (base, _, name) = single(focus), texts.text(url).rpartition("/")
    if base != "http://hl7.org/fhir/StructureDefinition" or not is_known(name):
        raise PathError("a profile that cannot be judged here")
    return [] if item is None else truth(is_a(item, name))


def _reference_key(parts: Parts, compiled: Compile) -> Step:
    _count(parts, 0, 1)
    wanted = _type_name(parts[0]) if parts else ""
    return lambda scope, focus: keys.reference_key(focus, wanted)


def _truths(wanted: bool, combine: Callable[[Any], bool]) -> Maker:
    def work(scope: Scope, focus: Items) -> Items:
        return truth(combine(item.value is wanted for item in focus))

    return _plain(work)


def _not(scope: Scope, focus: Items) -> Items:
    found = boolean(focus)
    return [] if found is None else truth(not found)


def _subset(scope: Scope, focus: Items, others: Items) -> Items:
    scope.budget.spend(len(focus) * len(others))
    return truth(all(_has(others, item) for item in focus))


def _sieved(scope: Scope, focus: Items, others: Items, *, kept: bool) -> Items:
    """The items that are, or are not, among others."""
    scope.budget.spend(len(focus) * len(others))
    return [item for item in focus if _has(others, item) is kept]


def _descendants(scope: Scope, focus: Items) -> Items:
    """What is below; of one value it is gathered once, since rules ask for it again for each thing contained."""
    value = focus[0].value if len(focus) == 1 else None
    if not isinstance(value, dict):
        found = list(descendants(focus))
        scope.budget.spend(len(found))
        return found
    known, place = scope.budget.walked, (id(value), focus[0].type)
    if place not in known:
        known[place] = value, list(descendants(focus))  # held, so that its identity stays its own
    found = known[place][1]
    scope.budget.spend(len(found))
    return list(found)


def _has(found: Items, item: Item) -> bool:
    return any(compare.equal_items(item, each) for each in found)


def _cut(scope: Scope, focus: Items, count: Items, *, takes: bool) -> Items:
    item = single(count)
    places = number(item) if item is not None else None
    if not isinstance(places, int):
        raise PathError("no whole number")
    return focus[: max(places, 0)] if takes else focus[max(places, 0) :]


def _single(scope: Scope, focus: Items) -> Items:
    item = single(focus)
    return [] if item is None else [item]


def _extension(scope: Scope, focus: Items, url: Items) -> Items:
    wanted = texts.text(url)
    found = (each for item in focus for each in children(item, "extension"))
    return [each for each in found if isinstance(each.value, dict) and each.value.get("url") == wanted]


def _has_value(scope: Scope, focus: Items) -> Items:
    return truth(len(focus) == 1 and focus[0].kind != "" and focus[0].value is not None)


def _value(scope: Scope, focus: Items) -> Items:
    return [of(item.kind, item.value) for item in focus if item.kind and item.value is not None]


def _resolve(scope: Scope, focus: Items) -> Items:
    if scope.resolver is None:
        return []
    return [found for item in focus if (found := scope.resolver(item)) is not None]


def _member_of(scope: Scope, focus: Items, url: Items) -> Items:
    item = single(focus)
    if item is None:
        return []
    found = scope.member(item, texts.text(url)) if scope.member is not None else None
    return [] if found is None else truth(found)


def _moment(kind: str, form: str) -> Maker:
    def work(scope: Scope, focus: Items) -> Items:
        if scope.now is None:
            raise PathError("there is no clock here")
        return [of(kind, scope.now.strftime(form))]

    return _plain(work)


MAKERS: dict[str, Maker] = {
    "empty": _plain(lambda scope, focus: truth(not focus)),
    "exists": _exists,
    "all": _all,
    "not": _plain(_not),
    "allTrue": _truths(True, all),
    "anyTrue": _truths(True, any),
    "allFalse": _truths(False, all),
    "anyFalse": _truths(False, any),
    "subsetOf": _with(_subset),
    "supersetOf": _with(lambda scope, focus, others: _subset(scope, others, focus)),
    "count": _plain(lambda scope, focus: [of("Integer", len(focus))]),
    "distinct": _plain(lambda scope, focus: distinct(focus, scope.budget)),
    "isDistinct": _plain(lambda scope, focus: truth(len(distinct(focus, scope.budget)) == len(focus))),
    "where": _where,
    "select": _select,
    "repeat": _repeat,
    "aggregate": _aggregate,
    "ofType": _typed(keeps=True),
    "as": _typed(keeps=True),
    "is": _typed(keeps=False),
    "single": _plain(_single),
    "first": _plain(lambda scope, focus: focus[:1]),
    "last": _plain(lambda scope, focus: focus[-1:]),
    "tail": _plain(lambda scope, focus: focus[1:]),
    "skip": _with(lambda scope, focus, count: _cut(scope, focus, count, takes=False)),
    "take": _with(lambda scope, focus, count: _cut(scope, focus, count, takes=True)),
    "intersect": _with(lambda scope, focus, others: distinct(_sieved(scope, focus, others, kept=True), scope.budget)),
    "exclude": _with(lambda scope, focus, others: _sieved(scope, focus, others, kept=False)),
    "union": _with(lambda scope, focus, others: distinct([*focus, *others], scope.budget)),
    "combine": _with(lambda scope, focus, others: [*focus, *others]),
    "iif": _iif,
    "trace": _trace,
    "getResourceKey": _plain(lambda scope, focus: keys.resource_key(focus)),
    "getReferenceKey": _reference_key,
    "children": _plain(lambda scope, focus: [c for item in focus for c in all_children(item)]),
    "descendants": _plain(_descendants),
    "extension": _with(_extension),
    "hasValue": _plain(_has_value),
    "getValue": _plain(_value),
    "resolve": _plain(_resolve),
    "memberOf": _with(_member_of),
    "sort": _sort,
    "type": _plain(lambda scope, focus: [type_of(item) for item in focus]),
    "comparable": _with(_comparable),
    "conformsTo": _with(_conforms),
    "lowBoundary": _with(bounds.boundary(high=False), 0, 1),
    "highBoundary": _with(bounds.boundary(high=True), 0, 1),
    "precision": _plain(bounds.precision),
    "htmlChecks": _plain(texts.html_checks),
    "now": _moment("DateTime", "%Y-%m-%dT%H:%M:%S+00:00"),
    "today": _moment("Date", "%Y-%m-%d"),
    "timeOfDay": _moment("Time", "%H:%M:%S"),
    **{name: _with(work, least, most) for name, (work, least, most) in texts.FUNCTIONS.items()},
}
