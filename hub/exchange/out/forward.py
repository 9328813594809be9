"""Received messages that go on to destinations of their channel: the same bytes, or the same body in our envelope.

The outbox rows are written in the transaction that records what became of the message, so each destination gets it
once. Which destinations is told by the version the message was received under: one added later gets none of the
older ones, unless they are replayed, and then only those who have not had them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from canonical.identity import new_id
from canonical.problem import Problem
from hl7.envelope import readdressed
from hl7.er7 import Message
from hub.channels import matching
from hub.channels.document import Destination, Document
from hub.exchange.answer import late
from hub.exchange.channels import Channel
from hub.exchange.out import outbox
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner, partners_called
from hub.store.database import Transaction
from hub.world import Tenant, World

OPERATION = "forward"
APPLICATION = "PONTE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A message whose fate is decided: how it was read, its bytes, and whether it ended among the errors."""

    id: UUID
    channel: Channel
    message: Message
    content: bytes
    failed: bool


def destinations(document: Document, message: Message, *, failed: bool) -> list[Destination]:
    """The destinations of a channel that want the message, in the order of the document."""
    return [one for one in document.destinations if (one.failed or not failed) and matching.applies(one, message)]


async def follow(
    world: World, tenant: Tenant, tx: Transaction, arrived: Sequence[Arrived]
) -> dict[UUID, list[Problem]]:
    """What follows from messages whose fate is decided: acknowledgements go to their deliveries, others to their
    destinations. Returns what could not, by message."""
    problems: dict[UUID, list[Problem]] = {}
    for one in arrived:
        code, alone = one.channel.document.partner, late.is_acknowledgement(one.message)
        if alone or (code and late.answers(one.message)):
            heard = late.Heard(message=one.message, content=one.content, message_id=one.id)
            sender = (await partners_called(tx, {code})).get(code) if code else None
            found = await late.take(world, tenant, tx, heard, sender.id if sender else None)
            if alone:  # one that says more goes on, whatever it answers
                problems[one.id] = found
    return problems | await enqueue(tx, [one for one in arrived if one.id not in problems], world.now())


async def enqueue(tx: Transaction, arrived: Sequence[Arrived], now: datetime.datetime) -> dict[UUID, list[Problem]]:
    """Queue what goes on; returns what could not, by message: a destination whose partner is not there."""
    wanted = [
        (one, place)
        for one in arrived
        if one.channel.document.destinations
        for place in destinations(one.channel.document, one.message, failed=one.failed)
    ]
    if not wanted:
        return {}
    known = await partners_called(tx, {place.partner for _, place in wanted})
    had = await _had(tx, [_subject(one, place) for one, place in wanted])
    problems: dict[UUID, list[Problem]] = {}
    for one, place in wanted:
        partner = known.get(place.partner)
        if partner is None:
            problem = Problem("route.no-partner", "MSH", args=(("destination", place.name),))
            problems.setdefault(one.id, []).append(problem)
        elif _subject(one, place) not in had and partner.code != one.channel.document.partner:
            await _queue(tx, partner, one, place, now)
    return problems


async def lacking(tx: Transaction, document: Document) -> list[Problem]:
    """A finding for each destination of a channel whose partner is not there (yet): what it is given goes nowhere."""
    known = await partners_called(tx, {place.partner for place in document.destinations})
    return [
        Problem("channel.no-partner", f"destinations[{number}].partner", args=(("partner", place.partner),))
        for number, place in enumerate(document.destinations, start=1)
        if place.partner not in known
    ]


async def _had(tx: Transaction, subjects: Sequence[str]) -> set[str]:
    """Which destination was given which message before (a replay)."""
    rows = await tx.rows(
        "SELECT subject FROM delivery WHERE tenant_id = $1 AND subject <> '' AND subject = ANY($2::text[])",
        list(subjects),
    )
    return {row["subject"] for row in rows}


def _subject(one: Arrived, place: Destination) -> str:
    return f"Message/{one.id}#{place.name}"


async def _queue(tx: Transaction, partner: Partner, one: Arrived, place: Destination, now: datetime.datetime) -> None:
    content, control_id = one.content, one.message.control_id
    if place.send == "envelope":
        control_id = new_id().hex[:20].upper()
        fields = {3: APPLICATION, 4: str(one.channel.tenant.slug), 10: control_id}
        accept, application = late.conditions(partner.settings).values()
        fields |= {15: accept, 16: application} if accept or application else {}
        fields |= {number: text for number, text in ((5, place.application), (6, place.facility)) if text}
        content = readdressed(content, one.message, fields)
    lane = place.name
    if place.order == "patient":
        lane += f" {matching.lane_value(one.channel.document, one.message)}"
    outgoing = Outgoing(
        operation=OPERATION,
        format="hl7",
        type=one.message.type[:60],
        content=content,
        control_id=control_id[:199],
        charset=one.message.charset,
        lane=lane,
        subject=_subject(one, place),
        purpose={"message": str(one.id), "destination": place.name},
    )
    await outbox.enqueue(tx, partner, outgoing)
