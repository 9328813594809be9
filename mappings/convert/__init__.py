"""The closed list of conversions. Each is a documented, tested function registered under its name in tables.

* Of data types and what many segments share: `text`, `decimals`, `datatypes`, `addresses`, `people`, `participations`,
  `titles`, `councils`, `placed`, `places`, `periods`, `timing`, `notes`, `keys`, `published`, `whose`. What one is:
  `registry`.
* Of a matter: `administration`, `births`, `holders`, `movements`, `clinical`, `orders`, `charges`, `supplies`,
  `scheduling`, `medication`, `immunization`, `doses`, `forecasts`, `observations`, `measures`, `antibiograms`,
  `embedded`, `markup`, `documents`, `masters`, `specimens`; `small` for the rest.
* Of contents that stand beside their own field: `misplaced`.
"""

from __future__ import annotations

from mappings.convert import (
    administration,
    antibiograms,
    births,
    charges,
    clinical,
    datatypes,
    discharges,
    documents,
    doses,
    forecasts,
    holders,
    immunization,
    keys,
    masters,
    medication,
    movements,
    notes,
    observations,
    orders,
    participations,
    people,
    placed,
    places,
    scheduling,
    small,
    specimens,
    supplies,
    text,
    timing,
)
from mappings.convert.misplaced import frequencies, services, shifted, swapped, vaccines
from mappings.convert.registry import CONVERSIONS, GATHERERS, LINKS, Conversion, Gatherer, Value

__all__ = [
    "CONVERSIONS",
    "GATHERERS",
    "LINKS",
    "Conversion",
    "Gatherer",
    "Value",
    "administration",
    "antibiograms",
    "births",
    "charges",
    "clinical",
    "datatypes",
    "discharges",
    "documents",
    "doses",
    "forecasts",
    "frequencies",
    "holders",
    "immunization",
    "keys",
    "masters",
    "medication",
    "movements",
    "notes",
    "observations",
    "orders",
    "participations",
    "people",
    "placed",
    "places",
    "scheduling",
    "services",
    "shifted",
    "small",
    "specimens",
    "supplies",
    "swapped",
    "text",
    "timing",
    "vaccines",
]
