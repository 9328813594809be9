"""Sends again what was given up: dead deliveries go back into their lanes with the same bytes and the same key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.exchange.out import delivery
from hub.guard import audit
from hub.store.database import Transaction
from hub.world import Tenant, World

AT_MOST = 1000


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


async def dead(tx: Transaction) -> list[Dead]:
    """The deliveries that were given up, oldest first."""
    rows = await tx.rows(
        "SELECT d.id, p.code, d.operation, d.attempt, coalesce(d.last_error, '') AS last_error FROM delivery d "
        "JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id "
        f"WHERE d.tenant_id = $1 AND d.status = 'DEAD' ORDER BY d.seq LIMIT {AT_MOST}"
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


async def redeliver(world: World, tenant: Tenant, actor: str) -> list[Dead]:
    """Queue all of them again and let their lanes go on; each is audited."""
    async with world.transaction(tenant) as tx:
        found = await dead(tx)
        for one in found:
            await delivery.requeue(tx, one.id)
            await audit.note(tx, actor, "redeliver", f"Delivery/{one.id}")
    return found
