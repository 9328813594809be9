"""Schedules: each fire time once, whoever races; catch-up rules; clock changes; jobs that fail and jobs that hang."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from typing import Any

import pytest

from canonical.errors import Misconfigured, TryLater
from hub.exchange import handlers
from hub.exchange.work import cron, jobs, scheduler
from hub.exchange.work.scheduler import Schedule
from hub.world import Tenant, World, opened

START = datetime.datetime(2026, 11, 22, 12, 0, 30, tzinfo=datetime.UTC)
pytestmark = pytest.mark.usefixtures("own_handlers")


def at(world: World, moment: datetime.datetime) -> World:
    return dataclasses.replace(world, now=lambda: moment)


async def plan(world: World, tenant: Tenant, **values: Any) -> None:
    async with world.transaction(tenant) as tx:
        await tx.run("DELETE FROM schedule WHERE tenant_id = $1")
        fields = {"name": "s", "job": "count", "cron": "* * * * *", "zone": "America/Sao_Paulo", **values}
        await scheduler.save(tx, Schedule(**fields), START)


async def fired(world: World, tenant: Tenant) -> list[datetime.datetime]:
    async with world.transaction(tenant) as tx:
        return [
            r["fire_time"] for r in await tx.rows("SELECT fire_time FROM job WHERE tenant_id = $1 ORDER BY fire_time")
        ]


async def test_many_schedulers_fire_each_time_once(world: World, tenant: Tenant, cluster: tuple[Any, Any]) -> None:
    await plan(world, tenant, catch_up="all")
    async with opened(cluster[0], size=4) as second:
        for minute in range(1, 8):
            moment = START + datetime.timedelta(minutes=minute)
            counts = await asyncio.gather(
                *(scheduler.fire_due(at(w, moment), tenant) for w in (world, second) for _ in range(4))
            )
            assert sum(counts) == 1
    times = await fired(world, tenant)
    assert len(times) == len(set(times)) == 7
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT pending FROM lane WHERE tenant_id = $1 AND kind = 'job'") == 7


@pytest.mark.parametrize(("rule", "count"), [("once", 1), ("all", 10), ("skip", 1)])
async def test_catching_up(world: World, tenant: Tenant, rule: str, count: int) -> None:
    await plan(world, tenant, catch_up=rule)
    assert await scheduler.fire_due(at(world, START + datetime.timedelta(minutes=10)), tenant) == count
    assert (await fired(world, tenant))[-1] == datetime.datetime(2026, 11, 22, 12, 10, tzinfo=datetime.UTC)
    assert await scheduler.fire_due(at(world, START + datetime.timedelta(minutes=10, seconds=20)), tenant) == 0


@pytest.mark.parametrize(("rule", "count"), [("once", 1), ("all", scheduler.MOST_CAUGHT_UP), ("skip", 1)])
async def test_catching_up_after_years_takes_no_longer_than_after_a_day(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, rule: str, count: int
) -> None:
    plain, asked = cron.following, []

    def counted(*arguments: Any) -> Any:
        asked.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(cron, "following", counted)
    await plan(world, tenant, catch_up=rule)
    moment = START + datetime.timedelta(days=3650, seconds=35)
    assert await scheduler.fire_due(at(world, moment), tenant) == count
    assert len(asked) < 3 * scheduler.MOST_CAUGHT_UP
    assert (await fired(world, tenant))[-1] == moment.replace(second=0)
    assert await scheduler.fire_due(at(world, moment), tenant) == 0


@pytest.mark.parametrize(
    "expression", ["*/15 0-2 * * *", "30 0 * * *", "0 * * * *", "7 3 1 * 1", "0 0 29 2 *", "*/20 1,2 * * *"]
)
@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "America/New_York"])
def test_the_newest_moments_are_those_counted_one_by_one(expression: str, zone: str) -> None:
    ends = ("2018-11-04T09:00", "2018-02-18T07:30", "2016-03-01T00:00", "2026-11-01T08:15")
    for end in (datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC) for text in ends):
        start = end - datetime.timedelta(hours=30 if expression.startswith("*") else 960)
        every, moment = [], cron.following(expression, zone, start)
        while moment is not None and moment <= end:
            every.append(moment)
            moment = cron.following(expression, zone, moment)
        for most in (1, 7, 2000):
            assert cron.newest(expression, zone, start, end, most) == every[-most:]


async def test_skip_drops_what_is_late(world: World, tenant: Tenant) -> None:
    await plan(world, tenant, cron="0 * * * *", catch_up="skip")
    late = START + datetime.timedelta(hours=3, minutes=20)
    assert await scheduler.fire_due(at(world, late), tenant) == 0
    async with world.transaction(tenant) as tx:
        following = await tx.value("SELECT next_fire_at FROM schedule WHERE tenant_id = $1")
    assert following == datetime.datetime(2026, 11, 22, 16, 0, tzinfo=datetime.UTC)


async def test_a_schedule_set_back_fires_nothing_twice(world: World, tenant: Tenant) -> None:
    await plan(world, tenant, catch_up="all")
    moment = START + datetime.timedelta(minutes=5)
    assert await scheduler.fire_due(at(world, moment), tenant) == 5
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE schedule SET next_fire_at = $2 WHERE tenant_id = $1", START)
    assert await scheduler.fire_due(at(world, moment), tenant) == 1  # 12:00:30 itself had no job
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT pending FROM lane WHERE tenant_id = $1 AND kind = 'job'") == 6


async def test_tick_fires_for_every_tenant_and_work_runs_the_job(
    world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    ran: list[tuple[str, dict[str, Any]]] = []

    @handlers.job("count")
    async def count(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
        ran.append((tenant.slug, arguments))
        return "counted"

    for found in (tenant, other_tenant):
        await plan(world, found, arguments={"n": 1})
    await scheduler.tick(at(world, START + datetime.timedelta(minutes=1)))
    assert await jobs.work(world, tenant) == 1 and await jobs.work(world, other_tenant) == 1
    assert sorted(ran) == sorted([(tenant.slug, {"n": 1}), (other_tenant.slug, {"n": 1})])
    async with world.transaction(tenant) as tx:
        row = await tx.row("SELECT status, outcome, attempt FROM job WHERE tenant_id = $1")
    assert tuple(row.values()) == ("DONE", "counted", 1)


async def test_a_failing_job_backs_off_then_ends_and_the_next_runs(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.exchange.work.lanes.delay", lambda *a, **k: datetime.timedelta(milliseconds=20))
    ran: list[int] = []

    @handlers.job("count")
    async def count(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
        ran.append(arguments["n"])
        if arguments["n"] == 1:
            raise TryLater("down", code="test.down") if len(ran) < 3 else ZeroDivisionError
        return ""

    async with world.transaction(tenant) as tx:
        await jobs.enqueue(tx, "count", {"n": 1})
        await jobs.enqueue(tx, "count", {"n": 2})
        await jobs.enqueue(tx, "unknown", {})
    for _ in range(60):
        await jobs.work(world, tenant)
        await asyncio.sleep(0.02)
        if len(ran) == 9:
            break
    assert ran == [1] * 8 + [2]
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT name, status, last_error FROM job WHERE tenant_id = $1 ORDER BY seq")
    assert [tuple(row.values()) for row in rows[:2]] == [("count", "DEAD", "job.failed"), ("count", "DONE", None)]
    assert rows[2]["last_error"] == "job.unknown"


async def test_saving_again_keeps_the_next_time(world: World, tenant: Tenant) -> None:
    await plan(world, tenant, cron="0 3 * * *")
    async with world.transaction(tenant) as tx:
        before = await tx.value("SELECT next_fire_at FROM schedule WHERE tenant_id = $1")
        wanted = Schedule(name="s", job="count", cron="0 3 * * *", zone="America/Sao_Paulo", arguments={"x": 1})
        await scheduler.save(tx, wanted, START + datetime.timedelta(days=9))
        assert await tx.value("SELECT next_fire_at FROM schedule WHERE tenant_id = $1") == before
        with pytest.raises(Misconfigured):
            await scheduler.save(tx, dataclasses.replace(wanted, cron="61 * * * *"), START)


def times(expression: str, zone: str, start: str, end: str) -> list[str]:
    moment, last = (datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC) for text in (start, end))
    found = []
    while (following := cron.following(expression, zone, moment)) is not None and following < last:
        found.append(following.strftime("%m-%dT%H:%M"))
        moment = following
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "start", "end", "expected"),
    [
        ("0 18 * * *", "America/Sao_Paulo", "2026-11-22", "2026-11-24", ["11-22T21:00", "11-23T21:00"]),
        # New York 2026: the clock skips 02:00-03:00 on 8 March and repeats 01:00-02:00 on 1 November.
        ("30 2 * * *", "America/New_York", "2026-03-07T06", "2026-03-10", ["03-07T07:30", "03-08T07:30", "03-09T06:30"]),
        ("30 1 * * *", "America/New_York", "2026-10-31", "2026-11-03", ["10-31T05:30", "11-01T05:30", "11-02T06:30"]),
        # Sao Paulo 2018: midnight was skipped on 4 November.
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03", "2018-11-06", ["11-03T03:00", "11-04T03:00", "11-05T02:00"]),
        ("0 9 * * 0", "UTC", "2026-11-20", "2026-11-30", ["11-22T09:00", "11-29T09:00"]),
        ("0 9 * * 7", "UTC", "2026-11-20", "2026-11-30", ["11-22T09:00", "11-29T09:00"]),
        ("0 9 * * 1-5", "UTC", "2026-11-21", "2026-11-25", ["11-23T09:00", "11-24T09:00"]),
        ("0 9 * * sat-mon", "UTC", "2026-11-20", "2026-11-25", ["11-21T09:00", "11-22T09:00", "11-23T09:00"]),
        ("0 0 1 * 1", "UTC", "2026-11-24", "2026-12-08", ["11-30T00:00", "12-01T00:00", "12-07T00:00"]),
        ("@monthly", "UTC", "2026-11-24", "2027-01-02", ["12-01T00:00", "01-01T00:00"]),
    ],
)  # fmt: skip
def test_cron(expression: str, zone: str, start: str, end: str, expected: list[str]) -> None:
    assert times(expression, zone, start, end) == expected


@pytest.mark.parametrize("expression", ["0 * * * *", "*/30 * * * *", "15 */2 * * *"])
def test_every_hour_means_every_real_hour(expression: str) -> None:
    for start, end, hours in (("2026-03-08T05", "2026-03-09T04", 23), ("2026-11-01T04", "2026-11-02T05", 25)):
        found = times(expression, "America/New_York", start, end)
        assert found == sorted(set(found))
        if expression.startswith("0 "):
            assert len(found) == hours - 1  # the first moment itself is not after itself
        if expression.startswith("*/30"):
            assert len(found) == 2 * hours - 1


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "0 0 31 2 *", "0 0 * * 8", "x y z a b"])
def test_bad_cron_is_one_clear_failure(expression: str) -> None:
    with pytest.raises(Misconfigured):
        cron.check(expression, "America/Sao_Paulo")
    with pytest.raises(Misconfigured):
        cron.check("0 0 * * *", "America/Nowhere")


async def test_every_seeded_schedule_names_a_job_that_exists(world: World, tenant: Tenant) -> None:
    handlers.load()
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT name, job, cron, zone, next_fire_at FROM schedule WHERE tenant_id = $1")
    assert {"seal-audit"} <= {row["name"] for row in rows}
    for row in rows:
        assert row["job"] in handlers.JOBS and row["zone"] == tenant.zone
        assert row["next_fire_at"] <= world.now() + datetime.timedelta(days=366)
