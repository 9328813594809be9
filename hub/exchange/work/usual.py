"""The schedules tenants usually have, as data (`usual.csv`): those of every tenant, those that come with the first
payer, and those of the national network. A job that stands here is one a tenant's administrator may schedule."""

from __future__ import annotations

import csv
import datetime
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hub.exchange.work import scheduler
from hub.exchange.work.scheduler import Schedule
from hub.store.database import Transaction
from hub.world import Tenant, World

KITS = UPKEEP, PAYER, NETWORK = ("upkeep", "payer", "network")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """One usual schedule: its kit, name, job and time; `arguments` are the names of those its job takes.

    `active` is False for what a person must switch on. `pt` and `en` say what the job does.
    """

    kit: str
    name: str
    job: str
    cron: str
    catch_up: str
    active: bool
    arguments: tuple[str, ...]
    pt: str
    en: str


@cache
def usual() -> tuple[Usual, ...]:
    """All of them, in the order of the file; raises ValueError for a row that cannot be read."""
    path = Path(__file__).resolve().parent / "usual.csv"
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if row["kit"] not in KITS or row["active"] not in ("yes", "no") or not row["en"]:
                raise ValueError(f"usual.csv, line {number}: kit, active or a text cannot be read")
            texts = {name: row[name] for name in ("kit", "name", "job", "cron", "catch_up", "pt", "en")}
            found.append(Usual(**texts, active=row["active"] == "yes", arguments=tuple(row["arguments"].split())))
    return tuple(found)


def kit(name: str) -> tuple[Usual, ...]:
    """The schedules of one kit."""
    return tuple(one for one in usual() if one.kit == name)


def of_job(job: str) -> Usual | None:
    """The usual schedule of a job; None for a job that is not scheduled by people."""
    return next((one for one in usual() if one.job == job), None)


async def seed(world: World, tenant: Tenant, name: str, *, all_active: bool = False) -> None:
    """Give a tenant the schedules of a kit that it does not have; those it has stay as they are."""
    async with world.transaction(tenant) as tx:
        await give(tx, tenant, world.now(), name, all_active=all_active)


async def give(
    tx: Transaction, tenant: Tenant, now: datetime.datetime, name: str, *, all_active: bool = False
) -> list[str]:
    """The same within a transaction of the tenant; returns the names of what it got."""
    present = {row["name"] for row in await tx.rows("SELECT name FROM schedule WHERE tenant_id = $1")}
    given = [one for one in kit(name) if one.name not in present]
    for one in given:
        schedule = Schedule(
            name=one.name,
            job=one.job,
            cron=one.cron,
            zone=tenant.zone,
            catch_up=one.catch_up,
            active=one.active or all_active,
        )
        await scheduler.save(tx, schedule, now, schedule_id(tenant, one.name))
    return [one.name for one in given]


def schedule_id(tenant: Tenant, name: str) -> uuid.UUID:
    """The id of a schedule that comes with a kit."""
    return uuid.uuid5(tenant.id, f"schedule {name}")
