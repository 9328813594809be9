"""Values under FHIRPath: an item with its type, what is below it, and what it is as a System value."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar

from jiter import LosslessFloat

from fhir.definitions.table import choice_key, type_named

SYSTEM = "System."
Value = TypeVar("Value")
_MOST_DIGITS = 1000
_MOST_BITS = 3400  # of an integer of so many digits
_KINDS = {
    "Boolean": ("boolean",),
    "Integer": ("integer", "positiveInt", "unsignedInt"),
    "Decimal": ("decimal",),
    "Date": ("date",),
    "DateTime": ("dateTime", "instant"),
    "Time": ("time",),
    "String": (
        "string", "code", "id", "markdown", "uri", "url", "canonical", "oid", "uuid", "base64Binary", "xhtml",
    ),
}  # fmt: skip
_SYSTEM_OF = {name: kind for kind, names in _KINDS.items() for name in names}
_SYSTEM_OF |= {SYSTEM + kind: kind for kind in (*_KINDS, "Quantity")}
_SYSTEM_NAMES = frozenset((*_KINDS, "Quantity", "Any", "TypeInfo"))
_PARENTS = {
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("url", "canonical", "oid", "uuid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
    **dict.fromkeys(("Age", "Count", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity"), "Quantity"),
    **dict.fromkeys(("Bundle", "Parameters", "Binary", "DomainResource"), "Resource"),
    **dict.fromkeys(("BackboneElement",), "Element"),
}


class Item:
    """One value: its type (`Patient`, `code`, `System.Integer`), its JSON, and the JSON beside it (`_name`)."""

    __slots__ = ("beside", "type", "value")

    def __init__(self, type_name: str, value: Any, beside: Any = None) -> None:
        self.type = type_name
        self.value = value
        self.beside = beside

    @property
    def kind(self) -> str:
        """The System type it is or converts to (`String`, `Integer` …); empty for what has parts."""
        return _SYSTEM_OF.get(self.type, "")


def of(kind: str, value: Any) -> Item:
    """An item of a System type."""
    return Item(SYSTEM + kind, value)


_TYPE_INFO = SYSTEM + "TypeInfo"


def type_of(item: Item) -> Item:
    """The namespace and name of an item's type, as FHIRPath's `type()` tells them."""
    space = "System" if item.type.startswith(SYSTEM) else "FHIR"
    return Item(_TYPE_INFO, {"namespace": space, "name": item.type.removeprefix(SYSTEM)})


def is_known(name: str) -> bool:
    """Whether there is a type of that name, with or without its namespace."""
    space, _, plain = name.rpartition(".")
    if space == "System" or plain in _SYSTEM_NAMES:
        return True  # nothing but a System type is of the other ones
    return plain in _PARENTS or type_named(plain if space in ("", "FHIR") else name) is not None


TRUE = [of("Boolean", True)]
FALSE = [of("Boolean", False)]


def truth(value: bool) -> list[Item]:
    """A boolean as a collection."""
    return TRUE if value else FALSE


def resource(body: dict[str, Any]) -> Item:
    """A resource as an item."""
    return Item(str(body.get("resourceType", "Resource")), body)


@cache
def keys_of(type_name: str, name: str) -> tuple[tuple[str, str], ...]:
    """The JSON keys of an element of a type, each with the type of its values."""
    if type_name == _TYPE_INFO:
        return ((name, SYSTEM + "String"),) if name in ("namespace", "name") else ()
    found = type_named(type_name)
    element = found.elements.get(name) if found is not None else None
    if element is None:
        return ()
    if element.choice:
        return tuple((choice_key(element, kind), kind) for kind in element.types)
    return ((element.name, element.types[0]),)


def children(item: Item, name: str) -> Iterator[Item]:
    """The values of an element of an item; of a primitive its `id` and `extension`."""
    body = item.value
    if not isinstance(body, dict):
        body = item.beside
        if not isinstance(body, dict):
            return
        for key, kind in keys_of("Element", name):
            yield from _values(body, key, kind)
        return
    for key, kind in keys_of(item.type, name):
        yield from _values(body, key, kind)


def _values(body: dict[str, Any], key: str, kind: str) -> Iterator[Item]:
    content, beside = body.get(key), body.get("_" + key)
    if isinstance(content, list) or isinstance(beside, list):
        values = content if isinstance(content, list) else []
        others = beside if isinstance(beside, list) else []
        for place in range(max(len(values), len(others))):
            value = values[place] if place < len(values) else None
            other = others[place] if place < len(others) else None
            if value is not None or other is not None:
                yield _item(kind, value, other)
    elif content is not None or beside is not None:
        yield _item(kind, content, beside)


def _item(kind: str, value: Any, beside: Any) -> Item:
    if kind == "Resource" and isinstance(value, dict):
        kind = str(value.get("resourceType", kind))
    return Item(kind, value, beside)


@cache
def _places(type_name: str) -> dict[str, tuple[int, str, str]]:
    """By JSON key: its place in the definition of a type, the key itself, and the type of what stands there."""
    found = type_named(type_name)
    keys = [each for name in found.elements for each in keys_of(type_name, name)] if found is not None else []
    return {key: (place, key, kind) for place, (key, kind) in enumerate(keys)}


def all_children(item: Item) -> Iterator[Item]:
    """Every value right below an item, in the order of the definition; of what is absent nothing is asked."""
    body, kind = (item.value, item.type) if isinstance(item.value, dict) else (item.beside, "Element")
    if not isinstance(body, dict):
        return
    places = _places(kind)
    for _, key, inner in sorted({places[name] for key in body if (name := key.removeprefix("_")) in places}):
        yield from _values(body, key, inner)


def descendants(items: list[Item]) -> Iterator[Item]:
    """Every value below, level by level."""
    level = items
    while level:
        level = [child for item in level for child in all_children(item)]
        yield from level


@cache
def lineage(type_name: str) -> tuple[str, ...]:
    """A type with those it specialises."""
    found = type_named(type_name)
    parent = _PARENTS.get(type_name, "")
    if not parent and found is not None:
        parent = {"resource": "DomainResource", "backbone": "BackboneElement", "complex-type": "Element"}.get(
            found.kind, ""
        )
    return (type_name, *lineage(parent)) if parent else (type_name,)


def is_a(item: Item, wanted: str) -> bool:
    """Whether an item is of a type, stated as `Patient`, `FHIR.Patient` or `System.String`."""
    space, _, name = wanted.rpartition(".")
    if item.type.startswith(SYSTEM):
        return space in ("", "System") and item.type == SYSTEM + name
    return space in ("", "FHIR") and (name in lineage(item.type) or (name == "BackboneElement" and "." in item.type))


def number(item: Item) -> int | Decimal | None:
    """The number of an item, exactly as written; None when it is none, or too far from one to calculate with."""
    value = item.value
    if isinstance(value, bool) or item.kind not in ("Integer", "Decimal"):
        return None
    if isinstance(value, (int, Decimal)):
        return bounded(value if item.kind == "Integer" or isinstance(value, Decimal) else Decimal(value))
    if isinstance(value, (LosslessFloat, float)):
        try:
            return bounded(Decimal(str(value)))
        except InvalidOperation:
            return None
    return None


def bounded(value: Value) -> Value | None:
    """A value as it is; None for a number with so many digits before or behind the point that it would take the
    machine: `1e999999999` is a decimal of ten letters, and as an integer fills a memory."""
    if isinstance(value, int):
        return value if value.bit_length() <= _MOST_BITS else None
    if isinstance(value, Decimal):
        return value if abs(value.adjusted()) <= _MOST_DIGITS else None
    return value


def quantity(item: Item) -> tuple[Decimal, str] | None:
    """The value and unit of a quantity, FHIR's or System's; None for anything else, or a quantity without value."""
    if item.type == SYSTEM + "Quantity":
        return None if bounded(item.value[0]) is None else item.value
    if "Quantity" in lineage(item.type) and isinstance(item.value, dict) and "comparator" not in item.value:
        found = number(Item("decimal", item.value.get("value")))
        unit = item.value.get("code") or item.value.get("unit") or "1"
        return (Decimal(found), str(unit)) if found is not None else None
    plain = number(item)
    return (Decimal(plain), "1") if plain is not None else None
