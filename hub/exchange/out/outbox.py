"""The outbox: everything that goes out is a row first, written in the transaction of what causes it.

The exact bytes are kept as a message; a delivery says to whom and what for. `hub.exchange.out.delivery` sends them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from canonical.identity import bytes_number, new_id, number
from hub.exchange.partners import Partner
from hub.exchange.work import lanes
from hub.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What is to be sent: exact bytes, their format and type, the operation, and ids the reply's handler needs.

    `purpose` holds ids and counts only, never patient data; its `action` is the SOAPAction. `subject` names the record
    it is about (`ServiceRequest/1`), `others` more of them. `lane` splits a partner's traffic into ordered queues.
    """

    operation: str
    format: str
    type: str
    content: bytes
    control_id: str = ""
    charset: str = ""
    lane: str = ""
    subject: str = ""
    others: tuple[str, ...] = ()
    purpose: dict[str, Any] = field(default_factory=dict)


def lane_of(partner: Partner, lane: str = "") -> int:
    """The lane of a partner's deliveries."""
    return number("outbound", str(partner.id), lane)


async def enqueue(tx: Transaction, partner: Partner, outgoing: Outgoing) -> UUID:
    """Queue one delivery; returns its id."""
    await lanes.touch(tx, "outbound", [(lane_of(partner, outgoing.lane), partner.code, 1)])
    return await _insert(tx, partner, outgoing, "QUEUED", None)


async def refuse(tx: Transaction, partner: Partner, outgoing: Outgoing, code: str) -> UUID:
    """Keep a delivery that cannot go out, with the reason, where an operator finds it; returns its id."""
    return await _insert(tx, partner, outgoing, "ERROR", code)


async def _insert(tx: Transaction, partner: Partner, outgoing: Outgoing, status: str, code: str | None) -> UUID:
    message_id, delivery_id = new_id(), new_id()
    await tx.run(
        "INSERT INTO message (tenant_id, id, direction, format, type, partner_id, status, control_id, payload_key, "
        "charset, content) VALUES ($1, $2, 'out', $3, $4, $5, $6, $7, $8, $9, $10)",
        message_id,
        outgoing.format,
        outgoing.type,
        partner.id,
        status,
        outgoing.control_id,
        bytes_number(outgoing.content),
        outgoing.charset,
        outgoing.content,
    )
    await tx.run(
        "INSERT INTO delivery (tenant_id, id, message_id, partner_id, lane_id, operation, subject, status, purpose, "
        "last_error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        delivery_id,
        message_id,
        partner.id,
        lane_of(partner, outgoing.lane),
        outgoing.operation,
        outgoing.subject,
        status,
        json.dumps(outgoing.purpose),
        code,
    )
    if outgoing.others:
        await tx.run(
            "INSERT INTO delivery_subject (tenant_id, delivery_id, subject) SELECT $1, $2, unnest($3::text[])",
            delivery_id,
            list(outgoing.others),
        )
    return delivery_id
