"""The audit trail after a removal: shortened by its owner alone, whole seals at a time, and still a chain that holds."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import asyncpg
import pytest

from canonical.errors import Misconfigured, Refused
from hub.guard import audit
from hub.retention import holds, rules, trail
from hub.store import owned
from hub.world import Tenant, World

YEARS = datetime.timedelta(days=7400)


async def sealed(world: World, tenant: Tenant, *actions: str) -> None:
    """One seal over new events; waits until no older transaction runs."""
    async with world.transaction(tenant) as tx:
        for action in actions:
            await audit.note(tx, "dr.ana", action, "Patient/p1")
    for _ in range(2000):
        async with world.transaction(tenant) as tx:
            if await audit.seal(tx):
                return
    raise AssertionError("nothing was sealed")


async def events(world: World, tenant: Tenant) -> list[str]:
    async with world.transaction(tenant) as tx:
        return [
            row["action"] for row in await tx.rows("SELECT action FROM audit_event WHERE tenant_id = $1 ORDER BY seq")
        ]


async def broken(world: World, tenant: Tenant, newest: int = 0) -> int | None:
    async with world.transaction(tenant) as tx:
        return await audit.broken_seal(tx, newest=newest)


async def aged(cluster: Any, tenant: Tenant, until_seal: int) -> None:
    """Seals up to a number as if they had been made long ago; their hashes do not cover when."""
    connection = await asyncpg.connect(cluster[1].owner_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.current_tenant', $1, true)", str(tenant.id))
            await connection.execute(
                "UPDATE audit_seal SET sealed_at = sealed_at - interval '7400 days' WHERE number <= $1", until_seal
            )
    finally:
        await connection.close()


async def test_old_events_go_and_the_chain_holds(
    world: World, tenant: Tenant, other_tenant: Tenant, cluster: Any
) -> None:
    settings = dataclasses.replace(world.settings, owner_database_url=cluster[1].owner_url)
    for each in (tenant, other_tenant):
        await sealed(world, each, "read", "search")
    await sealed(world, tenant, "login")
    await aged(cluster, tenant, 1)
    before = await events(world, other_tenant)
    async with owned.opened(settings) as owner:
        assert (await trail.removed(world, owner, tenant, actor="dpo")).count == 0, "nobody set a rule: for ever"
        ruled = await rules.set_days(world, tenant, "audit", 7306, actor="dpo")
        async with world.transaction(ruled) as tx:
            hold = await holds.place(tx, "", "processo", actor="dpo")
        assert (await trail.removed(world, owner, ruled, actor="dpo")).count == 0, "a hold stands"
        async with world.transaction(ruled) as tx:
            await holds.lift(tx, hold.id, actor="dpo")
        gone = await trail.removed(world, owner, ruled, actor="dpo")
        assert gone.count >= 2 and "read" not in await events(world, ruled) and "login" in await events(world, ruled)
        assert (await trail.removed(world, owner, ruled, actor="dpo")).count == 0
    assert await broken(world, ruled) is None and await broken(world, ruled, newest=1) is None
    await sealed(world, ruled, "read")
    assert await broken(world, ruled) is None and await events(world, other_tenant) == before
    async with world.transaction(ruled) as tx:
        told = await tx.value("SELECT detail FROM audit_event WHERE tenant_id = $1 AND action = 'retention'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with world.transaction(ruled) as tx:
            await tx.run(
                "INSERT INTO audit_removal (tenant_id, until_seal, until_transaction, events, actor) "
                "VALUES ($1, 99, 99, 0, 'x')"
            )
    assert f'"count": {gone.count}' in told


async def test_a_chain_that_somebody_cut_is_not_shortened(world: World, tenant: Tenant, cluster: Any) -> None:
    settings = dataclasses.replace(world.settings, owner_database_url=cluster[1].owner_url)
    await sealed(world, tenant, "read")
    await sealed(world, tenant, "login")
    await aged(cluster, tenant, 1)
    ruled = await rules.set_days(world, tenant, "audit", 7306, actor="dpo")
    async with owned.opened(settings) as owner:
        async with owner.transaction(tenant.id) as tx:
            await tx.run("DELETE FROM audit_event WHERE tenant_id = $1 AND action = 'login'")
        assert await broken(world, ruled) == 2
        with pytest.raises(Refused, match="does not add up"):
            await trail.removed(world, owner, ruled, actor="dpo")
    assert "read" in await events(world, ruled)


async def test_the_owner_sees_one_tenant_and_no_other_role_comes_this_way(
    world: World, tenant: Tenant, other_tenant: Tenant, cluster: Any
) -> None:
    settings = dataclasses.replace(world.settings, owner_database_url=cluster[1].owner_url)
    async with owned.opened(settings) as owner, owner.transaction(tenant.id) as tx:
        rows = await tx.connection.fetch("SELECT DISTINCT tenant_id FROM channel")
        assert {row["tenant_id"] for row in rows} == {tenant.id}
    for url in (cluster[0].database_url, cluster[1].superuser_url.rsplit("/", 1)[0] + "/ponte"):
        with pytest.raises(Misconfigured):
            async with owned.opened(dataclasses.replace(settings, owner_database_url=url)):
                pass
