"""Reading one record: its current text in one trip, or one version."""

from __future__ import annotations

from hub.store.database import Row
from hub.world import Tenant, World

_READ = "SELECT * FROM ponte_read($1, $2, $3)"
_VERSION = (
    "SELECT version, updated_at, deleted, method, body FROM resource_version "
    "WHERE tenant_id = c.tenant AND type = $2 AND id = $3 AND version = $4 LIMIT 1"
)


async def current(world: World, tenant: Tenant, type_name: str, record_id: str) -> Row | None:
    """The stored record (version, updated_at, deleted, body), or None."""
    rows = await world.database.call(_READ, tenant.id, type_name, record_id)
    return rows[0] if rows else None


async def version(world: World, tenant: Tenant, place: tuple[str, str], number: int) -> Row | None:
    """One version of a record, or None."""
    rows = await world.database.ask(tenant.id, _VERSION, *place, number)
    return rows[0] if rows else None
