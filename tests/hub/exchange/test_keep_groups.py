"""Messages that commit together: what is new is kept plainly, and resends and conflicts among them are still told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hl7_feed import adt

from canonical.errors import TryLater
from hub.exchange.channels import Channel, channels_of
from hub.exchange.door import keep
from hub.exchange.door.keep import Incoming, Keeper, Kept
from hub.exchange.door.receive import take
from hub.world import Tenant, World

AT = "20261122100001"


@pytest.fixture
async def channel(world: World, tenant: Tenant) -> Channel:
    return next(c for c in await channels_of(world, tenant) if c.door == "mllp")


def admission(channel: Channel, control: str, patient: str = "A") -> Incoming:
    """An admission under a control id of our choice."""
    raw = adt("A01", patient, f"V{patient}", AT).encode()
    fields = raw.split(b"|", 10)
    fields[9] = control.encode()
    return take(channel, b"|".join(fields)).incoming


async def together(keeper: Keeper, channel: Channel, *items: Incoming) -> list[Kept]:
    """Submitted in one turn of the loop, so that they wait together."""
    return list(await asyncio.gather(*(keeper.keep(channel, item) for item in items)))


async def test_a_group_tells_resends_and_conflicts_from_new_ones(
    world: World, tenant: Tenant, channel: Channel
) -> None:
    keeper = Keeper(world.database)
    first = admission(channel, "G1")
    (alone,) = await together(keeper, channel, first)
    assert (alone.id, alone.resent, alone.conflict) == (first.id, False, False)

    new, resent, other = admission(channel, "G2", "B"), admission(channel, "G1"), admission(channel, "G1", "C")
    found = await together(keeper, channel, new, resent, admission(channel, "G3", "B"), admission(channel, ""))
    assert [item.resent for item in found] == [False, True, False, False]
    assert found[1].id == first.id and found[1].status == "RECEIVED" and not any(item.conflict for item in found)
    (conflict, later) = await together(keeper, channel, other, admission(channel, "G4", "D"))
    assert (conflict.id, conflict.conflict, conflict.resent, later.conflict) == (other.id, True, False, False)
    async with world.transaction(tenant) as tx:
        waiting = await tx.value("SELECT sum(pending) FROM lane WHERE tenant_id = $1 AND kind = 'inbound'")
        stored = await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1 AND status = 'RECEIVED'")
        receipts = await tx.value("SELECT receipts FROM message WHERE tenant_id = $1 AND id = $2", first.id)
        conflicts = await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1 AND conflict")
    assert (waiting, stored, receipts, conflicts) == (stored, 5, 2, 1)


async def test_one_control_id_sent_many_times_at_once_is_kept_once(
    world: World, tenant: Tenant, channel: Channel
) -> None:
    keepers = [Keeper(world.database) for _ in range(2)]  # two doors
    same = [admission(channel, "S1") for _ in range(6)]
    others = [admission(channel, "S1", patient) for patient in "XY"]
    items = [*same[:3], others[0], *same[3:], others[1]]
    found = await asyncio.gather(*(keeper.keep(channel, item) for item, keeper in zip(items, keepers * 4, strict=True)))
    firsts = {kept.id for kept, item in zip(found, items, strict=True) if item.control_key == same[0].control_key}
    assert len(firsts) == 1 and sum(kept.resent for kept in found) == 5
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT receipts, conflict FROM message WHERE tenant_id = $1 AND control_id = 'S1'")
        waiting = await tx.value("SELECT sum(pending) FROM lane WHERE tenant_id = $1 AND kind = 'inbound'")
    assert sorted(row["receipts"] for row in rows) == [1, 1, 6] and waiting == 3
    assert sum(row["conflict"] for row in rows) == 2, (
        "whichever came first of three bodies, the other two are conflicts"
    )


@contextlib.asynccontextmanager
async def held(world: World, tenant: Tenant, lane: int) -> AsyncIterator[None]:
    """A commit that touches this lane waits until the block ends."""
    async with world.transaction(tenant) as tx:
        await tx.run("INSERT INTO lane (tenant_id, id, kind, name, pending) VALUES ($1, $2, 'inbound', 'hl7', 0)", lane)
    async with world.transaction(tenant) as tx:
        await tx.value("SELECT 1 FROM lane WHERE tenant_id = $1 AND id = $2 FOR UPDATE", lane)
        yield


async def commits(world: World, tenant: Tenant, *items: Incoming) -> int:
    """In how many transactions these were stored."""
    async with world.transaction(tenant) as tx:
        found = await tx.value(
            "SELECT count(DISTINCT xmin::text) FROM message WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
            [item.id for item in items],
        )
    return int(found)


async def test_few_messages_wait_for_the_commit_under_way_and_share_the_next(
    world: World, tenant: Tenant, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "LATE_SECONDS", 60)
    keeper = Keeper(world.database)
    first = admission(channel, "W0", "W0")
    others = [admission(channel, f"W{n}", f"W{n}") for n in range(1, keep.WORTH + 1)]
    tasks: list[asyncio.Task[Kept]] = []
    async with held(world, tenant, first.lane):
        leading = asyncio.create_task(keeper.keep(channel, first))
        await asyncio.sleep(0.05)
        for item in others[:-1]:  # each in a turn of its own: none finds another at the door
            tasks.append(asyncio.create_task(keeper.keep(channel, item)))
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in tasks)
        tasks.append(asyncio.create_task(keeper.keep(channel, others[-1])))
        await asyncio.wait_for(asyncio.gather(*tasks), 30)  # so many are worth a commit beside it
        assert not leading.done()
    await leading
    assert await commits(world, tenant, *others) == 1


async def test_a_commit_that_takes_long_holds_up_nobody(world: World, tenant: Tenant, channel: Channel) -> None:
    keeper = Keeper(world.database)
    first = admission(channel, "L0", "L0")
    async with held(world, tenant, first.lane):
        leading = asyncio.create_task(keeper.keep(channel, first))
        await asyncio.sleep(0)
        at_once = asyncio.create_task(keeper.keep(channel, admission(channel, "L1", "L1")))  # it is not late yet
        await asyncio.wait_for(at_once, 30)
        await asyncio.wait_for(keeper.keep(channel, admission(channel, "L2", "L2")), 30)
        assert not leading.done()
    await leading
    await asyncio.wait_for(keeper.keep(channel, admission(channel, "L3", "L3")), 30)


async def test_what_waits_behind_a_message_that_could_not_be_kept_is_not_kept_before_it(
    world: World, tenant: Tenant, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sender sends several without waiting; the first commit fails and the store is there again at once."""
    real, calls = keep._kept, [0]

    async def failing_once(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            raise TryLater("the database was away for a moment")
        return await real(*given)

    monkeypatch.setattr(keep, "LARGEST_GROUP", 1)
    monkeypatch.setattr(keep, "_kept", failing_once)
    keeper, one, other = Keeper(world.database), object(), object()
    items = [admission(channel, f"B{n}", "A") for n in range(3)]
    found = await asyncio.gather(
        *(keeper.keep(channel, item, one) for item in items),
        keeper.keep(channel, admission(channel, "B9", "B"), other),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in found] == [TryLater, TryLater, TryLater, Kept]
    for item in items:  # the sender sends them again, in its order
        await keeper.keep(channel, item, one)
    async with world.transaction(tenant) as tx:
        query = "SELECT control_id FROM message WHERE tenant_id = $1 AND lane_id = $2 ORDER BY seq"
        order = await tx.rows(query, items[0].lane)
    assert [row["control_id"] for row in order] == ["B0", "B1", "B2"], "B1 and B2 would have stood before B0"


async def test_a_commit_that_does_not_end_is_given_up_before_its_sender_gives_up(
    world: World, tenant: Tenant, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that hangs: not acknowledged, and what comes again is kept once whatever became of the first."""
    monkeypatch.setattr(keep, "KEEP_SECONDS", 0.2)
    keeper = Keeper(world.database)
    first = admission(channel, "H0", "H0")
    async with held(world, tenant, first.lane):
        with pytest.raises(TryLater) as caught:
            await asyncio.wait_for(keeper.keep(channel, first), 10)
        assert caught.value.code == "store.down"
    monkeypatch.undo()
    for _ in range(2):
        await asyncio.wait_for(keeper.keep(channel, admission(channel, "H0", "H0")), 30)
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1 AND control_id = 'H0'") == 1
