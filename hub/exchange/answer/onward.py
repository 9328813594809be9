"""Answers that say more than an acknowledgement: a laboratory's ORL or ORR has its numbers and what it cannot do.

They come back on the connection the order went out by, past all doors, and are worked as messages of the channel that
names their partner: its overlay, its lanes, its destinations (2.5.1 §4.4: the application's answer to an order).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from adapters.transports.acknowledging import confirmation
from canonical.identity import bytes_number, new_id
from canonical.problem import Problem, json_of
from hl7 import er7
from hub.channels import matching
from hub.exchange.answer import late
from hub.exchange.channels import of_partner
from hub.exchange.partners import Partner
from hub.exchange.work import lanes
from hub.store.database import Transaction
from hub.world import Tenant, World
from mappings.tables.serving import plan_for

_QUEUE = (
    "UPDATE message SET status = 'RECEIVED', channel_id = $3, channel_version = $4, lane_id = $5, finished_at = NULL "
    "WHERE tenant_id = $1 AND id = $2"
)
_FOUND = "UPDATE message SET problems = (problems::jsonb || $3::text::jsonb)::text WHERE tenant_id = $1 AND id = $2"


async def stray(world: World, tenant: Tenant, partner: Partner, payload: bytes) -> bytes:
    """Keep a frame that came unasked over a connection of ours, route it and work what it says; returns our reply."""
    message = er7.read(payload)
    async with world.transaction(tenant) as tx:
        identity = new_id()
        problems: list[Problem] = [message] if isinstance(message, Problem) else []
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, type, partner_id, status, control_id, payload_key, "
            "content, finished_at) VALUES ($1, $2, 'in', 'hl7', $3, $4, $5, $6, $7, $8, now())",
            identity,
            "" if isinstance(message, Problem) else message.type[:60],
            partner.id,
            "ERROR" if problems else "TRANSFORMED",
            "" if isinstance(message, Problem) else message.control_id[:199],
            bytes_number(payload),
            payload,
        )
        if not isinstance(message, Problem):
            heard = late.Heard(message=message, content=payload, message_id=identity)
            problems = await late.take(world, tenant, tx, heard, partner.id)
        await _tell(tx, identity, problems)
        await work_on(tx, tenant, partner, identity, payload)
    return confirmation(payload) if not isinstance(message, Problem) else b""


async def work_on(tx: Transaction, tenant: Tenant, partner: Partner, message_id: UUID, content: bytes) -> None:
    """Queue a kept answer to be worked, when there is more in it, whichever delivery it answers.

    Of several channels of the partner the first by name serves that does not filter such a message out; without one
    the answer keeps the finding that says so.
    """
    message = er7.read(content)
    if isinstance(message, Problem) or not late.answers(message) or late.is_acknowledgement(message):
        return
    if plan_for(message.type) is None:
        return
    for channel in await of_partner(tx, tenant, partner.code):
        if channel.document.records and matching.decision(channel.document, message) != "skip":
            lane = matching.lane_of(str(channel.id), channel.document, message)
            await lanes.touch(tx, "inbound", [(lane, "hl7", 1)])
            await tx.run(_QUEUE, message_id, channel.id, channel.version, lane)
            return
    await _tell(tx, message_id, [Problem("answer.no-channel", "MSH-9", args=(("partner", partner.code),))])


async def _tell(tx: Transaction, message_id: UUID, problems: Sequence[Problem]) -> None:
    """Add findings to those that are kept with a message."""
    if problems:
        said = json_of(problems)
        await tx.run(_FOUND, message_id, said)
