"""Replays parts of messages: those that wait in vain are tried again, joined ones stand for their whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from canonical.problem import Problem
from hub.exchange.channels import Channel
from hub.exchange.door import fragments
from hub.guard import audit
from hub.operate.messages.selection import Query, conditions
from hub.store.database import Row, Transaction

_WAITING = (
    "SELECT m.id, m.type, m.control_id, m.status, m.problems, m.channel_id FROM fragment f "
    "JOIN message m ON m.tenant_id = $1 AND m.id = f.message_id WHERE f.tenant_id = $1 AND f.state <> 'joined' AND "
)


async def waiting(tx: Transaction, ids: Sequence[UUID], query: Query) -> list[Row]:
    """The parts among `ids`, or of a query, that no whole was made of yet."""
    if ids:
        return await tx.rows(_WAITING + "m.id = ANY($2::uuid[]) ORDER BY m.seq", list(ids))
    where, values = conditions(query)
    return await tx.rows(f"{_WAITING} m.tenant_id = $1{where} ORDER BY m.seq LIMIT 10000", *values)


async def wholes(tx: Transaction, ids: Sequence[UUID]) -> list[UUID]:
    """The messages that the parts among `ids` were joined into."""
    if not ids:
        return []
    rows = await tx.rows(
        "SELECT DISTINCT whole_id FROM fragment WHERE tenant_id = $1 AND message_id = ANY($2::uuid[]) "
        "AND whole_id IS NOT NULL",
        list(ids),
    )
    return [row["whole_id"] for row in rows]


async def tried(tx: Transaction, channel: Channel | None, part: UUID) -> list[Problem]:
    """What keeps a part from being joined today; nothing when it would be."""
    if channel is None:
        return [Problem("message.no-channel", "MSH")]
    found = await fragments.again(tx, channel, part, make=False)
    return [found] if isinstance(found, Problem) else []


async def joined(tx: Transaction, actor: str, channels: Mapping[UUID, Channel], parts: Sequence[Row]) -> list[UUID]:
    """Join the parts whose others are there; the ids of the messages made, which are queued. Each act is audited."""
    made = []
    for row in parts:
        channel = channels.get(row["channel_id"])
        found = await fragments.again(tx, channel, row["id"]) if channel is not None else None
        if isinstance(found, UUID):
            made.append(found)
            tx.announced = True
            await audit.note(tx, actor, "replay", f"Message/{row['id']}")
    return made
