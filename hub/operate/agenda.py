"""A tenant's schedules as its people see and change them: what runs when, what it did last, pause, change, run now.

Only jobs of `hub/exchange/work/usual.csv` are scheduled by people. Those of the upkeep kit keep the hub sound (seals,
alarms): their time may be changed, but they are neither paused nor removed. Each act is audited.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from canonical.errors import Conflict, Misconfigured, NotFound, Refused
from canonical.identity import new_id
from hub.exchange.work import jobs, scheduler, usual
from hub.exchange.work.scheduler import Schedule
from hub.guard import audit
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{0,62}\Z")
_LONGEST_ARGUMENT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The newest run of a schedule: its job's state, when it ended (or was queued), and what it said or its code."""

    status: str
    at: datetime.datetime
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One schedule. `next_at` is None while it is paused; `kept`: it may not be paused or removed."""

    id: UUID
    name: str
    job: str
    cron: str
    zone: str
    arguments: Mapping[str, Any]
    catch_up: str
    active: bool
    next_at: datetime.datetime | None
    kept: bool
    pt: str
    en: str
    last: Last | None

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order, times in ISO 8601."""
        document = {name: getattr(self, name) for name in self.__slots__ if name not in ("id", "last")}
        last = self.last and {"status": self.last.status, "at": self.last.at.isoformat(), "said": self.last.said}
        next_at = self.next_at.isoformat() if self.next_at else None
        return {**document, "arguments": dict(self.arguments), "next_at": next_at, "last": last}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A schedule as somebody wants it; what is empty stays as it is, or is what the job usually has.

    `changes`: the schedule must be there already.
    """

    name: str
    job: str = ""
    cron: str = ""
    zone: str = ""
    catch_up: str = ""
    active: bool | None = None
    arguments: Mapping[str, str | int] | None = field(default=None)
    changes: bool = False


_LISTED = """
SELECT s.*, j.status AS last_status, j.outcome, j.last_error, coalesce(j.finished_at, j.created_at) AS last_at
FROM schedule s LEFT JOIN LATERAL (
    SELECT status, outcome, last_error, finished_at, created_at FROM job
    WHERE tenant_id = $1 AND schedule_id = s.id ORDER BY fire_time DESC LIMIT 1
) j ON true WHERE s.tenant_id = $1 AND ($2 = '' OR s.name = $2) ORDER BY s.name
"""


async def listed(tx: Transaction, name: str = "") -> list[Entry]:
    """The tenant's schedules by name, or the one called `name`."""
    return [_entry(row) for row in await tx.rows(_LISTED, name)]


async def one(tx: Transaction, name: str) -> Entry:
    """The schedule called `name`; raises NotFound."""
    found = await listed(tx, name) if name else []
    if not found:
        raise NotFound("there is no such schedule", code="schedule.unknown")
    return found[0]


def _entry(row: Row) -> Entry:
    known = usual.of_job(row["job"])
    last = None
    if row["last_status"]:
        said = (row["outcome"] if row["last_status"] == "DONE" else row["last_error"]) or ""
        last = Last(status=row["last_status"], at=row["last_at"], said=said)
    return Entry(
        id=row["id"],
        name=row["name"],
        job=row["job"],
        cron=row["cron"],
        zone=row["zone"],
        arguments=json.loads(row["arguments"]),
        catch_up=row["catch_up"],
        active=row["active"],
        next_at=row["next_fire_at"] if row["active"] else None,
        kept=known is not None and known.kit == usual.UPKEEP,
        pt=known.pt if known else "",
        en=known.en if known else "",
        last=last,
    )


async def put(world: World, tenant: Tenant, actor: str, wish: Wish) -> Entry:
    """Make or change a schedule; raises Refused (name, job, time, arguments) and Conflict (upkeep is not paused)."""
    async with world.transaction(tenant) as tx:
        await tx.row("SELECT id FROM schedule WHERE tenant_id = $1 AND name = $2 FOR UPDATE", wish.name)
        present = next(iter(await listed(tx, wish.name)), None)
        if present is None and wish.changes:
            raise NotFound("there is no such schedule", code="schedule.unknown")
        wanted = _wanted(wish, present, tenant)
        try:
            await scheduler.save(tx, wanted, world.now(), None if present else new_id())
        except Misconfigured as error:  # here it is the caller who must act
            raise Refused(error.text, code=error.code) from None
        detail = {"job": wanted.job, "cron": wanted.cron, "active": wanted.active}
        action = "schedule-change" if present else "schedule-create"
        await audit.note(tx, actor, action, _place(wish.name), detail=detail)
        return await one(tx, wish.name)


def _wanted(wish: Wish, present: Entry | None, tenant: Tenant) -> Schedule:
    """The whole schedule: the wish over what is there, and that over what is usual."""
    if not _NAME.match(wish.name):
        raise Refused("a schedule's name is lower-case letters, digits, dots and hyphens", code="schedule.name")
    job = wish.job or (present.job if present else wish.name)
    known = usual.of_job(job)
    if known is None or (present is not None and present.job != job):
        jobs_there_are = ", ".join(sorted({one.job for one in usual.usual()}))
        text = f"no such job can be scheduled, or the schedule starts another; there are {jobs_there_are}"
        raise Refused(text, code="schedule.job")
    active = wish.active if wish.active is not None else (present.active if present else True)
    if known.kit == usual.UPKEEP and not active:
        raise _kept()
    below = present or known
    given = wish.arguments if wish.arguments is not None else (present.arguments if present else {})
    return Schedule(
        name=wish.name,
        job=job,
        cron=wish.cron or below.cron,
        zone=wish.zone or (present.zone if present else tenant.zone),
        arguments=_arguments(given, known.arguments),
        catch_up=wish.catch_up or below.catch_up,
        active=active,
    )


def _arguments(given: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """Short codes and counts only: arguments are kept in job rows, where no patient may be named."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        text = str(value)
        if name not in known or not text.isalnum() or len(text) > _LONGEST_ARGUMENT:
            raise Refused("the job does not take this argument, or not this value", code="schedule.arguments")
        found[name] = int(text) if name == "days" and text.isdecimal() else text
    return found


async def switch(world: World, tenant: Tenant, actor: str, name: str, *, active: bool) -> Entry:
    """Pause a schedule, or let it run again from now on (what it missed is not made up); raises NotFound, Conflict."""
    return await put(world, tenant, actor, Wish(name=name, active=active, changes=True))


async def remove(world: World, tenant: Tenant, actor: str, name: str) -> None:
    """Take a schedule away; raises NotFound, and Conflict for upkeep."""
    async with world.transaction(tenant) as tx:
        if (await one(tx, name)).kept:
            raise _kept()
        await tx.run("DELETE FROM schedule WHERE tenant_id = $1 AND name = $2", name)
        await audit.note(tx, actor, "schedule-remove", _place(name))


async def run(world: World, tenant: Tenant, actor: str, name: str) -> UUID:
    """Queue a schedule's job now, with its arguments, also a paused one's; returns the job's id. Raises NotFound."""
    async with world.transaction(tenant) as tx:
        found = await one(tx, name)
        identity = await jobs.enqueue(tx, found.job, dict(found.arguments), schedule=found.id)
        await audit.note(tx, actor, "schedule-run", _place(name))
    return identity


def _kept() -> Conflict:
    return Conflict("upkeep is neither paused nor removed", code="schedule.kept")


def _place(name: str) -> str:
    return f"schedule/{name}"
