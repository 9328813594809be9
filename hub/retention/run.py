"""Retention at work: what the rules would remove now, counted by age; and its removal in small audited transactions."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from canonical.errors import Refused
from hub.exchange.handlers import job
from hub.guard import audit
from hub.retention import holds, messages, rules
from hub.retention.messages import Reach, Removed
from hub.store.database import Transaction
from hub.world import Tenant, World

JOB = "retention.run"
ACTOR = "retention"
MOST_IN_A_RUN = 1_000_000
"""How many messages one run of the job looks at; the next night goes on. The command goes on until nothing is left."""
_REQUESTS_AT_ONCE = 500
_START = UUID(int=0)

_REQUESTS = """
FROM payer_request r WHERE r.tenant_id = $1 AND r.settled AND r.status NOT IN ('incerto', 'rejeitado')
AND r.updated_at < $2 AND (r.patient_id IS NULL OR r.patient_id <> ALL ($4::text[])) AND NOT $3
AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.tenant_id = $1 AND d.id = r.delivery_id AND d.status <> 'SENT')
"""
_JOBS = "FROM job WHERE tenant_id = $1 AND finished_at < $2 AND {done}"


@dataclass(slots=True, kw_only=True)
class Line:
    """One rule tried: of what is older than its days, by year, what may go; what is kept back (open, failed, held)."""

    rule: str
    days: int | None
    count: int = 0
    bytes: int = 0
    kept: int = 0
    years: Counter[int] = field(default_factory=Counter)

    def add(self, year: int, count: int, size: int, *, free: bool) -> None:
        """Count some more of one year."""
        if free:
            self.count, self.bytes = self.count + count, self.bytes + size
            self.years[year] += count
        else:
            self.kept += count

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        years = {str(year): count for year, count in sorted(self.years.items())}
        told = {name: getattr(self, name) for name in ("rule", "days", "count", "bytes", "kept")}
        return {**told, "years": years}


async def tried(world: World, tenant: Tenant, days: dict[str, int | None] | None = None) -> list[Line]:
    """What each rule would remove now, by the tenant's days or those given for some rules. Nothing is changed.

    Raises NotFound for an unknown rule, Refused for days that may not be set.
    """
    wanted = _days(tenant, days or {})
    found = {name: Line(rule=name, days=wanted[name]) for name in wanted}
    await _tried_messages(world, tenant, found)
    async with world.transaction(tenant, wide=True) as tx:
        held = await holds.held(tx)
        for name, source, arguments in _rows(world, wanted, held):
            rows = await tx.rows(
                f"SELECT extract(year FROM {_DATED[name]})::int AS y, count(*) AS n {source} GROUP BY 1", *arguments
            )
            for row in rows:
                found[name].add(row["y"], row["n"], 0, free=True)
        await _tried_audit(world, tx, found["audit"], held)
    return list(found.values())


async def removed(
    world: World, tenant: Tenant, *, actor: str = ACTOR, most: int = 0
) -> tuple[dict[str, Removed], bool]:
    """Remove what the rules say, in small transactions; by rule what was removed, and whether more is left.

    `most`: stop after so many messages looked at (0: never). Jobs and bulk files are removed by their own upkeep,
    audit events only by the tables' owner (`hub.retention.trail`).
    """
    done: dict[str, Removed] = {}
    looked = 0
    async for part in _waves(world, tenant, actor):
        for name, some in part.items():
            done.setdefault(name, Removed()).add(some)
        looked += messages.AT_ONCE
        if most and looked >= most:
            return done, True
    if (gone := await _requests(world, tenant, actor)).count:
        done["requests"] = gone
    return done, False


@job(JOB)
async def run(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """The nightly removal; its outcome is counts by rule."""
    done, more = await removed(world, tenant, most=MOST_IN_A_RUN)
    return json.dumps({**{name: one.count for name, one in done.items()}, "more": more})


def _days(tenant: Tenant, given: dict[str, int | None]) -> dict[str, int | None]:
    wanted = {name: rules.days_of(tenant, name) for name in rules.rules()}
    for name, days in given.items():
        if not rules.rule(name).allows(days):
            raise Refused(f"{name}: {rules.rule(name).law['en']}", code="retention.days")
        wanted[name] = days
    return wanted


def _before(world: World, days: dict[str, int | None]) -> dict[str, datetime.datetime]:
    """Of rules with days: the moment before which they act."""
    now = world.now()
    return {name: now - datetime.timedelta(days=n) for name, n in days.items() if n is not None}


async def _reach(tx: Transaction, before: dict[str, datetime.datetime]) -> Reach:
    of_messages = {name: moment for name, moment in before.items() if name in messages.RULES}
    return Reach(before=of_messages, kept=await messages.in_use(tx), held=await holds.held(tx))


async def _tried_messages(world: World, tenant: Tenant, found: dict[str, Line]) -> None:
    before = _before(world, {line.rule: line.days for line in found.values()})
    async with world.transaction(tenant, wide=True) as tx:
        reach = await _reach(tx, before)
    after: UUID | None = _START if reach.before else None
    while after is not None:
        async with world.transaction(tenant, wide=True) as tx:
            after, counts = await messages.counted(tx, reach, after)
        for one in json.loads(counts):
            found[one["rule"]].add(one["year"], one["count"], one["bytes"], free=one["free"])


async def _waves(world: World, tenant: Tenant, actor: str) -> AsyncIterator[dict[str, Removed]]:
    """Wave after wave. A hold placed meanwhile counts from the next wave on: it waits for the one under way."""
    before = _before(world, _days(tenant, {}))
    async with world.transaction(tenant, wide=True) as tx:
        reach = await _reach(tx, before)
    after: UUID | None = _START if reach.before else None
    while after is not None:
        async with world.transaction(tenant, wide=True) as tx:
            if await holds.mark(tx) != reach.held.mark:
                reach = await _reach(tx, before)
            after, done = await messages.wave(tx, reach, after, world.now(), actor)
        yield done


_DATED = {"requests": "r.updated_at", "jobs": "finished_at", "jobs-failed": "finished_at"}


def _rows(world: World, days: dict[str, int | None], held: holds.Held) -> Sequence[tuple[str, str, tuple[Any, ...]]]:
    """Rules about whole rows: which ones, and the statement's values."""
    before = _before(world, days)
    sources = {
        "requests": (_REQUESTS, (held.everything, list(held.patients))),
        "jobs": (_JOBS.format(done="status = 'DONE'"), ()),
        "jobs-failed": (_JOBS.format(done="status <> 'DONE'"), ()),
    }
    return [(name, text, (before[name], *rest)) for name, (text, rest) in sources.items() if name in before]


async def _tried_audit(world: World, tx: Transaction, line: Line, held: holds.Held) -> None:
    if line.days is None:
        return
    cutoff = world.now() - datetime.timedelta(days=line.days)
    rows = await tx.rows(
        "SELECT extract(year FROM sealed_at)::int AS year, sum(events)::bigint AS n FROM audit_seal "
        "WHERE tenant_id = $1 AND sealed_at < $2 AND number > (SELECT coalesce(max(until_seal), 0) FROM audit_removal "
        "WHERE tenant_id = $1) GROUP BY 1",
        cutoff,
    )
    for row in rows:
        line.add(row["year"], row["n"], 0, free=not held.mark)


async def _requests(world: World, tenant: Tenant, actor: str) -> Removed:
    """Remove requests that are over; each wave is audited."""
    total = Removed()
    while True:
        async with world.transaction(tenant) as tx:
            chosen = next(
                (each for each in _rows(world, _days(tenant, {}), await holds.held(tx)) if each[0] == "requests"), None
            )
            if chosen is None:
                return total
            _, source, arguments = chosen
            rows = await tx.rows(
                f"SELECT r.id, r.updated_at {source} ORDER BY r.id LIMIT {_REQUESTS_AT_ONCE} FOR UPDATE OF r",
                *arguments,
            )
            ids, moments = [row["id"] for row in rows], [row["updated_at"] for row in rows]
            await tx.run("DELETE FROM payer_request_subject WHERE tenant_id = $1 AND request_id = ANY($2::uuid[])", ids)
            await tx.run("DELETE FROM payer_request WHERE tenant_id = $1 AND id = ANY($2::uuid[])", ids)
            wave = Removed(count=len(rows), first=min(moments, default=None), last=max(moments, default=None))
            if wave.count:
                await audit.note(tx, actor, "retention", "Retention/requests", detail=wave.as_json())
        total.add(wave)
        if len(rows) < _REQUESTS_AT_ONCE:
            return total
