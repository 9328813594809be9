"""Compiles the tree of an expression to functions over items, once; evaluates it with what surrounds an item.

What surrounds an evaluation, and what a step is, stands in `evaluation.py`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from functools import lru_cache

from fhir.fhirpath import items, syntax
from fhir.fhirpath.evaluation import Items, PathError, Resolver, Scope, Step, single, type_test
from fhir.fhirpath.functions import MAKERS
from fhir.fhirpath.items import Item, children, is_a, of
from fhir.fhirpath.operators import BOTH, LAZY

_MANY = 4  # values that are reached by one step
_VALUE_SETS = "http://hl7.org/fhir/ValueSet/"
_EXTENSIONS = "http://hl7.org/fhir/StructureDefinition/"
_FIXED = {"ucum": "http://unitsofmeasure.org", "sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}


@lru_cache(maxsize=5000)
def compiled(text: str) -> Step:
    """The function of an expression; raises syntax.BadExpression, PathError for functions that do not exist."""
    return compile_node(syntax.parse(text))


def evaluate(
    text: str,
    item: Item,
    *,
    resolver: Resolver | None = None,
    now: datetime.datetime | None = None,
    variables: Mapping[str, Items] | None = None,
) -> Items:
    """The values of an expression for an item; raises syntax.BadExpression, PathError."""
    scope = Scope(item, resolver=resolver)
    scope.now, scope.variables = now, variables or {}
    return compiled(text)(scope, scope.this)


def compile_node(node: syntax.Node) -> Step:
    """The function of a tree; raises PathError."""
    return _MAKERS[node.kind](node)


def _literal(node: syntax.Node) -> Step:
    kind, value = node.value
    found = [of(kind, value)]
    return lambda scope, focus: found


def _name(node: syntax.Node) -> Step:
    name = str(node.value)

    def child(scope: Scope, focus: Items) -> Items:
        found = [inner for item in focus for inner in children(item, name)]
        if len(found) >= _MANY:
            scope.budget.spend(len(found) // _MANY)
        return found

    if not name[0].isupper():
        return child
    return lambda scope, focus: [i for i in focus if is_a(i, name)] or child(scope, focus)


def _path(node: syntax.Node) -> Step:
    left, right = map(compile_node, node.parts)

    def step(scope: Scope, focus: Items) -> Items:
        found = left(scope, focus)
        return right(scope, found)

    return step


def _index(node: syntax.Node) -> Step:
    left, place = map(compile_node, node.parts)

    def step(scope: Scope, focus: Items) -> Items:
        found, item = left(scope, focus), single(place(scope, scope.this))
        if item is None or not isinstance(item.value, int) or item.value < 0:
            return []
        return found[item.value : item.value + 1]

    return step


def _call(node: syntax.Node) -> Step:
    maker = MAKERS.get(str(node.value))
    if maker is None:
        raise PathError(f"there is no function {str(node.value)[:40]}")
    return maker(node.parts, compile_node)


def _type(node: syntax.Node) -> Step:
    inner, name = compile_node(node.parts[0]), str(node.parts[1].value)
    return type_test(inner, name, keeps=node.value == "as")


def _variable(node: syntax.Node) -> Step:
    name = str(node.value)
    if name in ("context", "resource", "rootResource"):
        attribute = {"context": "context", "resource": "resource", "rootResource": "root"}[name]
        return lambda scope, focus: [getattr(scope, attribute)]
    if name in _FIXED or name.startswith("vs-"):
        found = [of("String", _FIXED.get(name) or _VALUE_SETS + name[3:])]
        return lambda scope, focus: found

    if name.startswith("ext-"):
        address = [of("String", _EXTENSIONS + name[4:])]
        return lambda scope, focus: address

    def step(scope: Scope, focus: Items) -> Items:
        if name not in scope.variables:
            raise PathError("there is no such variable")
        return scope.variables[name]

    return step


def _special(node: syntax.Node) -> Step:
    if node.value == "$this":
        return lambda scope, focus: scope.this
    if node.value == "$index":
        return lambda scope, focus: [of("Integer", scope.index)]
    return lambda scope, focus: scope.total


def _negative(node: syntax.Node) -> Step:
    inner = compile_node(node.parts[0])

    def step(scope: Scope, focus: Items) -> Items:
        item = single(inner(scope, focus))
        if item is None:
            return []
        value = items.number(item)
        if value is None:
            measure = items.quantity(item)
            if measure is None:
                raise PathError("no number")
            return [of("Quantity", (-measure[0], measure[1]))]
        return [of(item.kind, -value)]

    return step


def _operator(node: syntax.Node) -> Step:
    left, right = map(compile_node, node.parts)
    name = str(node.value)
    if name in LAZY:
        return LAZY[name](left, right)
    work = BOTH[name]

    def step(scope: Scope, focus: Items) -> Items:
        one, other = left(scope, focus), right(scope, focus)
        scope.budget.spend(1 + len(one) * len(other))
        try:
            found = work(one, other)
        except ArithmeticError:  # numbers whose digits nothing holds: what they are to each other cannot be told
            return []
        if len(found) == 1 and isinstance(found[0].value, str):
            scope.budget.charge(found[0].value)
        return found

    return step


_MAKERS: dict[str, Callable[[syntax.Node], Step]] = {
    "literal": _literal,
    "name": _name,
    "path": _path,
    "index": _index,
    "call": _call,
    "type": _type,
    "variable": _variable,
    "special": _special,
    "negative": _negative,
    "operator": _operator,
    "nothing": lambda node: lambda scope, focus: [],
}
