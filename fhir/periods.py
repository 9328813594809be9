"""R4 per-1: a period does not end before it begins, as far as what is stated of its ends lets one tell."""

from __future__ import annotations

from fhir.fhirpath.compare import order
from fhir.fhirpath.items import Item

_DAY, _SECOND = 10, 19


def reverses(start: str, end: str) -> bool:
    """Whether the FHIR dateTime `start` is after `end`; no where their precision or zones leave the order open."""
    if len(start) == len(end) and (len(start) <= _DAY or start[_SECOND:] == end[_SECOND:]):
        return start > end
    return order(Item("dateTime", start), Item("dateTime", end)) == 1
