"""A FHIR GraphQL document (R4 §3.2) as plain selections: fragments and variables set in, size and depth bounded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from canonical.problem import Problem

MOST_CHARACTERS = 100_000
MOST_TOKENS = 5000
MOST_FIELDS = 1000
_OF_SCHEMA = re.compile(r"__(?:schema|type)\b")
DEEPEST = 15
DIRECTIVES = ("flatten", "first", "singleton", "slice", "skip", "include")


class BadGraph(Exception):
    """The document cannot be carried out as written."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A selected field: `key` is its name in the answer; directives hold their arguments by name."""

    name: str
    key: str
    arguments: Mapping[str, Any]
    directives: Mapping[str, Mapping[str, Any]]
    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """Fields of one type only (any, when it names none): an inline fragment, or a named one set in."""

    type_name: str
    selections: tuple[Selection, ...]


Selection = Field | Inline


def asks_of_schema(text: str) -> bool:
    """Whether a query may ask of the schema (GraphQL §4); `__typename`, which clients add to every query, does not."""
    return _OF_SCHEMA.search(text) is not None


def bad(code: str, where: str = "", **named: str) -> BadGraph:
    """The exception of a problem."""
    return BadGraph(Problem(f"fhir.graphql.{code}", where[:200], args=tuple((k, v[:64]) for k, v in named.items())))


def selections(text: str, variables: Mapping[str, Any], operation: str = "") -> tuple[Selection, ...]:
    """What the query of a document selects; raises BadGraph. `operation` names it where there are several."""
    from graphql.error import GraphQLError
    from graphql.language import FragmentDefinitionNode, OperationDefinitionNode, parse

    if len(text) > MOST_CHARACTERS:
        raise bad("too-large")
    try:
        document = parse(text, no_location=True, max_tokens=MOST_TOKENS)
    except (GraphQLError, RecursionError):
        raise bad("syntax") from None
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    named = [d for d in operations if not operation or (d.name is not None and d.name.value == operation)]
    if len(named) != 1 or len(operations) + len(fragments) != len(document.definitions):
        raise bad("operation")
    (wanted,) = named
    if wanted.operation.value != "query":
        raise bad("read-only")
    return _Reader(_values(wanted, variables), fragments).read(wanted.selection_set, 1)


def _values(operation: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each variable: given, else its default, else null; raises BadGraph for a missing one."""
    from graphql.language import NonNullTypeNode

    found: dict[str, Any] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        default = _Reader({}, {}).value(definition.default_value) if definition.default_value is not None else None
        found[name] = given.get(name, default)
        if found[name] is None and isinstance(definition.type, NonNullTypeNode):
            raise bad("variable", f"${name}", name=name)
    return found


@dataclass(slots=True)
class _Reader:
    variables: Mapping[str, Any]
    fragments: Mapping[str, Any]
    left: int = MOST_FIELDS
    open: list[str] = field(default_factory=list)

    def read(self, node: Any, depth: int) -> tuple[Selection, ...]:
        """The selections of a selection set; raises BadGraph."""
        if node is None:
            return ()
        if depth > DEEPEST:
            raise bad("too-large")
        return tuple(found for each in node.selections for found in self._one(each, depth))

    def _one(self, node: Any, depth: int) -> list[Selection]:
        self.left -= 1
        if self.left < 0:
            raise bad("too-large")
        directives = {d.name.value: self._arguments(d) for d in node.directives or ()}
        if wrong := [name for name in directives if name not in DIRECTIVES]:
            raise bad("directive", wrong[0], name=wrong[0])
        if directives.get("skip", {}).get("if") is True or directives.get("include", {}).get("if", True) is not True:
            return []
        match node.kind:
            case "field":
                return [self._field(node, directives, depth)]
            case "inline_fragment":
                condition = node.type_condition.name.value if node.type_condition else ""
                return [Inline(type_name=condition, selections=self.read(node.selection_set, depth))]
            case _:
                return [self._spread(node.name.value, depth)]

    def _field(self, node: Any, directives: dict[str, dict[str, Any]], depth: int) -> Field:
        return Field(
            name=node.name.value,
            key=node.alias.value if node.alias else node.name.value,
            arguments=self._arguments(node),
            directives=directives,
            selections=self.read(node.selection_set, depth + 1),
        )

    def _spread(self, name: str, depth: int) -> Inline:
        fragment = self.fragments.get(name)
        if fragment is None or name in self.open:
            raise bad("fragment", name, name=name)
        self.open.append(name)
        found = self.read(fragment.selection_set, depth + 1)
        self.open.pop()
        return Inline(type_name=fragment.type_condition.name.value, selections=found)

    def _arguments(self, node: Any) -> dict[str, Any]:
        return {argument.name.value: self.value(argument.value) for argument in node.arguments or ()}

    def value(self, node: Any) -> Any:
        """A literal as text, number, truth, None or a list; a variable's value; raises BadGraph for an object."""
        match node.kind:
            case "variable":
                if node.name.value not in self.variables:
                    raise bad("variable", f"${node.name.value}", name=node.name.value)
                return self.variables[node.name.value]
            case "int_value":
                return int(node.value[:18])
            case "list_value":
                return [self.value(each) for each in node.values]
            case "null_value":
                return None
            case "object_value":
                raise bad("argument")
            case _:
                return node.value
