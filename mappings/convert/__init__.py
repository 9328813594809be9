"""The closed list of conversions. Each is a documented, tested function registered under its name in tables."""

from __future__ import annotations

from mappings.convert import (
    administration,
    charges,
    clinical,
    datatypes,
    documents,
    forecasts,
    keys,
    masters,
    medication,
    movements,
    notes,
    observations,
    orders,
    people,
    places,
    scheduling,
    small,
    text,
    timing,
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
    "charges",
    "clinical",
    "datatypes",
    "documents",
    "forecasts",
    "keys",
    "masters",
    "medication",
    "movements",
    "notes",
    "observations",
    "orders",
    "people",
    "places",
    "scheduling",
    "small",
    "text",
    "timing",
]
