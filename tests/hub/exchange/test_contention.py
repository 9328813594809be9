"""Transactions in each other's way: lanes are locked in one order, a lost race is run again, nothing waits for a lease."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hl7_feed import adt

from canonical.errors import TryAgain, TryLater
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import take
from hub.exchange.work import inbound, lanes
from hub.records.drafts.settle import Settled, settle
from hub.store.database import Transaction
from hub.store.standing import Standing
from hub.world import Tenant, World
from tests.hub.exchange.test_waves import attended, ended
from tests.hub.test_operate import put

HELD = (
    "SELECT count(*) FROM lane WHERE tenant_id = $1 AND kind = 'inbound' "
    "AND (lease_until IS NOT NULL OR next_at > now())"
)
MANY = (
    "INSERT INTO lane (tenant_id, id, kind, name, pending) "
    "SELECT $1, n, 'job', '', 0 FROM generate_series(1, 5000) AS lanes(n)"
)
TOUCH = "UPDATE lane SET pending = pending WHERE tenant_id = $1 AND id = $2"


async def leased(world: World, tenant: Tenant, count: int) -> list[lanes.Lease]:
    for number in range(count):
        await put(world, tenant, attended(number))
    async with world.transaction(tenant) as tx:
        found = await lanes.lease(tx, "inbound", count)
    return sorted(found, key=lambda held: held.lane_id)


@pytest.mark.parametrize("how", ["acknowledge", "release"])
async def test_several_lanes_are_locked_in_the_order_of_their_ids(world: World, tenant: Tenant, how: str) -> None:
    """A door that adds to both lanes holds the first and wants the second: the worker, told them the other way round,
    waits before the first and holds nothing."""
    low, high = await leased(world, tenant, 2)
    async with world.transaction(tenant) as tx:
        await tx.run(MANY)  # so that lanes are looked up one by one, as they are told

    async def worker() -> None:
        async with world.transaction(tenant) as tx:
            if how == "release":
                await lanes.release(tx, [high, low])
            else:
                await lanes.acknowledge(tx, [(high, 1), (low, 1)], [high.lane_id, low.lane_id])

    async with world.transaction(tenant) as door:
        await door.run(TOUCH, low.lane_id)
        working = asyncio.create_task(worker())
        await _waiting(world, tenant, 1)
        await door.run(TOUCH, high.lane_id)
    await working
    async with world.transaction(tenant) as tx:
        assert await tx.value(HELD) == 0
        assert await tx.value("SELECT sum(pending) FROM lane WHERE tenant_id = $1") == (
            0 if how == "acknowledge" else 2
        )


async def _waiting(world: World, tenant: Tenant, count: int) -> None:
    """Until so many of this database's sessions wait for a lock."""
    async with asyncio.timeout(30):
        while True:
            async with world.transaction(tenant) as tx:
                blocked = await tx.value(
                    "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple') "
                    "AND $1::uuid IS NOT NULL"
                )
            if blocked >= count:
                return
            await asyncio.sleep(0.02)


async def test_a_deadlock_is_told_as_a_race_that_may_be_run_again(world: World, tenant: Tenant) -> None:
    low, high = await leased(world, tenant, 2)
    met = asyncio.Barrier(2)

    async def cross(first: lanes.Lease, second: lanes.Lease) -> str:
        try:
            async with world.transaction(tenant) as tx:
                await tx.run(TOUCH, first.lane_id)
                await met.wait()
                await tx.run(TOUCH, second.lane_id)
        except TryAgain as error:
            return error.code
        return "done"

    assert sorted(await asyncio.gather(cross(low, high), cross(high, low))) == ["done", "store.raced"]


async def test_a_wave_whose_transaction_lost_runs_again_together(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    async def raced(tx: Transaction, drafts: list[Any], *more: Any) -> Settled:
        sizes.append(len(drafts))
        if len(sizes) == 1:
            raise TryAgain("another transaction was in the way")
        return await settle(tx, drafts, *more)

    monkeypatch.setattr(inbound, "settle", raced)
    for number in range(3):
        await put(world, tenant, attended(number))
    assert await inbound.work(world, tenant) == 3
    assert len(sizes) == 2 and await ended(world, tenant) == {"TRANSFORMED": 3}


async def test_lanes_of_a_wave_that_failed_wait_for_no_lease(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Settled:
        raise TryLater("the database cannot do it now")

    for number in range(3):
        await put(world, tenant, attended(number))
    with monkeypatch.context() as patched:
        patched.setattr(inbound, "settle", away)
        with pytest.raises(TryLater):
            await inbound.work(world, tenant)
    async with world.transaction(tenant) as tx:
        assert await tx.value(HELD) == 0
    assert await inbound.work(world, tenant) == 3
    assert await ended(world, tenant) == {"TRANSFORMED": 3}


async def test_a_lane_that_counts_what_is_not_there_is_set_right(world: World, tenant: Tenant) -> None:
    await put(world, tenant, attended(1))
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE lane SET pending = pending + 5 WHERE tenant_id = $1 AND kind = 'inbound'")
    assert [await inbound.work(world, tenant) for _ in range(3)] == [1, 0, 0]
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT sum(pending) FROM lane WHERE tenant_id = $1") == 0
        assert await tx.value(HELD) == 0


@pytest.mark.parametrize("count", [1, 3])
async def test_a_door_keeps_again_what_lost_a_race(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    real, tries = Standing.fetch, 0

    async def raced(self: Standing, query: str, *arguments: Any) -> list[Any]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise TryAgain("another transaction was in the way")
        return await real(self, query, *arguments)

    monkeypatch.setattr(Standing, "fetch", raced)
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    keeper = Keeper(world.database)
    items = [take(channel, adt("A01", name, f"V{name}", "20261122100001").encode()).incoming for name in "ABC"[:count]]
    found = await asyncio.gather(*(keeper.keep(channel, item) for item in items))
    assert [kept.id for kept in found] == [item.id for item in items] and tries >= 2
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1 AND status = 'RECEIVED'") == count
