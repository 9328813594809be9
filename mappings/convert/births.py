"""Conversions of a birth: its day and time (PID-7 and its like), and which of several it was (PID-24, PID-25)."""

from __future__ import annotations

import datetime
from typing import Any

from canonical.extensions import EXTENSIONS
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import boolean, date, integer, parse_dtm

_NEWBORN = datetime.timedelta(days=31)
_SEVERAL, _ORDER = 24, 25  # PID


@conversion("birth-date")
def birth_date(value: Value, context: Context, argument: str) -> Any:
    """DT or DTM as the date of a birth; one after the day of the message itself (MSH-7) is told, and read all the
    same."""
    found = date(value, context, argument)
    if found and found > context.once("last day of a birth", lambda: _last_day(context))[: len(found)]:
        context.problems.append(value.problem("field.born-later"))
    return found


def _last_day(context: Context) -> str:
    """The day of the message, by MSH-7; where that says its zone, the next, since a birth may be told by another."""
    written = context.message.header.text(7).strip()
    sent = parse_dtm(written, context.zone)
    if not isinstance(sent, datetime.datetime):
        return sent if isinstance(sent, str) and len(sent) == len("2026-01-01") else "9999-12-31"
    zoned = "+" in written or "-" in written or written.endswith("Z")
    return (sent.date() + datetime.timedelta(days=zoned)).isoformat()


@conversion("birth-time")
def birth_time(value: Value, context: Context, argument: str) -> Any:
    """PID-7 with a time of day, as extension beside the date (v2-to-fhir PID-7); the midnight with which senders fill
    up a day is none, but of a newborn."""
    found = parse_dtm(value.whole(), context.zone)
    if not isinstance(found, datetime.datetime):
        return None
    if found.time() == datetime.time():
        age = datetime.date.fromisoformat(_last_day(context)) - found.date()
        if age > _NEWBORN:
            return None
    return {"extension": [{"url": EXTENSIONS["birth-time"], "valueDateTime": found.isoformat()}]}


@conversion("multiple-birth")
def multiple_birth(value: Value, context: Context, argument: str) -> Any:
    """PID-24, only when PID-25 gives no order of birth: R4 takes one of the two. That it denies a multiple birth beside
    a second or later is told."""
    order = value.sibling(_ORDER)
    if not _is_order(order):
        return boolean(value, context, argument)
    if value.whole().upper() == "N":
        context.problems.append(value.problem("field.differs", other=f"PID-{_ORDER}"))
    return None


@conversion("birth-order")
def birth_order(value: Value, context: Context, argument: str) -> Any:
    """PID-25 as order within a multiple birth; None where it is none.

    Nought is no order, and the first where PID-24 denies a multiple birth is the only one: as an integer R4 would read
    a twin (Patient.multipleBirth[x]).
    """
    return integer(value, context, argument) if _is_order(value) else None


def _is_order(value: Value) -> bool:
    text = value.whole().strip()
    return bool(text.strip("0")) and not (text.lstrip("0") == "1" and value.other(_SEVERAL).upper() == "N")
