"""Movements of a visit that their sender numbers (IHE PAM, ZBE): corrected and cancelled by number at any time.

A stay carries the numbers of the movement it began with in an extension, beside who is responsible for it. Only what an
admission or a transfer says is a stay; other movements (leave, another physician) act as their events do.
"""

from __future__ import annotations

from typing import Any

from canonical.extensions import EXTENSIONS
from canonical.records import Movement
from hub.records.drafts.visit.stays import Entry, moment, moved, opened, period_of, place_of, with_period

URL = EXTENSIONS["movement"]
_BEGINS_STAY = frozenset(("admit", "transfer"))
_TAKES_BACK = frozenset(("transfer", "cancel-transfer"))


def beds(held: list[Entry], entry: Entry | None, movement: Movement, at: str, *, stale: bool) -> list[Entry] | None:
    """The stays as the movement makes them, in order of time; None where the event alone says what becomes of them.

    `entry` is the place the message states; `at` is when the movement began, a FHIR dateTime.
    """
    own = _position(held, movement)
    if movement.act == "cancel":
        if own is None or movement.change not in _TAKES_BACK:
            return held if movement.past else None
        return _without(held, own)
    if movement.change not in _BEGINS_STAY or movement.act == "refer":
        return held if movement.act == "refer" else None
    if own is None and movement.act == "update" and not stale:
        own = next((place for place, item in enumerate(held) if _begins(item, at)), None)
    placed = _placed(entry, held[own] if own is not None else {})
    if placed is None:
        return held
    last = own is not None and own == len(held) - 1
    rest = _without(held, own) if own is not None else held
    found = moved(rest, placed, at, stale=stale and not last) if rest else [with_period(placed, start=at)]
    return [_ended(item, movement) if _begins(item, at) else item for item in found]


def described(held: list[Entry], movement: Movement, at: str) -> list[Entry]:
    """The stays with the movement's numbers at the one it began, and who is responsible at the one it falls into."""
    own = next((place for place, item in enumerate(held) if _begins(item, at)), None)
    told = [{"url": "numero", "valueIdentifier": {"system": n.system, "value": n.value}} for n in movement.numbers]
    if own is None:
        own, told = next((place for place, item in enumerate(held) if _lasts(item, at)), None), []
    if own is None or not (told or movement.about) or movement.act in ("cancel", "refer"):
        return held
    said = {part["url"] for part in movement.about}
    parts = [part for part in _parts(held[own]) if part["url"] not in said and part not in told]
    others = [one for one in held[own].get("extension", ()) if one.get("url") != URL]
    whole = {"url": URL, "extension": [*told, *parts, *movement.about]}
    return [*held[:own], {**held[own], "extension": [*others, whole]}, *held[own + 1 :]]


def corrected(body: Entry, places: list[Entry], movement: Movement, at: str) -> list[Entry]:
    """The places of a visit whose admission or discharge is told at another time; the visit's own period follows."""
    period = dict(body.get("period") or {})
    if movement.act != "update" or not at:
        return places
    if movement.change == "admit" and places and _position(places, movement) == 0:
        period["start"] = at
    elif movement.status == "finished" and body.get("status") == "finished" and period.get("end") != at:
        ended = [item for item in places if period_of(item).get("end") == period.get("end")]
        places = [with_period(item, end=at) if item in ended else item for item in places]
        period["end"] = at
    if period:
        body["period"] = period
    return places


def unknown(present: Entry | None, movement: Movement | None) -> bool:
    """Whether a known visit knows nothing of the movement that is corrected or cancelled."""
    if present is None or movement is None or not movement.numbers or movement.act not in ("update", "cancel"):
        return False
    wanted = _TAKES_BACK if movement.act == "cancel" else _BEGINS_STAY
    return movement.change in wanted and _position(present.get("location", []), movement) is None


def unplaced(body: Entry, movement: Movement | None) -> bool:
    """Whether the numbers of a movement that begins a stay stand nowhere, since no place of it is known: it could not
    be corrected or cancelled by them."""
    if movement is None or not movement.numbers or movement.act not in ("insert", "update"):
        return False
    return movement.change in _BEGINS_STAY and _position(body.get("location", []), movement) is None


def _position(held: list[Entry], movement: Movement) -> int | None:
    wanted = {(key.system, key.value) for key in movement.numbers}
    return next((place for place, item in enumerate(held) if wanted & _numbers(item)), None)


def _numbers(entry: Entry) -> set[tuple[str, str]]:
    found = (part.get("valueIdentifier") for part in _parts(entry))
    return {(number["system"], number["value"]) for number in found if number and {"system", "value"} <= number.keys()}


def _parts(entry: Entry) -> list[dict[str, Any]]:
    return [part for one in entry.get("extension", ()) if one.get("url") == URL for part in one.get("extension", ())]


def _placed(stated: Entry | None, known: Entry) -> Entry | None:
    """A stay to be put in its time: where it is stated, else where it was known, with what was known of it."""
    kept = {name: value for name, value in known.items() if name != "period"}
    return {**kept, **stated} if stated else {**kept, "status": "active"} if kept else None


def _begins(entry: Entry, at: str) -> bool:
    start = period_of(entry).get("start", "")
    return bool(start and at) and moment(start) == moment(at)


def _lasts(entry: Entry, at: str) -> bool:
    """Whether the patient was there at that moment, as far as is known."""
    start, end = (period_of(entry).get(name, "") for name in ("start", "end"))
    return bool(start and at) and moment(start) < moment(at) and (not end or moment(at) < moment(end))


def _ended(entry: Entry, movement: Movement) -> Entry:
    """The stay with the end its sender states, where no later stay ends it before."""
    known = "end" in period_of(entry)
    return entry if known or not movement.ends else with_period(entry, end=movement.ends)


def _without(held: list[Entry], own: int) -> list[Entry]:
    """The stays as if one had never been: the one before goes on until the next begins."""
    before, after = held[:own], held[own + 1 :]
    if not before:
        return after
    if not after:
        end = period_of(held[own]).get("end", "")
        over = held[own].get("status") == "completed" and end
        return [*before[:-1], with_period(before[-1], end=end) if over else opened(before[-1])]
    if place_of(before[-1]) == place_of(after[0]):
        whole = period_of(after[0]).get("end", "")
        return [*before[:-1], with_period(before[-1], end=whole) if whole else opened(before[-1]), *after[1:]]
    return [*before[:-1], with_period(before[-1], end=period_of(after[0]).get("start", "")), *after]
