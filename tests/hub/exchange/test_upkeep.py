"""Upkeep: every tenant has the schedules of the version that starts, also one that was there before."""

from __future__ import annotations

from typing import Any

from hub import seed
from hub.exchange.work import usual
from hub.world import Tenant, World

NAMES = {one.name for one in usual.kit(usual.UPKEEP)}


async def schedules(world: World, tenant: Tenant) -> set[str]:
    async with world.transaction(tenant) as tx:
        return {row["name"] for row in await tx.rows("SELECT name FROM schedule WHERE tenant_id = $1")}


async def test_a_start_gives_older_tenants_the_upkeep_they_lack(
    world: World, tenant: Tenant, cluster: tuple[Any, Any]
) -> None:
    async with world.transaction(tenant) as tx:
        await tx.run("DELETE FROM schedule WHERE tenant_id = $1 AND name = ANY($2::text[])", ["words", "heartbeats"])
    assert not await schedules(world, tenant) >= NAMES
    await seed.seed(cluster[0])
    assert await schedules(world, tenant) >= NAMES
