"""Equality, equivalence and order of FHIRPath values (N1 §6.1, §6.2); None stands for "cannot be told"."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fhir.fhirpath.items import Item, lineage, number, quantity
from fhir.patch import same
from fhir.search import units

_MOMENT = re.compile(
    r"(\d{4})?(?:-(\d{2})(?:-(\d{2}))?)?(?:T?(\d{2})(?::(\d{2})(?::(\d{2}(?:\.\d+)?))?)?)?(Z|[+-]\d{2}:\d{2})?\Z"
)
_MOMENTS = ("Date", "DateTime", "Time")
_GROUPS = {"String": "text", "Boolean": "truth", "Integer": "number", "Decimal": "number"}
_GROUPS |= dict.fromkeys(_MOMENTS, "moment")
_WORDS = {"year": "a", "month": "mo", "week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s"}
_WORDS["millisecond"] = "ms"


def equal(one: Sequence[Item], other: Sequence[Item]) -> bool | None:
    """`=`: same items in the same order; None when either is empty or precision does not suffice."""
    if not one or not other:
        return None
    if len(one) != len(other):
        return False
    found = [equal_items(a, b) for a, b in zip(one, other, strict=True)]
    return False if False in found else None if None in found else True


def equal_items(one: Item, other: Item) -> bool | None:
    """`=` of two items."""
    kinds = (one.kind, other.kind)
    if all(kind in _MOMENTS for kind in kinds):
        if "Time" in kinds and kinds[0] != kinds[1]:
            return False
        order = _moment_order(one, other)
        return order if order is None else order == 0
    numbers = number(one), number(other)
    if None not in numbers:
        return numbers[0] == numbers[1]
    if "" in kinds or "Quantity" in kinds:
        measures = None if _mixes_calendars(one, other) else _measures(one, other)
        if measures is not None:
            return measures[0] == measures[1]
        if kinds == ("", ""):
            return one.type == other.type and bool(same(one.value, other.value)) and one.beside == other.beside
        return False if "" in kinds else None
    return one.value is not None and type(one.value) is type(other.value) and one.value == other.value


def _measures(one: Item, other: Item) -> tuple[Decimal, Decimal] | None:
    """Two quantities in one unit, or None."""
    a, b = quantity(one), quantity(other)
    if a is None or b is None or "Quantity" not in (*_lineage(one), *_lineage(other)):
        return None
    if _unit(a[1]) == _unit(b[1]):
        return a[0], b[0]
    first, second = units.known(_unit(a[1])), units.known(_unit(b[1]))
    if first is None or second is None or first.base != second.base:
        return None
    x, y = first.of(float(a[0])), second.of(float(b[0]))
    return (Decimal(str(x)), Decimal(str(y))) if math.isfinite(x) and math.isfinite(y) else None


def _mixes_calendars(one: Item, other: Item) -> bool:
    """Whether a month or year of the calendar meets one of UCUM, of fixed length: not to be told (N1 §6.1.1)."""
    found = [measure[1] for measure in (quantity(one), quantity(other)) if measure is not None]
    return len(found) == 2 and bool({"year", "month"} & {*found}) and bool({"a", "mo"} & {*found})


def comparable(one: Item, other: Item) -> bool:
    """Whether two quantities are of one kind."""
    return _measures(one, other) is not None


def _about(one: Item, other: Item) -> bool | None:
    """Whether two quantities are equal to the precision of the one stated less exactly; None for what is none."""
    measures = _measures(one, other)
    if measures is None:
        return None
    slack = [
        measure * Decimal("0.5").scaleb(-_digits(stated[0])) / stated[0] if stated is not None and stated[0] else 0
        for measure, stated in zip(measures, (quantity(one), quantity(other)), strict=True)
    ]
    return abs(measures[0] - measures[1]) <= max(abs(Decimal(each)) for each in slack)


def _lineage(item: Item) -> tuple[str, ...]:
    return ("Quantity",) if item.kind == "Quantity" else lineage(item.type)


def _unit(unit: str) -> str:
    return _WORDS.get(unit, unit)


def equivalent(one: Sequence[Item], other: Sequence[Item]) -> bool:
    """`~`: same items in any order, texts without case, numbers to the lesser precision."""
    if len(one) != len(other):
        return False
    left = list(other)
    for item in one:
        match = next((place for place, each in enumerate(left) if _like(item, each)), None)
        if match is None:
            return False
        del left[match]
    return True


def _like(one: Item, other: Item) -> bool:
    if one.kind == other.kind == "String" and isinstance(one.value, str) and isinstance(other.value, str):
        return " ".join(one.value.lower().split()) == " ".join(other.value.lower().split())
    a, b = number(one), number(other)
    if a is not None and b is not None:
        digits = min(_digits(a), _digits(b))
        return round(Decimal(a), digits) == round(Decimal(b), digits)
    if one.type == other.type == "Coding" and isinstance(one.value, dict) and isinstance(other.value, dict):
        return all(one.value.get(key) == other.value.get(key) for key in ("system", "code"))
    if one.type == other.type == "CodeableConcept" and isinstance(one.value, dict) and isinstance(other.value, dict):
        return _shares_coding(one.value, other.value)
    about = _about(one, other)
    return bool(equal_items(one, other)) if about is None else about


def _shares_coding(one: dict[str, Any], other: dict[str, Any]) -> bool:
    named = [{(c.get("system"), c.get("code")) for c in body.get("coding", ())} for body in (one, other)]
    return bool(named[0] & named[1]) if any(named) else one.get("text") == other.get("text")


def _digits(value: int | Decimal) -> int:
    exponent = Decimal(value).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def order(one: Item, other: Item) -> int | None:
    """-1, 0 or 1 as `one` lies to `other`; None when they cannot be compared."""
    if one.kind in _MOMENTS and other.kind in _MOMENTS:
        return _moment_order(one, other)
    a, b = number(one), number(other)
    if a is not None and b is not None:
        return (a > b) - (a < b)
    measures = _measures(one, other)
    if measures is not None:
        return (measures[0] > measures[1]) - (measures[0] < measures[1])
    if one.kind == other.kind == "String" and isinstance(one.value, str) and isinstance(other.value, str):
        return (one.value > other.value) - (one.value < other.value)
    return None


def have_order(one: Item, other: Item) -> bool:
    """Whether the kinds of two values have an order among them; what has parts is not judged."""
    groups = [_GROUPS.get(item.kind, "") for item in (one, other)]
    return "" in groups or groups[0] == groups[1]


def _moment_order(one: Item, other: Item) -> int | None:
    """Component by component; where one has no more components, what is left cannot be told."""
    if (one.kind == "Time") != (other.kind == "Time"):
        return None
    a, b = _components(one), _components(other)
    if a is None or b is None or (len(a) > 3 and len(b) > 3 and _has_zone(one) is not _has_zone(other)):
        return None
    for first, second in zip(a, b, strict=False):
        if first != second:
            return 1 if first > second else -1
    return 0 if len(a) == len(b) else None


def _has_zone(item: Item) -> bool:
    match = _MOMENT.match(str(item.value))
    return item.kind != "Time" and match is not None and match[7] is not None


def _components(item: Item) -> list[Decimal] | None:
    """Year to second as stated; with a zone and a time, in UTC."""
    text = str(item.value)
    match = _MOMENT.match(text)
    if item.value is None or match is None:
        return None
    stated = [Decimal(part) for part in match.groups()[:6] if part is not None]
    zone = match[7]
    if zone and match[4] is not None and match[5] is not None and match[1] is not None and zone != "Z":
        return _shifted(stated, zone)
    return stated


def _shifted(stated: list[Decimal], zone: str) -> list[Decimal] | None:
    sign = -1 if zone[0] == "+" else 1
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    try:
        moment = datetime.datetime(*map(int, stated[:5]), tzinfo=datetime.UTC)  # type: ignore[misc,arg-type]
        moment += datetime.timedelta(minutes=sign * minutes)
    except (ValueError, OverflowError):
        return None
    parts = [moment.year, moment.month, moment.day, moment.hour, moment.minute]
    return [*map(Decimal, parts), *stated[5:]]
