"""Merges of accounts (A35, A36, A41) and visits (A42): one record takes over the numbers and the records of another."""

from __future__ import annotations

from typing import Any

from canonical.problem import Problem
from canonical.records import Draft, Key
from hub.records.drafts.settle import settle
from hub.records.drafts.visit.stays import ended, joined
from hub.records.drafts.visit.visits import begun_as
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.lookup import Place, lookup, stored
from hub.records.merges.numbers import as_old, name, united
from hub.records.merges.patients import held_by
from hub.records.merges.references import turned
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Transaction

Body = dict[str, Any]
_OVER = frozenset(("finished", "cancelled", "entered-in-error"))
_STATUS = {"Account": "inactive", "Encounter": "entered-in-error"}


async def merge(
    tx: Transaction, loser: Draft, named: dict[str, Draft], origin: Origin, places: Places
) -> list[Problem]:
    """Merge an account or visit into that of `loser.merge_into`: numbers and references move, the loser is retired.

    Its number leads to the survivor from then on, whether it was known before or not.
    """
    survivor = named[loser.merge_into]
    if not loser.keys or not survivor.keys:
        return [Problem("semantic.merge-incomplete", loser.local)]
    if set(loser.keys) & set(survivor.keys):
        return [Problem("semantic.merge-self", loser.local)]
    found = await lookup(tx, [loser, survivor])
    lost, kept = held_by(loser, found), held_by(survivor, found)
    if lost and kept and lost[0] == kept[0]:
        return await _again(tx, loser.type, lost[0], loser.keys[0], loser.local)
    survivor.body["identifier"] = [
        *survivor.body.get("identifier", []),
        *as_old(loser.body.get("identifier", []), survivor.body.get("identifier", [])),
    ]
    people = [draft for draft in named.values() if draft.type not in ("Account", "Encounter")]
    plain = [draft for draft in people if draft.local not in places and not draft.action]
    settled = await settle(tx, [*plain, survivor], places)
    places.update(settled.places)
    await save(tx, settled.writes, origin)
    kept_as = settled.places[survivor.local][1]
    if lost and lost[0] != kept_as:  # one record: somebody has taken the survivor's number out of it since
        when = survivor.occurred_at or survivor.event_at
        begun = await _retire(tx, (loser.type, lost[0]), kept_as, when.isoformat() if when else "", origin)
        if begun:
            settled.problems.append(Problem("semantic.visit-begun-by-merge", survivor.local))
    return settled.problems


async def _again(tx: Transaction, kind: str, identity: str, key: Key, local: str) -> list[Problem]:
    """The same merge again changes nothing; the reverse of an earlier one is refused."""
    body = (await stored(tx, {(kind, identity)}))[(kind, identity)] or {}
    uses = {name(item): item.get("use") for item in body.get("identifier", ())}
    return [] if uses.get((key.system, key.value)) == "old" else [Problem("semantic.merge-cycle", local)]


async def _retire(tx: Transaction, place: Place, kept: str, at: str, origin: Origin) -> bool:
    """Retire the record at `place` for `kept`, which takes over its numbers, its records and, of a visit, its beds;
    returns whether a visit that was only planned has begun by that."""
    kind, lost = place
    rows = await stored(tx, {(kind, lost), (kind, kept)})
    loser, survivor = rows[(kind, lost)] or {}, rows[(kind, kept)] or {}
    numbers = as_old(loser.get("identifier", []), survivor.get("identifier", []))
    taken: Body = {**survivor, "identifier": united(survivor.get("identifier", []), numbers)}
    retired = {key: value for key, value in loser.items() if key != "identifier"}
    retired.update(status=_STATUS[kind], partOf={"reference": f"{kind}/{kept}"})
    begun = begun_as(taken, loser, at) if kind == "Encounter" else None
    planned = begun is not None and survivor.get("status") == "planned"
    taken = begun or taken
    if beds := _stays(loser):
        retired["location"] = ended(beds, at)
        taken["location"] = joined(taken.get("location", []), beds)
        if taken.get("status") in _OVER:
            taken["location"] = ended(taken["location"], taken.get("period", {}).get("end", "") or at)
    writes = [Write(type=kind, id=lost, body=retired), Write(type=kind, id=kept, body=taken)]
    moved = [w for w in await turned(tx, kind, lost, kept) if (w.type, w.id) not in ((kind, lost), (kind, kept))]
    await save(tx, [*writes, *moved], origin)
    return planned


def _stays(loser: Body) -> list[Body]:
    """Where the patient was by a visit that is retired; what was only planned ends with it."""
    if loser.get("resourceType") != "Encounter":
        return []
    return [entry for entry in loser.get("location", ()) if entry.get("status") not in ("planned", "reserved")]
