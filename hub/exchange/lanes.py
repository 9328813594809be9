"""Lanes: ordered queues of one key. A worker leases lanes, works outside the lease, and acknowledges with its token.

The token rises with every lease: a worker whose lease ran out can no longer record anything (fencing).
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Sequence
from dataclasses import dataclass

from hub.store.database import Transaction

LEASE = datetime.timedelta(seconds=30)
MAXIMUM_ATTEMPTS = 8


class LeaseLost(Exception):
    """Another worker holds the lane now; nothing of this attempt may be recorded."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A leased lane: its id, kind (`inbound`, `outbound`, `job`), the fencing token and the failed attempts so far."""

    lane_id: int
    kind: str
    token: int
    attempt: int


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
    await tx.run(touch_sql(kind), [i for i, _, _ in ordered], [n for _, n, _ in ordered], [c for _, _, c in ordered])


async def lease(tx: Transaction, kind: str, limit: int) -> list[Lease]:
    """Lease up to `limit` ready lanes of a kind, longest waiting first."""
    rows = await tx.rows(
        "UPDATE lane SET lease_token = lease_token + 1, lease_until = now() + $3, next_at = now() + $3 "
        "WHERE tenant_id = $1 AND id IN ("
        " SELECT id FROM lane WHERE tenant_id = $1 AND kind = $2 AND pending > 0 AND NOT paused AND next_at <= now()"
        " ORDER BY next_at LIMIT $4 FOR UPDATE SKIP LOCKED) RETURNING id, kind, lease_token, attempt",
        kind,
        LEASE,
        limit,
    )
    return [Lease(row["id"], row["kind"], row["lease_token"], row["attempt"]) for row in rows]


async def acknowledge(tx: Transaction, done: Sequence[tuple[Lease, int]]) -> None:
    """Record finished work per lease; raises LeaseLost when any token is no longer the lane's."""
    rows = await tx.rows(
        "UPDATE lane SET pending = pending - x.n, attempt = 0, last_error = NULL "
        "FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS x(id, token, n) "
        "WHERE lane.tenant_id = $1 AND lane.id = x.id AND lane.lease_token = x.token RETURNING lane.id",
        [held.lane_id for held, _ in done],
        [held.token for held, _ in done],
        [count for _, count in done],
    )
    if len(rows) != len(done):
        raise LeaseLost


async def release(tx: Transaction, leases: Sequence[Lease]) -> None:
    """Give lanes back at once."""
    await tx.run(
        "UPDATE lane SET next_at = now(), lease_until = NULL "
        "FROM unnest($2::bigint[], $3::bigint[]) AS x(id, token) "
        "WHERE lane.tenant_id = $1 AND lane.id = x.id AND lane.lease_token = x.token",
        [held.lane_id for held in leases],
        [held.token for held in leases],
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


async def back_off(tx: Transaction, held: Lease, reason: str) -> int:
    """Delay a lane after a failure and return its number of attempts; raises LeaseLost. Only this lane waits."""
    attempt = held.attempt + 1
    row = await tx.row(
        "UPDATE lane SET attempt = $4, next_at = now() + $5, lease_until = NULL, last_error = $6 "
        "WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 RETURNING id",
        held.lane_id,
        held.token,
        attempt,
        delay(attempt),
        reason,
    )
    if row is None:
        raise LeaseLost
    return attempt


def delay(attempt: int, *, jitter: float | None = None) -> datetime.timedelta:
    """Exponential, from one second to an hour, with up to a fifth of jitter."""
    extra = random.random() if jitter is None else jitter  # noqa: S311  (spreads retries, guards nothing)
    return datetime.timedelta(seconds=min(3600.0, 2.0 ** min(attempt - 1, 12)) * (1 + extra / 5))
