"""Blocks and unblocks a person's records, and notes who looks past a block: by a scope, for a purpose, as an event."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any

from canonical.errors import Conflict, Refused
from hub.guard import audit
from hub.guard.policies import settings_of
from hub.operate.persons import subject
from hub.records.blocked import SETTING
from hub.store.database import Transaction
from hub.world import Tenant, World

SCOPE = "blocked/read"
PURPOSES = ("ETREAT", "HLEGAL", "PATRQT")
"""HL7 v3 PurposeOfUse: emergency treatment, legal, the patient's own request."""
MOST_PERSONS = 100


async def block(world: World, tenant: Tenant, named: str, *, actor: str) -> list[str]:
    """Block a person (a number or `Patient/id`), merged records too; returns their ids. Raises NotFound, Refused."""
    async with world.transaction(tenant) as tx:
        ids = await subject.patients_of(tx, named)
        settings = await settings_of(tx)
        found = dict(settings.get(SETTING) or {})
        for key in [key for key, each in found.items() if set(each) & set(ids)]:
            del found[key]
        if len(found) >= MOST_PERSONS:
            raise Refused(f"at most {MOST_PERSONS} persons can be blocked", code="person.most-blocked")
        settings[SETTING] = found | {ids[0]: ids}
        await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))
        await audit.note_all(tx, [(actor, "person-block", f"Patient/{each}", "success") for each in ids])
    return ids


async def unblock(world: World, tenant: Tenant, named: str, *, actor: str) -> list[str]:
    """End a person's block; returns their ids. Raises NotFound, Conflict when there is none."""
    async with world.transaction(tenant) as tx:
        ids = await subject.patients_of(tx, named)
        settings = await settings_of(tx)
        found = dict(settings.get(SETTING) or {})
        held = [key for key, each in found.items() if set(each) & set(ids)]
        if not held:
            raise Conflict("that person is not blocked", code="person.not-blocked")
        settings[SETTING] = {key: each for key, each in found.items() if key not in held}
        await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))
        await audit.note_all(tx, [(actor, "person-unblock", f"Patient/{each}", "success") for each in ids])
    return ids


async def listed(tx: Transaction) -> list[list[str]]:
    """The blocked persons, each as the ids of their patient records."""
    found = (await settings_of(tx)).get(SETTING) or {}
    return [list(each) for each in found.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A blocked person, as the ids of their patient records; when and by whom the first of them was blocked."""

    patients: tuple[str, ...]
    at: datetime.datetime | None
    by: str

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {"patients": list(self.patients), "at": self.at.isoformat() if self.at else None, "by": self.by}


async def standing(tx: Transaction) -> list[Block]:
    """The blocks that stand, the newest first; the trail says since when and by whom."""
    persons = await listed(tx)
    rows = await tx.rows(
        "SELECT k.n, a.at, a.actor FROM unnest($2::text[]) WITH ORDINALITY AS k(entity, n) CROSS JOIN LATERAL ("
        "SELECT at, actor FROM audit_event WHERE tenant_id = $1 AND entity = k.entity AND action = 'person-block' "
        "ORDER BY at DESC LIMIT 1) a",
        [f"Patient/{ids[0]}" for ids in persons],
    )
    told = {row["n"]: row for row in rows}
    found = [
        Block(patients=tuple(ids), at=told[n]["at"] if n in told else None, by=told[n]["actor"] if n in told else "")
        for n, ids in enumerate(persons, 1)
    ]
    return sorted(found, key=lambda block: block.at.timestamp() if block.at else 0.0, reverse=True)


async def break_glass(world: World, tenant: Tenant, actor: str, purpose: str, path: str) -> None:
    """Note that a caller looks past the blocks, for which purpose and where. Raises Refused for another purpose."""
    if purpose not in PURPOSES:
        raise Refused(f"X-Purpose-Of-Use is one of {', '.join(PURPOSES)}", code="person.purpose")
    async with world.transaction(tenant) as tx:
        await audit.note(tx, actor, "break-glass", path[:200], detail={"purpose": purpose})
