"""A clock set back by an hour or a day: lanes and schedules go on by the new one, and what is rightly late stays so."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from hub.exchange.work import clock_back, lanes, scheduler
from hub.exchange.work.clock_back import Hands
from hub.exchange.work.scheduler import Schedule
from hub.world import Tenant, World
from tests.hub.test_operate import GOOD, put, work

START = datetime.datetime(2026, 11, 22, 12, 0, 30, tzinfo=datetime.UTC)
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
_STATE = (
    "SELECT extract(epoch FROM next_at - now())::int AS wait, extract(epoch FROM lease_until - now())::int AS lease "
    "FROM lane WHERE tenant_id = $1 AND id = $2"
)


def at(world: World, moment: datetime.datetime) -> World:
    return dataclasses.replace(world, now=lambda: moment)


async def lane(world: World, tenant: Tenant, number: int, **values: Any) -> None:
    """A lane of work, as it stands when its moments are so far ahead."""
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO lane (tenant_id, id, kind, name, pending, attempt, next_at, lease_until) "
            "VALUES ($1, $2, 'outbound', 'x', 1, $3, now() + $4, now() + $5)",
            number,
            values.get("attempt", 0),
            values["wait"],
            values.get("lease"),
        )


async def state(world: World, tenant: Tenant, number: int) -> tuple[int, int | None]:
    async with world.transaction(tenant) as tx:
        row = await tx.row(_STATE, number)
    assert row is not None
    return row["wait"], row["lease"]


@pytest.mark.parametrize("gone", [HOUR, DAY, datetime.timedelta()])
async def test_what_was_acknowledged_is_worked_though_the_clock_was_set_back(
    world: World, tenant: Tenant, gone: datetime.timedelta
) -> None:
    await put(world, tenant, GOOD.format(control="b1", mrn="771"))
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE lane SET next_at = now() + $2 WHERE tenant_id = $1", gone or DAY)
    await work(world, tenant)
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT status FROM message WHERE tenant_id = $1") == "RECEIVED"
    assert (await clock_back.mend(world, tenant, gone))[0] >= 1
    await work(world, tenant)
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT status FROM message WHERE tenant_id = $1") == "TRANSFORMED"
    assert await clock_back.mend(world, tenant, gone) == (0, 0)


async def test_an_empty_lane_does_not_hold_up_what_comes_next(world: World, tenant: Tenant) -> None:
    await put(world, tenant, GOOD.format(control="e1", mrn="772"))
    await work(world, tenant)
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE lane SET next_at = now() + $2 WHERE tenant_id = $1", DAY)
    await clock_back.mend(world, tenant, DAY)
    await put(world, tenant, GOOD.format(control="e2", mrn="772"))
    await work(world, tenant)
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1 AND status = 'TRANSFORMED'") == 2


@pytest.mark.parametrize("gone", [HOUR, DAY])
async def test_leases_and_delays_of_the_old_clock_end_soon(
    world: World, tenant: Tenant, gone: datetime.timedelta
) -> None:
    lease = gone + datetime.timedelta(seconds=20)
    await lane(world, tenant, 1, wait=lease, lease=lease)
    await lane(world, tenant, 2, wait=gone + datetime.timedelta(minutes=25), attempt=12)
    await clock_back.mend(world, tenant, gone)
    seconds = int(lanes.LEASE.total_seconds())
    for number, leased in ((1, True), (2, False)):
        wait, until = await state(world, tenant, number)
        assert 0 < wait <= seconds and (until is None) is not leased
    async with world.transaction(tenant) as tx:  # its holder lives: it renews it and records its work
        held = lanes.Lease(1, "outbound", 0, 0)
        await lanes.extend(tx, held)
        await lanes.acknowledge(tx, [(held, 1)], [1])


@pytest.mark.parametrize("gone", [HOUR, DAY, datetime.timedelta()])
async def test_what_waits_rightly_goes_on_waiting(world: World, tenant: Tenant, gone: datetime.timedelta) -> None:
    wait, lease = datetime.timedelta(minutes=35), datetime.timedelta(seconds=29)
    await lane(world, tenant, 1, wait=lease, lease=lease)
    await lane(world, tenant, 2, wait=wait, attempt=12)
    assert (await clock_back.mend(world, tenant, gone))[0] == 0
    assert (await state(world, tenant, 1))[0] > 20 and (await state(world, tenant, 2))[0] > 34 * 60


@pytest.mark.parametrize("started_anew", [False, True])
async def test_no_schedule_is_silent_until_the_clock_is_there_again(
    world: World, tenant: Tenant, started_anew: bool
) -> None:
    async with world.transaction(tenant) as tx:
        await tx.run("DELETE FROM schedule WHERE tenant_id = $1")
        wanted = Schedule(name="s", job="count", cron="* * * * *", zone="America/Sao_Paulo")
        await scheduler.save(tx, wanted, START)
    hands = Hands()
    await scheduler.tick(at(world, START + DAY), hands)
    if started_anew:
        hands = Hands()
    for seconds in (1, 60, 120, 180):
        await scheduler.tick(at(world, START + datetime.timedelta(seconds=seconds)), hands)
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT fire_time FROM job WHERE tenant_id = $1 ORDER BY seq")
    fired = [row["fire_time"] - START.replace(second=0) for row in rows]
    assert fired == [DAY, *(datetime.timedelta(minutes=minute) for minute in (1, 2, 3))]


def test_hands_tell_how_far_a_clock_was_set_back_and_look_once_more() -> None:
    hands, second = Hands(), datetime.timedelta(seconds=1)
    assert hands.back(START, START) == datetime.timedelta()
    assert hands.back(START + second, START + second) is None
    assert hands.back(START + second / 2, START + second) is None  # two schedulers differ as much
    assert hands.back(START + 2 * second, START - HOUR) == HOUR + second
    assert hands.back(START - DAY, START - HOUR) == DAY + 2 * second
    assert hands.back(START - DAY + 59 * second, START) is None
    assert hands.back(START - DAY + 61 * second, START) == datetime.timedelta()
    assert hands.back(START - DAY + 62 * second, START) is None
