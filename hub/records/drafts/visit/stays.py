"""Stays: entries of Encounter.location with their periods, kept in order of their time (R4 Encounter.location)."""

from __future__ import annotations

import datetime
from typing import Any

from canonical import local
from canonical.extensions import EXTENSIONS

TEMPORARY = EXTENSIONS["temporary-location"]
Entry = dict[str, Any]
_PLANNED = frozenset(("reserved", "planned"))


def moved(held: list[Entry], entry: Entry, at: str, *, stale: bool) -> list[Entry]:
    """A stay that begins at `at` among those held, which stay in order of time."""
    known = _begun_unknown(held, entry, at, stale=stale)
    if known is not None:
        held = [*held[:known], with_period(held[known], start=at), *held[known + 1 :]]
        return [cut(item, at) if place == known - 1 else item for place, item in enumerate(held)]
    position = position_at(held, at)
    before = held[position - 1] if position else None
    after = held[position] if position < len(held) else None
    if before is not None and place_of(before) == place_of(entry):
        return held
    if after is not None and place_of(after) == place_of(entry):
        earlier = [*held[: position - 1], cut(before, at)] if before is not None else []
        return [*earlier, with_period(after, start=at), *held[position + 1 :]]
    if after is None and not stale:
        earlier = [cut(item, at) if item is before else closed(item, "") for item in held]
        return [*earlier, with_period(entry, start=at)]
    if after is None:  # where the patient was told to be later than `at` stays last
        position, before = max(position - 1, 0), None
    between = with_period({**entry, "status": "completed"}, start=at, end=period_of(after or {}).get("start", ""))
    return [*(cut(item, at) if item is before else item for item in held[:position]), between, *held[position:]]


def _begun_unknown(held: list[Entry], entry: Entry, at: str, *, stale: bool) -> int | None:
    """The position of a stay in the same place whose beginning nobody told yet, and that ended after `at`, or lasts
    still while this is told late."""
    for position, item in enumerate(held):
        if place_of(item) == place_of(entry) and at and "start" not in period_of(item):
            end = period_of(item).get("end", "")
            if moment(end) > moment(at) if end else stale and item.get("status") == "active":
                return position
    return None


def position_at(held: list[Entry], at: str) -> int:
    """Where a stay that begins at `at` belongs: before the first that began later, or that ended later if that is all
    that is known of it."""
    if not at:
        return len(held)
    for position, entry in enumerate(held):
        known = period_of(entry).get("start", "") or period_of(entry).get("end", "")
        if known and moment(known) > moment(at):
            return position
    return len(held)


def closed(entry: Entry, at: str) -> Entry:
    """The stay over, at `at` unless it says when."""
    if entry.get("status") == "completed" and "end" in period_of(entry):
        return entry
    return with_period({**entry, "status": "completed"}, end=at)


def ended(held: list[Entry], at: str) -> list[Entry]:
    """The stays of a visit that is over at `at`: the last one ends then. Of one before it that is silently over, nobody
    said when it ended."""
    beds = [place for place, item in enumerate(held) if not is_temporary(item)]
    last = beds[-1] if beds else -1
    return [
        closed(item, at) if item.get("status") == "active" or place == last else item for place, item in enumerate(held)
    ]


def joined(held: list[Entry], others: list[Entry]) -> list[Entry]:
    """The stays of a visit with those of another one that was merged into it (A42): where it has a place itself, that
    stays the last one. Both were the same patient's, so what began in between lies in between."""
    found = list(held)
    for temporary in (False, True):
        own = [item for item in found if is_temporary(item) == temporary and item.get("status") not in _PLANNED]
        theirs = [item for item in others if is_temporary(item) == temporary]
        rest = [item for item in found if item not in own]
        for entry in theirs if own else ():
            own = moved(own, entry, period_of(entry).get("start", ""), stale=True)
        found = [*(own or theirs), *rest]
    return found


def corrected(held: list[Entry], old: str, new: str) -> list[Entry]:
    """The stays of a visit whose end is told anew: what ended with the visit ends with it still."""
    told = [item for item in held if old and new and period_of(item).get("end") == old]
    return [with_period(item, end=new) if item in told else item for item in held]


def again(held: list[Entry], entry: Entry, first: str) -> list[Entry] | None:
    """The stays when somebody comes back, from `first` on, to the place of the last one, which was over by then; None
    where this is no return. Who was there before that end never left: the stay goes on."""
    last = held[-1]
    end = period_of(last).get("end", "")
    if not first or not end or last.get("status") != "completed" or place_of(last) != place_of(entry):
        return None
    return [*held, with_period(entry, start=first)] if moment(first) >= moment(end) else [*held[:-1], opened(last)]


def cut(entry: Entry, at: str) -> Entry:
    """The stay over at `at`, or earlier where it says so: another one was told to begin then."""
    over = closed(entry, at)
    end = period_of(over).get("end", "")
    return with_period(over, end=at) if at and end and moment(end) > moment(at) else over


def opened(entry: Entry) -> Entry:
    """The stay not over."""
    period = {key: text for key, text in period_of(entry).items() if key != "end"}
    rest = {key: value for key, value in entry.items() if key != "period"}
    return {**rest, "status": "active", **({"period": period} if period else {})}


def with_period(entry: Entry, *, start: str = "", end: str = "") -> Entry:
    """The stay with what is told of its period; the other limit goes where it contradicts that."""
    period = {**period_of(entry), **({"start": start} if start else {}), **({"end": end} if end else {})}
    if "start" in period and "end" in period and moment(period["start"]) > moment(period["end"]):
        del period["start" if end else "end"]
    return {**entry, **({"period": period} if period else {})}


def period_of(entry: Entry) -> dict[str, str]:
    """The period of a stay; empty where it has none."""
    found = entry.get("period")
    return found if isinstance(found, dict) else {}


def place_of(entry: Entry) -> str:
    """What tells two places apart: the number of the place, else its reference or words."""
    location = entry.get("location", {})
    identifier = location.get("identifier", {})
    if identifier:
        return f"{identifier.get('system', '')}|{identifier.get('value', '')}"
    return str(location.get("reference") or location.get("display", ""))


def is_temporary(entry: Entry) -> bool:
    """Whether the place is one beside the bed (PV1-11, PV1-43)."""
    return any(extension.get("url") == TEMPORARY for extension in entry.get("extension", ()))


def moment(text: str) -> datetime.datetime:
    """A FHIR dateTime as a moment that can be compared; a date counts as its beginning in UTC."""
    padded = text + "-01-01"[len(text) - 4 :] if len(text) < 10 else text
    found = datetime.datetime.fromisoformat(local.readable(padded))
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)
