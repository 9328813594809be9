"""What a visit remembers: the places it was in, and the statuses and classes it had (R4 Encounter, HL7 v2 chapter 3).

A transfer ends one stay and begins the next; a cancelled transfer takes the last one back. Stays are kept in the
order of their time, whatever order the messages come in. Temporary places (an X-ray room) run beside the bed.
"""

from __future__ import annotations

import datetime
from typing import Any

from canonical.extensions import EXTENSIONS
from canonical.records import Draft

TEMPORARY = EXTENSIONS["temporary-location"]
_OVER = frozenset(("finished", "cancelled", "entered-in-error"))
_PLANNED = frozenset(("reserved", "planned"))
Entry = dict[str, Any]


def group_of(entry: Entry) -> str:
    """What an explicit null of a location field takes away: the bed, the temporary place, or a plan; stays remain."""
    status = entry.get("status")
    if status == "active":
        return "temporary" if _is_temporary(entry) else "assigned"
    return {"reserved": "reserved", "planned": "assigned"}.get(str(status), "")


def follow(present: Entry | None, body: Entry, draft: Draft, *, stale: bool) -> None:
    """Bring the places, statuses and classes of `body` up to what `draft` says happened."""
    moment = draft.occurred_at or draft.event_at
    at = moment.isoformat() if moment is not None else ""
    held: list[Entry] = list(body.get("location", ()))
    found = _places(held, body, draft, at, stale=stale)
    before, now = (present or {}).get("status"), body.get("status")
    if now in _OVER and (before != now or found != held):
        found = [_closed(entry, _end_of(body) or at) for entry in found if entry.get("status") not in _PLANNED]
    elif before == "finished" and now not in _OVER:
        found = _reopened(found)
    if found:
        body["location"] = found
    else:
        body.pop("location", None)
    if present is not None and not stale:
        _remember(body, present, "status", at)
        _remember(body, present, "class", at)


def _places(held: list[Entry], body: Entry, draft: Draft, at: str, *, stale: bool) -> list[Entry]:
    stated: list[Entry] = draft.body.get("location", [])
    beds = [e for e in held if e.get("status") not in _PLANNED and not _is_temporary(e)]
    rooms = [e for e in held if e.get("status") not in _PLANNED and _is_temporary(e)]
    plans = [e for e in held if e.get("status") in _PLANNED]
    if draft.action == "cancel-transfer" and not stale:
        return [*_taken_back(beds, _named(stated, "active", temporary=False)), *rooms, *plans]
    first = {"admit": _start_of(body) or at, "transfer": at}.get(draft.action, "")
    beds = _stays(beds, stated, at, first, temporary=False, stale=stale)
    if draft.action in ("cancel-arriving", "cancel-departing") and not stale:
        rooms = _taken_back(rooms, _named(stated, "active", temporary=True))
    else:
        rooms = _stays(rooms, stated, at, at, temporary=True, stale=stale)
        if draft.action == "arrive" and not _named(stated, "active", temporary=True):
            rooms = [_closed(entry, at) for entry in rooms]
    return [*beds, *rooms, *_plans(plans, stated, draft.action, beds)]


def _stays(held: list[Entry], stated: list[Entry], at: str, first: str, *, temporary: bool, stale: bool) -> list[Entry]:
    """The stays of one kind with what is stated: where the patient was before, and where the patient is now."""
    entry = _named(stated, "active", temporary=temporary)
    prior = _named(stated, "completed", temporary=temporary)
    known = {_place(item) for item in held}
    if prior is not None and _place(prior) not in known and (entry is None or _place(prior) != _place(entry)):
        held = _inserted(held, _closed(prior, at), at)
    if entry is None:
        return held
    if not held:
        return [_with_period(entry, start=first)]
    return _moved(held, entry, at, stale=stale)


def _moved(held: list[Entry], entry: Entry, at: str, *, stale: bool) -> list[Entry]:
    """A stay that begins at `at` among those held, which stay in order of time."""
    known = _begun_unknown(held, entry, at)
    if known is not None:
        held = [*held[:known], _with_period(held[known], start=at), *held[known + 1 :]]
        return [_closed(item, at) if place == known - 1 else item for place, item in enumerate(held)]
    position = _position(held, at)
    before = held[position - 1] if position else None
    after = held[position] if position < len(held) else None
    if before is not None and _place(before) == _place(entry):
        return held
    if after is not None and _place(after) == _place(entry):
        closed = [*held[: position - 1], _closed(before, at)] if before is not None else []
        return [*closed, _with_period(after, start=at), *held[position + 1 :]]
    if after is None and not stale:
        earlier = [_closed(item, at if item is before else "") for item in held]
        return [*earlier, _with_period(entry, start=at)]
    if after is None:  # where the patient was told to be later than `at` stays last
        position, before = max(position - 1, 0), None
    between = _with_period({**entry, "status": "completed"}, start=at, end=_period(after or {}).get("start", ""))
    return [*(_closed(item, at) if item is before else item for item in held[:position]), between, *held[position:]]


def _begun_unknown(held: list[Entry], entry: Entry, at: str) -> int | None:
    """The position of a stay in the same place that ended after `at` and whose beginning nobody told yet."""
    for position, item in enumerate(held):
        if _place(item) == _place(entry) and at and "start" not in _period(item):
            end = _period(item).get("end", "")
            if end and _moment(end) > _moment(at):
                return position
    return None


def _taken_back(held: list[Entry], stated: Entry | None) -> list[Entry]:
    """The stays without the last move: back to the stated place, or to the one before."""
    if not held or (stated is not None and _place(held[-1]) == _place(stated)):
        return held or ([stated] if stated is not None else [])
    known = [_place(item) for item in held[:-1]]
    if stated is not None and _place(stated) in known:
        held = held[: len(known) - known[::-1].index(_place(stated))]
    else:
        held = [*held[:-1], *([stated] if stated is not None else [])]
    return [*held[:-1], _open(held[-1])] if held else []


def _plans(held: list[Entry], stated: list[Entry], action: str, beds: list[Entry]) -> list[Entry]:
    """Reserved and planned places: the newest word of each kind; a bed that is taken is no plan any more."""
    found = held if action != "cancel-pending-transfer" else [e for e in held if e.get("status") != "reserved"]
    for status in sorted(_PLANNED):
        told = [entry for entry in stated if entry.get("status") == status]
        if told and action != "cancel-pending-transfer":
            found = [*(entry for entry in found if entry.get("status") != status), *told]
    taken = {_place(entry) for entry in beds if entry.get("status") == "active"}
    admitted = bool(taken)
    return [e for e in found if _place(e) not in taken and not (admitted and e.get("status") == "planned")]


def _reopened(places: list[Entry]) -> list[Entry]:
    """The last bed of a visit whose discharge was cancelled is in use again."""
    beds = [position for position, entry in enumerate(places) if not _is_temporary(entry)]
    if not beds or any(places[position].get("status") == "active" for position in beds):
        return places
    return [_open(entry) if position == beds[-1] else entry for position, entry in enumerate(places)]


def _remember(body: Entry, present: Entry, name: str, at: str) -> None:
    """Note in statusHistory or classHistory what the visit was until now, when that changed."""
    old, new = present.get(name), body.get(name)
    unknown = name == "class" and isinstance(old, dict) and old.get("code") == "UNK"
    if old is None or new is None or old == new or unknown:
        return
    history = list(body.get(f"{name}History", ()))
    start = history[-1].get("period", {}).get("end", "") if history else _start_of(present)
    period = {key: text for key, text in (("start", start), ("end", at)) if text}
    if not period:
        return
    if len(period) == 2 and _moment(start) > _moment(at):
        del period["start"]
    body[f"{name}History"] = [*history, {name: old, "period": period}]


def _inserted(held: list[Entry], entry: Entry, at: str) -> list[Entry]:
    position = _position(held, at)
    head = [_closed(item, "") for item in held[:position]]
    return [*head, entry, *held[position:]]


def _position(held: list[Entry], at: str) -> int:
    """Where a stay that begins at `at` belongs: before the first that began later, or that ended later if that is all
    that is known of it."""
    if not at:
        return len(held)
    for position, entry in enumerate(held):
        known = _period(entry).get("start", "") or _period(entry).get("end", "")
        if known and _moment(known) > _moment(at):
            return position
    return len(held)


def _named(stated: list[Entry], status: str, *, temporary: bool) -> Entry | None:
    return next((e for e in stated if e.get("status") == status and _is_temporary(e) == temporary), None)


def _closed(entry: Entry, at: str) -> Entry:
    """The stay over, at `at` unless it says when."""
    if entry.get("status") == "completed" and "end" in _period(entry):
        return entry
    return _with_period({**entry, "status": "completed"}, end=at)


def _open(entry: Entry) -> Entry:
    period = {key: text for key, text in _period(entry).items() if key != "end"}
    rest = {key: value for key, value in entry.items() if key != "period"}
    return {**rest, "status": "active", **({"period": period} if period else {})}


def _with_period(entry: Entry, *, start: str = "", end: str = "") -> Entry:
    period = {**_period(entry), **({"start": start} if start else {}), **({"end": end} if end else {})}
    if "start" in period and "end" in period and _moment(period["start"]) > _moment(period["end"]):
        del period["start" if end else "end"]
    return {**entry, **({"period": period} if period else {})}


def _period(entry: Entry) -> dict[str, str]:
    found = entry.get("period")
    return found if isinstance(found, dict) else {}


def _place(entry: Entry) -> str:
    """What tells two places apart: the number of the place, else its reference or words."""
    location = entry.get("location", {})
    identifier = location.get("identifier", {})
    if identifier:
        return f"{identifier.get('system', '')}|{identifier.get('value', '')}"
    return str(location.get("reference") or location.get("display", ""))


def _is_temporary(entry: Entry) -> bool:
    return any(extension.get("url") == TEMPORARY for extension in entry.get("extension", ()))


def _start_of(body: Entry) -> str:
    return str(body.get("period", {}).get("start", ""))


def _end_of(body: Entry) -> str:
    return str(body.get("period", {}).get("end", ""))


def _moment(text: str) -> datetime.datetime:
    """A FHIR dateTime as a moment that can be compared; a date counts as its beginning in UTC."""
    padded = text + "-01-01"[len(text) - 4 :] if len(text) < 10 else text
    found = datetime.datetime.fromisoformat(padded)
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)
