"""Moves from one patient to another: identifiers (A43), accounts (A44) and visits (A45)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from canonical.problem import Problem
from canonical.records import DRAFT, Draft
from hub.records.drafts.settle import Settled, settle
from hub.records.drafts.who.bearers import bearers_of
from hub.records.drafts.who.identify import Places, new_id
from hub.records.drafts.who.lookup import lookup, stored, survivors_of
from hub.records.drafts.who.moved import moved, noted
from hub.records.merges import patients
from hub.records.merges.numbers import name, united
from hub.records.merges.origins import named_in_messages
from hub.records.merges.patients import held_by
from hub.records.merges.references import pointing
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Transaction

Body = dict[str, Any]
UNKNOWN = "semantic.unknown-record"
_MOVE = "move"


async def move(tx: Transaction, prior: Draft, named: dict[str, Draft], origin: Origin, places: Places) -> list[Problem]:
    """Move a visit or account, and all that was recorded in it, to the patient the message names in PID."""
    local = _first_reference(prior.body).removeprefix(DRAFT)
    if local not in named or not prior.keys:
        return [Problem("semantic.merge-incomplete", prior.local)]
    if local not in places:
        settled = await settle(tx, [named[local]], places)
        await save(tx, settled.writes, origin)
        places.update(settled.places)
    target = places[local][1]
    found = held_by(prior, await lookup(tx, [prior]))
    if not found:
        return [Problem(UNKNOWN, prior.local, args=(("type", prior.type),))]
    body = (await stored(tx, {(prior.type, found[0])}))[(prior.type, found[0])] or {}
    source = _patient_of(body)
    if source and source != target:
        inside = {(prior.type, found[0]): body, **await pointing(tx, prior.type, found[0])}
        own, *others = _turned(inside, source, target)
        body = noted(own.body or {}, f"Patient/{source}", named[local].event_at)
        await save(tx, [dataclasses.replace(own, body=body), *others], origin)
    return []


async def note_early(tx: Transaction, early: Sequence[Draft], named: dict[str, Draft], settled: Settled) -> None:
    """Where a message moves visits unknown so far (`early`) and makes them by its own PV1, each write gets the note of
    whose the visit was, so that its admission, which comes late, is of this visit."""
    for prior in early:
        keys, whose = set(prior.keys), former(prior, named)
        same = (one for one in named.values() if one.type == prior.type and not one.action and keys & {*one.keys})
        made = next(same, None)
        place = settled.places.get(made.local) if made is not None else None
        at = next((n for n, write in enumerate(settled.writes) if (write.type, write.id) == place), None)
        if whose is None or made is None or at is None:
            continue
        ids = held_by(whose, await bearers_of(tx, [whose])) or [new_id(whose, whose.keys[0])]
        chain = await survivors_of(tx, ids[:1])
        body = noted(settled.writes[at].body or {}, f"Patient/{chain.get(ids[0], ids[0])}", made.event_at)
        settled.writes[at] = dataclasses.replace(settled.writes[at], body=body)


def former(prior: Draft, named: dict[str, Draft]) -> Draft | None:
    """The patient whom the MRG of a moved record names (MRG-1), with a number; None where it names none."""
    same = (
        one for one in named.values() if one.type == "Patient" and one.action == _MOVE and one.sources == prior.sources
    )
    return next((one for one in same if one.keys), None)


async def move_identifiers(
    tx: Transaction, prior: Draft, named: dict[str, Draft], origin: Origin, places: Places
) -> list[Problem]:
    """Move the identifiers of MRG-1 to the patient of PID, with what their messages brought.

    When they are all the numbers their holder has, the whole record moves: that is a merge, and told as one.
    """
    target = named[prior.merge_into]
    going = {(key.system, key.value) for key in prior.keys}
    staying = tuple(key for key in target.keys if (key.system, key.value) not in going)
    if not prior.keys or not staying:
        return [Problem("semantic.merge-incomplete", prior.local)]
    target.keys = staying
    found = await bearers_of(tx, [prior, target])
    chain = await survivors_of(tx, sorted({i for ids in found.values() for i in ids}))
    holders = [chain.get(i, i) for i in held_by(prior, found)]
    owner = next((chain.get(i, i) for i in held_by(target, found)), "")
    source = next((identity for identity in holders if identity != owner), "")
    body = (await stored(tx, {("Patient", source)}))[("Patient", source)] if source else None
    if body is None:
        target.body["identifier"] = united(target.body.get("identifier", []), prior.body.get("identifier", []))
        return []
    own = {name(item) for item in body.get("identifier", ()) if item.get("use") != "old"}
    if own <= going:
        return [*await patients.merge(tx, prior, named, origin, places), Problem("semantic.move-merges", prior.local)]
    return await _split(tx, (prior, target), (source, body), origin, places)


async def _split(
    tx: Transaction, drafts: tuple[Draft, Draft], holder: tuple[str, Body], origin: Origin, places: Places
) -> list[Problem]:
    """Take some numbers, and what came under them, from a patient who keeps others."""
    (prior, target), (source, body) = drafts, holder
    going = {(key.system, key.value) for key in prior.keys}
    leaving = [item for item in body["identifier"] if name(item) in going]
    rest = [item for item in body["identifier"] if name(item) not in going]
    target.body["identifier"] = united(target.body.get("identifier", []), leaving)
    settled = await settle(tx, [target], places)
    places.update(settled.places)
    identity = settled.places[target.local][1]
    records = await pointing(tx, "Patient", source)
    theirs = await named_in_messages(tx, records, wanted=going, besides={name(item) for item in rest})
    without = Write(type="Patient", id=source, body={**body, "identifier": rest})
    moved_records = _turned({place: records[place] for place in theirs}, source, identity)
    await save(tx, [*settled.writes, without, *moved_records], origin)
    return settled.problems


def _turned(records: dict[tuple[str, str], Body], source: str, target: str) -> list[Write]:
    return [
        Write(type=kind, id=identity, body=moved(body, f"Patient/{source}", f"Patient/{target}"))
        for (kind, identity), body in records.items()
    ]


def _patient_of(body: Body) -> str:
    """The id of the patient a visit (`subject`) or account (`subject[]`) belongs to."""
    reference = _first_reference(body)
    return reference.removeprefix("Patient/") if reference.startswith("Patient/") else ""


def _first_reference(body: Body) -> str:
    subject = body.get("subject")
    first = subject[0] if isinstance(subject, list) and subject else subject
    return str(first.get("reference", "")) if isinstance(first, dict) else ""
