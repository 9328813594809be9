"""What follows the answer to a request, whatever its kind: an answer, a refusal, or nothing readable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import TryLater
from hub.billing import writing
from hub.billing.message.replies import Heard, Refusal, listen
from hub.billing.profiles import PayerProfile, profile_of
from hub.exchange.handlers import Doubt, Reply, on_reply, on_written, reconcile
from hub.records.saved import Origin
from hub.requests import sending
from hub.store.database import Row, Transaction
from hub.world import Tenant, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer with what it answers: the request's row (locked), the payer, and who writes now."""

    row: Row
    profile: PayerProfile
    heard: Heard
    by: Origin


Take = Callable[[Transaction, Answered], Awaitable[bool]]
"""Records an answer; False when it is none of the kind that was asked for."""
Refuse = Callable[[Transaction, Answered, Refusal], Awaitable[None]]
"""Records that the payer will not take the request."""


def topic(transaction: str) -> str:
    """The topic of the deliveries of a transaction of ours."""
    return f"request/{transaction}"


def answers_to(transaction: str, take: Take, refuse: Refuse) -> None:
    """Register what follows the answers to a transaction, and its messages that were left as files."""

    @on_reply(topic(transaction))
    async def received(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
        row = await sending.row_of(tx, UUID(reply.purpose["request"]))
        by = writing.origin(world, tenant, message_id=reply.message_id)
        found = Answered(row=row, profile=profile_of(reply.partner), heard=await listen(tx, reply), by=by)
        await taken(tx, found, take, refuse)

    @on_written(topic(transaction))
    async def left(tx: Transaction, purpose: dict[str, Any]) -> None:
        row = await sending.row_of(tx, UUID(purpose["request"]))
        if row["status"] == sending.SENDING:
            await sending.set_state(tx, row["id"], sending.SENT)


async def taken(tx: Transaction, found: Answered, take: Take, refuse: Refuse) -> None:
    """An answer is recorded, a refusal too; what nobody can read leaves the request open."""
    why, identity = found.heard.refusal, found.row["id"]
    if why is None and await take(tx, found):
        return
    if why is not None and why.action != "retry":
        if not found.row["settled"]:
            await sending.set_state(tx, identity, sending.REFUSED, reason=why.reason, settled=True)
            await refuse(tx, found, why)
        return
    if found.row["status"] in (sending.SENDING, sending.SENT):
        reason = why.reason if why else found.heard.unreadable or "header.no-answer"
        await sending.set_state(tx, identity, sending.UNKNOWN, reason=reason)


def safe_again(transaction: str) -> None:
    """Register that a request in doubt may go out again as it is: asking twice changes nothing at the payer."""

    @reconcile(topic(transaction))
    async def lost_reply(world: World, tenant: Tenant, doubt: Doubt) -> bytes | None:
        return None


def same_bytes_only(transaction: str) -> None:
    """Register that a request in doubt goes out again only to a payer that recognises a repeated one."""

    @reconcile(topic(transaction))
    async def lost_reply(world: World, tenant: Tenant, doubt: Doubt) -> bytes | None:
        await unsure(world, tenant, doubt)
        if profile_of(doubt.partner).resend == "same-bytes":
            return None
        raise in_doubt()


async def unsure(world: World, tenant: Tenant, doubt: Doubt) -> None:
    """Say in the request's row that nobody knows whether the payer has it."""
    async with world.transaction(tenant) as tx:
        identity = UUID(doubt.purpose["request"])
        await sending.set_state(tx, identity, sending.UNKNOWN, reason="transport.no-answer")


def in_doubt() -> TryLater:
    """The failure of a request that must wait for a person."""
    return TryLater("the payer may have the request already; a person must look", code="request.in-doubt")
