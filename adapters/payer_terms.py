"""What a payer's returns follow: `[history]`, `[appeals]`, `[statements]`, `[replies]` of its profile, read strictly.

`[history]` says when the tenant's own denials are worth a warning, `[appeals]` how the days for an appeal are counted,
`[statements]` the column plan of the sheets this payer gives out, `[replies]` how a wrong hash of its own is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TABLES = ("history", "appeals", "statements", "replies")
_COUNTED = ("calendar", "business")
_FROM = ("received", "issued")
_ROLL = ("none", "next", "previous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of one payer, with what holds where its profile says nothing.

    A denial is told of from `minimum` cases in `months` on, when `percent` of them or more were denied (0 months:
    never). An appeal has `days`, `counted` as calendar or business days (without weekends and `holidays`, `MM-DD` or
    ISO days) `since` the day a statement was received or issued; `roll` moves a last day that is no business day.
    `levels` is how many appeals of one denial the payer hears, `warn_days` from when its deadline is urgent. `plan`
    names a column plan. `hash` is the severity of a wrong hash in what the payer sends: `error`, and it is not read.
    """

    months: int = 12
    minimum: int = 10
    percent: int = 10
    days: int | None = None
    counted: str = "calendar"
    since: str = "received"
    roll: str = "none"
    holidays: tuple[str, ...] = ()
    levels: int = 1
    warn_days: int = 7
    plan: str = ""
    hash: str = "warning"


def terms(settings: Mapping[str, Any]) -> Terms:
    """The terms of a profile's settings; raises ValueError naming the first key that cannot be read."""
    for key, wrong in faults(settings):
        raise ValueError(f"{key} {wrong}")
    found: dict[str, Any] = {}
    for table in TABLES:
        found |= settings.get(table, {})
    if "holidays" in found:
        found["holidays"] = tuple(found["holidays"])
    return Terms(**found)


def faults(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What cannot be read in the tables of a profile: its key (`history.months`) and what is wrong with it."""
    for name in TABLES:
        table = settings.get(name, {})
        if not isinstance(table, Mapping):
            yield name, "must be a table"
            continue
        for key, value in table.items():
            if wrong := _wrong(name, str(key), value):
                yield f"{name}.{key}", wrong


_NUMBERS = {
    ("history", "months"): (0, 120),
    ("history", "minimum"): (1, 1_000_000),
    ("history", "percent"): (1, 100),
    ("appeals", "days"): (0, 3650),
    ("appeals", "levels"): (1, 9),
    ("appeals", "warn_days"): (0, 365),
}
_SEVERITIES = ("error", "warning", "information", "off")
_CHOICES = {
    ("appeals", "counted"): _COUNTED,
    ("appeals", "since"): _FROM,
    ("appeals", "roll"): _ROLL,
    ("replies", "hash"): _SEVERITIES,
}


def _wrong(table: str, key: str, value: Any) -> str:
    place = (table, key)
    if place in _NUMBERS:
        low, high = _NUMBERS[place]
        return "" if type(value) is int and low <= value <= high else f"must be a whole number from {low} to {high}"
    if place in _CHOICES:
        return "" if value in _CHOICES[place] else f"must be one of {', '.join(_CHOICES[place])}"
    if place == ("appeals", "holidays"):
        good = isinstance(value, list | tuple) and all(isinstance(day, str) and _is_day(day) for day in value)
        return "" if good else "must be a list of days, MM-DD or YYYY-MM-DD"
    if place == ("statements", "plan"):
        return "" if isinstance(value, str) else "must be text"
    return "is unknown"


def _is_day(text: str) -> bool:
    parts = text.split("-")
    if not all(part.isascii() and part.isdigit() for part in parts) or [len(p) for p in parts][-2:] != [2, 2]:
        return False
    return len(parts) in (2, 3) and 1 <= int(parts[-2]) <= 12 and 1 <= int(parts[-1]) <= 31
