"""Seeds a tenant for trials: its channels and clients; running it again changes nothing."""

from __future__ import annotations

import uuid

from hub.guard import tokens
from hub.settings import Settings
from hub.world import Tenant, World, opened

NAMESPACE = uuid.UUID("6f0d2c1e-52b0-5a3e-9d0a-7a1f6f3c9e10")


async def seed(settings: Settings) -> None:
    """Everything a first start needs: the token key and the demo tenant."""
    async with opened(settings, size=1) as world:
        await tokens.ensure_key(world)
        await demo_tenant(world)


async def demo_tenant(world: World, slug: str = "demo", name: str = "Hospital Demonstração") -> Tenant:
    """The tenant `slug` with an MLLP and an HTTP channel."""
    identity = uuid.uuid5(NAMESPACE, slug)
    await world.database.global_rows(
        "INSERT INTO tenant (id, slug, name) VALUES ($1, $2, $3) ON CONFLICT (slug) DO NOTHING", identity, slug, name
    )
    tenant = await world.tenant(slug)
    async with world.transaction(tenant) as tx:
        for channel, door in (("his-mllp", "mllp"), ("his-http", "http")):
            await tx.run(
                "INSERT INTO channel (tenant_id, id, name, door) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (tenant_id, name) DO NOTHING",
                uuid.uuid5(identity, channel),
                channel,
                door,
            )
    return tenant
