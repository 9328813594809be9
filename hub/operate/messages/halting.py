"""Lanes as an operator sees and stops them: what waits, why one stands still, pause and resume. Each act is audited.

A worker that holds a lane finishes what it took; a paused lane is not taken again until somebody resumes it.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from canonical.errors import NotFound
from hub.guard import audit
from hub.store.database import Transaction
from hub.world import Tenant, World

KINDS = ("inbound", "outbound", "job")
LIMIT = 200
BY_OPERATOR = "lane.by-operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane: its kind, the partner's code or the job's name, how much waits, and why it waits.

    `next_at` is when it is tried again (or, of one in work, when its lease ends).
    """

    id: int
    kind: str
    name: str
    pending: int
    paused: bool
    attempt: int
    next_at: datetime.datetime
    last_error: str

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order; the id as text, since it may not fit a double."""
        document = {name: getattr(self, name) for name in self.__slots__}
        return {**document, "id": str(self.id), "next_at": self.next_at.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lanes are meant: one by id, those of a kind, of a name, or in trouble (paused or failing)."""

    id: int | None = None
    kind: str = ""
    name: str = ""
    troubled: bool = False

    @property
    def values(self) -> tuple[int | None, str, str, bool]:
        """What stands for $2 to $5 of `meant`."""
        return self.id, self.kind, self.name, self.troubled


_COLUMNS = "id, kind, name, pending, paused, attempt, next_at, coalesce(last_error, '') AS last_error"
# The lanes that have work or are paused, by the two indexes of those; idle ones are left out.
_BUSY = (
    f"SELECT {_COLUMNS} FROM lane WHERE tenant_id = $1 AND ready UNION ALL "
    f"SELECT {_COLUMNS} FROM lane WHERE tenant_id = $1 AND paused"
)
_MEANT = (
    "($2::bigint IS NULL OR id = $2) AND ($3 = '' OR kind = $3) AND ($4 = '' OR name = $4) "
    "AND (NOT $5 OR paused OR attempt > 0)"
)


def meant() -> str:
    """The condition on `lane` that a `Wanted` stands for, its values in $2 to $5."""
    return _MEANT


async def listed(tx: Transaction, wanted: Wanted, limit: int = LIMIT) -> list[Lane]:
    """The lanes with work, or paused: those in trouble first, then the longest."""
    rows = await tx.rows(
        f"SELECT * FROM ({_BUSY}) l WHERE {_MEANT} ORDER BY paused DESC, attempt DESC, pending DESC, id LIMIT $6",
        *wanted.values,
        limit,
    )
    return [Lane(**dict(row)) for row in rows]


async def pause(world: World, tenant: Tenant, actor: str, wanted: Wanted, reason: str = "") -> int:
    """Stop lanes, also those without work at this moment; returns how many. Raises NotFound when none is meant."""
    return await _set(world, tenant, (actor, "lane-pause", reason), wanted, _PAUSE)


async def resume(world: World, tenant: Tenant, actor: str, wanted: Wanted, reason: str = "") -> int:
    """Let lanes go on at once, their failures forgotten; what gave up in them stays behind. Raises NotFound."""
    return await _set(world, tenant, (actor, "lane-resume", reason), wanted, _RESUME)


_PAUSE = f"UPDATE lane SET paused = true, last_error = coalesce(last_error, '{BY_OPERATOR}')"
_RESUME = (
    "UPDATE lane SET paused = false, attempt = 0, last_error = NULL, "
    "next_at = CASE WHEN lease_until > now() THEN next_at ELSE now() END"
)
_ONES = (
    "WHERE tenant_id = $1 AND id = ANY (ARRAY("
    f"SELECT id FROM lane WHERE tenant_id = $1 AND {_MEANT} ORDER BY id FOR UPDATE))"
)


async def _set(world: World, tenant: Tenant, act: tuple[str, str, str], wanted: Wanted, change: str) -> int:
    actor, action, reason = act
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(f"{change} {_ONES} RETURNING id, kind, name", *wanted.values)
        if not rows:
            raise NotFound("there is no such lane: a partner, a job or a patient has one once something waited for it")
        detail = {"lanes": len(rows), **({"reason": reason[:200]} if reason else {})}
        for kind, name in sorted({(row["kind"], row["name"]) for row in rows}):
            await audit.note(tx, actor, action, f"Lane/{kind}/{name}", detail=detail)
        tx.announced = True
    return len(rows)
