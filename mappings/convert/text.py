"""Conversions to primitive values: text, codes, dates, numbers, booleans."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jiter import LosslessFloat

from mappings.convert.registry import Context, Value, conversion

_NUMBER = re.compile(r"([+-]?)(?=[.,]?[0-9])([0-9]{0,30})(?:[.,]([0-9]{0,30}))?\Z")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:[.,][0-9]{3})+\Z")
_DTM = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.[0-9]{1,6})?)?)?)?)?)?"
    r"([+-][0-9]{2}:?[0-9]{2})?(?:\^.*)?\Z"
)
_ISO_8601 = re.compile(
    r"([0-9]{4})[-/]([0-9]{2})(?:[-/]([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]{1,9})?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?)?)?\Z"
)
_STROKES = re.compile(r"([0-9]{1,2})([/-]?)([0-9]{1,2})\2(?:19|20)[0-9]{2}(?:[0-9]{4}|[0-9]{6})?\b")
_MONTHS = 12
_WORD = 4  # letters of a word, which no code of a table is by chance
_CODE_AND_WORDS = re.compile(r"(?:[0-9][0-9.]{0,5}\s*(?:[-–:/]\s*)?|[A-Za-z]{1,3}\s*[-–:]\s*)([^\W\d_].{3,})\Z")
_BOTH = re.compile(r"\s*(?:\([AO]\)|/[AO])\Z")
_YES, _NO = frozenset(("Y", "1", "S", "YES", "SIM", "TRUE")), frozenset(("N", "0", "NO", "NAO", "NÃO", "FALSE"))
_OPEN_END = 9999  # the year of a date that means "no end"


@conversion("")
@conversion("text")
def plain(value: Value, context: Context, argument: str) -> Any:
    """The text as it is."""
    return value.whole() or None


@conversion("action-code")
def action_code(value: Value, context: Context, argument: str) -> Any:
    """Like `code`, for what the sender does to a record (table 0206): most actions say nothing of its status."""
    return component_code(value, context, argument, 1) or None


@conversion("code")
def code(value: Value, context: Context, argument: str) -> Any:
    """A code through `codes/<argument>.csv`; a code the table does not list is a finding."""
    text = value.whole()
    if not text:
        return None
    found = listed(context.codes(argument), text)
    if found is None and (words := words_in(text)):
        found = listed(context.codes(argument), words)
    if found is None:
        context.problems.append(value.problem("code.unmapped", table=argument, code=text[:20]))
    return found or None


def component_code(value: Value, context: Context, table: str, component: int) -> str:
    """What `codes/<table>.csv` says of the code in a component, `""` where that is nothing.

    A code the table does not list is told: what the rest of the field says is kept without it.
    """
    text = value.text(component)
    if not text:
        return ""
    found = listed(context.codes(table), text)
    if found is None:
        context.problems.append(value.problem("code.unmapped", component, table=table, code=text[:20]))
    return found or ""


def ended(value: Value, context: Context, action: int = 2) -> bool:
    """Whether the action code in a field beside this one (ROL-2, PRT-2, LRL-2: table 0287 or 0206) takes it away."""
    return component_code(value.sibling(action), context, "hl70287", 1) == "ended"


def listed(table: Mapping[str, str], text: str) -> str | None:
    """What a code table says of a code in any case, since senders are careless of it; None when it does not list it.

    A word is found without its accents, and with both genders (`SOLTEIRO(A)`).
    """
    for written in (text, text.upper(), text.capitalize()):
        if written in table:
            return table[written]
    return table.get(_folded(text)) if len(text) >= _WORD else None


def meant(table: Mapping[str, str], value: Value) -> str | None:
    """What a code table says of a code and the words beside it, in the next component (`4^PARDA`) or in the same one
    (`4 - PARDA`, `11-ALTA CURADO`): the words where it lists them, since numbers are of the house that writes them."""
    text, beside = value.text(1), value.text(2)
    for words in (beside if len(beside) >= _WORD else "", words_in(text)):
        if words and (found := listed(table, words)) is not None:
            return found
    return listed(table, text)


def words_in(text: str) -> str:
    """The words behind a code in one text, `""` where there are not both."""
    match = _CODE_AND_WORDS.match(text.strip())
    return match[1] if match else ""


def coding_from(target: str) -> dict[str, str]:
    """What a code table says, `system|code|display`, as Coding; without a display where it says none."""
    system, code, display = ([*target.split("|"), ""])[:3]
    return {"system": system, "code": code, **({"display": display} if display else {})}


@lru_cache(maxsize=4096)
def _folded(word: str) -> str:
    """A word in capitals without accents, and without the ending of the other gender."""
    plain = unicodedata.normalize("NFD", _BOTH.sub("", " ".join(word.upper().split())))
    return "".join(c for c in plain if not unicodedata.combining(c))


@conversion("date")
def date(value: Value, context: Context, argument: str) -> Any:
    """DT or DTM as a FHIR date of the precision sent."""
    return _date_text(value, context)


@conversion("datetime")
def date_time(value: Value, context: Context, argument: str) -> Any:
    """DTM as a FHIR dateTime; a time without a zone gets the sender's zone."""
    text = value.whole()
    if text.isdigit() and (found := _dtm_text(text, context.zone)):  # as most are written: nothing to be told of it
        return found
    moment = _moment(value, context)
    if isinstance(moment, str) or moment is None:
        return moment
    return moment.isoformat()


@lru_cache(maxsize=4096)  # a report says its few moments for each result again
def _dtm_text(text: str, zone: str) -> str | None:
    moment = parse_dtm(text, zone)
    return moment.isoformat() if isinstance(moment, datetime.datetime) else moment


@conversion("instant")
def instant(value: Value, context: Context, argument: str) -> Any:
    """DTM as a FHIR instant; a bare date is its midnight."""
    moment = _moment(value, context)
    if isinstance(moment, str):
        parts = [int(p) for p in moment.split("-")] + [1, 1]
        moment = _whole_minutes(datetime.datetime(parts[0], parts[1], parts[2], tzinfo=ZoneInfo(context.zone)))
    return moment.isoformat() if moment else None


@conversion("constant")
def constant(value: Value, context: Context, argument: str) -> Any:
    """`argument`, when the source has any value (a discharge time means `finished`)."""
    return argument if value.whole() else None


@conversion("quiet-code")
def quiet_code(value: Value, context: Context, argument: str) -> Any:
    """Like `code`, for a second look at a code that another row reports."""
    return listed(context.codes(argument), value.whole()) or None


@conversion("event")
def event(value: Value, context: Context, argument: str) -> Any:
    """What `codes/<argument>.csv` says of the event: MSH-9.2, or EVN-1 where old senders say it only there."""
    return context.codes(argument).get(context.event) or None


@conversion("event-boolean")
def event_boolean(value: Value, context: Context, argument: str) -> Any:
    """Like `event`, for a table of `true` and `false`."""
    return {"true": True, "false": False}.get(context.codes(argument).get(context.event, ""))


@conversion("ends")
def ends(value: Value, context: Context, argument: str) -> Any:
    """The moment of an event that finishes the visit; nothing for other events."""
    return date_time(value, context, "") if context.codes(argument).get(context.event) == "finished" else None


def integer(value: Value, context: Context, argument: str) -> Any:
    """A whole number."""
    text = value.whole()
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    context.problems.append(value.problem("field.number"))
    return None


def boolean(value: Value, context: Context, argument: str) -> Any:
    """Table 0136: Y or N."""
    text = value.whole().upper()
    if text not in _YES | _NO:
        if text:
            context.problems.append(value.problem("code.unmapped", table="hl70136", code=text[:20]))
        return None
    return text in _YES


@lru_cache(maxsize=4096)
def parse_dtm(text: str, zone: str) -> datetime.datetime | str | None:
    """DTM (2.5.1 §2.A.22): a datetime with zone, a date text of lower precision, or None when it is no DTM."""
    match = _DTM.match(text) or _ISO_8601.match(text)
    if match is None or not (1800 <= int(match[1]) < 2300 or int(match[1]) == _OPEN_END):
        return None  # `700112`, a day of an old system, would be a month of the year 7001
    year, month, day, hour, minute, second, offset = match.groups()
    try:
        datetime.date(int(year), int(month or 1), int(day or 1))
        if hour is None:
            return "-".join(part for part in (year, month, day) if part)
        tz = _offset(offset) if offset else ZoneInfo(zone)
        whole = (int(year), int(month), int(day), int(hour), int(minute or 0), min(int(second or 0), 59))
        return _whole_minutes(datetime.datetime(*whole, tzinfo=tz))
    except ValueError:  # no such day or hour, or an offset of a day and more
        return None


def _offset(text: str) -> datetime.tzinfo:
    """The zone of `-0300`, `-03:00` or `Z`; raises ValueError for one that is none."""
    digits = text[1:].replace(":", "") or "0000"
    hours, minutes = int(digits[:2]), int(digits[2:])
    if (hours, minutes) > (14, 0) or minutes > 59:
        raise ValueError("no such zone")
    return datetime.timezone((-1 if text[0] == "-" else 1) * datetime.timedelta(hours=hours, minutes=minutes))


def _whole_minutes(moment: datetime.datetime) -> datetime.datetime:
    """Local mean time of long ago has seconds in its offset, which FHIR cannot say."""
    offset = moment.utcoffset()
    if offset is None or not offset.total_seconds() % 60:
        return moment
    minutes = int(offset.total_seconds() / 60)
    return moment.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=minutes)))


@lru_cache(maxsize=8192)  # a result is looked at before it is read, and limits are the same day after day
def number(text: str) -> LosslessFloat | int | None:
    """A decimal as sent, digit by digit (`1.50` stays `1.50`); a comma is read as point; None when it is no number.

    Thousands may be parted where nothing else can be meant: `1.234,5`, `1,234.5`, `1.234.567`.
    """
    bare = text.strip()
    match = _NUMBER.match(bare) or _NUMBER.match(_joined(bare))
    if match is None:
        return None
    sign, whole, fraction = match.groups()
    digits = (whole or "0").lstrip("0") or "0"
    minus = "-" if sign == "-" else ""
    if not fraction:
        return int(minus + digits) if len(digits) <= 15 else LosslessFloat(f"{minus}{digits}".encode())
    return LosslessFloat(f"{minus}{digits}.{fraction}".encode())


def _joined(text: str) -> str:
    """A number without what parts its thousands; empty when they are not surely parted."""
    sign = decimal_sign(text.lstrip("+-"))
    return text.replace("," if sign == "." else ".", "").replace(sign, ".") if sign else ""


def decimal_sign(written: str) -> str:
    """The decimal sign that digits with points or commas show; empty where they show none (`1.500`, `01.02.2026`)."""
    marks = [each for each in written if each in ".,"]
    if len(marks) < 2:
        return "" if not marks or _THOUSANDS.match(written) else marks[0]
    if len(set(marks)) == 1:
        return {".": ",", ",": "."}[marks[0]] if _THOUSANDS.match(written) else ""
    whole = written.rpartition(marks[-1])[0]
    return marks[-1] if marks[-1] not in marks[:-1] and _THOUSANDS.match(whole) else ""


def descends(low: dict[str, Any], high: dict[str, Any]) -> bool:
    """Whether two quantities of one unit are no Range: the lower is above the upper (R4 rng-2)."""
    return float(low["value"]) > float(high["value"])


def _moment(value: Value, context: Context) -> datetime.datetime | str | None:
    text = value.whole()
    if not text:
        return None
    return _told(text, value, context)


def _told(text: str, value: Value, context: Context) -> datetime.datetime | str | None:
    """A DTM text as moment; what is none, or is written as ISO 8601 writes it, is a finding."""
    moment = parse_dtm(text, context.zone)
    if moment is None:
        match = _STROKES.match(text)
        unsure = match is not None and min(pair := (int(match[1]), int(match[3]))) >= 1 and max(pair) <= _MONTHS
        context.problems.append(value.problem("field.date-ambiguous" if unsure else "field.date"))
    elif ":" in text or (text[4:5] in ("-", "/") and text[7:8] in ("-", "/", "")):
        context.problems.append(value.problem("field.date-form"))
    return moment


def _date_text(value: Value, context: Context) -> str | None:
    moment = _moment(value, context)
    return moment.date().isoformat() if isinstance(moment, datetime.datetime) else moment


def moment_text(text: str, value: Value, context: Context) -> str | None:
    """A DTM text as FHIR dateTime text; one that is none is reported."""
    if not text:
        return None
    moment = _told(text, value, context)
    return moment.isoformat() if isinstance(moment, datetime.datetime) else moment


def spread(value: Value) -> Value:
    """A person whose parts are subcomponents of the first component, as up to 2.2 (`123&Lima&Rui^S` in PR1-12), as an
    XCN; any other value itself."""
    first = value.raw.partition(value.delimiters.component)[0]
    if value.delimiters.sub not in first:
        return value
    return Value(first.replace(value.delimiters.sub, value.delimiters.component), value.source, value.segment)
