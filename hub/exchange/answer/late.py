"""Acknowledgements that come later or elsewhere: the application's answer of enhanced mode, and late ones.

An acknowledgement belongs to the delivery whose MSH-10 its MSA-2 names. One that waits for its application's answer
is closed by it; one in doubt (its answer was awaited in vain) is not sent again, the answer counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from adapters.transports.acknowledging import Acknowledging, judge
from canonical.errors import PonteError
from canonical.problem import Problem
from hl7 import er7
from hub.exchange import handlers, partners
from hub.exchange.handlers import Reply
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

WAITING = "WAITING"
_FIND = (
    "SELECT d.id, d.message_id, d.partner_id, d.operation, d.purpose, d.status, d.in_doubt, d.application "
    "FROM message m JOIN delivery d ON d.tenant_id = $1 AND d.message_id = m.id "
    "WHERE m.tenant_id = $1 AND m.control_id = $2 AND m.direction = 'out' "
    "AND ($3::uuid IS NULL OR d.partner_id = $3) ORDER BY d.seq DESC LIMIT 1 FOR UPDATE OF d"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An acknowledgement as it came: read, its bytes, and the message it is kept under."""

    message: er7.Message
    content: bytes
    message_id: UUID


def answers(message: er7.Message) -> bool:
    """Whether a message says which one it answers; beside an acknowledgement it may say more (ORL, ORR)."""
    return message.first("MSA") is not None


def is_acknowledgement(message: er7.Message) -> bool:
    """Whether a message only answers another one (2.5.1 §2.9: it is never answered in original mode)."""
    return message.heading.code == "ACK" and answers(message)


async def take(
    world: World, tenant: Tenant, tx: Transaction, heard: Heard, partner_id: UUID | None = None
) -> list[Problem]:
    """Give an acknowledgement to its delivery; returns what is wrong: none of ours is meant, or none waits for it."""
    named = heard.message.first("MSA")
    control = named.raw_field(2) if named else ""
    row = await tx.row(_FIND, control, partner_id) if control else None
    if row is None:
        return [Problem("ack.unmatched", "MSA-2")]
    partner = await partners.partner(tx, row["partner_id"])
    try:
        answer = judge(heard.content, control, Acknowledging.of(partner.settings.get("acknowledge") or {}))
    except (PonteError, ValueError):
        answer = None
    if answer is None:
        return [Problem("ack.unmatched", "MSA-1")]
    if row["status"] == "SENT" and row["application"] == WAITING and not answer.code.startswith("ack.c"):
        reply = Reply(
            content=heard.content,
            message_id=heard.message_id,
            delivery_id=row["id"],
            partner=partner,
            operation=row["operation"],
            purpose=json.loads(row["purpose"]),
            accepted=answer.verdict == "accepted",
        )
        await _close(tx, row, reply, answer.code)
        if handler := handlers.REPLIES.get(handlers.topic(reply.operation, reply.purpose)):
            await handler(world, tenant, tx, reply)
        return []
    if row["status"] == "QUEUED" and row["in_doubt"]:
        await tx.run("UPDATE delivery SET reply_id = $3 WHERE tenant_id = $1 AND id = $2", row["id"], heard.message_id)
        return []
    return [Problem("ack.repeated", "MSA-2")]


async def _close(tx: Transaction, row: Row, reply: Reply, code: str) -> None:
    status = "SENT" if reply.accepted else "ERROR"
    await tx.run(
        "UPDATE delivery SET application = $3, status = $4, last_error = $5, reply_id = $6 "
        "WHERE tenant_id = $1 AND id = $2",
        row["id"],
        code.rpartition(".")[2].upper(),
        status,
        None if reply.accepted else code,
        reply.message_id,
    )
    await tx.run("UPDATE message SET status = $3 WHERE tenant_id = $1 AND id = $2", row["message_id"], status)


async def answered(tx: Transaction, delivery_id: UUID) -> bytes | None:
    """The answer that came late for a delivery in doubt; None when there is none."""
    row = await tx.row(
        "SELECT m.content FROM delivery d JOIN message m ON m.tenant_id = $1 AND m.id = d.reply_id "
        "WHERE d.tenant_id = $1 AND d.id = $2 AND d.status = 'QUEUED'",
        delivery_id,
    )
    return bytes(row["content"]) if row is not None else None


def conditions(settings: dict[str, Any]) -> dict[str, str]:
    """MSH-15 and MSH-16 of what a partner is sent, for the tables: `accept` and `application_ack`."""
    accept, application = Acknowledging.of(settings.get("acknowledge") or {}).conditions
    return {"accept": accept, "application_ack": application}
