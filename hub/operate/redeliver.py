"""Sends again what was given up: dead deliveries go back into their lanes with the same bytes and the same key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.exchange.out import delivery
from hub.guard import audit
from hub.store.database import Transaction
from hub.world import Tenant, World

AT_MOST = 100_000
WAVE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """One delivery that was given up: to whom, what for, after how many attempts and why."""

    id: UUID
    partner: str
    operation: str
    attempt: int
    last_error: str

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "id": str(self.id)}


async def dead(tx: Transaction, partner: str = "", code: str = "", limit: int = AT_MOST) -> list[Dead]:
    """The deliveries that were given up, oldest first: to a partner (by code), for a reason, or all."""
    rows = await tx.rows(
        "SELECT d.id, p.code, d.operation, d.attempt, coalesce(d.last_error, '') AS last_error FROM delivery d "
        "JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id "
        "WHERE d.tenant_id = $1 AND d.status = 'DEAD' AND ($2 = '' OR p.code = $2) "
        f"AND ($3 = '' OR d.last_error = $3) ORDER BY d.seq LIMIT {int(limit)}",
        partner,
        code,
    )
    return [
        Dead(
            id=row["id"],
            partner=row["code"],
            operation=row["operation"],
            attempt=row["attempt"],
            last_error=row["last_error"],
        )
        for row in rows
    ]


async def redeliver(
    world: World, tenant: Tenant, actor: str, partner: str = "", code: str = "", limit: int = AT_MOST
) -> list[Dead]:
    """Queue them again and let their lanes go on; each is audited. Waves of WAVE, each a transaction of its own."""
    found: list[Dead] = []
    while len(found) < limit:
        wave = min(WAVE, limit - len(found))
        async with world.transaction(tenant) as tx:
            queued = await dead(tx, partner, code, wave)
            for one in queued:
                await delivery.requeue(tx, one.id)
            await audit.note_all(tx, [(actor, "redeliver", f"Delivery/{one.id}", "success") for one in queued])
        found += queued
        if len(queued) < wave:
            break
    return found
