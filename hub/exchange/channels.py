"""Channels: the doors of a tenant's senders, as rows. A channel says how its messages are read and answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hub.world import Tenant, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel: `charset` fixes the character set, `fallback` serves where MSH-18 is silent."""

    id: UUID
    tenant: Tenant
    name: str
    door: str
    charset: str = ""
    fallback: str = "cp1252"
    zone: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


async def channels_of(world: World, tenant: Tenant) -> list[Channel]:
    """The active channels of a tenant."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT id, name, door, settings FROM channel WHERE tenant_id = $1 AND active ORDER BY name"
        )
    return [_channel(row, tenant) for row in rows]


def _channel(row: Any, tenant: Tenant) -> Channel:
    settings = json.loads(row["settings"])
    return Channel(
        id=row["id"],
        tenant=tenant,
        name=row["name"],
        door=row["door"],
        charset=settings.get("charset", ""),
        fallback=settings.get("fallback", "cp1252"),
        zone=settings.get("zone", "") or tenant.zone,
        settings=settings,
    )
