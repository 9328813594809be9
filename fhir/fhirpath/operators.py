"""The operators of FHIRPath (N1 §6): logic that waits for its right side only where it must, and the others."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from fhir.fhirpath import compare
from fhir.fhirpath.engine import Items, PathError, Scope, Step, boolean, distinct, single
from fhir.fhirpath.items import Item, number, of, quantity, truth

Work = Callable[[Items, Items], Items]
_PARTS = {"year": "a", "month": "mo", "week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s"}
_CALENDAR = {"a": 12, "mo": 1, "year": 12, "month": 1}
_SECONDS = {"wk": 604800, "d": 86400, "h": 3600, "min": 60, "s": 1, "week": 604800, "day": 86400, "hour": 3600}
_SECONDS |= {"minute": 60, "second": 1}
_WHOLE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:T(\d{2})(?::(\d{2})(?::(\d{2})(\.\d+)?)?)?)?(Z|[+-]\d{2}:\d{2})?\Z"
)


def _logic(left_ends: bool, right_ends: bool, *, ended: bool) -> Callable[[Step, Step], Step]:
    """An operator that is `ended` as soon as a side is what ends it, the right one asked only where the left is not;
    else the opposite, or empty where a side is (N1 §6.5, three-valued)."""

    def operator(left: Step, right: Step) -> Step:
        def step(scope: Scope, focus: Items) -> Items:
            one = boolean(left(scope, focus))
            if one is left_ends:
                return truth(ended)
            other = boolean(right(scope, focus))
            if other is right_ends:
                return truth(ended)
            return [] if one is None or other is None else truth(not ended)

        return step

    return operator


def _xor(one: Items, other: Items) -> Items:
    a, b = boolean(one), boolean(other)
    return [] if a is None or b is None else truth(a is not b)


def _equal(one: Items, other: Items) -> Items:
    found = compare.equal(one, other)
    return [] if found is None else truth(found)


def _unequal(one: Items, other: Items) -> Items:
    found = compare.equal(one, other)
    return [] if found is None else truth(not found)


def _ordered(holds: Callable[[int], bool]) -> Work:
    def work(one: Items, other: Items) -> Items:
        a, b = single(one), single(other)
        order = compare.order(a, b) if a is not None and b is not None else None
        return [] if order is None else truth(holds(order))

    return work


def _within(one: Items, other: Items) -> Items:
    item = single(one)
    return [] if item is None else truth(any(compare.equal_items(item, each) for each in other))


def _joined(one: Items, other: Items) -> Items:
    a, b = single(one), single(other)
    return [of("String", text_of(a) + text_of(b))]


def text_of(item: Item | None) -> str:
    """The text of a string; nothing is the empty text. Raises PathError for what is no string."""
    if item is None or item.value is None:
        return ""
    if item.kind != "String" or not isinstance(item.value, str):
        raise PathError("no text")
    return item.value


def _arithmetic(work: Callable[[Any, Any], Any]) -> Work:
    def step(one: Items, other: Items) -> Items:
        a, b = single(one), single(other)
        if a is None or b is None or a.value is None or b.value is None:
            return []
        x, y = number(a), number(b)
        if x is None or y is None:
            return _measured(work, a, b)
        try:
            found = work(x, y)
        except (ArithmeticError, InvalidOperation):
            return []
        return [] if found is None else [of("Decimal" if isinstance(found, Decimal) else "Integer", found)]

    return step


def _measured(work: Callable[[Any, Any], Any], one: Item, other: Item) -> Items:
    a, b = quantity(one), quantity(other)
    if a is None or b is None:
        raise PathError("no numbers")
    if a[1] == b[1] and work(Decimal(6), Decimal(3)) in (9, 3):  # plus and minus keep the unit
        return [of("Quantity", (work(a[0], b[0]), a[1]))]
    if "1" in (a[1], b[1]):
        return [of("Quantity", (work(a[0], b[0]), a[1] if b[1] == "1" else b[1]))]
    return []


def _plus(one: Items, other: Items) -> Items:
    a, b = single(one), single(other)
    if a is not None and b is not None:
        if a.kind == b.kind == "String":
            return [of("String", text_of(a) + text_of(b))]
        if a.kind in ("Date", "DateTime") and quantity(b) is not None:
            return _moved(a, b, 1)
    return _arithmetic(lambda x, y: x + y)(one, other)


def _minus(one: Items, other: Items) -> Items:
    a, b = single(one), single(other)
    if a is not None and b is not None and a.kind in ("Date", "DateTime") and quantity(b) is not None:
        return _moved(a, b, -1)
    return _arithmetic(lambda x, y: x - y)(one, other)


def _moved(moment: Item, by: Item, sign: int) -> Items:
    """A date or time with a span added, at the precision it has."""
    measure, match = quantity(by), _WHOLE.match(str(moment.value))
    if measure is None or match is None:
        return []
    count, unit = int(measure[0]) * sign, measure[1]
    stated = [int(part) for part in match.groups()[:6] if part is not None]
    year, month, day = [*stated[:3], *(1, 1)][:3]
    hour, minute, second = [*stated[3:6], *(0, 0, 0)][:3]
    try:
        if unit in _CALENDAR:
            months = year * 12 + month - 1 + count * _CALENDAR[unit]
            year, month = divmod(months, 12)
            day = min(day, _last(year, month + 1))
            found = datetime.datetime(year, month + 1, day, hour, minute, second)  # noqa: DTZ001
        elif unit in _SECONDS:
            found = datetime.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
            found += datetime.timedelta(seconds=count * _SECONDS[unit])
        else:
            return []
    except (ValueError, OverflowError):
        return []
    text = f"{found.year:04d}-{found.month:02d}-{found.day:02d}"[: (4, 7, 10)[min(len(stated), 3) - 1]]
    if len(stated) > 3:
        text += f"T{found.hour:02d}:{found.minute:02d}:{found.second:02d}"[: 3 * (len(stated) - 3)]
        text += (match[7] or "") + (match[8] or "")
    return [of(moment.kind, text)]


def _last(year: int, month: int) -> int:
    following = datetime.date(year + month // 12, month % 12 + 1, 1)
    return (following - datetime.timedelta(days=1)).day


def _divided(x: Any, y: Any) -> Decimal | None:
    return Decimal(x) / Decimal(y) if y else None


def _div(x: Any, y: Any) -> int | None:
    return int(Decimal(x) / Decimal(y)) if y else None


def _mod(x: Any, y: Any) -> Any:
    if not y:
        return None
    found = Decimal(x) % Decimal(y)
    return found if isinstance(x, Decimal) or isinstance(y, Decimal) else int(found)


LAZY: dict[str, Callable[[Step, Step], Step]] = {
    "and": _logic(False, False, ended=False),
    "or": _logic(True, True, ended=True),
    "implies": _logic(False, True, ended=True),
}
BOTH: dict[str, Work] = {
    "xor": _xor,
    "=": _equal,
    "!=": _unequal,
    "~": lambda one, other: truth(compare.equivalent(one, other)),
    "!~": lambda one, other: truth(not compare.equivalent(one, other)),
    "<": _ordered(lambda order: order < 0),
    ">": _ordered(lambda order: order > 0),
    "<=": _ordered(lambda order: order <= 0),
    ">=": _ordered(lambda order: order >= 0),
    "in": _within,
    "contains": lambda one, other: _within(other, one),
    "|": lambda one, other: distinct([*one, *other]),
    "&": _joined,
    "+": _plus,
    "-": _minus,
    "*": _arithmetic(lambda x, y: x * y),
    "/": _arithmetic(_divided),
    "div": _arithmetic(_div),
    "mod": _arithmetic(_mod),
}
