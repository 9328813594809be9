"""Numbers that change (2.5.1 §3.3.46 to §3.3.51): the record stays, with the new number and the old one as `old`."""

from __future__ import annotations

from canonical.problem import Problem
from canonical.records import Draft
from hub.records.drafts.who.bearers import bearers_of
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.lookup import stored, survivors_of
from hub.records.merges.numbers import Identifiers, as_old, united
from hub.records.merges.patients import held_by
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Transaction


async def rename(
    tx: Transaction, prior: Draft, named: dict[str, Draft], origin: Origin, places: Places
) -> list[Problem]:
    """Give the record known under the numbers of `prior` those of `prior.merge_into`.

    The old numbers stay on the record, marked, so that a message still on its way finds it. A new number that belongs
    to another record is refused: that would be a merge.
    """
    target = named[prior.merge_into]
    fresh = set(target.keys)
    old = Draft(local=prior.local, type=prior.type, body={}, keys=tuple(key for key in prior.keys if key not in fresh))
    if not old.keys or not target.keys:
        return [Problem("semantic.merge-incomplete", prior.local)]
    marked = as_old(prior.body.get("identifier", []), target.body.get("identifier", []))
    found = await bearers_of(tx, [old, target])
    before, after = held_by(old, found), held_by(target, found)
    chain = await survivors_of(tx, sorted({*before, *after})) if prior.type == "Patient" else {}
    holders = {chain.get(identity, identity) for identity in after}
    own = chain.get(before[0], before[0]) if before else ""
    if own and holders - {own}:
        return [Problem("semantic.identifier-taken", prior.local)]
    target.body["identifier"] = [*target.body.get("identifier", []), *marked]
    if own and not holders:
        await _write(tx, prior.type, own, target.body["identifier"], origin)
    return []


async def _write(tx: Transaction, kind: str, identity: str, said: Identifiers, origin: Origin) -> None:
    body = (await stored(tx, {(kind, identity)}))[(kind, identity)] or {"resourceType": kind}
    body = {**body, "identifier": united(body.get("identifier", []), said)}
    await save(tx, [Write(type=kind, id=identity, body=body)], origin)
