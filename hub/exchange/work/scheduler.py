"""Schedules: rows with a cron expression and a time zone; any number of schedulers, each fire time once.

APScheduler only ticks. A due row is claimed with SKIP LOCKED, its job queued and its next time set in one
transaction; `unique(schedule_id, fire_time)` forbids a second job for the same time.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from canonical.errors import Misconfigured, PonteError
from canonical.identity import new_id
from hub.exchange.work import clock_back, cron, lanes
from hub.exchange.work.clock_back import Hands
from hub.exchange.work.jobs import lane_of
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.scheduler")
TICK_SECONDS = 1
AT_ONCE = 50
MOST_CAUGHT_UP = 500
GRACE = datetime.timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule to be saved. `catch_up` says what happens to times missed while nothing ran.

    `once`: one job for the latest; `all`: one for each; `skip`: none, unless it is less than a minute late.
    """

    name: str
    job: str
    cron: str
    zone: str
    arguments: dict[str, Any] = field(default_factory=dict)
    catch_up: str = "once"
    active: bool = True


async def save(tx: Transaction, wanted: Schedule, now: datetime.datetime, identity: UUID | None = None) -> None:
    """Create or change a schedule by name; an unchanged time keeps its next firing. Raises Misconfigured."""
    cron.check(wanted.cron, wanted.zone)
    if wanted.catch_up not in ("once", "all", "skip"):
        raise Misconfigured("catch_up must be once, all or skip", code="schedule.catch-up")
    await tx.run(
        "INSERT INTO schedule AS s (tenant_id, id, name, job, cron, zone, arguments, catch_up, next_fire_at, active) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (tenant_id, name) DO UPDATE SET "
        "job = excluded.job, cron = excluded.cron, zone = excluded.zone, arguments = excluded.arguments, "
        "catch_up = excluded.catch_up, active = excluded.active, next_fire_at = CASE WHEN s.cron = excluded.cron "
        "AND s.zone = excluded.zone AND s.active THEN s.next_fire_at ELSE excluded.next_fire_at END",
        identity or new_id(),
        wanted.name,
        wanted.job,
        wanted.cron,
        wanted.zone,
        json.dumps(wanted.arguments),
        wanted.catch_up,
        cron.following(wanted.cron, wanted.zone, now),
        wanted.active,
    )


async def fire_due(world: World, tenant: Tenant) -> int:
    """Queue the jobs of the tenant's due schedules; returns how many."""
    now = world.now()
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT id, name, job, cron, zone, arguments, catch_up, next_fire_at FROM schedule "
            "WHERE tenant_id = $1 AND active AND next_fire_at <= $2 ORDER BY next_fire_at LIMIT $3 "
            "FOR UPDATE SKIP LOCKED",
            now,
            AT_ONCE,
        )
        plans = [(row, *_times(row, now)) for row in rows]
        firing = [(row, moment) for row, times, _ in plans for moment in await _new(tx, row, times)]
        if firing:
            await lanes.touch(tx, "job", _lanes(firing))
            await _queue(tx, firing)
        for row, _, following in plans:
            await tx.run(
                "UPDATE schedule SET next_fire_at = coalesce($3, next_fire_at), active = $3::timestamptz IS NOT NULL "
                "WHERE tenant_id = $1 AND id = $2",
                row["id"],
                following,
            )
    return len(firing)


def _times(row: Row, now: datetime.datetime) -> tuple[list[datetime.datetime], datetime.datetime | None]:
    """The fire times to queue now by the catch-up rule, and the next one after `now`."""
    first: datetime.datetime = row["next_fire_at"]
    following = cron.following(row["cron"], row["zone"], now)
    most = MOST_CAUGHT_UP if row["catch_up"] == "all" else 1
    missed = cron.newest(row["cron"], row["zone"], first, now, most)
    if len(missed) < most:
        missed.insert(0, first)
    if row["catch_up"] == "skip":
        missed = [time for time in missed if now - time <= GRACE]
    return missed, following


async def _new(tx: Transaction, row: Row, times: list[datetime.datetime]) -> list[datetime.datetime]:
    """The fire times that have no job yet (a schedule may have been set back)."""
    known = await tx.rows(
        "SELECT fire_time FROM job WHERE tenant_id = $1 AND schedule_id = $2 AND fire_time = ANY($3::timestamptz[])",
        row["id"],
        times,
    )
    fired = {found["fire_time"] for found in known}
    return [moment for moment in times if moment not in fired]


def _lanes(firing: list[tuple[Row, datetime.datetime]]) -> list[tuple[int, str, int]]:
    counts: dict[str, int] = {}
    for row, _ in firing:
        counts[row["job"]] = counts.get(row["job"], 0) + 1
    return [(lane_of(name), name, count) for name, count in counts.items()]


async def _queue(tx: Transaction, firing: list[tuple[Row, datetime.datetime]]) -> None:
    await tx.run(
        "INSERT INTO job (tenant_id, id, schedule_id, fire_time, name, arguments, lane_id, status) "
        "SELECT $1, x.*, 'QUEUED' FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], "
        "$7::bigint[]) AS x",
        [new_id() for _ in firing],
        [row["id"] for row, _ in firing],
        [moment for _, moment in firing],
        [row["job"] for row, _ in firing],
        [row["arguments"] for row, _ in firing],
        [lane_of(row["job"]) for row, _ in firing],
    )


async def tick(world: World, hands: Hands | None = None) -> int:
    """Fire what is due for every tenant; one tenant's failure delays nobody else. `hands` tell of a clock set back."""
    fired = 0
    try:
        tenants = {tenant.id: tenant for tenant in await world.tenants()}
        if hands is not None:
            await _look_at_clocks(world, list(tenants.values()), hands)
        rows = await world.database.call("SELECT tenant, kind, due FROM ponte_due($1)", list(tenants))
    except PonteError as error:
        log.warning("cannot look for due schedules: %s", error.code)
        return 0
    for row in rows:
        if row["kind"] == "schedule" and row["due"] <= world.now():
            try:
                fired += await fire_due(world, tenants[row["tenant"]])
            except PonteError as error:
                log.warning("schedules of %s: %s", tenants[row["tenant"]].slug, error.code)
    return fired


async def _look_at_clocks(world: World, tenants: list[Tenant], hands: Hands) -> None:
    theirs = (await world.database.call("SELECT clock_timestamp() AS at"))[0]["at"]
    gone = hands.back(world.now(), theirs)
    if gone is not None:
        await clock_back.mend_all(world, tenants, gone)


async def run(world: World, stop: asyncio.Event) -> None:
    """Tick until `stop` is set."""
    ticker = AsyncIOScheduler(timezone=datetime.UTC)
    ticker.add_job(tick, "interval", seconds=TICK_SECONDS, args=[world, Hands()], max_instances=1, coalesce=True)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    ticker.start()
    try:
        await stop.wait()
    finally:
        ticker.shutdown(wait=False)
