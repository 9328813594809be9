"""Checks a hub's database: role and walls, revision, audit chain, and what waits or failed, for each tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.guard import audit
from hub.operate.books import figures
from hub.store import migrate
from hub.world import Tenant, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One tenant: the first broken seal (None: the chain holds), work by kind, messages by status, paused lanes."""

    tenant: str
    broken_seal: int | None
    waiting: dict[str, int]
    messages: dict[str, int]
    paused: int
    dead: int

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order."""
        return {name: getattr(self, name) for name in self.__slots__}


async def revision(url: str) -> tuple[str, str]:
    """The database's revision and the one this code needs."""
    return await migrate.current(url), migrate.head()


async def health(world: World, tenant: Tenant) -> Health:
    """How a tenant's work stands; the audit chain is computed anew from its first event."""
    async with world.transaction(tenant) as tx:
        deliveries = await figures.delivery_counts(tx)
        return Health(
            tenant=tenant.slug,
            broken_seal=await audit.broken_seal(tx),
            waiting={kind: count for kind, count in (await figures.waiting(tx)).items() if count},
            messages=await figures.message_counts(tx),
            paused=int(await tx.value("SELECT count(*) FROM lane WHERE tenant_id = $1 AND paused")),
            dead=sum(count for (_, status), count in deliveries.items() if status == "DEAD"),
        )
