"""Patient merges (2.5.1 §3.3.40): the loser stays, inactive and linked; what is said of it belongs to the survivor.

Whatever order merges arrive in, and however often, the end is the same: every loser leads straight to its last
survivor. `patient_link` and the versions of the records keep what an unmerge needs.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from canonical.problem import Problem
from canonical.records import Draft, Key
from fhir.tags import ALL
from hub.records import blocked
from hub.records.drafts.combine import combine
from hub.records.drafts.marks import mark, unmark
from hub.records.drafts.settle import Settled, settle
from hub.records.drafts.who.bearers import bearers_of
from hub.records.drafts.who.identify import Places, new_id
from hub.records.drafts.who.lookup import Place, stored, survivors_of
from hub.records.merges.apart import are_apart
from hub.records.merges.numbers import as_old
from hub.records.merges.references import turned
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Transaction

INTO = "urn:ponte:merged-into"
_LINKED = "SELECT loser_id FROM patient_link WHERE tenant_id = $1 AND survivor_id = $2 ORDER BY loser_id"
_REPOINT = "UPDATE patient_link SET survivor_id = $3 WHERE tenant_id = $1 AND survivor_id = $2"
_LINK = (
    "INSERT INTO patient_link (tenant_id, loser_id, survivor_id, linked_at, message_id) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (tenant_id, loser_id) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class _Pair:
    """One merge as the store sees it; `done` when it was carried out before, `into` when the message names somebody
    who was merged into the survivor before."""

    loser: str
    survivor: str
    done: bool
    into: str = ""


async def merge(
    tx: Transaction, loser: Draft, named: dict[str, Draft], origin: Origin, places: Places
) -> list[Problem]:
    """Merge the patient `loser` names into the one of `loser.merge_into`; notes in `places` where both are."""
    survivor = named[loser.merge_into]
    if not loser.keys or not survivor.keys:
        return [Problem("semantic.merge-incomplete", loser.local)]
    pair = await _pair(tx, survivor, loser)
    if isinstance(pair, Problem):
        return [pair]
    if pair.loser == pair.survivor:
        return await _renumbered(tx, loser, survivor, origin, places)
    rows = {} if pair.done else await stored(tx, {("Patient", pair.loser), ("Patient", pair.survivor)})
    undone = are_apart(rows, pair.loser, pair.survivor, loser)
    if undone:
        survivor.body.pop("link", None)
    settled = await settle(tx, [survivor], {loser.local: ("Patient", pair.loser)})
    places.update(settled.places)
    place: Place = settled.places[survivor.local]
    if pair.done or undone:
        await save(tx, settled.writes, origin)
        return [*settled.problems, *([Problem("semantic.merge-undone", loser.local)] if undone else ())]
    writes = {(write.type, write.id): write for write in settled.writes}
    bodies = await _bodies(tx, pair, loser, writes[place], settled)
    absent = {place for place, body in rows.items() if body is None}  # what another message has made since is met anew
    moved = [
        Write(type=t, id=i, body=body, message_id=origin.message_id, unless=ALL if (t, i) in absent else None)
        for (t, i), body in bodies.items()
    ]
    await save(tx, [*moved, *await turned(tx, "Patient", pair.loser, pair.survivor)], origin)
    await tx.run(_REPOINT, pair.loser, pair.survivor)
    await tx.run(_LINK, pair.loser, pair.survivor, origin.now, origin.message_id)
    await blocked.joined(tx, pair.loser, pair.survivor)
    return settled.problems


async def _renumbered(tx: Transaction, loser: Draft, survivor: Draft, origin: Origin, places: Places) -> list[Problem]:
    """A merge of two numbers that one record has already, or leads to by its CPF (who was unidentified is known by
    then): it keeps the survivor's, and the loser's is an old one."""
    survivor.body.pop("link", None)
    said = survivor.body.get("identifier", [])
    survivor.body["identifier"] = [*said, *as_old(loser.body.get("identifier", []), said)]
    settled = await settle(tx, [survivor])
    places.update({**settled.places, loser.local: settled.places[survivor.local]})
    await save(tx, settled.writes, origin)
    return settled.problems


async def _pair(tx: Transaction, survivor: Draft, loser: Draft) -> _Pair | Problem:
    """Which records a merge names, earlier merges followed; a Problem when it contradicts them."""
    candidates = await bearers_of(tx, [survivor, loser])
    shared = set(survivor.keys) & set(loser.keys)  # numbers of both (a CPF) tell neither from the other
    names = {draft.local: held_by(draft, candidates, shared) for draft in (survivor, loser)}
    chain = await survivors_of(tx, sorted({i for ids in names.values() for i in ids}))
    lost = named_by(loser, names[loser.local], chain)
    own = (key for key in survivor.keys if key not in shared)
    apart = [i for key in own for i in candidates.get(("Patient", key), ()) if i != lost]  # the loser may bear the CPF
    kept = named_by(survivor, apart or names[survivor.local], chain)
    end, start = chain.get(kept, kept), chain.get(lost, lost)
    if kept == lost:
        other = start == lost and set(survivor.keys) - shared and set(loser.keys) - shared
        return _Pair(lost, lost, done=True) if other else Problem("semantic.merge-self", loser.local)
    if start == end:
        return Problem("semantic.merge-cycle", loser.local) if start == lost else _Pair(lost, end, done=True)
    if start != lost:  # the loser was merged into somebody else before
        return Problem("semantic.merge-conflict", loser.local)
    return _Pair(lost, end, done=False, into=kept if kept != end else "")


def held_by(draft: Draft, found: dict[tuple[str, Any], list[str]], last: Set[Key] = frozenset()) -> list[str]:
    """The ids of the records that carry a number of the draft, in the order of its numbers, those of `last` behind."""
    ids = [
        identity for key in sorted(draft.keys, key=last.__contains__) for identity in found.get((draft.type, key), ())
    ]
    return list(dict.fromkeys(ids))


def named_by(draft: Draft, ids: list[str], chain: dict[str, str]) -> str:
    """The record a draft's own number names: after a merge the loser's, though the survivor carries it too."""
    linked = [identity for identity in ids if identity in chain]
    return (linked or ids or [new_id(draft, draft.keys[0])])[0]


async def _bodies(
    tx: Transaction, pair: _Pair, loser: Draft, survivor: Write, settled: Settled
) -> dict[Place, dict[str, Any] | None]:
    """Survivor, loser, and those merged into the loser before, as they read afterwards."""
    earlier = [row["loser_id"] for row in await tx.rows(_LINKED, pair.loser)]
    rows = await stored(tx, {("Patient", identity) for identity in (pair.loser, *earlier)})
    bodies: dict[Place, dict[str, Any] | None] = {(w.type, w.id): w.body for w in settled.writes}
    target = dict(survivor.body or {})
    for identity in (pair.loser, *earlier):
        present = rows.get(("Patient", identity))
        body = _retired(present, loser if identity == pair.loser else None, pair.survivor)
        if identity == pair.loser:
            _note(body, pair.into)
        bodies[("Patient", identity)] = body
        target = _adopts(target, identity, body)
    bodies[("Patient", pair.survivor)] = target
    return bodies


def _retired(present: dict[str, Any] | None, draft: Draft | None, survivor: str) -> dict[str, Any]:
    """A merged record: inactive, replaced by the survivor and by nobody else."""
    body = dict(present or {"resourceType": "Patient"})
    if draft is not None:
        said = {"identifier": draft.body["identifier"]} if "identifier" in draft.body else {}
        body = combine(present, Draft(local="", type="Patient", body=said, initial=draft.initial), stale=False)
    others = [link for link in body.get("link", ()) if link.get("type") != "replaced-by"]
    link = {"other": {"reference": f"Patient/{survivor}"}, "type": "replaced-by"}
    return {**body, "active": False, "link": [*others, link]}


def _note(body: dict[str, Any], into: str) -> None:
    """Remember on a merged record whom its merge named, where the survivor is another: undoing needs to know it."""
    unmark(body, INTO)
    if into:
        mark(body, INTO, {"valueString": into})


def _adopts(survivor: dict[str, Any], loser: str, body: dict[str, Any]) -> dict[str, Any]:
    """The survivor with a link to the loser and, as old ones, the loser's identifiers."""
    link = {"other": {"reference": f"Patient/{loser}"}, "type": "replaces"}
    links = [item for item in survivor.get("link", ()) if item != link]
    known = {(i.get("system"), i.get("value")) for i in survivor.get("identifier", ())}
    news = [
        {"use": "old", **{k: v for k, v in identifier.items() if k != "use"}}
        for identifier in body.get("identifier", ())
        if (identifier.get("system"), identifier.get("value")) not in known
    ]
    identifiers = [*survivor.get("identifier", ()), *news]
    return {**survivor, "link": [*links, link], **({"identifier": identifiers} if identifiers else {})}
