"""What the first page tells: what flows, what waits and how long, why things failed, the last batches, the audit seal.

Counts, codes and names an operator gave; never a value of a message. What a partner wrote (types, protocols, error
codes) is shown only in the shape such a thing has. One view is made at most every few seconds, however many look.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from canonical.errors import TryLater
from canonical.identity import first_id
from hub.channels.figures import ChannelLine
from hub.channels.figures import lines as channel_lines
from hub.store.database import Row, Transaction
from hub.watch import alarms as watch
from hub.watch.alarms import Alarm
from hub.world import Tenant, World
from mappings.tables.serving import plans

HOUR = datetime.timedelta(hours=1)
WEEK = datetime.timedelta(days=7)
MOST_COUNTED = 50_000
MOST_FAILURES = 5_000
MOST_FLOWS = 20
MOST_CAUSES = 8
MOST_BATCHES = 10
MOST_ASKED = 20
MOST_TENANTS = 200
FRESH_SECONDS = 3.0
LIMIT_MS = 3000
_CODE = re.compile(r"[a-z0-9][a-z0-9.\-]{0,80}\Z")
_TYPE = re.compile(r"[A-Za-z][A-Za-z_\-]{0,60}\Z")
_PROTOCOL = re.compile(r"[A-Z0-9.\-/]{1,20}\Z")
KINDS = ("inbound", "outbound", "job")
ASKED = ("elegibilidade", "autorizacao", "anexo", "comunicacao", "cancelamento", "documento", "demonstrativo")
"""What is asked of payers beside the bill (`hub.requests`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Messages of the last hour of one channel or partner (empty for the hub as a whole), direction and type."""

    source: str
    direction: str
    type: str
    count: int
    last: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Work of one kind of lane that waits: how much, since when, in lanes paused or failing."""

    kind: str
    pending: int
    oldest: datetime.datetime | None
    paused: int
    failing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Failures of the last week with one cause; `origin` is message, delivery or job. `count` is of the newest
    MOST_FAILURES of each origin."""

    code: str
    origin: str
    count: int
    last: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLine:
    """A lote with its protocol and status."""

    payer: str
    number: int
    kind: str
    version: str
    guides: int
    total_cents: int
    status: str
    protocol: str
    updated_at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLine:
    """What was asked of a payer and is not answered for good, or cannot be asked: how many of a kind, since when."""

    payer: str
    kind: str
    status: str
    count: int
    oldest: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The last seal of the audit chain."""

    number: int
    sealed_at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One tenant's state, or the hub's as a whole (`tenants`: of how many). `capped`: flows hold the newest only."""

    at: datetime.datetime
    tenants: int = 1
    flows: tuple[Flow, ...] = ()
    capped: bool = False
    received: datetime.datetime | None = None
    waiting: tuple[Waiting, ...] = ()
    dead: int = 0
    causes: tuple[Cause, ...] = ()
    batches: tuple[BatchLine, ...] = ()
    asked: tuple[AskedLine, ...] = ()
    channels: tuple[ChannelLine, ...] = ()
    seal: Seal | None = None
    alarms: tuple[Alarm, ...] = ()


_FLOWS = """
SELECT coalesce(c.name, p.name, '') AS source, m.direction, m.format, m.type, count(*) AS n, max(m.received_at) AS last
FROM (SELECT direction, format, type, channel_id, partner_id, received_at FROM message
      WHERE tenant_id = $1 AND id > $2 ORDER BY id DESC LIMIT $3) m
LEFT JOIN channel c ON c.tenant_id = $1 AND c.id = m.channel_id
LEFT JOIN partner p ON p.tenant_id = $1 AND p.id = m.partner_id
GROUP BY 1, 2, 3, 4
"""
_RECEIVED = "SELECT received_at FROM message WHERE tenant_id = $1 AND direction = 'in' ORDER BY id DESC LIMIT 1"
_LANES = """
SELECT kind, sum(pending)::bigint AS pending, count(*) FILTER (WHERE paused) AS paused,
       count(*) FILTER (WHERE attempt > 0) AS failing
FROM (SELECT kind, pending, paused, attempt FROM lane WHERE tenant_id = $1 AND ready
      UNION ALL SELECT kind, pending, paused, attempt FROM lane WHERE tenant_id = $1 AND paused) l
GROUP BY kind
"""
_OLDEST = """
SELECT 'inbound' AS kind, min(received_at) AS oldest FROM message WHERE tenant_id = $1 AND status = 'RECEIVED'
UNION ALL SELECT 'outbound', min(created_at) FROM delivery WHERE tenant_id = $1 AND status = 'QUEUED'
UNION ALL SELECT 'job', min(created_at) FROM job WHERE tenant_id = $1 AND status = 'QUEUED'
"""
_DEAD = "SELECT count(*) FROM delivery WHERE tenant_id = $1 AND status = 'DEAD'"
_CAUSES = """
SELECT origin, code, count(*) AS n, max(at) AS last FROM (
  (SELECT 'message' AS origin, received_at AS at, (SELECT p ->> 'code' FROM jsonb_array_elements(problems::jsonb) p
          WHERE p ->> 'severity' = 'error' LIMIT 1) AS code
   FROM message WHERE tenant_id = $1 AND status = 'ERROR' AND direction = 'in' AND received_at > $2
   ORDER BY received_at DESC LIMIT $3)
  UNION ALL
  (SELECT 'delivery', coalesce(finished_at, created_at), last_error FROM delivery
   WHERE tenant_id = $1 AND status IN ('DEAD', 'ERROR', 'QUEUED') AND last_error IS NOT NULL AND created_at > $2
   ORDER BY created_at DESC LIMIT $3)
  UNION ALL
  (SELECT 'job', coalesce(finished_at, created_at), last_error FROM job
   WHERE tenant_id = $1 AND last_error IS NOT NULL AND created_at > $2 ORDER BY created_at DESC LIMIT $3)
) failures GROUP BY origin, code
"""
_BATCHES = """
SELECT p.name AS payer, b.number, b.kind, b.tiss_version, b.guides, b.total_cents, b.status, b.updated_at,
       (SELECT s.protocol FROM submission s WHERE s.tenant_id = $1 AND s.batch_id = b.id AND s.protocol IS NOT NULL
        ORDER BY s.received_at DESC NULLS LAST LIMIT 1) AS protocol
FROM batch b LEFT JOIN partner p ON p.tenant_id = $1 AND p.id = b.payer_id
WHERE b.tenant_id = $1 ORDER BY b.updated_at DESC LIMIT $2
"""
_ASKED = """
SELECT p.name AS payer, r.kind, r.status, count(*) AS n, min(r.created_at) AS oldest FROM (
    SELECT payer_id, kind, status, created_at FROM payer_request WHERE tenant_id = $1 AND NOT settled
    UNION ALL SELECT payer_id, kind, status, created_at FROM payer_request
    WHERE tenant_id = $1 AND settled AND kind = ANY($2::text[]) AND status = 'bloqueado' AND created_at > $3) r
LEFT JOIN partner p ON p.tenant_id = $1 AND p.id = r.payer_id GROUP BY 1, 2, 3 ORDER BY oldest LIMIT $4
"""
_SEAL = "SELECT number, sealed_at FROM audit_seal WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1"
_PATIENCE = f"SELECT set_config('statement_timeout', '{LIMIT_MS}', true) WHERE $1::uuid IS NOT NULL"


class Views:
    """The views of one process; each is made anew at most every FRESH_SECONDS."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: dict[UUID | None, tuple[float, Overview]] = {}
        self._making = asyncio.Lock()

    async def tenant(self, tenant: Tenant) -> Overview:
        """One tenant's state; raises TryLater."""
        return await self._fresh(tenant.id, lambda: overview(self._world, tenant))

    async def hub(self) -> Overview:
        """The sum over all tenants, without any name; raises TryLater."""
        return await self._fresh(None, lambda: hub_overview(self._world))

    def forget(self, tenant: Tenant) -> None:
        """Make a tenant's view anew at the next look: somebody has just changed what it shows."""
        self._made.pop(tenant.id, None)

    async def _fresh(self, key: UUID | None, make: Callable[[], Awaitable[Overview]]) -> Overview:
        async with self._making:
            made, found = self._made.get(key, (0.0, None))
            if found is None or made + FRESH_SECONDS <= time.monotonic():
                found = await make()
                if len(self._made) > MOST_TENANTS:
                    self._made.clear()
                self._made[key] = (time.monotonic(), found)
            return found


async def overview(world: World, tenant: Tenant, *, watched: bool = True) -> Overview:
    """The state of one tenant now, with its alarms if `watched`; raises TryLater when the database is down or slow."""
    now = world.now()
    try:
        async with world.transaction(tenant) as tx:
            await tx.value(_PATIENCE)
            found = await _overview(tx, now)
        alarms = await watch.current(world, tenant) if watched else []
        return dataclasses.replace(found, alarms=tuple(alarms))
    except asyncpg.QueryCanceledError:
        raise TryLater("the overview took too long", code="store.too-long") from None


async def _overview(tx: Transaction, now: datetime.datetime) -> Overview:
    flows = await tx.rows(_FLOWS, first_id(now - HOUR), MOST_COUNTED)
    oldest = {row["kind"]: row["oldest"] for row in await tx.rows(_OLDEST)}
    lanes = {row["kind"]: row for row in await tx.rows(_LANES)}
    seal = await tx.row(_SEAL)
    return Overview(
        at=now,
        flows=_flows(flows),
        capped=sum(row["n"] for row in flows) >= MOST_COUNTED,
        received=await tx.value(_RECEIVED),
        waiting=tuple(_waiting(kind, lanes.get(kind), oldest.get(kind)) for kind in KINDS),
        dead=await tx.value(_DEAD),
        causes=_causes(await tx.rows(_CAUSES, now - WEEK, MOST_FAILURES)),
        batches=tuple(_batch(row) for row in await tx.rows(_BATCHES, MOST_BATCHES)),
        asked=tuple(_asked(row) for row in await tx.rows(_ASKED, list(ASKED), now - WEEK, MOST_ASKED)),
        channels=await channel_lines(tx, first_id(now - HOUR)),
        seal=Seal(number=seal["number"], sealed_at=seal["sealed_at"]) if seal else None,
    )


async def hub_overview(world: World) -> Overview:
    """The sum over the tenants: no tenant's, channel's or partner's name, no batch, no seal."""
    found = [await overview(world, tenant, watched=False) for tenant in (await world.tenants())[:MOST_TENANTS]]
    nameless = [dataclasses.replace(flow, source="") for one in found for flow in one.flows]
    return Overview(
        at=world.now(),
        tenants=len(found),
        flows=_summed(nameless),
        capped=any(one.capped for one in found),
        received=max((one.received for one in found if one.received), default=None),
        waiting=tuple(_joined(kind, found) for kind in KINDS),
        dead=sum(one.dead for one in found),
        causes=_most_frequent(cause for one in found for cause in one.causes),
        alarms=tuple(watch.of_machine(world)),
    )


async def reachable(host: str, port: int, seconds: float = 0.5) -> bool:
    """Whether something listens there."""
    if not 0 < port < 65536:
        return False
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _flows(rows: Sequence[Row]) -> tuple[Flow, ...]:
    return _summed(
        Flow(
            source=row["source"],
            direction=row["direction"],
            type=shown_type(row["format"], row["type"]),
            count=row["n"],
            last=row["last"],
        )
        for row in rows
    )


def _summed(flows: Iterable[Flow]) -> tuple[Flow, ...]:
    """Flows of one source, direction and type as one, most frequent first."""
    sums: dict[tuple[str, str, str], Flow] = {}
    for flow in flows:
        key = (flow.direction, flow.source, flow.type)
        known = sums.get(key)
        count, last = (known.count, known.last) if known else (0, flow.last)
        sums[key] = dataclasses.replace(flow, count=flow.count + count, last=max(flow.last, last))
    return tuple(sorted(sums.values(), key=lambda f: (-f.count, f.source, f.type))[:MOST_FLOWS])


def shown_type(form: str, name: str) -> str:
    """A type only where it is one: what a sender wrote into MSH-9 could be anything."""
    known = name in plans() if form == "hl7" else _TYPE.match(name) is not None
    return name if known else ""


def _waiting(kind: str, lanes: Row | None, oldest: datetime.datetime | None) -> Waiting:
    return Waiting(
        kind=kind,
        pending=lanes["pending"] if lanes else 0,
        oldest=oldest,
        paused=lanes["paused"] if lanes else 0,
        failing=lanes["failing"] if lanes else 0,
    )


def _joined(kind: str, found: Sequence[Overview]) -> Waiting:
    parts = [part for one in found for part in one.waiting if part.kind == kind]
    return Waiting(
        kind=kind,
        pending=sum(part.pending for part in parts),
        oldest=min((part.oldest for part in parts if part.oldest), default=None),
        paused=sum(part.paused for part in parts),
        failing=sum(part.failing for part in parts),
    )


def _causes(rows: Sequence[Row]) -> tuple[Cause, ...]:
    return _most_frequent(
        Cause(code=shown_code(row["code"]), origin=row["origin"], count=row["n"], last=row["last"]) for row in rows
    )


def _most_frequent(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    sums: dict[tuple[str, str], Cause] = {}
    for cause in causes:
        known = sums.get((cause.origin, cause.code))
        count, last = (known.count, known.last) if known else (0, cause.last)
        sums[cause.origin, cause.code] = dataclasses.replace(
            cause, count=cause.count + count, last=max(cause.last, last)
        )
    return tuple(sorted(sums.values(), key=lambda c: (-c.count, c.code))[:MOST_CAUSES])


def shown_code(text: str | None) -> str:
    """A finding's code only in the shape of one."""
    return text if text and _CODE.match(text) else "failure"


def _asked(row: Row) -> AskedLine:
    return AskedLine(
        payer=row["payer"] or "", kind=row["kind"], status=row["status"], count=row["n"], oldest=row["oldest"]
    )


def _batch(row: Row) -> BatchLine:
    protocol = row["protocol"] or ""
    return BatchLine(
        payer=row["payer"] or "",
        number=row["number"],
        kind=row["kind"],
        version=row["tiss_version"],
        guides=row["guides"],
        total_cents=row["total_cents"],
        status=row["status"],
        protocol=protocol if _PROTOCOL.match(protocol) else "",
        updated_at=row["updated_at"],
    )
