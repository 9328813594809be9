"""The operators of FHIRPath (N1 §6): logic that waits for its right side only where it must, and the others."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from fhir.fhirpath import compare
from fhir.fhirpath.evaluation import Items, PathError, Scope, Step, boolean, distinct, single
from fhir.fhirpath.items import Item, bounded, number, of, quantity, truth
from fhir.search import ucum

Work = Callable[[Items, Items], Items]
_CALENDAR = {"year": 12, "month": 1}
_SECONDS: dict[str, int | Decimal] = {
    "wk": 604800,
    "d": 86400,
    "h": 3600,
    "min": 60,
    "s": 1,
    "week": 604800,
    "day": 86400,
    "hour": 3600,
}
_SECONDS |= {"minute": 60, "second": 1, "millisecond": Decimal("0.001"), "ms": Decimal("0.001")}
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
        if a is None or b is None:
            return []
        order = compare.order(a, b)
        if order is None and not compare.have_order(a, b):
            raise PathError("values of kinds that have no order")
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
            try:
                return [item for item in _measured(work, a, b) if quantity(item) is not None]
            except ArithmeticError:
                return []
        try:
            found = bounded(work(x, y))
        except (ArithmeticError, InvalidOperation):
            return []
        return [] if found is None else [of("Decimal" if isinstance(found, Decimal) else "Integer", found)]

    return step


def _measured(work: Callable[[Any, Any], Any], one: Item, other: Item) -> Items:
    a, b = quantity(one), quantity(other)
    if a is None or b is None:
        raise PathError("no numbers")
    probe = work(Decimal(6), Decimal(3))
    if a[1] == b[1] and probe in (9, 3):  # plus and minus keep the unit
        return [of("Quantity", (work(a[0], b[0]), a[1]))]
    if a[1] == b[1] and probe == 2 and b[0]:  # what is divided by its like has none
        return [of("Quantity", (work(a[0], b[0]), "1"))]
    if "1" in (a[1], b[1]) and (probe != 2 or b[1] == "1"):
        found = work(a[0], b[0])
        return [] if found is None else [of("Quantity", (found, a[1] if b[1] == "1" else b[1]))]
    return _of_two_units(work(a[0], b[0]), (a[1], b[1]), probe)


def _of_two_units(found: Any, stated: tuple[str, str], probe: Any) -> Items:
    """What a product or quotient has of two units (N1 §6.6.1, §6.6.2); nothing where one is no unit of UCUM."""
    if not isinstance(found, Decimal) or probe not in (18, 2):
        return []
    one, other = stated
    if ucum.read(one) is None or ucum.read(other) is None:
        return []
    unit = ucum.product(one, other, divided=probe == 2)
    return [of("Quantity", (found, unit))] if ucum.read(unit) is not None else []


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
    """A date or time with a span added, at the precision it has; years and months only of the calendar (N1 §6.6.7)."""
    measure, match = quantity(by), _WHOLE.match(str(moment.value))
    if measure is None or match is None:
        return []
    if measure[1] not in _CALENDAR and measure[1] not in _SECONDS:
        raise PathError("no span of time")
    stated = [int(part) for part in match.groups()[:6] if part is not None]
    try:
        found = _shifted(stated, match[7] or "", measure[0] * sign, measure[1])
    except (ValueError, OverflowError):
        return []
    text = f"{found.year:04d}-{found.month:02d}-{found.day:02d}"[: (4, 7, 10)[min(len(stated), 3) - 1]]
    if len(stated) > 3:
        text += f"T{found.hour:02d}:{found.minute:02d}:{found.second:02d}"[: 3 * (len(stated) - 3)]
        text += f".{found.microsecond:06d}{match[7][7:]}"[: len(match[7])] if match[7] else ""
        text += match[8] or ""
    return [of(moment.kind, text)]


def _shifted(stated: list[int], fraction: str, count: Decimal, unit: str) -> datetime.datetime:
    """The moment that lies so far away; raises ValueError, OverflowError for one outside of the calendar."""
    year, month, day = [*stated[:3], *(1, 1)][:3]
    hour, minute, second = [*stated[3:6], *(0, 0, 0)][:3]
    micro = int(fraction[1:7].ljust(6, "0")) if fraction else 0
    if unit in _CALENDAR:
        year, month = divmod(year * 12 + month - 1 + int(count) * _CALENDAR[unit], 12)
        day = min(day, _last(year, month + 1))
        return datetime.datetime(year, month + 1, day, hour, minute, second, micro)  # noqa: DTZ001
    moment = datetime.datetime(year, month, day, hour, minute, second, micro)  # noqa: DTZ001
    whole = count if _SECONDS[unit] in (1, Decimal("0.001")) else int(count)  # only of seconds a fraction counts
    return moment + datetime.timedelta(microseconds=int(whole * _SECONDS[unit] * 1_000_000))


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
