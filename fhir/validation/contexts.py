"""Where an extension may stand (R4 StructureDefinition.context, contextInvariant), for definitions that are at hand.

An element is known by its path in the resource, by its path in a type (`HumanName.family`) and by its type and what
that is (`BackboneElement`, `Element`). An expression that names a slice or another definition's element decides
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir.definitions.table import resource_types, type_named
from fhir.fhirpath.engine import compiled
from fhir.fhirpath.evaluation import Budget, PathError, Scope, boolean, deadline
from fhir.fhirpath.items import Item
from fhir.fhirpath.syntax import BadExpression
from fhir.validation.profile_tree import Typed, children, parts

_KEYS = ("extension", "modifierExtension")
_TYPES = frozenset(("Element", "BackboneElement"))


@dataclass(frozen=True, slots=True)
class Holder:
    """What holds an extension: its value with type, names and place, and the extension it is or is the value of."""

    value: Typed
    names: frozenset[str]
    where: str
    resource: Item
    url: str = ""


def misplaced(resource: Any, definitions: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """The extensions of a resource that may not stand where they stand: address and place."""
    known = {url: body for url in set(_urls(resource)) if (body := definitions.get(url)) and body.get("context")}
    if not known or not isinstance(resource, dict):
        return
    kind = str(resource.get("resourceType"))
    budget = Budget(until=deadline())
    for holder in _holders(_of_resource(Typed(kind, resource), where)):
        for url in _own(holder.value.element):
            if url in known and not _may(known[url], holder, budget):
                yield url, holder.where


def known(resource: Any, definitions: Mapping[str, Any], where: str) -> Iterator[tuple[Holder, str]]:
    """The extensions of a resource whose definitions are here, each with its address."""
    if not isinstance(resource, dict) or definitions.keys().isdisjoint(_urls(resource)):
        return
    for holder in _holders(_of_resource(Typed(str(resource.get("resourceType")), resource), where)):
        url = _url(holder.value).partition("|")[0]
        if url in definitions:
            yield holder, url


def named(document: Any) -> set[str]:
    """The addresses of all extensions in a document."""
    return {url for url in _urls(document) if ":" in url}


def _urls(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from _own(node)
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(inner, (dict, list)):
            yield from _urls(inner)


def _own(value: Any) -> Iterator[str]:
    """The addresses of the extensions an element has itself."""
    for key in _KEYS:
        listed = value.get(key) if isinstance(value, dict) else None
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict) and isinstance(each.get("url"), str):
                yield each["url"].partition("|")[0]


def _of_resource(value: Typed, where: str) -> Holder:
    return Holder(value, frozenset((value[0], "Resource", "DomainResource")), where, Item(*value))


def _holders(holder: Holder) -> Iterator[Holder]:
    """An element and all below it."""
    yield holder
    kind = holder.value.type
    found = type_named(kind)
    if found is None or not isinstance(holder.value.element, dict):
        return
    for element in parts(found):
        bare = element.name.removesuffix("[x]")
        place = f"{holder.where}.{bare}"
        for value in children(holder.value, element.name):
            if value[0] in resource_types():
                yield from _holders(_of_resource(value, place))
            else:
                url = _url(value) or (holder.url if kind == "Extension" else "")
                yield from _holders(Holder(value, _names(holder, bare, value), place, holder.resource, url))


def _names(holder: Holder, name: str, value: Typed) -> frozenset[str]:
    kind = value[0]
    choice = kind[:1].upper() + kind[1:]
    paths = {f"{above}.{name}{end}" for above in holder.names - _TYPES for end in ("", "[x]", choice)}
    return frozenset({*paths, kind, "Element", *(("BackboneElement",) if "." in kind else ())})


def _url(value: Typed) -> str:
    return str(value[1].get("url", "")) if value[0] == "Extension" and isinstance(value[1], dict) else ""


def _may(definition: Mapping[str, Any], holder: Holder, budget: Budget) -> bool:
    rules = [text for text in definition.get("contextInvariant", ()) if isinstance(text, str)]
    listed = [each for each in definition["context"] if isinstance(each, dict)]
    return any(_one(each, holder, budget) for each in listed) and all(_holds(text, holder, budget) for text in rules)


def _one(context: Mapping[str, Any], holder: Holder, budget: Budget) -> bool:
    text = str(context.get("expression", ""))
    match context.get("type"):
        case "extension":
            return text.partition("|")[0] == holder.url
        case "fhirpath":
            return _leads(text, holder, budget)
    return text in holder.names or ":" in text


def _leads(text: str, holder: Holder, budget: Budget) -> bool:
    """Whether a path leads to the holder; one that cannot be followed, or a value without identity, decides nothing."""
    if not isinstance(holder.value[1], dict):
        return True
    try:
        scope = Scope(holder.resource, budget=budget)
        return any(item.value is holder.value[1] for item in compiled(text)(scope, scope.this))
    except (BadExpression, PathError):
        return True


def _holds(text: str, holder: Holder, budget: Budget) -> bool:
    try:
        scope = Scope(Item(*holder.value), holder.resource, budget=budget)
        return boolean(compiled(text)(scope, scope.this)) is not False
    except (BadExpression, PathError):
        return True
