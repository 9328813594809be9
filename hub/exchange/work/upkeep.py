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
)


@job("seal-audit")
async def seal_audit(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Seal the audit events of finished transactions."""
    async with world.transaction(tenant) as tx:
        sealed = await audit.seal(tx)
    return json.dumps({"sealed": sealed})


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
            await scheduler.save(tx, schedule, now, uuid.uuid5(tenant.id, f"schedule {name}"))
