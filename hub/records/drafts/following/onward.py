"""A visit that went on under another number (A06, A07 with MRG-5, HL7 v2.5.1 §3.3.6): it ended then, as a part of the
new one.

When the new one is taken back (A11, A23), the former never ended: it goes on. So it does when its sender says so itself
(A07 back to the old number, A13), which is for `visits`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canonical.problem import Problem
from canonical.records import DRAFT, Draft
from hub.records.drafts.marks import STATUS_TIME, mark_time, told_at
from hub.records.drafts.visit import visits
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.lookup import Place, stored
from hub.records.index import key_of
from hub.records.write import Write
from hub.store.database import Transaction

Body = dict[str, Any]
TYPE = "Encounter"
_OFF = frozenset(("cancelled", "entered-in-error"))
_PARTS = (
    "SELECT r.id FROM unnest($3::text[]) AS x(id) JOIN idx_reference t ON t.tenant_id = $1 AND t.key = $2 "
    "AND t.target_type = 'Encounter' AND t.target_id = x.id "
    "JOIN resource r ON r.tenant_id = $1 AND r.rid = t.rid AND NOT r.deleted"
)


def other_numbers_only(drafts: Iterable[Draft], places: Places) -> None:
    """Take former visits out of `places` that are the very visit they went on as: the number did not change."""
    for draft in drafts:
        into = _into(draft.body).removeprefix(DRAFT) if draft.type == TYPE else ""
        if into in places and places.get(draft.local) == places[into]:
            del places[draft.local]


async def follow(
    tx: Transaction, known: Mapping[Place, Body | None], places: Places, writes: list[Write]
) -> list[Problem]:
    """Let visits go on whose new number is taken back; `writes` is changed and grows, what is to be told returned."""
    own = {write.id: number for number, write in enumerate(writes) if write.type == TYPE}
    off = {identity: writes[number] for identity, number in own.items() if _status(writes[number].body) in _OFF}
    before = {one.id for one in off.values() if _status(known.get((TYPE, one.id))) not in _OFF}
    parts = await _parts(tx, sorted(before)) if before else {}
    parts.update({identity: body for identity in own if (body := writes[own[identity]].body)})
    former = {identity: body for identity, body in parts.items() if _ended_by_it(body)}
    gone = await _taken_back(tx, former, own, writes) if former else {}
    for identity, (body, until) in gone.items():
        again = visits.goes_on({**body, "status": "in-progress"})
        if (since := told_at(until, STATUS_TIME)) is not None:
            mark_time(again, max(since, told_at(body, STATUS_TIME) or since), STATUS_TIME)
        if identity in own:
            writes[own[identity]] = dataclasses.replace(writes[own[identity]], body=again)
        else:
            source = off[_into(body).removeprefix(f"{TYPE}/")].message_id  # only what is off here was asked for
            writes.append(Write(type=TYPE, id=identity, body=again, skip_unchanged=True, message_id=source))
    told = {(TYPE, _into(body).removeprefix(f"{TYPE}/")) for body, _ in gone.values()} | {(TYPE, one) for one in gone}
    local = next((local for local, place in places.items() if place in told), "")
    return [Problem("semantic.visit-goes-on", local)] if gone else []


async def _taken_back(
    tx: Transaction, former: Mapping[str, Body], own: Mapping[str, int], writes: Sequence[Write]
) -> dict[str, tuple[Body, Body]]:
    """Those of the former visits whose new one is off, each with it; one that went on further was there."""
    names = {identity: _into(body).removeprefix(f"{TYPE}/") for identity, body in former.items()}
    others = await stored(tx, {(TYPE, name) for name in names.values() if name not in own}, lock=False)
    bodies = {name: body for (_, name), body in others.items()}
    bodies.update({name: writes[number].body for name, number in own.items()})
    return {
        identity: (former[identity], body)
        for identity, name in names.items()
        if (body := bodies.get(name)) is not None and _status(body) in _OFF and not visits.went_on(body)
    }


async def _parts(tx: Transaction, ids: Sequence[str]) -> dict[str, Body]:
    rows = await tx.rows(_PARTS, key_of(TYPE, "part-of"), list(ids))
    found = await stored(tx, {(TYPE, row["id"]) for row in rows})
    return {identity: body for (_, identity), body in found.items() if body is not None}


def _ended_by_it(body: Body) -> bool:
    """Whether a visit ended because it went on as another one; a discharge of its own stands, and so does a merge."""
    at = visits.went_on(body)
    return bool(at) and _status(body) == "finished" and body.get("period", {}).get("end") == at


def _into(body: Body) -> str:
    return str((body.get("partOf") or {}).get("reference", ""))


def _status(body: Body | None) -> str:
    return str((body or {}).get("status", ""))
