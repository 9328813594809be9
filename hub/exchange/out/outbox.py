"""The outbox: everything that goes out is a row first, written in the transaction of what causes it.

The exact bytes are kept as a message; a delivery says to whom and what for. `hub.exchange.out.delivery` sends them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from canonical.identity import bytes_number, new_id, number
from hub.exchange.partners import Partner
from hub.exchange.work import lanes
from hub.store import bulk
from hub.store.database import Transaction
from hub.store.schema import exchange as tables

LARGEST_BYTES = 32 * 1024 * 1024
"""How much goes to the database at once."""


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
    (delivery,) = await enqueue_all(tx, partner, [outgoing])
    return delivery


async def enqueue_all(tx: Transaction, partner: Partner, several: Sequence[Outgoing]) -> list[UUID]:
    """Queue deliveries to one partner, in their order, with two statements for all; returns their ids."""
    queued: list[UUID] = []
    for part in _portions(several):
        counts = Counter(lane_of(partner, outgoing.lane) for outgoing in part)
        await lanes.touch(tx, "outbound", [(lane, partner.code, count) for lane, count in counts.items()])
        queued += await _insert(tx, partner, part, "QUEUED", None)
    return queued


def _portions(several: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """`several` in portions of LARGEST_BYTES, or of one where one is larger."""
    portion: list[Outgoing] = []
    size = 0
    for outgoing in several:
        if portion and size + len(outgoing.content) > LARGEST_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(outgoing)
        size += len(outgoing.content)
    if portion:
        yield portion


async def refuse(tx: Transaction, partner: Partner, outgoing: Outgoing, code: str) -> UUID:
    """Keep a delivery that cannot go out, with the reason, where an operator finds it; returns its id."""
    (delivery,) = await _insert(tx, partner, [outgoing], "ERROR", code)
    return delivery


_MESSAGE = (
    "id",
    "direction",
    "format",
    "type",
    "partner_id",
    "status",
    "control_id",
    "payload_key",
    "charset",
    "content",
)
_DELIVERY = ("id", "message_id", "partner_id", "lane_id", "operation", "subject", "status", "purpose", "last_error")


async def _insert(
    tx: Transaction, partner: Partner, several: Sequence[Outgoing], status: str, code: str | None
) -> list[UUID]:
    messages, deliveries, subjects = [], [], []
    for one in several:
        message_id, delivery_id = new_id(), new_id()
        key = bytes_number(one.content)
        messages.append(
            (message_id, "out", one.format, one.type, partner.id, status, one.control_id, key, one.charset, one.content)
        )
        lane, purpose = lane_of(partner, one.lane), json.dumps(one.purpose)
        deliveries.append(
            (delivery_id, message_id, partner.id, lane, one.operation, one.subject, status, purpose, code)
        )
        subjects += [(delivery_id, subject) for subject in one.others]
    together = bulk.Together()
    together.insert(tables.message, _MESSAGE, messages)
    together.insert(tables.delivery, _DELIVERY, deliveries)
    together.insert(tables.delivery_subject, ("delivery_id", "subject"), subjects)
    await together.run(tx)
    return [row[0] for row in deliveries]
