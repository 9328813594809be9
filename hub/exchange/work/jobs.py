"""Jobs: background work of a tenant, run by name from job lanes; jobs of one lane run one after the other.

A job runs outside any transaction of ours and at least once: one whose worker died runs again, so jobs are written
to be repeatable.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from typing import Any
from uuid import UUID

from canonical.errors import Misconfigured, PonteError
from canonical.identity import new_id, number
from hub.exchange import handlers
from hub.exchange.work import lanes
from hub.exchange.work.lanes import Lease, LeaseLost, Shift
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.jobs")
PER_LEASE = 20
LANES_AT_ONCE = 8
LONGEST_OUTCOME = 500


async def enqueue(
    tx: Transaction, name: str, arguments: dict[str, Any], *, lane: str = "", schedule: UUID | None = None
) -> UUID:
    """Queue one job; `arguments` hold ids and counts only. Jobs with the same `lane` (the name) keep their order.

    A job that names a `schedule` is told as its newest run.
    """
    number_of_lane = lane_of(lane or name)
    await lanes.touch(tx, "job", [(number_of_lane, lane or name, 1)])
    identity = new_id()
    await tx.run(
        "INSERT INTO job (tenant_id, id, name, arguments, lane_id, status, schedule_id, fire_time) "
        "VALUES ($1, $2, $3, $4, $5, 'QUEUED', $6, CASE WHEN $6::uuid IS NOT NULL THEN clock_timestamp() END)",
        identity,
        name,
        json.dumps(arguments),
        number_of_lane,
        schedule,
    )
    return identity


def lane_of(lane: str) -> int:
    """The lane of jobs that must not overlap."""
    return number("job", lane)


async def work(world: World, tenant: Tenant, *, limit: int = LANES_AT_ONCE) -> int:
    """Run what is due of a tenant and wait for it; returns the number of jobs that ended."""
    async with world.transaction(tenant) as tx:
        leases = await lanes.lease(tx, "job", limit)
    return sum(await asyncio.gather(*(run(world, tenant, held) for held in leases)))


async def run(world: World, tenant: Tenant, held: Lease, shift: Shift | None = None) -> int:
    """Run the jobs of a leased lane in order until it is empty, one must wait, or the worker's `shift` is over."""
    done = 0
    try:
        while done < PER_LEASE and not (shift and shift.over):
            row = await _next(world, tenant, held)
            if row is None or not await _run(world, tenant, held, row):
                break
            held = dataclasses.replace(held, attempt=0)
            done += 1
        async with world.transaction(tenant) as tx:
            await lanes.release_working(tx, held)
    except LeaseLost:
        log.warning("job lane %s: the lease was lost; another worker goes on", held.lane_id)
    except PonteError as error:
        log.warning("job lane %s stopped: %s", held.lane_id, error.code)
    return done


async def _next(world: World, tenant: Tenant, held: Lease) -> Row | None:
    async with world.transaction(tenant) as tx:
        await lanes.extend(tx, held)
        row = await tx.row(
            "UPDATE job SET attempt = attempt + 1 WHERE tenant_id = $1 AND id = ("
            "SELECT id FROM job WHERE tenant_id = $1 AND lane_id = $2 AND status = 'QUEUED' ORDER BY seq LIMIT 1) "
            "RETURNING id, name, arguments, attempt",
            held.lane_id,
        )
        if row is None:
            await lanes.recount(tx, held, "job")
        return row


async def _run(world: World, tenant: Tenant, held: Lease, row: Row) -> bool:
    """Run one job and record its outcome; True when the lane may go on."""
    job = handlers.JOBS.get(row["name"])
    try:
        if job is None:
            raise Misconfigured("no such job", code="job.unknown")
        outcome = await lanes.keep(world, tenant, held, _call(job, world, tenant, row))
    except LeaseLost:
        raise
    except PonteError as error:
        return await _failed(world, tenant, held, row, error.code)
    except Exception as error:
        log.error("job %s: %s at %s", row["name"], type(error).__name__, lanes.place_of(error))
        return await _failed(world, tenant, held, row, "job.failed")
    await _close(world, tenant, held, row, ("DONE", outcome[:LONGEST_OUTCOME], None))
    return True


async def _call(job: handlers.Job, world: World, tenant: Tenant, row: Row) -> str:
    return await job(world, tenant, json.loads(row["arguments"]))


async def _failed(world: World, tenant: Tenant, held: Lease, row: Row, code: str) -> bool:
    """Try again later, or after the last attempt leave the job dead and let the lane go on."""
    if row["attempt"] >= lanes.MAXIMUM_ATTEMPTS:
        await _close(world, tenant, held, row, ("DEAD", None, code))
        return True
    async with world.transaction(tenant) as tx:
        await lanes.back_off(tx, held, code, lanes.delay(row["attempt"]))
        await tx.run("UPDATE job SET last_error = $3 WHERE tenant_id = $1 AND id = $2", row["id"], code)
    log.warning("job %s failed: %s; attempt %s", row["name"], code, row["attempt"])
    return False


async def _close(world: World, tenant: Tenant, held: Lease, row: Row, end: tuple[str, str | None, str | None]) -> None:
    status, outcome, code = end
    async with world.transaction(tenant) as tx:
        await lanes.acknowledge(tx, [(held, 1)])
        closed = await tx.row(
            "UPDATE job SET status = $3, outcome = $4, last_error = $5, finished_at = now() "
            "WHERE tenant_id = $1 AND id = $2 AND coalesce(status, '') = 'QUEUED' RETURNING id",
            row["id"],
            status,
            outcome,
            code,
        )
        if closed is None:
            raise LeaseLost
