"""The day and the hour a FHIR date or dateTime tells, where a tenant is: a moment may be written in any zone.

What is billed, asked and told happened on the house's own calendar: 2026-11-27T01:30:00Z is the 26th, 22:30, in São
Paulo (R4 §2.24.0.7: a time always carries its zone).
"""

from __future__ import annotations

import datetime
import re
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_LENGTH = 10
_LEAP = re.compile(r"(T[0-9]{2}:[0-9]{2}):60")


class Moment(NamedTuple):
    """A local day (AAAA-MM-DD) and hour (HH:MM:SS) as texts, empty where not told."""

    date: str = ""
    time: str = ""


def moment(told: Any, zone: str) -> Moment:
    """The local day and hour of a FHIR date or dateTime of day precision or better; empty for anything else.

    A time without zone is read as local. A leap second counts as the one before it.
    """
    text = told if isinstance(told, str) else ""
    if not _DAY.match(text):
        return Moment()
    try:
        if len(text) == _DATE_LENGTH:
            return Moment(datetime.date.fromisoformat(text).isoformat())
        at = datetime.datetime.fromisoformat(readable(text))
        local = at.astimezone(ZoneInfo(zone)) if at.tzinfo else at
    except (ValueError, OverflowError):
        return Moment()
    return Moment(local.date().isoformat(), local.strftime("%H:%M:%S"))


def readable(text: str) -> str:
    """A FHIR dateTime as Python reads it: a leap second, which FHIR has (R4 §2.24.0.1), is the one before it."""
    return _LEAP.sub(r"\1:59", text)


def instant(told: Any) -> datetime.datetime | None:
    """The moment of a FHIR instant, a leap second as the one before it; None for anything else."""
    try:
        at = datetime.datetime.fromisoformat(readable(told)) if isinstance(told, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def day(told: Any, zone: str) -> datetime.date | None:
    """The local day of a FHIR date or dateTime; None for one that tells no day."""
    found = moment(told, zone).date
    return datetime.date.fromisoformat(found) if found else None


def date(told: Any) -> datetime.date | None:
    """The day of a text that is a whole date and no moment (R4 date, xs:date without zone); None for anything else."""
    return day(told, "UTC") if isinstance(told, str) and len(told) == _DATE_LENGTH else None
