"""Sends again: what was given up, what a partner refused, or what it says it has lost, with the same bytes and key.

What was refused or sent is sent again only where it is an HL7 v2 message: billing and RNDS have acts of their own.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.exchange.out import delivery
from hub.guard import audit
from hub.operate.messages.selection import Query
from hub.store.database import Transaction
from hub.world import Tenant, World

AT_MOST = 100_000
WAVE = 500
STATUSES = {"DEAD": "DEAD", "REFUSED": "ERROR", "SENT": "SENT"}
"""What an operator calls them, and the status of the deliveries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which deliveries are meant: of a status, to a partner (by code), for a reason, made within a time.

    `messages`: only of these outgoing messages; then those of every status that can be sent again.
    """

    status: str = "DEAD"
    partner: str = ""
    code: str = ""
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    messages: tuple[UUID, ...] = ()

    @classmethod
    def of(cls, query: Query, status: str, messages: Sequence[UUID]) -> Wanted:
        """The deliveries a query of messages means; without `status`, whatever became of `messages`."""
        named = {name: getattr(query, name) for name in ("partner", "code", "since", "until")}
        return cls(status=status or "DEAD", messages=tuple(messages), **named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One delivery that is over: to whom, what for, after how many attempts and why."""

    id: UUID
    message_id: UUID
    seq: int
    partner: str
    operation: str
    attempt: int
    last_error: str

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order."""
        document = {name: getattr(self, name) for name in self.__slots__ if name != "seq"}
        return {**document, "id": str(self.id), "message_id": str(self.message_id)}


_FOUND = (
    "SELECT d.id, d.message_id, d.seq, p.code AS partner, d.operation, d.attempt, "
    "coalesce(d.last_error, '') AS last_error FROM delivery d "
    "JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id "
    "JOIN message m ON m.tenant_id = $1 AND m.id = d.message_id "
    "WHERE d.tenant_id = $1 AND {status} AND ($2 = '' OR p.code = $2) AND ($3 = '' OR d.last_error = $3) "
    "AND ($4::timestamptz IS NULL OR d.created_at >= $4) AND ($5::timestamptz IS NULL OR d.created_at < $5) "
    "AND (cardinality($6::uuid[]) = 0 OR d.message_id = ANY($6)) AND d.seq > $7 AND m.removed_at IS NULL "
    "ORDER BY d.seq LIMIT {limit}"
)


async def ended(tx: Transaction, wanted: Wanted, limit: int = AT_MOST, after: int = -1) -> list[Ended]:
    """The deliveries that are meant, oldest first, those behind `after` of the queue's count.

    The status stands in the text, so that its index serves.
    """
    asked = list(STATUSES) if wanted.messages else [wanted.status]
    status = " OR ".join(
        f"d.status = '{STATUSES[one]}'" + ("" if one == "DEAD" else " AND m.format = 'hl7'") for one in asked
    )
    statement = _FOUND.format(status=f"({status})", limit=int(limit))
    values = (wanted.partner, wanted.code, wanted.since, wanted.until, list(wanted.messages), after)
    return [Ended(**dict(row)) for row in await tx.rows(statement, *values)]


async def redeliver(world: World, tenant: Tenant, actor: str, wanted: Wanted, limit: int = AT_MOST) -> list[Ended]:
    """Queue them again and let their lanes go on; each is audited. Waves of WAVE, each a transaction of its own."""
    found: list[Ended] = []
    while len(found) < limit:
        wave = min(WAVE, limit - len(found))
        async with world.transaction(tenant) as tx:
            after = found[-1].seq if found else -1  # what is queued again may have been sent by now, and is found again
            queued = await ended(tx, wanted, wave, after)
            for one in queued:
                await delivery.requeue(tx, one.id, sent=True)
            await audit.note_all(tx, [(actor, "redeliver", f"Delivery/{one.id}", "success") for one in queued])
        found += queued
        if len(queued) < wave:
            break
    return found
