"""The only reader of the generated table: types with their elements, codes of required bindings, search parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

VERSION = "4.0.1"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type: types, occurrence (`maximum` 0: unbounded), binding, targets, if summaries have it."""

    name: str
    types: tuple[str, ...]
    minimum: int
    maximum: int
    choice: bool
    binding: str
    targets: tuple[str, ...]
    summary: bool = False

    @property
    def repeats(self) -> bool:
        """Whether JSON carries an array."""
        return self.maximum != 1


@dataclass(frozen=True, slots=True)
class Type:
    """One type: kind is resource, complex-type, backbone, primitive or abstract."""

    name: str
    kind: str
    regex: str
    elements: dict[str, Element]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter as published."""

    code: str
    type: str
    bases: tuple[str, ...]
    expression: str
    targets: tuple[str, ...]
    url: str
    components: tuple[tuple[str, str], ...]


@cache
def _raw() -> dict[str, Any]:
    return orjson.loads((Path(__file__).with_name("_r4.json")).read_bytes())  # type: ignore[no-any-return]


@cache
def type_named(name: str) -> Type | None:
    """The type called `name` (also a backbone path such as `Observation.component`), or None."""
    raw = _raw()["types"].get(name)
    if raw is None:
        return None
    elements = {
        key: Element(
            key,
            tuple(e["t"]),
            e.get("min", 0),
            e.get("max", 1),
            "c" in e,
            e.get("b", ""),
            tuple(e.get("r", ())),
            "s" in e,
        )
        for key, e in raw["elements"].items()
    }
    return Type(name, raw["kind"], raw.get("regex", ""), elements)


@cache
def is_primitive(name: str) -> bool:
    """Whether `name` is a primitive type."""
    found = type_named(name)
    return found is not None and found.kind == "primitive"


@cache
def resource_types() -> tuple[str, ...]:
    """The names of all concrete resource types."""
    return tuple(name for name, raw in _raw()["types"].items() if raw["kind"] == "resource")


@cache
def codes(value_set: str) -> frozenset[str]:
    """The codes of a required binding; empty when the value set cannot be enumerated."""
    return frozenset(_raw()["codes"].get(value_set, ()))


@cache
def parameters() -> tuple[Parameter, ...]:
    """All published search parameters."""
    return tuple(
        Parameter(
            row["code"],
            row["type"],
            tuple(row["base"]),
            row.get("expression", ""),
            tuple(row.get("target", ())),
            row["url"],
            tuple((url, expression) for url, expression in row.get("component", ())),
        )
        for row in _raw()["search"]
    )


@cache
def compartments() -> dict[str, dict[str, tuple[str, ...]]]:
    """Per compartment (`Patient`, `Encounter`, …) and type the parameters that put a record into it."""
    return {name: {kind: tuple(codes) for kind, codes in rows.items()} for name, rows in _raw()["compartments"].items()}


def choice_key(element: Element, type_name: str) -> str:
    """The JSON key of a choice element for one of its types: `value` + `Quantity` gives `valueQuantity`."""
    return element.name + type_name[0].upper() + type_name[1:]
