"""The range a value of limited precision covers: `2024-01` is a month, `1.50` is 1.495 to 1.505 (R4 §3.1.1.4)."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from math import inf, isfinite, nextafter
from zoneinfo import ZoneInfo

EARLIEST = datetime.datetime(1, 1, 2, tzinfo=datetime.UTC)
LATEST = datetime.datetime(9999, 12, 30, tzinfo=datetime.UTC)
_LEAST = datetime.timedelta(microseconds=1)
_WIDEST = 300  # decimal exponents a double holds with room to spare
_DATE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?\Z"
)


@lru_cache(maxsize=8192)
def date_range(text: str, zone: ZoneInfo) -> tuple[datetime.datetime, datetime.datetime] | None:
    """First moment and first moment after, in UTC; a text without zone lies in `zone`. None when it is no date."""
    match = _DATE.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        tz: datetime.tzinfo = _offset(offset) if offset else zone
        low = datetime.datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), min(int(second or 0), 59),
            micro, tzinfo=tz,
        )  # fmt: skip
    except (ValueError, OverflowError):
        return None
    first = min(_bounded(low), LATEST - _LEAST)
    try:
        high = _bounded(_after(low, month, day, hour, second, fraction))
    except (ValueError, OverflowError):  # the year 10000, which no datetime reaches
        high = LATEST
    return first, max(high, first + _LEAST)


def _bounded(moment: datetime.datetime) -> datetime.datetime:
    """A moment in UTC, within what every zone can show: 9999-12-31 and 0001-01-01 stand for "never ends", "unknown"."""
    try:
        return min(max(moment.astimezone(datetime.UTC), EARLIEST), LATEST)
    except OverflowError:
        return EARLIEST if moment.year == 1 else LATEST


def _after(
    low: datetime.datetime,
    month: str | None,
    day: str | None,
    hour: str | None,
    second: str | None,
    fraction: str | None,
) -> datetime.datetime:
    if month is None:
        return low.replace(year=low.year + 1)
    if day is None:
        return low.replace(year=low.year + low.month // 12, month=low.month % 12 + 1)
    if hour is None:
        return (low.replace(tzinfo=None) + datetime.timedelta(days=1)).replace(tzinfo=low.tzinfo)
    if second is None:
        return low + datetime.timedelta(minutes=1)
    if fraction is None:
        return low + datetime.timedelta(seconds=1)
    return low + datetime.timedelta(microseconds=10 ** max(0, 6 - len(fraction)))


def number_range(text: str) -> tuple[float, float] | None:
    """Half a unit of the last digit to both sides; None when it is no number.

    The upper end lies above the number, also of one with more digits than a double holds.
    """
    try:
        value = Decimal(text)
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or abs(value.adjusted()) > _WIDEST or abs(exponent) > _WIDEST:
            return None
        half = Decimal(5).scaleb(exponent - 1)
        return float(value - half), max(float(value + half), nextafter(float(value), inf))
    except (InvalidOperation, ValueError, ArithmeticError):
        return None


def point(text: str) -> float | None:
    """The number as a double; None when it is none, or beyond what a double holds."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _offset(text: str) -> datetime.tzinfo:
    if text == "Z":
        return datetime.UTC
    sign = -1 if text[0] == "-" else 1
    return datetime.timezone(sign * datetime.timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))
