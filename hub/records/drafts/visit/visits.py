"""What a visit remembers: the places it was in, and the statuses and classes it had (R4 Encounter, HL7 v2 chapter 3).

A transfer ends one stay and begins the next; a cancelled transfer takes the last one back. Stays are kept in the
order of their time, whatever order the messages come in. Temporary places (an X-ray room) run beside the bed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canonical.records import Draft
from hub.records.drafts.marks import BEFORE_ALL, STATUS_TIME, mark, mark_time, told_at, unmark
from hub.records.drafts.visit import movements
from hub.records.drafts.visit.stays import (
    Entry,
    again,
    closed,
    corrected,
    ended,
    is_temporary,
    moment,
    moved,
    opened,
    period_of,
    place_of,
    position_at,
    with_period,
)

_OVER = frozenset(("finished", "cancelled", "entered-in-error"))
_OFF = frozenset(("cancelled", "entered-in-error"))
_PLANNED = frozenset(("reserved", "planned"))
_NOT_BEGUN = frozenset(("planned", "unknown"))
_BEGUN = frozenset(("arrived", "triaged", "in-progress", "onleave", "finished"))
_CLASS_OF_NONE = frozenset(("PRENC", "UNK"))  # pre-admission, and not known: what a visit is that has not begun
_ENDING = {"period": ("end",), "hospitalization": ("dischargeDisposition", "destination"), "partOf": ("reference",)}
WENT_ON = "urn:ponte:went-on"
TAKEN_BACK = "urn:ponte:transfer-taken-back"
CALLED_OFF = "urn:ponte:pending-transfer-called-off"
AWAITED = "urn:ponte:transfer-cancelled-before"
BED_TOLD = "urn:ponte:bed-told"


def group_of(entry: Entry) -> str:
    """What an explicit null of a location field takes away: the bed, the temporary place, or a plan; stays remain."""
    status = entry.get("status")
    if status == "active":
        return "temporary" if is_temporary(entry) else "assigned"
    return {"reserved": "reserved", "planned": "assigned"}.get(str(status), "")


def elements(body: Entry, draft: Draft, *, old: bool) -> Iterator[tuple[str, Any]]:
    """What a draft states, but for the places of a visit, which `follow` keeps.

    An `old` draft does not end a visit of which a later event says that it goes on (a discharge behind its own A13).
    """
    undone = draft.type == "Encounter" and old and body.get("status", "finished") not in _OVER
    for name, value in draft.body.items():
        said = value
        if undone and name in _ENDING:
            said = {key: part for key, part in value.items() if key not in _ENDING[name]}
        if said != {} and (name != "location" or draft.type != "Encounter"):
            yield name, said


def follow(present: Entry | None, body: Entry, draft: Draft, *, stale: bool) -> None:
    """Bring the places, statuses and classes of `body` up to what `draft` says happened."""
    when = draft.occurred_at or draft.event_at
    at = when.isoformat() if when is not None else ""
    held: list[Entry] = list(body.get("location", ()))
    before, now = (present or {}).get("status"), body.get("status")
    _note_silence(present, body, draft, stale=stale)
    never = before == "planned" and now in _OFF  # the place of one who did not come is no stay
    found = held if never else _places(held, body, draft, at, stale=stale)
    _note_onward(present, body, draft)
    if now in _OVER and (before != now or found != held):
        found = ended([entry for entry in found if entry.get("status") not in _PLANNED], _end_of(body) or at)
    elif before in _OVER and now not in _OVER:
        found = _reopened(found) if before == "finished" else found
        _forget_end(body, draft)
    if now in _OVER:
        found = corrected(found, _end_of(present or {}), _end_of(body))
    if draft.movement is not None:
        found = movements.corrected(body, movements.described(found, draft.movement, at), draft.movement, at)
    if found:
        body["location"] = found
    else:
        body.pop("location", None)
    if present is not None and not stale:
        _remember(body, present, "status", at)
        _remember(body, present, "class", at)


def _forget_end(body: Entry, draft: Draft) -> None:
    """A visit that is open again did not end, whether its sender takes the end back (A13) or goes on without a word."""
    for name in _ENDING.keys() & body.keys() - {"partOf"}:
        said = draft.body.get(name, {})
        body[name] = {key: part for key, part in body[name].items() if key not in _ENDING[name] or key in said}
        if not body[name]:
            del body[name]


def _note_onward(present: Entry | None, body: Entry, draft: Draft) -> None:
    """Remember of a visit that goes on under another number when it ended by that; forget it when it goes on itself."""
    if body.get("status") not in _OVER and went_on(body):
        kept = goes_on(body)
        body.clear()
        body.update(kept)
    elif "partOf" in draft.body and body.get("partOf") == draft.body["partOf"] and _end_of(draft.body):
        mark(body, WENT_ON, {"valueString": _end_of(draft.body)})


def went_on(body: Entry) -> str:
    """When a visit went on under another number; empty where it did not."""
    notes = body.get("meta", {}).get("extension", ())
    return next((str(note.get("valueString", "")) for note in notes if note.get("url") == WENT_ON), "")


def goes_on(body: Entry) -> Entry:
    """A visit that had gone on under another number, and did not end by that after all."""
    kept = {name: value for name, value in body.items() if name != "partOf"}
    unmark(kept, WENT_ON)
    if "location" in kept:
        kept["location"] = _reopened(kept["location"])
    if _end_of(body) == went_on(body):
        period = {name: text for name, text in body["period"].items() if name != "end"}
        kept = {name: value for name, value in kept.items() if name != "period"}
        kept.update({"period": period} if period else {})
    return kept


def begun_as(kept: Entry, other: Entry, at: str) -> Entry | None:
    """A visit that was only planned, or of whose status nobody told, as far as the one went that is merged into it
    (A42): both are one. None where it had begun itself, or the other had not."""
    unsaid = told_at(kept, STATUS_TIME) == BEFORE_ALL
    if not (unsaid or kept.get("status", "unknown") in _NOT_BEGUN) or other.get("status") not in _BEGUN:
        return None
    if other["status"] in _OVER and any(entry.get("status") == "active" for entry in kept.get("location", ())):
        return None
    body = {**kept, "status": other["status"]}
    for name in ("period", "hospitalization"):
        if parts := {**kept.get(name, {}), **other.get(name, {})}:
            body[name] = parts
    if "class" in other and kept.get("class", {}).get("code", "UNK") in _CLASS_OF_NONE:
        body["class"] = other["class"]
    here = any(entry.get("status") == "active" for entry in other.get("location", ()))
    gone = _PLANNED if body["status"] in _OVER else {"planned"} if here else frozenset()
    body["location"] = [entry for entry in kept.get("location", ()) if entry.get("status") not in gone]
    if not unsaid:
        _remember(body, kept, "status", at)
        _remember(body, kept, "class", at)
    times = [time for one in (kept, other) if (time := told_at(one, STATUS_TIME)) is not None]
    if times:
        mark_time(body, max(times), STATUS_TIME)
    return body if body["location"] else {name: value for name, value in body.items() if name != "location"}


def _places(held: list[Entry], body: Entry, draft: Draft, at: str, *, stale: bool) -> list[Entry]:
    stated: list[Entry] = _not_called_off(body, draft, stale=stale)
    beds = [e for e in held if e.get("status") not in _PLANNED and not is_temporary(e)]
    rooms = [e for e in held if e.get("status") not in _PLANNED and is_temporary(e)]
    plans = [e for e in held if e.get("status") in _PLANNED]
    entry = _named(stated, "active", temporary=False)
    numbered = movements.beds(beds, entry, draft.movement, at, stale=stale) if draft.movement is not None else None
    if numbered is not None:
        return [*numbered, *rooms, *_plans(plans, stated, draft.action, numbered)]
    if draft.action == "transfer" and stale and _was_cancelled(body, draft):
        return held
    late = stale and not _bed_is_news(body, draft)
    if draft.action == "cancel-transfer" and not late:
        return [*_cancelled(body, beds, entry, draft), *rooms, *plans]
    first = {"admit": _start_of(body) or at, "transfer": at}.get(draft.action, "")
    moves = bool(draft.action)
    beds = _stays(beds, stated, (at, first), temporary=False, stale=late, moves=moves)
    if draft.action in ("cancel-arriving", "cancel-departing") and not stale:
        rooms = _taken_back(rooms, _named(stated, "active", temporary=True))
    else:
        rooms = _stays(rooms, stated, (at, at), temporary=True, stale=stale, moves=moves)
        if draft.action == "arrive" and not _named(stated, "active", temporary=True):
            rooms = [closed(entry, at) for entry in rooms]
    return [*beds, *rooms, *_plans(plans, stated, draft.action, beds)]


def _note_silence(present: Entry | None, body: Entry, draft: Draft, *, stale: bool) -> None:
    """Remember until when a bed was told where the newest message names none: an older one may still bring the last."""
    if draft.event_at is None or draft.movement is not None:
        return
    names = _named(draft.body.get("location", []), "active", temporary=False) is not None
    if names or draft.action.startswith("cancel"):
        if not stale:
            unmark(body, BED_TOLD)
    elif not stale and told_at(body, BED_TOLD) is None:
        mark_time(body, told_at(present or {}) or BEFORE_ALL, BED_TOLD)


def _bed_is_news(body: Entry, draft: Draft) -> bool:
    """Whether a message that comes late is still the newest that names a bed; that is remembered then."""
    told = told_at(body, BED_TOLD) if body.get("status") not in _OFF else None
    if told is None or draft.event_at is None or draft.event_at <= told:
        return False
    if _named(draft.body.get("location", []), "active", temporary=False) is not None:
        mark_time(body, draft.event_at, BED_TOLD)
    return True


def _not_called_off(body: Entry, draft: Draft, *, stale: bool) -> list[Entry]:
    """The places that are told, but for one reserved by an A15 that comes behind its own cancellation (A26)."""
    stated: list[Entry] = draft.body.get("location", [])
    if draft.action == "cancel-pending-transfer" and draft.event_at is not None and not stale:
        mark_time(body, draft.event_at, CALLED_OFF)
    gone = told_at(body, CALLED_OFF) if stale else None
    if gone is None or draft.event_at is None or draft.event_at > gone:
        return stated
    return [entry for entry in stated if entry.get("status") != "reserved"]


def _stays(
    held: list[Entry], stated: list[Entry], times: tuple[str, str], *, temporary: bool, stale: bool, moves: bool
) -> list[Entry]:
    """The stays of one kind with what is stated: where the patient was before, and where the patient is now.

    An event that does not move the patient (a discharge, a change) does not say when the place before was left: that is
    where the patient was before an earlier transfer (2.5.1 §3.4.3.6).
    """
    at, first = times
    entry = _named(stated, "active", temporary=temporary)
    prior = _named(stated, "completed", temporary=temporary)
    known = {place_of(item) for item in held}
    if prior is not None and place_of(prior) not in known and (entry is None or place_of(prior) != place_of(entry)):
        here = entry is not None and (not held or place_of(held[-1]) == place_of(entry))
        if here and entry is not None and not moves and not stale:
            now = held[-1:] or [with_period(entry, start=first)]
            return [*(closed(item, "") for item in held[:-1]), closed(prior, ""), *now]
        held = _inserted(held, closed(prior, at), at)
    if entry is None:
        return held
    if not held:
        return [with_period(entry, start=first)]
    if not stale and (returned := again(held, entry, first)) is not None:
        return returned
    return moved(held, entry, first if stale and first else at, stale=stale)


def _cancelled(body: Entry, held: list[Entry], stated: Entry | None, draft: Draft) -> list[Entry]:
    """The beds without the last transfer. It is remembered which one was taken back, or that it is still to come: the
    transfer itself may arrive afterwards, late or again."""
    found = _taken_back(held, stated)
    gone = period_of(held[-1]).get("start", "") if held and found != held else ""
    if gone:
        mark_time(body, moment(gone), TAKEN_BACK)
    elif draft.event_at is not None:
        mark_time(body, draft.event_at, AWAITED)
    return found


def _was_cancelled(body: Entry, draft: Draft) -> bool:
    """Whether a transfer that comes late was taken back by its cancellation (A12) before."""
    when = draft.occurred_at or draft.event_at
    if when is None:
        return False
    awaited = told_at(body, AWAITED)
    if awaited is not None and when < awaited:
        unmark(body, AWAITED)
        mark_time(body, when, TAKEN_BACK)
        return True
    return told_at(body, TAKEN_BACK) == when


def _taken_back(held: list[Entry], stated: Entry | None) -> list[Entry]:
    """The stays without the last move: back to the stated place, or to the one before."""
    if not held or (stated is not None and place_of(held[-1]) == place_of(stated)):
        return held or ([stated] if stated is not None else [])
    known = [place_of(item) for item in held[:-1]]
    if stated is not None and place_of(stated) in known:
        held = held[: len(known) - known[::-1].index(place_of(stated))]
    else:
        held = [*held[:-1], *([stated] if stated is not None else [])]
    return [*held[:-1], opened(held[-1])] if held else []


def _plans(held: list[Entry], stated: list[Entry], action: str, beds: list[Entry]) -> list[Entry]:
    """Reserved and planned places: the newest word of each kind; a bed that is taken is no plan any more."""
    found = held if action != "cancel-pending-transfer" else [e for e in held if e.get("status") != "reserved"]
    for status in sorted(_PLANNED):
        told = [entry for entry in stated if entry.get("status") == status]
        if told and action != "cancel-pending-transfer":
            found = [*(entry for entry in found if entry.get("status") != status), *told]
    taken = {place_of(entry) for entry in beds if entry.get("status") == "active"}
    admitted = bool(taken)
    return [e for e in found if place_of(e) not in taken and not (admitted and e.get("status") == "planned")]


def _reopened(places: list[Entry]) -> list[Entry]:
    """The last bed of a visit whose discharge was cancelled is in use again."""
    beds = [position for position, entry in enumerate(places) if not is_temporary(entry)]
    if not beds or any(places[position].get("status") == "active" for position in beds):
        return places
    return [opened(entry) if position == beds[-1] else entry for position, entry in enumerate(places)]


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
    if len(period) == 2 and moment(start) > moment(at):
        del period["start"]
    body[f"{name}History"] = [*history, {name: old, "period": period}]


def _inserted(held: list[Entry], entry: Entry, at: str) -> list[Entry]:
    position = position_at(held, at)
    head = [closed(item, "") for item in held[:position]]
    return [*head, entry, *held[position:]]


def _named(stated: list[Entry], status: str, *, temporary: bool) -> Entry | None:
    return next((e for e in stated if e.get("status") == status and is_temporary(e) == temporary), None)


def _start_of(body: Entry) -> str:
    return str(body.get("period", {}).get("start", ""))


def _end_of(body: Entry) -> str:
    return str(body.get("period", {}).get("end", ""))
