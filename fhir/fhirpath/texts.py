"""Functions on texts and numbers, and conversions (N1 §5.5-§5.7); and whether narrative is proper XHTML (R4 §2.6)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from fhir.fhirpath import escapes, linear
from fhir.fhirpath.evaluation import Items, PathError, Scope, TooCostly, single
from fhir.fhirpath.items import Item, bounded, number, of, quantity, truth
from fhir.patterns import BadPattern, pattern
from fhir.validation import primitives, xhtml

_TRUE = frozenset(("true", "t", "yes", "y", "1", "1.0"))
_FALSE = frozenset(("false", "f", "no", "n", "0", "0.0"))
_INTEGER = re.compile(r"[+-]?\d+\Z", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?\Z", re.ASCII)
_CALENDAR = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
_QUANTITY = re.compile(rf"([+-]?\d+(?:\.\d+)?)\s*(?:'([^']+)'|({'|'.join(_CALENDAR)})s?)?\Z", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d+)?)?)?(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)?\Z", re.ASCII)
MOST_TEXT = 1_000_000
"""How long a text may become in one step: a few steps that each make it longer would fill the machine."""
Function = Callable[..., Items]


def text(found: Items) -> str:
    """The text of a single string, empty when there is none; raises PathError for what is no string."""
    item = single(found)
    if item is None or item.value is None:
        return ""
    if item.kind != "String" or not isinstance(item.value, str):
        raise PathError("no text")
    return item.value


def _on_text(work: Callable[..., Any], argument: Callable[[Items], Any] = text) -> Function:
    """A function of one text and of arguments that must be there: nothing when one is missing or has no value."""

    def step(scope: Scope, focus: Items, *arguments: Items) -> Items:
        given = [single(each) for each in (focus, *arguments)]
        if any(item is None or item.value is None for item in given):
            return []
        found = work(text(focus), *map(argument, arguments))
        if isinstance(found, str | list):
            scope.budget.charge(found)
        return _found(found)

    return step


def _whole(found: Items) -> int:
    """The value of a single integer; raises PathError for what is none."""
    item = single(found)
    plain = None if item is None else number(item)
    if not isinstance(plain, int):
        raise PathError("no integer")
    return plain


def _found(value: Any) -> Items:
    if value is None:
        return []
    if isinstance(value, list):
        return [of("String", each) for each in value]
    kind = {bool: "Boolean", int: "Integer", Decimal: "Decimal", str: "String"}[type(value)]
    return truth(value) if kind == "Boolean" else [of(kind, value)]


def _substring(value: str, start: int, length: int | None = None) -> str | None:
    if not 0 <= start < len(value):
        return None
    return value[start:] if length is None else value[start : start + max(length, 0)]


def _matches(value: str, expression: str) -> bool:
    return _pattern(expression, whole=False)(value)


def _pattern(expression: str, *, whole: bool) -> Callable[[str], bool]:
    try:
        return pattern(expression, whole=whole)
    except BadPattern:
        raise PathError("a regular expression that cannot be used") from None


def _replace(value: str, old: str, new: str) -> str:
    if value.count(old) * len(new) > MOST_TEXT:
        raise TooCostly("a text that becomes too long")
    return value.replace(old, new)


def _replace_matches(scope: Scope, focus: Items, expression: Items, other: Items) -> Items:
    """`replaceMatches`: each step of the matching is counted (N1 §5.6.9)."""
    given = [single(focus), single(expression), single(other)]
    if any(item is None or item.value is None for item in given):
        return []
    value, wanted, made = text(focus), text(expression), text(other)
    try:
        return [of("String", linear.replaced(value, wanted, made, scope.budget.spend) if wanted else value)]
    except linear.Unusable:
        raise PathError("a regular expression that cannot be used") from None


def _numbers(work: Callable[..., Any]) -> Function:
    def step(scope: Scope, focus: Items, *arguments: Items) -> Items:
        item = single(focus)
        given = [single(argument) for argument in arguments]
        if item is None or item.value is None or None in given:
            return []
        values = [number(each) for each in (item, *given) if each is not None]
        if None in values:
            raise PathError("no number")
        try:
            return _found(bounded(work(*values)))
        except (ArithmeticError, ValueError, InvalidOperation):
            return []

    return step


def _real(work: Callable[..., float]) -> Function:
    return _numbers(lambda *values: Decimal(str(work(*map(float, values)))))


def _absolute(scope: Scope, focus: Items) -> Items:
    item = single(focus)
    if item is not None and number(item) is None and (measure := quantity(item)) is not None:
        return [of("Quantity", (abs(measure[0]), measure[1]))]
    return _numbers(abs)(scope, focus)


def _round(value: Any, digits: int = 0) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-int(digits)), ROUND_HALF_UP)


def _power(value: Any, exponent: Any) -> Any:
    if abs(exponent) > 1000 or abs(value) > 10**50:
        return None
    found = Decimal(value) ** Decimal(exponent)
    return int(found) if isinstance(value, int) and isinstance(exponent, int) and exponent >= 0 else found


def convert(kind: str, item: Item) -> Any:
    """The value of an item as a System type, None when it has none (N1 §5.5)."""
    if item.value is None:
        return None
    return _CONVERSIONS[kind](item)


def _boolean(item: Item) -> bool | None:
    if item.kind == "Boolean":
        return bool(item.value)
    written = str(number(item) if number(item) is not None else item.value).lower()
    return True if written in _TRUE else False if written in _FALSE else None


def _integer(item: Item) -> int | None:
    if item.kind == "Boolean":
        return int(item.value)
    if item.kind == "Integer":
        return int(item.value)
    return int(item.value) if item.kind == "String" and _INTEGER.match(str(item.value)) else None


def _decimal(item: Item) -> Decimal | None:
    if item.kind == "Boolean":
        return Decimal(int(item.value))
    plain = number(item)
    if plain is not None:
        return Decimal(plain)
    return Decimal(item.value) if item.kind == "String" and _DECIMAL.match(str(item.value)) else None


def _string(item: Item) -> str | None:
    if item.kind == "Boolean":
        return str(item.value).lower()
    if item.kind == "Quantity":
        amount, unit = item.value
        return f"{amount} {unit}" if unit in _CALENDAR else f"{amount} '{unit}'"
    plain = number(item)
    return str(plain) if plain is not None else str(item.value) if item.kind else None


def _date(item: Item) -> str | None:
    written = str(item.value)[:10]
    return written if item.kind in ("Date", "DateTime", "String") and primitives.is_date(written) else None


def _datetime(item: Item) -> str | None:
    written = str(item.value)
    day, _, rest = written.partition("T")
    if item.kind not in ("Date", "DateTime", "String") or not primitives.is_date(day):
        return None
    return written if not rest or (len(day) == 10 and _CLOCK.match(rest)) else None


def _time(item: Item) -> str | None:
    written = str(item.value)
    return written if item.kind in ("Time", "String") and re.match(r"\d{2}(:\d{2}){0,2}(\.\d+)?\Z", written) else None


def _quantity(item: Item) -> tuple[Decimal, str] | None:
    if item.kind == "String" and (match := _QUANTITY.match(str(item.value))):
        return Decimal(match[1]), match[2] or match[3] or "1"
    return (Decimal(int(item.value)), "1") if item.kind == "Boolean" else quantity(item)


_CONVERSIONS: dict[str, Callable[[Item], Any]] = {
    "Boolean": _boolean,
    "Integer": _integer,
    "Decimal": _decimal,
    "String": _string,
    "Date": _date,
    "DateTime": _datetime,
    "Time": _time,
    "Quantity": _quantity,
}


def _conversion(kind: str) -> Function:
    def step(scope: Scope, focus: Items, *unit: Items) -> Items:
        item = single(focus)
        value = None if item is None else convert(kind, item)
        return [] if value is None else [of(kind, value)]

    return step


def _converts(kind: str) -> Function:
    def step(scope: Scope, focus: Items, *unit: Items) -> Items:
        item = single(focus)
        return [] if item is None else truth(convert(kind, item) is not None)

    return step


def _join(scope: Scope, focus: Items, *mark: Items) -> Items:
    between = text(mark[0]) if mark else ""
    if len(between) * len(focus) > MOST_TEXT:
        raise TooCostly("a text that becomes too long")
    found = between.join(text([item]) for item in focus)
    scope.budget.charge(found)
    return [of("String", found)] if focus else []


def html_checks(scope: Scope, focus: Items) -> Items:
    """Whether narrative keeps to the elements and attributes R4 allows, and is not blank."""
    item = single(focus)
    return [] if item is None else truth(isinstance(item.value, str) and xhtml.is_proper(item.value))


FUNCTIONS: dict[str, tuple[Function, int, int]] = {
    "indexOf": (_on_text(lambda value, other: value.find(other)), 1, 1),
    "substring": (_on_text(_substring, _whole), 1, 2),
    "startsWith": (_on_text(lambda value, other: value.startswith(other)), 1, 1),
    "endsWith": (_on_text(lambda value, other: value.endswith(other)), 1, 1),
    "contains": (_on_text(lambda value, other: other in value), 1, 1),
    "upper": (_on_text(lambda value: value.upper()), 0, 0),
    "lower": (_on_text(lambda value: value.lower()), 0, 0),
    "trim": (_on_text(lambda value: value.strip()), 0, 0),
    "length": (_on_text(len), 0, 0),
    "toChars": (_on_text(list), 0, 0),
    "split": (_on_text(lambda value, mark: value.split(mark) if mark else list(value)), 1, 1),
    "replace": (_on_text(_replace), 2, 2),
    "matches": (_on_text(_matches), 1, 1),
    "matchesFull": (_on_text(lambda value, expression: _pattern(expression, whole=True)(value)), 1, 1),
    "replaceMatches": (_replace_matches, 2, 2),
    "join": (_join, 0, 1),
    "abs": (_absolute, 0, 0),
    "encode": (_on_text(escapes.encode), 1, 1),
    "decode": (_on_text(escapes.decode), 1, 1),
    "escape": (_on_text(escapes.escape), 1, 1),
    "unescape": (_on_text(escapes.unescape), 1, 1),
    "ceiling": (_numbers(lambda value: int(Decimal(value).to_integral_value(ROUND_CEILING))), 0, 0),
    "floor": (_numbers(lambda value: int(Decimal(value).to_integral_value(ROUND_FLOOR))), 0, 0),
    "truncate": (_numbers(int), 0, 0),
    "round": (_numbers(_round), 0, 1),
    "sqrt": (_real(math.sqrt), 0, 0),
    "exp": (_real(math.exp), 0, 0),
    "ln": (_real(math.log), 0, 0),
    "log": (_real(lambda value, base: math.log(value) / math.log(base)), 1, 1),
    "power": (_numbers(_power), 1, 1),
    **{f"to{kind}": (_conversion(kind), 0, 1) for kind in _CONVERSIONS},
    **{f"convertsTo{kind}": (_converts(kind), 0, 1) for kind in _CONVERSIONS},
}
