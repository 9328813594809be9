"""Lanes: ordered queues of one key. A worker leases lanes, works outside the lease, and acknowledges with its token.

The token rises with every lease: a worker whose lease ran out can no longer record anything (fencing).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import random
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from canonical.errors import TryLater
from hub.store.database import Transaction
from hub.world import Tenant, World

T = TypeVar("T")

LEASE = datetime.timedelta(seconds=30)
RENEWAL_SECONDS = 10.0
MAXIMUM_ATTEMPTS = 8
ABANDONED = "message.worker-ended"


class LeaseLost(Exception):
    """Another worker holds the lane now; nothing of this attempt may be recorded."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A leased lane: its id, kind (`inbound`, `outbound`, `job`), the fencing token and the failed attempts so far.

    `abandoned`: whoever held it last neither gave it back nor finished a message since; it may have died of one.
    """

    lane_id: int
    kind: str
    token: int
    attempt: int
    abandoned: bool = False


def touch_sql(kind_parameter: str) -> str:
    """The statement that adds work to lanes; parameters: tenant, lane ids, counts; the kind is a literal."""
    return (
        "INSERT INTO lane AS l (tenant_id, id, kind, name, pending) "
        f"SELECT $1, x.id, '{kind_parameter}', x.name, x.n "
        "FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS x(id, name, n) ORDER BY x.id "
        "ON CONFLICT (tenant_id, id) DO UPDATE SET pending = l.pending + excluded.pending"
    )


async def touch(tx: Transaction, kind: str, lanes: Sequence[tuple[int, str, int]]) -> None:
    """Announce work: (lane id, name, how many). Call it before inserting the work, so numbers follow commit order."""
    if kind not in ("inbound", "outbound", "job"):
        raise ValueError(kind)
    ordered = sorted(lanes)
    tx.announced = True
    await tx.run(touch_sql(kind), [i for i, _, _ in ordered], [n for _, n, _ in ordered], [c for _, _, c in ordered])


@dataclass(slots=True)
class Shift:
    """The working time of one worker. When it is over, whoever works a lane ends behind the piece of work it is at and
    gives the lane back, so that another goes on at once and not when the lease runs out."""

    over: bool = False


async def lease(tx: Transaction, kind: str, limit: int) -> list[Lease]:
    """Lease up to `limit` ready lanes of a kind, longest waiting first.

    They are chosen once, as an array: as a condition a plan may choose again for every lane there is.
    """
    rows = await tx.rows(_LEASE.format(limit="$4", also=""), kind, LEASE, limit)
    return [Lease(row["id"], row["kind"], row["lease_token"], row["attempt"]) for row in rows]


async def lease_part(tx: Transaction, kind: str, limit: int, shares: int, least: int) -> list[Lease]:
    """Lease like `lease`, but of few ready lanes one part in `shares`, and `least` where that is more.

    It marks those that were not given back, which stays until a message of theirs is finished.
    """
    rows = await tx.rows(_LEASE.format(limit=_PART, also=_NOT_GIVEN_BACK), kind, LEASE, limit, shares, least)
    return [
        Lease(row["id"], row["kind"], row["lease_token"], row["attempt"], row["last_error"] == ABANDONED)
        for row in rows
    ]


_NOT_GIVEN_BACK = f", last_error = CASE WHEN lease_until IS NULL THEN last_error ELSE '{ABANDONED}' END"
_LEASE = (
    "UPDATE lane SET lease_token = lease_token + 1, lease_until = now() + $3, next_at = now() + $3{also} "
    "WHERE tenant_id = $1 AND id = ANY (ARRAY("
    " SELECT id FROM lane WHERE tenant_id = $1 AND kind = $2 AND ready AND next_at <= now()"
    " ORDER BY next_at LIMIT {limit} FOR UPDATE SKIP LOCKED)) RETURNING id, kind, lease_token, attempt, last_error"
)
_PART = (
    "least($4::bigint, greatest($6::bigint, (SELECT count(*) FROM (SELECT 1 FROM lane WHERE tenant_id = $1 "
    "AND kind = $2 AND ready AND next_at <= now() LIMIT $4::bigint * $5::bigint) w) / $5::bigint))"
)


_LEASE_SPREAD = """
UPDATE lane SET lease_token = lease_token + 1, lease_until = now() + $3, next_at = now() + $3
WHERE tenant_id = $1 AND id = ANY (ARRAY(
 SELECT id FROM lane WHERE tenant_id = $1 AND ready AND next_at <= now() AND id = ANY (ARRAY(
  SELECT id FROM (
   SELECT id, next_at, row_number() OVER (PARTITION BY name ORDER BY next_at)
    + coalesce((SELECT b.n FROM unnest($5::text[], $6::bigint[]) AS b(name, n) WHERE b.name = lane.name), 0) AS place
   FROM lane WHERE tenant_id = $1 AND kind = $2 AND ready AND next_at <= now()) ready
  WHERE place <= $7 ORDER BY next_at LIMIT $4))
 ORDER BY next_at FOR UPDATE SKIP LOCKED))
RETURNING id, kind, lease_token, attempt, name
"""


async def lease_spread(
    tx: Transaction, kind: str, limit: int, busy: Mapping[str, int], each: int
) -> list[tuple[Lease, str]]:
    """Lease like `lease`, but so that no name holds more than `each` lanes; `busy` counts those it holds already."""
    counts = list(busy.values())
    rows = await tx.rows(_LEASE_SPREAD, kind, LEASE, limit, list(busy), counts, each)
    return [(Lease(row["id"], row["kind"], row["lease_token"], row["attempt"]), row["name"]) for row in rows]


_HELD = (
    "WHERE tenant_id = (SELECT $1::uuid) AND id = ANY (ARRAY("
    " SELECT l.id FROM unnest($2::bigint[], $3::bigint[]) AS given(id, token) CROSS JOIN LATERAL ("
    "SELECT id FROM lane WHERE tenant_id = (SELECT $1::uuid) AND id = given.id AND lease_token = given.token"
    " FOR NO KEY UPDATE) l))"
)
"""Locks the lanes one after the other, as they are given: in the order of their ids, as doors do that add to several,
so that no two wait for each other. Each is a look-up of its own, and they are found once: joined, a plan made while the
tenant was new may look at the given ones for every lane there is (124 ms for 36 of 200).
"""


async def acknowledge(tx: Transaction, done: Sequence[tuple[Lease, int]], back: Collection[int] = ()) -> None:
    """Record finished work per lease and give the lanes `back` back; raises LeaseLost when any token is no longer
    the lane's."""
    given, ordered = frozenset(back), sorted(done, key=lambda each: each[0].lane_id)
    rows = await tx.rows(
        "UPDATE lane SET pending = pending - ($4::bigint[])[array_position($2::bigint[], id)], attempt = 0, "
        "last_error = NULL, next_at = CASE WHEN id = ANY ($5::bigint[]) THEN now() ELSE next_at END, "
        f"lease_until = CASE WHEN id = ANY ($5::bigint[]) THEN NULL ELSE lease_until END {_HELD} RETURNING id",
        [held.lane_id for held, _ in ordered],
        [held.token for held, _ in ordered],
        [count for _, count in ordered],
        list(given),
    )
    if len(rows) != len(done):
        raise LeaseLost


async def release(tx: Transaction, leases: Sequence[Lease]) -> None:
    """Give lanes back at once."""
    ordered = sorted(leases, key=lambda held: held.lane_id)
    await tx.run(
        f"UPDATE lane SET next_at = now(), lease_until = NULL {_HELD}",
        [held.lane_id for held in ordered],
        [held.token for held in ordered],
    )


async def release_working(tx: Transaction, held: Lease) -> None:
    """Give a lane back at once, unless this lease already put it off, paused it, or lost it."""
    await tx.run(
        "UPDATE lane SET next_at = now(), lease_until = NULL "
        "WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 AND lease_until IS NOT NULL",
        held.lane_id,
        held.token,
    )


async def extend(tx: Transaction, held: Lease) -> None:
    """Renew a lease before a long send; raises LeaseLost."""
    row = await tx.row(
        "UPDATE lane SET lease_until = now() + $4, next_at = now() + $4 "
        "WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 RETURNING id",
        held.lane_id,
        held.token,
        LEASE,
    )
    if row is None:
        raise LeaseLost


async def hold(tx: Transaction, held: Sequence[Lease], length: datetime.timedelta) -> None:
    """Renew leases for so long from now on; raises LeaseLost when any token is no longer the lane's."""
    ordered = sorted(held, key=lambda each: each.lane_id)
    rows = await tx.rows(
        f"UPDATE lane SET lease_until = now() + $4, next_at = now() + $4 {_HELD} RETURNING id",
        [each.lane_id for each in ordered],
        [each.token for each in ordered],
        length,
    )
    if len(rows) != len(ordered):
        raise LeaseLost


async def keep(world: World, tenant: Tenant, held: Lease, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work`, with the lease renewed while it runs; raises LeaseLost, `work` is then cancelled."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=RENEWAL_SECONDS))[0]:
            with contextlib.suppress(TryLater):  # the database is away: the next renewal, or the fence, decides
                async with world.transaction(tenant) as tx:
                    await extend(tx, held)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def back_off(tx: Transaction, held: Lease, reason: str, wait: datetime.timedelta | None = None) -> int:
    """Delay a lane after a failure and return its number of attempts; raises LeaseLost. Only this lane waits."""
    attempt = held.attempt + 1
    row = await tx.row(
        "UPDATE lane SET attempt = $4, next_at = now() + $5, lease_until = NULL, last_error = $6 "
        "WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 RETURNING id",
        held.lane_id,
        held.token,
        attempt,
        delay(attempt) if wait is None else wait,
        reason,
    )
    if row is None:
        raise LeaseLost
    return attempt


async def pause(tx: Transaction, held: Lease, reason: str) -> None:
    """Stop a lane until someone resumes it; raises LeaseLost."""
    row = await tx.row(
        "UPDATE lane SET paused = true, lease_until = NULL, last_error = $4 "
        "WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 RETURNING id",
        held.lane_id,
        held.token,
        reason,
    )
    if row is None:
        raise LeaseLost


async def resume(tx: Transaction, lane_id: int) -> None:
    """Let a paused or delayed lane go on at once, its failures forgotten."""
    await tx.run(
        "UPDATE lane SET paused = false, attempt = 0, last_error = NULL, next_at = now() "
        "WHERE tenant_id = $1 AND id = $2 AND (lease_until IS NULL OR lease_until < now())",
        lane_id,
    )


async def hurry(tx: Transaction, name: str) -> None:
    """Let a partner's lanes that wait after a failure be tried at once: what they wait for was mended, perhaps.

    Their failures are not forgotten, and what is paused or under way stays as it is.
    """
    await tx.run(
        "UPDATE lane SET next_at = now() WHERE tenant_id = $1 AND id = ANY (ARRAY(SELECT id FROM lane "
        "WHERE tenant_id = $1 AND ready AND kind = 'outbound' AND name = $2 AND attempt > 0 "
        "AND (lease_until IS NULL OR lease_until < now()) ORDER BY id FOR UPDATE))",
        name,
    )
    tx.announced = True


_WAITS = {"message": "RECEIVED", "delivery": "QUEUED", "job": "QUEUED"}


async def recount(tx: Transaction, held: Lease, table: str) -> None:
    """Set a lane's count to the rows that really wait in `table`; raises LeaseLost."""
    waits = _WAITS[table]
    locked = await tx.row(
        "SELECT id FROM lane WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 FOR UPDATE",
        held.lane_id,
        held.token,
    )
    if locked is None:
        raise LeaseLost
    await tx.run(
        "UPDATE lane SET pending = (SELECT count(*) FROM "
        + table
        + f" w WHERE w.tenant_id = $1 AND w.lane_id = $2 AND w.status = '{waits}') WHERE tenant_id = $1 AND id = $2",
        held.lane_id,
    )


def delay(attempt: int, *, first: float = 1.0, most: float = 3600.0, jitter: float | None = None) -> datetime.timedelta:
    """Exponential, from `first` seconds to `most`, with up to a fifth of jitter."""
    extra = random.random() if jitter is None else jitter  # noqa: S311  (spreads retries, guards nothing)
    return datetime.timedelta(seconds=min(most, first * 2.0 ** min(attempt - 1, 30)) * (1 + extra / 5))


def place_of(error: BaseException) -> str:
    """Where an unexpected exception was raised, as `module:line`; its text may carry data and is not shown."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}" if trace else "?"
