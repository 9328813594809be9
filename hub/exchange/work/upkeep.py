"""Upkeep: the jobs every tenant has whatever its business, and the schedules that start them."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

from hub.exchange.handlers import job
from hub.exchange.work import overdue, scheduler
from hub.exchange.work.scheduler import Schedule
from hub.guard import audit
from hub.store.database import Transaction
from hub.world import Tenant, World

SCHEDULES = (
    ("seal-audit", "seal-audit", "* * * * *", "once"),
    ("words", "fhir.words", "* * * * *", "once"),
    ("bulk-cleanup", "bulk.cleanup", "17 * * * *", "once"),
    ("heartbeats", "subscriptions.heartbeats", "* * * * *", "once"),
    (overdue.JOB, overdue.JOB, "* * * * *", "once"),
    ("watch", "watch.judge", "* * * * *", "once"),
    ("audit-verify", "audit.verify", "23 3 * * *", "once"),
    ("tidy", "upkeep.tidy", "41 * * * *", "once"),
)

VERIFIED_SEALS = 20_000
"""How far back the nightly look at the audit chain goes (a seal a minute: two weeks); `db check` looks at all."""
REMOVED_AT_ONCE = 5000
_OVER = {
    "job": "finished_at < now() - CASE status WHEN 'DONE' THEN interval '14 days' ELSE interval '180 days' END",
    "used_assertion": "expires_at < now() - interval '1 day'",
    "revoked_token": "expires_at < now() - interval '1 day'",
}


@job("seal-audit")
async def seal_audit(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Seal the audit events of finished transactions."""
    async with world.transaction(tenant) as tx:
        sealed = await audit.seal(tx)
    return json.dumps({"sealed": sealed})


@job("audit.verify")
async def verify_audit(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Compute the newest seals anew; `broken` is the first that does not fit, 0 when all do."""
    async with world.transaction(tenant, wide=True) as tx:
        broken = await audit.broken_seal(tx, newest=VERIFIED_SEALS)
    return json.dumps({"broken": broken or 0})


@job("upkeep.tidy")
async def tidy(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Remove jobs that ended long ago, and marks of tokens and assertions that have expired; says how many of each."""
    removed = {}
    for table, expired in _OVER.items():
        removed[table] = 0
        while count := await _removed(world, tenant, table, expired):
            removed[table] += count
    return json.dumps(removed)


async def _removed(world: World, tenant: Tenant, table: str, expired: str) -> int:
    """One small transaction, so that nobody waits for it."""
    statement = (
        f"WITH gone AS (DELETE FROM {table} WHERE tenant_id = $1 AND ctid = ANY (ARRAY("
        f"SELECT ctid FROM {table} WHERE tenant_id = $1 AND {expired} LIMIT $2)) RETURNING 1) SELECT count(*) FROM gone"
    )
    async with world.transaction(tenant) as tx:
        return int(await tx.value(statement, REMOVED_AT_ONCE))


def schedule_id(tenant: Tenant, name: str) -> uuid.UUID:
    """The id of a schedule that every tenant has."""
    return uuid.uuid5(tenant.id, f"schedule {name}")


async def seed_schedules(world: World, tenant: Tenant, wanted: tuple[tuple[str, str, str, str], ...]) -> None:
    """Give a tenant the schedules (name, job, cron, catch-up) it does not have; those it has stay as they are."""
    async with world.transaction(tenant) as tx:
        await give(tx, tenant, world.now(), wanted)


async def give(
    tx: Transaction, tenant: Tenant, now: datetime.datetime, wanted: tuple[tuple[str, str, str, str], ...]
) -> None:
    """The same within a transaction of the tenant."""
    present = {row["name"] for row in await tx.rows("SELECT name FROM schedule WHERE tenant_id = $1")}
    for name, work, cron, catch_up in wanted:
        if name not in present:
            schedule = Schedule(name=name, job=work, cron=cron, zone=tenant.zone, catch_up=catch_up)
            await scheduler.save(tx, schedule, now, schedule_id(tenant, name))
