"""A tenant's schedules by its people: what is usual, change, pause, run now, and what they may not touch."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from canonical.errors import Conflict, NotFound, Refused
from hub.exchange import handlers
from hub.exchange.work import cron, jobs, scheduler, usual
from hub.operate import agenda
from hub.operate.agenda import Entry, Wish
from hub.world import Tenant, World

ME = "user/tester"


@pytest.fixture(autouse=True)
async def given(world: World, tenant: Tenant) -> None:
    handlers.load()
    await usual.seed(world, tenant, usual.UPKEEP)
    await usual.seed(world, tenant, usual.PAYER)


async def seen(world: World, tenant: Tenant, name: str) -> Entry:
    async with world.transaction(tenant) as tx:
        return await agenda.one(tx, name)


def test_every_usual_schedule_names_a_job_that_exists_and_a_time_that_comes() -> None:
    handlers.load()
    for one in usual.usual():
        cron.check(one.cron, "America/Sao_Paulo")
        assert one.job in handlers.JOBS, one.name
        assert one.pt and one.en and one.catch_up in ("once", "all", "skip")
    assert len({one.name for one in usual.usual()}) == len(usual.usual())
    assert len({one.job for one in usual.usual()}) == len(usual.usual())


async def test_the_first_payer_brings_its_schedules_and_batches_wait_for_a_person(world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:
        found = {entry.name: entry for entry in await agenda.listed(tx)}
    assert set(found) >= {one.name for one in usual.kit(usual.PAYER)}
    assert not found["close-batches"].active and found["close-batches"].next_at is None
    assert found["poll-protocols"].next_at is not None and found["poll-protocols"].last is None


async def test_a_schedule_is_changed_paused_and_goes_on(world: World, tenant: Tenant) -> None:
    made = await agenda.put(
        world,
        tenant,
        ME,
        Wish(name="close-ipe", job="close-batches", cron="30 19 * * 1-5", arguments={"payer": "999806"}),
    )
    assert (made.cron, made.zone, made.active, made.arguments) == (
        "30 19 * * 1-5",
        tenant.zone,
        True,
        {"payer": "999806"},
    )
    assert made.next_at is not None and made.next_at.astimezone(datetime.UTC) > world.now()
    paused = await agenda.switch(world, tenant, ME, "close-ipe", active=False)
    assert (paused.active, paused.next_at, paused.cron, paused.arguments) == (False, None, made.cron, made.arguments)
    again = await agenda.switch(world, tenant, ME, "close-ipe", active=True)
    assert again.next_at == made.next_at
    later = await agenda.put(world, tenant, ME, Wish(name="close-ipe", cron="0 21 * * *", zone="America/Manaus"))
    assert (later.zone, later.active) == ("America/Manaus", True) and later.next_at != made.next_at
    await agenda.remove(world, tenant, ME, "close-ipe")
    with pytest.raises(NotFound):
        await seen(world, tenant, "close-ipe")
    async with world.transaction(tenant) as tx:
        trail = [
            row["action"]
            for row in await tx.rows(
                "SELECT action FROM audit_event WHERE tenant_id = $1 AND entity = $2", "schedule/close-ipe"
            )
        ]
    assert sorted(trail) == ["schedule-change"] * 3 + ["schedule-create", "schedule-remove"]


async def test_a_paused_schedule_starts_nothing_and_a_person_may_start_it(world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE schedule SET next_fire_at = now() - interval '1 day' WHERE tenant_id = $1 AND NOT active")
    await scheduler.fire_due(world, tenant)
    assert (await seen(world, tenant, "close-batches")).last is None
    await agenda.run(world, tenant, ME, "close-batches")
    assert (await seen(world, tenant, "close-batches")).last is not None
    for _ in range(5):
        await jobs.work(world, tenant)
    last = (await seen(world, tenant, "close-batches")).last
    assert last is not None and (last.status, last.said) == (
        "DONE",
        "0 guias prontas, 0 pendentes; 0 lotes, 0 bloqueados",
    )


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"name": "a b"}, "schedule.name"),
        ({"name": "mine", "job": "rnds-make", "cron": "* * * * *"}, "schedule.job"),
        ({"name": "poll-protocols", "job": "close-batches"}, "schedule.job"),
        ({"name": "poll-protocols", "cron": "61 * * * *"}, "schedule.cron"),
        ({"name": "poll-protocols", "cron": "0 0 31 2 *"}, "schedule.never"),
        ({"name": "poll-protocols", "zone": "America/Nowhere"}, "schedule.cron"),
        ({"name": "poll-protocols", "catch_up": "some"}, "schedule.catch-up"),
        ({"name": "close-batches", "arguments": {"patient": "1"}}, "schedule.arguments"),
        ({"name": "close-batches", "arguments": {"payer": "Maria da Silva"}}, "schedule.arguments"),
    ],
)
async def test_what_cannot_be_scheduled_is_refused_and_changes_nothing(
    world: World, tenant: Tenant, wish: dict[str, Any], code: str
) -> None:
    async with world.transaction(tenant) as tx:
        before = await agenda.listed(tx)
    with pytest.raises(Refused) as refused:
        await agenda.put(world, tenant, ME, Wish(**wish))
    assert refused.value.code == code
    async with world.transaction(tenant) as tx:
        assert await agenda.listed(tx) == before


async def test_what_keeps_the_hub_sound_stays(world: World, tenant: Tenant) -> None:
    with pytest.raises(Conflict):
        await agenda.switch(world, tenant, ME, "seal-audit", active=False)
    with pytest.raises(Conflict):
        await agenda.remove(world, tenant, ME, "seal-audit")
    assert (await agenda.put(world, tenant, ME, Wish(name="tidy", cron="5 4 * * *"))).cron == "5 4 * * *"
    assert (await seen(world, tenant, "seal-audit")).active
