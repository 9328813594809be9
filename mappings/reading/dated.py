"""Dates written with the day first (`20/11/2026 08:15`, `20112026`) where HL7 has YYYYMMDD (2.5.1 §2.A.22), as HL7
writes them. Digits alone are such a date where no month of HL7's order is in them: `1985` at the end, `19` the month.

Which number is the day must be sure: it is above twelve, both are the same, or the other dates of the message (or the
sender's overlay, `dates = "day-first"`) show that this sender puts the day first. A date whose order nothing shows
stays as it was sent, and is told where it is read; a date with the month first is never read.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from functools import cache

from canonical.problem import Problem
from hl7.er7 import Message, Segment
from hl7.versions.table import NEWEST, version_named
from mappings.tables.overlay import DAY_FIRST

WRITTEN = re.compile(
    r"\s*([0-9]{1,2})([/-])([0-9]{1,2})\2([0-9]{4})"
    r"(?:[ T]+([0-9]{1,2})[:h]([0-9]{2})(?::([0-9]{2}))?(\.[0-9]{1,6})?\s*([+-][0-9]{2}:?[0-9]{2})?)?\s*\Z"
)
_DAY = r"(0[1-9]|[12][0-9]|3[01])"
_BARE = rf"{_DAY}{_DAY}((?:19|20)[0-9]{{2}})(?:([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])?)?"
BARE = re.compile(rf"\s*{_BARE}\s*\Z")
_MONTH_ALONE = re.compile(r"\s*(0?[1-9]|1[0-2])/((?:19|20)[0-9]{2})\s*\Z")  # `12/2027`, as the validity of a card
_INSIDE = re.compile(
    rf"(?<![0-9])(?:[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}|[0-9]{{1,2}}-[0-9]{{1,2}}-[0-9]{{4}}|[0-9]{{1,2}}/[0-9]{{4}}|{_BARE})(?![0-9])"
)
_PERHAPS = re.compile(  # the same but for what is around it, and found in a tenth of the time
    r"[0-9](?:/[0-9]{1,2}/[0-9]{4}|-[0-9]{1,2}-[0-9]{4}|/[0-9]{4})|[0-3][0-9][0-3][0-9](?:19|20)[0-9]{2}"
)
_MOMENTS = frozenset(("DT", "DTM", "TS"))
_STAMPS = (("MSH", 7), ("EVN", 2))  # the message's own day
_MONTHS = 12
Place = tuple[int, int, int, int]  # segment, field, repetition, component


def dated(message: Message, order: str = "") -> tuple[Message, list[Problem]]:
    """The message with such dates as HL7 writes them, and what is told; the message itself where there is none.

    `order` is `day-first` for a sender that is known to write so.
    """
    found = {place: text for segment in message.segments for place, text in _dates(segment, message.version)}
    if not found:
        return message, []
    sure = order == DAY_FIRST or _shown(list(found.values()), message)
    read = {place: moment for place, text in found.items() if (moment := _moment(text, sure))}
    told = dict.fromkeys(
        Problem("field.date-day-first", f"{message.segments[s - 1].name}#{s}-{field}") for s, field, _, _ in read
    )
    changed: dict[int, Segment] = {}
    for place, moment in read.items():
        segment = changed.get(place[0], message.segments[place[0] - 1])
        changed[place[0]] = _with(segment, place, moment)
    whole = [changed.get(segment.index, segment) for segment in message.segments]
    return (message.with_segments(whole), list(told)) if changed else (message, [])


def _dates(segment: Segment, version: str) -> Iterator[tuple[Place, str]]:
    """The dates so written in the places of a segment whose type is a moment."""
    if not _PERHAPS.search(segment.raw) or not _INSIDE.search(segment.raw):
        return
    marks = segment.delimiters
    for number, content in enumerate(segment.fields()):
        if not number or not _INSIDE.search(content):
            continue
        kind = segment.text(2) if (segment.name, number) == ("OBX", 5) else _type(version, segment.name, number)
        places = _components(version, kind)
        for nth, repetition in enumerate(segment.split(content, number)):
            for at, part in enumerate(repetition.split(marks.component)):
                if at in places and (WRITTEN.match(text := stroked(part)) or _MONTH_ALONE.match(text)):
                    yield (segment.index, number, nth, at), text


def stroked(text: str) -> str:
    """A date of digits alone with day or month first (`20112026`, `201120260815`) with strokes; others as they are."""
    match = BARE.match(text)
    if match is None:
        return text
    first, second, year, hour, minute, seconds = match.groups()
    time = f" {hour}:{minute}" + (f":{seconds}" if seconds else "") if hour else ""
    return f"{first}/{second}/{year}{time}"


@cache
def _type(version: str, segment: str, number: int) -> str:
    """The type of a field in a version, or else in the newest; empty for one that no version has."""
    for name in (version, NEWEST):
        known = version_named(name)
        if known is not None and number in known.segments.get(segment, {}):
            return known.segments[segment][number].type
    return ""


@cache
def _components(version: str, kind: str) -> frozenset[int]:
    """The components (from 0) of a type that are moments."""
    if kind in _MOMENTS:
        return frozenset((0,))
    known = version_named(version) or version_named(NEWEST)
    items = known.types.get(kind, ()) if known else ()
    return frozenset(n for n, item in enumerate(items) if item.type in _MOMENTS)


def _shown(dates: list[str], message: Message) -> bool:
    """Whether the dates of a message show that the day comes first, and none that the month does."""
    own = {day for name, number in _STAMPS if (day := message.text(name, number)[:8]).isdigit()}
    first = second = False
    for text in dates:
        one, other, year = _parts(text)
        said = (f"{year}{other:02}{one:02}", f"{year}{one:02}{other:02}")  # as day and month, as month and day
        first = first or one > _MONTHS or (one != other and said[0] in own and said[1] not in own)
        second = second or other > _MONTHS or (one != other and said[1] in own and said[0] not in own)
    return first and not second


def _parts(text: str) -> tuple[int, int, str]:
    match = WRITTEN.match(text)
    return (int(match[1]), int(match[3]), match[4]) if match else (0, 0, "")


def _moment(text: str, sure: bool) -> str:
    """The date as HL7 writes it; empty where it may be another day."""
    if alone := _MONTH_ALONE.match(text):
        return f"{alone[2]}{int(alone[1]):02}"
    match = WRITTEN.match(text)
    if match is None:
        return ""
    day, month = int(match[1]), int(match[3])
    if not (sure or day > _MONTHS or day == month) or not _is_day(int(match[4]), month, day):
        return ""
    hour = f"{int(match[5]):02}{match[6]}{match[7] or ''}{match[8] or ''}" if match[5] else ""
    return f"{match[4]}{month:02}{day:02}{hour}{(match[9] or '').replace(':', '')}"


def _is_day(year: int, month: int, day: int) -> bool:
    return 1 <= month <= _MONTHS and 1 <= day <= calendar.monthrange(year or 1, month)[1]


def _with(segment: Segment, place: Place, moment: str) -> Segment:
    """The segment with a moment at a place."""
    _, number, nth, at = place
    marks = segment.delimiters
    fields = list(segment.fields())
    repetitions = segment.split(fields[number], number)
    parts = repetitions[nth].split(marks.component)
    parts[at] = moment
    repetitions[nth] = marks.component.join(parts)
    fields[number] = marks.repetition.join(repetitions)
    if segment.name == "MSH":
        del fields[1]  # the separator itself
    return Segment(marks.field.join(fields), segment.index, marks)
