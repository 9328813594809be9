"""Cron arithmetic: the moments a five-field expression means in a time zone, as POSIX cron reads it.

APScheduler's trigger does the calendar; what differs from POSIX is put right here: weekday numbers (0 and 7 are
Sunday), "day of month or weekday" when both are given, and a local time that a clock change skips or repeats.
"""

from __future__ import annotations

import datetime
from collections import deque
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

from canonical.errors import Misconfigured

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SHORTHANDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}


def check(expression: str, zone: str) -> None:
    """Raise Misconfigured for an expression or zone that cannot be read, or that never comes."""
    _triggers(expression, zone)
    if following(expression, zone, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)) is None:
        raise Misconfigured("the schedule never comes", code="schedule.never")


def following(expression: str, zone: str, after: datetime.datetime) -> datetime.datetime | None:
    """The first moment of the schedule strictly after `after`, in UTC; None when there is none."""
    triggers, every_hour = _triggers(expression, zone)
    place = ZoneInfo(zone)
    found = [m for trigger in triggers if (m := _next(trigger, place, after, every_hour)) is not None]
    return min(found) if found else None


def newest(
    expression: str, zone: str, after: datetime.datetime, until: datetime.datetime, most: int
) -> list[datetime.datetime]:
    """The newest moments of the schedule, `most` of them, after `after` and not after `until`, in their order.

    Looked for backwards from `until`, further and further: however long nothing ran, few moments are made.
    """
    span = datetime.timedelta(hours=1)
    while True:
        start = until - span if until - after > span else after
        found: deque[datetime.datetime] = deque(maxlen=most)
        moment = following(expression, zone, start)
        while moment is not None and moment <= until:
            found.append(moment)
            moment = following(expression, zone, moment)
        if start == after or len(found) == most:
            return list(found)
        span *= 4


def _next(
    trigger: CronTrigger, place: ZoneInfo, after: datetime.datetime, every_hour: bool
) -> datetime.datetime | None:
    """The trigger counts wall-clock times without zone; each becomes the moment, or the two moments, it means."""
    start = _wall_clock(after, place)
    best: datetime.datetime | None = None
    while (wall := trigger.get_next_fire_time(None, start)) is not None:
        moments = _moments(wall.replace(tzinfo=None), place, every_hour)
        later = [moment for moment in moments if moment > after]
        if later and (best is None or later[0] < best):
            best = later[0]
        if best is not None and moments[0] >= best:
            return best
        start = wall + datetime.timedelta(seconds=1)
    return best


def _wall_clock(after: datetime.datetime, place: ZoneInfo) -> datetime.datetime:
    """Where to start counting: the wall clock at `after`, or well before it when the clock changes nearby."""
    offsets = {(after + datetime.timedelta(hours=h)).astimezone(place).utcoffset() for h in (-3, 0, 3)}
    back = datetime.timedelta(hours=3) if len(offsets) > 1 else datetime.timedelta(0)
    return (after.astimezone(place) - back).replace(tzinfo=datetime.UTC, fold=0)


def _moments(wall: datetime.datetime, place: ZoneInfo, every_hour: bool) -> list[datetime.datetime]:
    """A skipped local time is the moment the clock would have shown it; a repeated one its first passing.

    A schedule that runs in every hour (`0 * * * *`) also runs in the repeated one.
    """
    first = wall.replace(tzinfo=place, fold=0).astimezone(datetime.UTC)
    second = wall.replace(tzinfo=place, fold=1).astimezone(datetime.UTC)
    return [first, second] if every_hour and second > first else [first]


@cache
def _triggers(expression: str, zone: str) -> tuple[tuple[CronTrigger, ...], bool]:
    """The triggers whose union the expression is, and whether it runs in every hour."""
    try:
        ZoneInfo(zone)
        fields = _SHORTHANDS.get(expression.strip(), expression).split()
        minute, hour, day, month, weekday = fields
        shared = {"minute": minute, "hour": hour, "month": month, "timezone": datetime.UTC}
        days = _weekdays(weekday)
        if day != "*" and days != "*":
            return (CronTrigger(day=day, **shared), CronTrigger(day_of_week=days, **shared)), hour.startswith("*")
        return (CronTrigger(day=day, day_of_week=days, **shared),), hour.startswith("*")
    except (ValueError, ZoneInfoNotFoundError, KeyError):
        raise Misconfigured("the schedule's expression or time zone cannot be read", code="schedule.cron") from None


def _weekdays(text: str) -> str:
    """POSIX weekday numbers and ranges as the names APScheduler reads."""
    if text == "*":
        return "*"
    chosen: list[str] = []
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start, end = (0, 6) if span == "*" else (_weekday(first), _weekday(last or first))
        if end < start:  # sat-mon, and 5-7 where 7 is Sunday
            end += 7
        chosen += [_DAYS[number % 7] for number in range(start, end + 1, int(step or 1))]
    return ",".join(dict.fromkeys(chosen))


def _weekday(text: str) -> int:
    if text in _DAYS:
        return _DAYS.index(text)
    number = int(text)
    if not 0 <= number <= 7:
        raise ValueError(text)
    return number % 7
