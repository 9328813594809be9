"""The closed list of conversions. Each is a documented, tested function registered under its name in tables."""

from __future__ import annotations

from mappings.convert import datatypes, keys, notes, observations, orders, people, small, text
from mappings.convert.registry import CONVERSIONS, GATHERERS, Conversion, Gatherer, Value

__all__ = [
    "CONVERSIONS",
    "GATHERERS",
    "Conversion",
    "Gatherer",
    "Value",
    "datatypes",
    "keys",
    "notes",
    "observations",
    "orders",
    "people",
    "small",
    "text",
]
