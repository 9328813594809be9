"""The world of one running hub: database, settings, clock and tenants, handed to everything that has effects."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from canonical.errors import NotFound
from hub.clock import Clock, utc_now
from hub.redis import CHANNELS, Bell
from hub.settings import Settings
from hub.store.database import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant: `zone` is where its dates without a zone lie; `settings` its own switches."""

    id: UUID
    slug: str
    name: str
    zone: str
    active: bool
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class World:
    """What effects need. One per process."""

    settings: Settings
    database: Database
    now: Clock = utc_now
    bell: Bell = field(default_factory=Bell)

    @contextlib.asynccontextmanager
    async def transaction(self, tenant: Tenant, *, wide: bool = False) -> AsyncIterator[Transaction]:
        """A transaction of `tenant`; commits at its end. `wide` when its statements are over hundreds of rows."""
        async with self.database.transaction(tenant.id, wide=wide) as tx:
            yield tx
        if tx.announced:
            self.bell.ring(tenant.id)
        if tx.rearranged:
            self.bell.ring(tenant.id, CHANNELS)

    async def tenants(self) -> list[Tenant]:
        """All active tenants."""
        rows = await self.database.global_rows(
            "SELECT id, slug, name, zone, active, settings FROM tenant WHERE active ORDER BY slug"
        )
        return [tenant_from(row) for row in rows]

    async def everyone(self) -> list[Tenant]:
        """All tenants, closed ones too: they may be opened again."""
        rows = await self.database.global_rows(
            "SELECT id, slug, name, zone, active, settings FROM tenant ORDER BY slug"
        )
        return [tenant_from(row) for row in rows]

    async def tenant(self, slug: str) -> Tenant:
        """The active tenant called `slug`; raises NotFound."""
        rows = await self.database.global_rows(
            "SELECT id, slug, name, zone, active, settings FROM tenant WHERE slug = $1 AND active", slug
        )
        if not rows:
            raise NotFound("there is no such tenant; ./ponte tenant list shows them")
        return tenant_from(rows[0])


def tenant_from(row: Any) -> Tenant:
    """The tenant of a row with id, slug, name, zone, active and settings."""
    return Tenant(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        zone=row["zone"],
        active=row["active"],
        settings=json.loads(row["settings"]),
    )


@contextlib.asynccontextmanager
async def opened(settings: Settings, *, size: int = 0) -> AsyncIterator[World]:
    """A world over the database of `settings`; raises Misconfigured when the role or schema is unsafe."""
    database = await Database.open(settings.database_url, size=size or settings.pool_size)
    bell = Bell(settings.redis_url)
    try:
        yield World(settings=settings, database=database, bell=bell)
    finally:
        await bell.close()
        await database.close()
