"""The closed list of conversions. Each is a documented, tested function registered under its name in tables."""

from __future__ import annotations

from mappings.convert import (
    administration,
    clinical,
    datatypes,
    keys,
    masters,
    notes,
    observations,
    orders,
    people,
    places,
    small,
    text,
)
from mappings.convert.registry import CONVERSIONS, GATHERERS, LINKS, Conversion, Gatherer, Value

__all__ = [
    "CONVERSIONS",
    "GATHERERS",
    "LINKS",
    "Conversion",
    "Gatherer",
    "Value",
    "administration",
    "clinical",
    "datatypes",
    "keys",
    "masters",
    "notes",
    "observations",
    "orders",
    "people",
    "places",
    "small",
    "text",
]
