"""The least and greatest value that what is written may stand for, and how exactly it is written (FHIRPath §5.7)."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from fhir.fhirpath.evaluation import Items, PathError, Scope, single
from fhir.fhirpath.items import Item, number, of, quantity

MOST_DIGITS = 28  # behind the point
_EXACT = Context(prec=80)
_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2}))?)?"
    r"(?:T(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<part>\d+))?)?)?)?(?P<zone>Z|[+-]\d{2}:\d{2})?\Z"
)
_TIME = re.compile(r"(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<part>\d+))?)?)?\Z")
# Digits a value of each kind may have, the most of them when none are asked for.
_DIGITS = {"Date": (4, 6, 8), "DateTime": (4, 6, 8, 10, 12, 14, 17), "Time": (2, 4, 6, 9)}
_PARTS = ("year", "month", "day", "hour", "minute", "second", "part")
_LEAST = {"year": "0001", "month": "01", "day": "01", "hour": "00", "minute": "00", "second": "00", "part": "000"}
_MOST = {"year": "9999", "month": "12", "hour": "23", "minute": "59", "second": "59", "part": "999"}


def boundary(*, high: bool) -> Callable[..., Items]:
    """`lowBoundary` or `highBoundary`; nothing for a precision that the kind of value cannot have."""

    def step(scope: Scope, focus: Items, *digits: Items) -> Items:
        item, asked = single(focus), single(digits[0]) if digits else None
        if item is None or item.value is None or (digits and asked is None):
            return []
        wanted = number(asked) if asked is not None else None
        if asked is not None and not isinstance(wanted, int):
            raise PathError("no whole number")
        count = wanted if isinstance(wanted, int) else None
        if item.kind in _DIGITS:
            return _moment(item, count, high=high)
        return _amount(item, 8 if count is None else count, high=high)

    return step


def _amount(item: Item, digits: int, *, high: bool) -> Items:
    plain, measure = number(item), quantity(item)
    if measure is None:
        raise PathError("no value with bounds")
    if not 0 <= digits <= MOST_DIGITS or abs(measure[0].adjusted()) > MOST_DIGITS:
        return []
    half = Decimal(5).scaleb(-_places(measure[0]) - 1)
    edge = _EXACT.add(measure[0], half if high else -half)
    found = edge.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING if high else ROUND_FLOOR, _EXACT)
    return [of("Decimal", found)] if plain is not None else [of("Quantity", (found, measure[1]))]


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _moment(item: Item, digits: int | None, *, high: bool) -> Items:
    match = (_TIME if item.kind == "Time" else _MOMENT).match(str(item.value))
    count = _DIGITS[item.kind][-1] if digits is None else digits
    if match is None or count not in _DIGITS[item.kind]:
        return []
    stated = {name: text for name, text in match.groupdict().items() if text is not None}
    edges = _MOST if high else _LEAST
    parts = {name: stated.get(name) or edges.get(name, "") for name in _PARTS}
    parts["part"] = (stated.get("part", "") + edges["part"])[: max(3, len(stated.get("part", "")))]
    if not parts["day"]:
        parts["day"] = f"{calendar.monthrange(int(parts['year']), int(parts['month']))[1]:02d}"
    zone = stated.get("zone") or ("-12:00" if high else "+14:00")
    return [of(item.kind, _written(item.kind, parts, zone, count))]


def _written(kind: str, parts: dict[str, str], zone: str, count: int) -> str:
    time = ":".join((parts["hour"], parts["minute"], parts["second"])) + "." + parts["part"]
    if kind == "Time":
        return time if count == 9 else time[: {2: 2, 4: 5, 6: 8}[count]]
    day = "-".join((parts["year"], parts["month"], parts["day"]))
    if count <= 8:
        return day[: {4: 4, 6: 7, 8: 10}[count]]
    return f"{day}T{time if count == 17 else time[: {10: 2, 12: 5, 14: 8}[count]]}{zone}"


def precision(scope: Scope, focus: Items) -> Items:
    """How many digits behind the point a number has; how many digits of a date or time are stated."""
    item = single(focus)
    if item is None or item.value is None:
        return []
    plain = number(item)
    if plain is not None:
        return [of("Integer", _places(Decimal(plain)))]
    match = (_TIME if item.kind == "Time" else _MOMENT).match(str(item.value)) if item.kind in _DIGITS else None
    if match is None:
        raise PathError("no value with a precision")
    stated = match.groupdict()
    return [of("Integer", sum(len(stated[name]) for name in _PARTS if stated.get(name)))]
