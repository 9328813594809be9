"""Conversions to primitive values: text, codes, dates, numbers, booleans."""

from __future__ import annotations

import datetime
import re
from typing import Any
from zoneinfo import ZoneInfo

from mappings.convert.registry import Context, Value, conversion
from mappings.table import codes

_DTM = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.\d{1,4})?)?)?)?)?)?([+-]\d{4})?(?:\^.*)?\Z"
)


@conversion("")
@conversion("text")
def plain(value: Value, context: Context, argument: str) -> Any:
    """The text as it is."""
    return value.whole() or None


@conversion("code")
def code(value: Value, context: Context, argument: str) -> Any:
    """A code through `codes/<argument>.csv`; a code the table does not list is a finding."""
    text = value.whole()
    if not text:
        return None
    table = codes(argument)
    if text in table:
        return table[text] or None
    context.problems.append(value.problem("code.unmapped", table=argument, code=text[:20]))
    return None


@conversion("date")
def date(value: Value, context: Context, argument: str) -> Any:
    """DT or DTM as a FHIR date of the precision sent."""
    return _date_text(value, context)


@conversion("datetime")
def date_time(value: Value, context: Context, argument: str) -> Any:
    """DTM as a FHIR dateTime; a time without a zone gets the sender's zone."""
    moment = _moment(value, context)
    if isinstance(moment, str) or moment is None:
        return moment
    return moment.isoformat()


@conversion("instant")
def instant(value: Value, context: Context, argument: str) -> Any:
    """DTM as a FHIR instant; a bare date is its midnight."""
    moment = _moment(value, context)
    if isinstance(moment, str):
        parts = [int(p) for p in moment.split("-")] + [1, 1]
        moment = datetime.datetime(parts[0], parts[1], parts[2], tzinfo=ZoneInfo(context.zone))
    return moment.isoformat() if moment else None


@conversion("integer")
def integer(value: Value, context: Context, argument: str) -> Any:
    """A whole number."""
    text = value.whole()
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    context.problems.append(value.problem("field.number"))
    return None


@conversion("boolean")
def boolean(value: Value, context: Context, argument: str) -> Any:
    """Table 0136: Y or N."""
    text = value.whole().upper()
    if text not in ("Y", "N", "1", "0", "S"):
        if text:
            context.problems.append(value.problem("code.unmapped", table="hl70136", code=text[:20]))
        return None
    return text in ("Y", "1", "S")


def parse_dtm(text: str, zone: str) -> datetime.datetime | str | None:
    """DTM (2.5.1 §2.A.22): a datetime with zone, a date text of lower precision, or None when it is no DTM."""
    match = _DTM.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, offset = match.groups()
    try:
        datetime.date(int(year), int(month or 1), int(day or 1))
        if hour is None:
            return "-".join(part for part in (year, month, day) if part)
        tz: datetime.tzinfo = ZoneInfo(zone)
        if offset:
            sign = -1 if offset[0] == "-" else 1
            tz = datetime.timezone(sign * datetime.timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5])))
        whole = (int(year), int(month), int(day), int(hour), int(minute or 0), min(int(second or 0), 59))
        return datetime.datetime(*whole, tzinfo=tz)
    except ValueError:
        return None


def _moment(value: Value, context: Context) -> datetime.datetime | str | None:
    text = value.whole()
    if not text:
        return None
    moment = parse_dtm(text, context.zone)
    if moment is None:
        context.problems.append(value.problem("field.date"))
    return moment


def _date_text(value: Value, context: Context) -> str | None:
    moment = _moment(value, context)
    return moment.date().isoformat() if isinstance(moment, datetime.datetime) else moment
