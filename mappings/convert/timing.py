"""When something is to be done: TQ1 (2.5 on), and the TQ of ORC-7, OBR-27 and RXE-1 (up to 2.4), as Timing.

Table 0335 gives frequency and period; a pattern it does not list stays as the code it is, in `Timing.code`.
"""

from __future__ import annotations

import calendar
import datetime
import re
from dataclasses import dataclass, replace
from typing import Any

from canonical.problem import Problem
from mappings.convert.durations import UNITS, duration, unit_of_time
from mappings.convert.misplaced.moments import early_moments
from mappings.convert.misplaced.plausible import URGENCIES
from mappings.convert.periods import moment_or_period, period
from mappings.convert.published import coding_of
from mappings.convert.registry import Context, Value, conversion, rescue
from mappings.convert.text import listed, number
from mappings.tables.table import Source

EVERY = re.compile(r"Q([0-9]{1,3})(S|M|H|D|W|L)\Z")
_TIMES = re.compile(r"([0-9]{1,2})ID\Z")
# As prescriptions in Portuguese have it: `8/8H`, `DE 6 EM 6 HORAS`, `A CADA 12 HORAS`; `3X AO DIA`, `2 VEZES POR DIA`.
_SPAN = r"(H|HS|HRS|HORAS?|DIAS?|SEMANAS?|M[EÊ]S|MESES)"
_APART = re.compile(
    rf"(?:DE )?([1-9][0-9]?) ?(?:/|EM) ?\1 ?{_SPAN}\.?\Z|(?:A )?CADA ([1-9][0-9]?) ?{_SPAN}\.?\Z"
)  # `8/8H`, `de 12 em 12 horas`, `a cada 15 dias`
_OFTEN_IN = re.compile(r"([1-9][0-9]?) ?(?:X|VEZ|VEZES)(?: ?/ ?| AO? | POR | NA | )(DIA|SEMANA|M[EÊ]S)\Z")
_ON_THE_CLOCK = re.compile(r"[0-2]?[0-9]:[0-5][0-9](?:[ ;,/]+[0-2]?[0-9]:[0-5][0-9]){0,23}\Z")
IF_NEEDED = re.compile(
    r"(?:^|[\s,;(-])(?:(PRN|S/N|SN|S\.N\.?|SOS|SE NECESS\w*)|(SE [^\W\d_][^()]*))\)?\Z", re.IGNORECASE
)  # behind how often: `6/6H SN`, `8/8H (SE DOR)`
_WHEN_NEEDED = ("PRN", "SE NECESS", "S/N", "SOS")
_AS_LETTERS = ("SN", "S.N")
_WEEKDAYS = re.compile(r"Q([0-9]{0,2})J([1-7]+)\Z")
OFTEN = frozenset(("BID", "TID", "QID", "QD", "QOD", "QHS", "QAM", "QPM", "QSHIFT", "DAILY"))  # table 0335
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([0-2][0-9]):?([0-5][0-9])")
_CLOCK_TIME = re.compile(r"([0-2]?[0-9]):([0-5][0-9])")
_DAY = len("2026-12-31")
_SPANS = {
    "s": datetime.timedelta(seconds=1), "min": datetime.timedelta(minutes=1), "h": datetime.timedelta(hours=1),
    "d": datetime.timedelta(days=1), "wk": datetime.timedelta(weeks=1),
}  # fmt: skip
_MEALS = frozenset(("C", "CM", "CD", "CV"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What TQ1 or TQ says of time: a pattern with its text and period (RPT-5, RPT-6), the days of the week (RPT-2 to
    4), the event of a day it goes by (RPT-8) and how far from it (RPT-9, RPT-10), clock times, bounds and more."""

    pattern: str
    pattern_text: str
    pattern_system: str
    every: str
    days: str
    event: str
    offset: str
    times: str
    duration: str
    start: str
    end: str
    total: str
    condition: str
    text: str


def told(value: Value) -> Told:
    """The parts of a timing, wherever the version puts them."""
    if value.segment.name == "TQ1":
        return _of_tq1(value)
    condition, text, length = value.text(7), value.text(8), value.text(3)
    begun, over = early_moments(value)
    if condition.isdigit():  # no condition: a length, with its unit behind it
        unit = unit_of_time(text)
        length, text = (length or f"{condition}{text}", "") if unit else (length, text)
        condition = ""
    urgency = value.text(6).upper().strip()
    stray = value.text(6) if urgency in OFTEN or EVERY.match(urgency) else ""  # how often, as priority
    return Told(
        pattern=stray if begun else ("" if urgent_pattern(value) else value.text(2)) or stray,
        pattern_text="",
        pattern_system="",
        every="",
        days="",
        event="",
        offset="",
        times=value.text(2, 2),
        duration="" if begun else length,
        start=begun or value.text(4),
        end=over or value.text(5),
        total=value.text(12),
        condition=condition,
        text=text,
    )


def urgent_pattern(value: Value) -> bool:
    """Whether the interval of a TQ (TQ-2) is the urgency, in a word (`^STAT`), which belongs in TQ-6."""
    return value.text(2).upper() in URGENCIES and not value.text(6)


@rescue("urgent-pattern")
def urgency_for_pattern(value: Value, context: Context, argument: str) -> Any:
    """Such an urgency through `codes/<argument>.csv`; it is told."""
    if not urgent_pattern(value):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return context.codes(argument).get(URGENCIES[value.text(2).upper()]) or None


def _of_tq1(value: Value) -> Told:
    span = value.other(6)
    value.segment.ask(4)
    repeated = value if value.source.field == 3 else value.sibling(3)
    return Told(
        pattern=repeated.text(1),
        pattern_text=repeated.text(1, 2),
        pattern_system=repeated.text(1, 3),
        every=f"{repeated.text(5)}{repeated.text(6)}",
        days=" ".join(part for n in (2, 3, 4) if (part := repeated.text(n))),
        event=repeated.text(8),
        offset=f"{repeated.text(9)}{repeated.text(10) or 'min'}" if repeated.text(9) else "",
        times=" ".join(value.segment.text(4, repetition=n) for n in range(len(value.segment.repetitions(4)))),
        duration=f"{span}{value.other(6, 2)}" if span else "",
        start=value.other(7),
        end=value.other(8),
        total=value.other(14),
        condition=value.other(10),
        text=value.other(11),
    )


@conversion("timing")
def timing(value: Value, context: Context, argument: str) -> Any:
    """TQ1-3 or a TQ as Timing: how often, from when to when, how many times. `coded`: only where it says how often;
    `ended`: where it says until when, and its order (ORC-7) says neither that nor how often."""
    own = told(value)
    asked = _asked(value, context) if argument == "ended" else None
    parts = _until(own, value, context)
    other = argument == "ended" and (not _ends(own) or (asked and (asked.pattern or _ends(asked))))
    if other or (argument == "coded" and not parts.pattern and not parts.every):
        return None
    return repeated(parts, value, context)


def repeated(parts: Told, value: Value, context: Context) -> dict[str, Any] | None:
    """The Timing that is `told`; what cannot be read of it is told at the field of `value`."""
    _tell_early(value, context)
    doubtful = doubtful_pattern(parts, context)
    if doubtful:
        _tell((value.sibling(3) if value.segment.name == "TQ1" else value).problem("field.two-meanings"), context)
    often = ({} if doubtful else how_often(parts.pattern, context)) or _every(parts.every, value, context)
    repeat = {**often, **_week(parts), **_around(parts, value, context), **bounds(parts, value, context)}
    if times := [f"{hour}:{minute}:00" for hour, minute in _CLOCK.findall(parts.times)]:
        repeat = {**{k: v for k, v in repeat.items() if k not in ("when", "offset")}, "timeOfDay": times}
    total = number(parts.total)
    if isinstance(total, int) and total > 0:
        repeat["count"] = total
    found: dict[str, Any] = {"repeat": repeat} if repeat else {}
    coded = {"coding": [coding_of("0335", parts.pattern)]} if parts.pattern and not doubtful else {}
    words = [parts.pattern_text or parts.pattern, "" if "dayOfWeek" in repeat else parts.days]
    words += [parts.event] if parts.event.upper() not in repeat.get("when", ()) else []
    words += [parts.offset] if "offset" not in repeat else []
    if any(words):
        found["code"] = {**coded, "text": " ".join(word for word in words if word)}
    return found or None


def doubtful_pattern(parts: Told, context: Context) -> bool:
    """Whether a pattern of table 0335 is also a Brazilian abbreviation of another meaning, and nothing says which.

    `ACM`, before breakfast, is "a critério médico" on a Brazilian ward: a time nobody ordered is worse than none.
    The table's name beside the code settles it, unless words stand there too, which then say what is meant.
    """
    if " ".join(parts.pattern.upper().split()).strip(" .") not in context.codes("hl70335-doubtful"):
        return False
    return bool(parts.pattern_text) or parts.pattern_system.upper() not in ("HL70335", "0335")


def _until(parts: Told, value: Value, context: Context) -> Told:
    """RXE-1 with the end its order says (ORC-7), where the pharmacy says none and does not begin at another moment."""
    asked = None if value.segment.name != "RXE" or _ends(parts) else _asked(value, context)
    if asked is None or (parts.start and asked.start and parts.start != asked.start):
        return parts
    return replace(parts, start=parts.start or asked.start, end=asked.end, duration=asked.duration)


def _asked(value: Value, context: Context) -> Told | None:
    """What ORC-7 of the order above says of time; None where it says nothing."""
    above = [one for one in context.message.named("ORC") if one.index < value.segment.index]
    said = above[-1].repetitions(7)[0] if above and above[-1].raw_field(7) else ""
    return told(Value(said, Source("ORC", 7), above[-1])) if said else None


def _ends(parts: Told) -> bool:
    return bool(parts.end or parts.duration)


@conversion("order-timing")
def order_timing(value: Value, context: Context, argument: str) -> Any:
    """The same as `occurrence[x]` of an order, only where something repeats: a single moment is a dateTime."""
    parts = told(value)
    moment = (parts.start or parts.end) and parts.start != parts.end
    if not parts.pattern and not parts.every and not _CLOCK.search(parts.times) and (moment or not parts.duration):
        return None
    found = timing(value, context, argument)
    return ("Timing", found) if found else None


@conversion("start-or-period")
def start_or_period(value: Value, context: Context, argument: str) -> Any:
    """TQ1-7 with TQ1-8, or the start and end of a TQ, as dateTime or Period; a duration gives the end not said."""
    parts = told(value)
    _tell_early(value, context)
    if parts.duration or not parts.start:
        span = bounds(parts, value, context).get("boundsPeriod", {})
        if "end" in span:
            return ("Period", span)
    return moment_or_period(value, context, parts.start, parts.end)


@conversion("as-needed")
def as_needed(value: Value, context: Context, argument: str) -> Any:
    """PRN as pattern or priority, or a condition (TQ1-10): to be taken when needed.

    A priority in TQ1-10, a field off, is no condition (`R^Rotina^HL70485`), nor is a unit of time alone (`dias`): a
    medicine to be taken always would be one for when it is needed. It is told.
    """
    parts = told(value)
    of_tq1 = value.segment.name == "TQ1"
    priority_there = of_tq1 and parts.condition != "PRN" and parts.condition in context.codes("hl70485")
    if priority_there or unit_of_time(parts.condition):
        _tell((value.sibling(10) if of_tq1 else value).problem("field.misplaced"), context)
    elif parts.condition:
        return ("CodeableConcept", {"text": parts.condition})
    priority = value.other(9) if value.segment.name == "TQ1" else value.text(6)
    pattern = parts.pattern.upper().strip(" .")
    behind = IF_NEEDED.search(parts.pattern.strip())
    if behind and behind[2]:
        return ("CodeableConcept", {"text": behind[2].strip()})
    needed = pattern.startswith(_WHEN_NEEDED) or pattern in _AS_LETTERS or priority == "PRN" or behind
    return ("Boolean", True) if needed else None


@conversion("timing-text")
def timing_text(value: Value, context: Context, argument: str) -> Any:
    """The instruction in words: TQ1-11, or the eighth component of a TQ."""
    return told(value).text or None


@conversion("timing-note")
def timing_note(value: Value, context: Context, argument: str) -> Any:
    """TQ1-11, or condition and text of a TQ (up to 2.4), as Annotation, where the record has no dosage."""
    parts = told(value)
    text = parts.text if value.segment.name == "TQ1" else " ".join(filter(None, (parts.condition, parts.text)))
    return {"text": text} if text else None


def how_often(pattern: str, context: Context) -> dict[str, Any]:
    """Table 0335 as `Timing.repeat`: `Q6H` every six hours, `BID` twice a day, `Q1J135` on days 1, 3, 5 of a week."""
    upper = pattern.upper().strip()
    if match := EVERY.match(upper):
        return {"frequency": 1, "period": max(1, int(match[1])), "periodUnit": UNITS[match[2]]}
    upper = " ".join((IF_NEEDED.sub("", upper) or upper).split())
    if words := _in_words(upper):
        return words
    if match := _WEEKDAYS.match(upper):
        days = sorted(set(match[2]))
        weeks = int(match[1] or 1) or 1
        named = [_DAYS[int(day) - 1] for day in days]
        return {"frequency": len(days), "period": weeks, "periodUnit": "wk", "dayOfWeek": named}
    if match := _TIMES.match(upper):
        return {"frequency": int(match[1]), "period": 1, "periodUnit": "d"} if int(match[1]) else {}
    target = context.codes("hl70335").get(upper)
    if not target:
        return {}
    frequency, period, unit, when = ([*target.split("|"), "", "", ""])[:4]
    found: dict[str, Any] = {}
    if frequency and period:
        found = {"frequency": int(frequency), "period": int(period), "periodUnit": unit}
    elif frequency:
        found = {"count": int(frequency)}
    return {**found, "when": [when]} if when else found


def _in_words(upper: str) -> dict[str, Any]:
    """A pattern as it is written on Brazilian wards: `8/8H`, `A CADA 15 DIAS`, `3X SEMANA`, `08:00;14:00;20:00`."""
    if match := _APART.match(upper):
        return {"frequency": 1, "period": int(match[1] or match[3]), "periodUnit": _span(match[2] or match[4])}
    if match := _OFTEN_IN.match(upper):
        return {"frequency": int(match[1]), "period": 1, "periodUnit": _span(match[2])}
    clock = _CLOCK_TIME.findall(upper) if _ON_THE_CLOCK.match(upper) else []
    if clock and all(int(hour) < 24 for hour, _ in clock):
        return {"timeOfDay": [f"{int(hour):02d}:{minute}:00" for hour, minute in clock]}
    return {}


def _span(word: str) -> str:
    return {"H": "h", "D": "d", "S": "wk", "M": "mo"}[word[0]]


def _every(text: str, value: Value, context: Context) -> dict[str, Any]:
    """`6H`, the period of a repeat pattern (RPT-5 and 6), as once in that time (v2-to-fhir RPT[Timing])."""
    length = _length(text, value, context, 3)
    return {"frequency": 1, "period": length["value"], "periodUnit": length["code"]} if length else {}


def _week(parts: Told) -> dict[str, Any]:
    """The days of the week from RPT-3 to RPT-4, aligned to it (table 0527 DW, Monday is 1; v2-to-fhir RPT[Timing])."""
    match = re.fullmatch("DW ([1-7])(?: ([1-7]))?", parts.days)
    return {"dayOfWeek": list(days)} if match and (days := _DAYS[int(match[1]) - 1 : int(match[2] or match[1])]) else {}


def _around(parts: Told, value: Value, context: Context) -> dict[str, Any]:
    """The event of a day (table 0528) a repeat pattern goes by, and the minutes from it (v2-to-fhir RPT[Timing]).

    R4 knows no time from a meal itself (tim-9), only from before or after it, and none beside times of the clock
    (tim-10): these stay in the text of the code.
    """
    if not parts.event:
        return {}
    event = listed(context.codes("hl70528"), parts.event)
    if not event:
        _tell(value.sibling(3).problem("code.unmapped", 8, table="hl70528", code=parts.event[:20]), context)
        return {}
    length = _length(parts.offset, value, context, 3) if event not in _MEALS else None
    minutes = _minutes(length) if length else None
    return {"when": [event], **({"offset": minutes} if minutes else {})}


def _minutes(length: dict[str, Any]) -> int | None:
    """A length in whole minutes; None where it has none."""
    span = _SPANS.get(length["code"])
    minutes = span.total_seconds() * float(str(length["value"])) / 60 if span else 0
    return int(minutes) if minutes > 0 and minutes == int(minutes) else None


def bounds(parts: Told, value: Value, context: Context) -> dict[str, Any]:
    """Start and end; the one that is not said follows from the other and the duration (v2-to-fhir TQ1-6)."""
    span, length = period(value, context, parts.start, parts.end), _length(parts.duration, value, context)
    if not span:
        return {"boundsDuration": length} if length else {}
    if length and "end" not in span and not parts.end and (end := after(span["start"], length)):
        span["end"] = end
    elif length and "start" not in span and not parts.start and (start := after(span["end"], length, -1)):
        span["start"] = start
    return {"boundsPeriod": span}


def _length(text: str, value: Value, context: Context, field: int = 6) -> dict[str, Any] | None:
    """The duration of a field, and a finding where what is said is none; INDEF (2.5.1 §4.3.3) asks for no end."""
    found = duration(text)
    if found is None and text and text.upper() != "INDEF":
        place = value.sibling(field) if value.segment.name == "TQ1" else value
        _tell(place.problem("field.duration-form"), context)
    return found


def _tell_early(value: Value, context: Context) -> None:
    """A moment where how often belongs, read as the start it is, is told as out of its place."""
    if value.segment.name != "TQ1" and (start := early_moments(value)[0]):
        _tell(value.problem("field.out-of-place", 1 if start == value.text(1) else 2), context)


def _tell(problem: Problem, context: Context) -> None:
    """A finding once, though several elements are made of one timing."""
    if problem not in context.problems[-20:]:
        context.problems.append(problem)


def after(told: str, length: dict[str, Any], sign: int = 1) -> str | None:
    """The FHIR date or dateTime `told` with the duration added (`sign` -1: taken away); None where that has no sense.

    Seven days from the 16th are over on the 22nd: a bare date at the end of a Period is inside it (R4 Period.end).
    Hours cannot be added to a day, nor anything to a month.
    """
    unit, count = length["code"], length["value"]
    if not count or len(told) < _DAY or (len(told) == _DAY and unit in ("s", "min", "h")):
        return None
    moment = datetime.datetime.fromisoformat(told)
    try:
        if months := {"mo": 1, "a": 12}.get(unit, 0) * count * sign:
            year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
            found = moment.replace(
                year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1])
            )
        else:
            found = moment + sign * count * _SPANS[unit]
        if len(told) == _DAY:
            found -= sign * datetime.timedelta(days=1)
    except (OverflowError, ValueError):  # a year no calendar has
        return None
    return found.date().isoformat() if len(told) == _DAY else found.isoformat()
