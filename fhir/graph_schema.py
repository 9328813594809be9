"""What a FHIR GraphQL query may ask (R4 §3.2), told by GraphQL's own introspection (GraphQL §4: `__schema`, `__type`).

Made of the R4 definitions. It tells a little less than is answered: a choice has its keys (`valueQuantity`) and not its
bare name, which has no one type; a list has its paging as arguments, and not the values of its items that narrow it;
what refers to a record is searched by the parameters that hold at the base address too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache, partial
from typing import Any

from graphql import (
    DirectiveLocation,
    DocumentNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDirective,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    MaxIntrospectionDepthRule,
    OperationDefinitionNode,
    execute_sync,
    parse,
    specified_directives,
    specified_rules,
    validate,
)
from graphql.language import FieldNode

from fhir.definitions.table import Element, choice_key, parameters, resource_types, type_named
from fhir.graph import MOST_CHARACTERS, MOST_TOKENS, asks_of_schema, bad

_SCALARS = {"boolean": GraphQLBoolean, "decimal": GraphQLFloat, "id": GraphQLID} | dict.fromkeys(
    ("integer", "positiveInt", "unsignedInt"), GraphQLInt
)
_ROOTS = ("__schema", "__type")
_ANY = ("Resource", "DomainResource")
_RESULTS = ("_count", "_cursor", "_sort", "_id", "_lastUpdated", "_tag", "_profile", "_security", "_filter")
Arguments = dict[str, GraphQLArgument]
Fields = dict[str, GraphQLField]
_POINTING: Arguments = {"_reference": GraphQLArgument(GraphQLNonNull(GraphQLString))}
_PAGED: Arguments = {
    "_offset": GraphQLArgument(GraphQLInt),
    "_count": GraphQLArgument(GraphQLInt),
    "fhirpath": GraphQLArgument(GraphQLString),
}


def introspected(text: str, variables: Mapping[str, Any], operation: str, root: str = "") -> dict[str, Any] | None:
    """The answer (`data`, `errors`) to a document that asks of the schema alone; None for any other.

    `root` is the type of the record that is asked, "" at the base address. Raises BadGraph for what is too large.
    """
    if not asks_of_schema(text):
        return None
    if len(text) > MOST_CHARACTERS:
        raise bad("too-large")
    try:
        document = parse(text, max_tokens=MOST_TOKENS)
    except (GraphQLError, RecursionError):
        return None  # told by whoever reads queries
    if not _asks_of_the_schema(document, operation):
        return None
    schema = _schema(root)
    if wrong := validate(schema, document, [*specified_rules, MaxIntrospectionDepthRule], max_errors=10):
        return {"data": None, "errors": [{"message": error.message} for error in wrong]}
    done = execute_sync(schema, document, variable_values=dict(variables), operation_name=operation or None)
    errors = [{"message": error.message} for error in done.errors or ()]
    return {"data": done.data, **({"errors": errors} if errors else {})}


def _asks_of_the_schema(document: DocumentNode, operation: str) -> bool:
    named = [
        found
        for found in document.definitions
        if isinstance(found, OperationDefinitionNode)
        and (not operation or (found.name is not None and found.name.value == operation))
    ]
    if len(named) != 1:
        return False
    chosen = [each for each in named[0].selection_set.selections if isinstance(each, FieldNode)]
    names = {each.name.value for each in chosen}
    return (
        len(chosen) == len(named[0].selection_set.selections)
        and bool(names & {*_ROOTS})
        and names
        <= {
            *_ROOTS,
            "__typename",
        }
    )


@lru_cache(maxsize=4)  # each shares the types of the others
def _schema(root: str) -> GraphQLSchema:
    query = _object(root) if root else GraphQLObjectType("Query", lambda: dict(_roots()))
    return GraphQLSchema(query, directives=[*specified_directives, *_directives()], types=[_any()])


def _directives() -> Iterator[GraphQLDirective]:
    for name in ("flatten", "first", "singleton"):
        yield GraphQLDirective(name, [DirectiveLocation.FIELD])
    path = {"path": GraphQLArgument(GraphQLNonNull(GraphQLString))}
    yield GraphQLDirective("slice", [DirectiveLocation.FIELD], path)


def _roots() -> Iterator[tuple[str, GraphQLField]]:
    """At the base address: reads, lists and connections of each type."""
    for kind in resource_types():
        yield kind, GraphQLField(_object(kind), {"id": GraphQLArgument(GraphQLNonNull(GraphQLID))})
        yield f"{kind}List", GraphQLField(GraphQLList(_object(kind)), _searched(kind))
        yield f"{kind}Connection", GraphQLField(_connection(kind), _searched(kind))


@cache
def _searched(kind: str) -> Arguments:
    """The search parameters of a type; a list of values means any of them."""
    codes = [each.code for each in parameters() if kind in each.bases]
    words = GraphQLArgument(GraphQLList(GraphQLString))
    return dict.fromkeys(sorted({*_RESULTS, *(code.replace("-", "_") for code in codes)}), words)


@cache
def _connection(kind: str) -> GraphQLObjectType:
    edge = GraphQLObjectType(
        f"{kind}Edge",
        {
            "mode": GraphQLField(GraphQLString),
            "score": GraphQLField(GraphQLFloat),
            "resource": GraphQLField(_object(kind)),
        },
    )
    counts = {name: GraphQLField(GraphQLInt) for name in ("count", "offset", "pagesize")}
    places = {name: GraphQLField(GraphQLID) for name in ("first", "previous", "next", "last")}
    return GraphQLObjectType(f"{kind}Connection", {**counts, **places, "edges": GraphQLField(GraphQLList(edge))})


@cache
def _any() -> GraphQLUnionType:
    return GraphQLUnionType("Resource", lambda: [_object(kind) for kind in resource_types()])


@cache
def _object(name: str) -> GraphQLObjectType:
    fields: Callable[[], Fields] = partial(_fields, name)
    return GraphQLObjectType(name.replace(".", "_"), fields)


def _fields(name: str) -> Fields:
    found = type_named(name)
    fields: Fields = {"resourceType": GraphQLField(GraphQLString)} if name in resource_types() else {}
    for element in found.elements.values() if found else ():
        for kind in element.types:
            key = choice_key(element, kind) if element.choice else element.name
            fields[key] = _field(kind, element)
            if _is_plain(kind):
                fields[f"_{key}"] = GraphQLField(_listed(_object("Element"), element))
    if name == "Reference":
        wanted = {"type": GraphQLArgument(GraphQLString), "optional": GraphQLArgument(GraphQLBoolean)}
        fields["resource"] = GraphQLField(_any(), wanted)
    if name in resource_types():
        fields |= dict(_back(name))
    return fields


def _back(name: str) -> Iterator[tuple[str, GraphQLField]]:
    """Lists of what refers to a record."""
    for kind in _referring(name):
        yield f"{kind}List", GraphQLField(GraphQLList(_object(kind)), _POINTING)


@cache
def _referring(name: str) -> tuple[str, ...]:
    found = {base for each in parameters() if each.type == "reference" and name in each.targets for base in each.bases}
    return tuple(sorted(found & {*resource_types()}))


def _field(kind: str, element: Element) -> GraphQLField:
    return GraphQLField(_listed(_named(kind), element), _PAGED if element.repeats and not _is_plain(kind) else None)


def _listed(kind: GraphQLOutputType, element: Element) -> GraphQLOutputType:
    return GraphQLList(kind) if element.repeats else kind


def _named(kind: str) -> GraphQLScalarType | GraphQLObjectType | GraphQLUnionType:
    if kind in _ANY:
        return _any()
    return _SCALARS.get(kind, GraphQLString) if _is_plain(kind) else _object(kind)


def _is_plain(kind: str) -> bool:
    """Whether a type is a primitive one, which JSON writes as a plain value."""
    found = type_named(kind)
    return found is None or found.kind == "primitive"
