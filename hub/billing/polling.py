"""Asks payers where protocols and appeals stand, each payer by itself; what was left in doubt goes out again."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass
from uuid import UUID

from canonical.errors import Misconfigured
from hub.billing import writing
from hub.billing.appeal import appeals
from hub.billing.batch import batches, protocols, submissions
from hub.billing.batch.submissions import Question
from hub.billing.message.replies import Refusal
from hub.billing.profiles import PayerProfile, payer, payers
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.records.saved import Origin
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.billing")

_OPEN = """
SELECT s.id, s.protocol, s.batch_id, s.status, s.reason, s.polled_at, b.number, m.content FROM submission s
JOIN batch b ON b.tenant_id = $1 AND b.id = s.batch_id
JOIN message m ON m.tenant_id = $1 AND m.id = b.message_id
WHERE s.tenant_id = $1 AND s.payer_id = $2 AND NOT s.settled AND NOT s.id::text = ANY (ARRAY(
    SELECT d.purpose::jsonb ->> 'submission' FROM delivery d
    WHERE d.tenant_id = $1 AND d.status IN ('QUEUED', 'DEAD') AND d.partner_id = $2))
ORDER BY s.polled_at NULLS FIRST, s.id LIMIT 500 FOR UPDATE OF s SKIP LOCKED
"""
# the transport said no (an HTTP 400, say), so no reply handler was called
_TURNED_AWAY = """
SELECT s.id, s.batch_id, d.last_error FROM submission s
JOIN delivery d ON d.tenant_id = $1 AND d.id = s.delivery_id
WHERE s.tenant_id = $1 AND s.payer_id = $2 AND NOT s.settled AND d.status = 'ERROR' AND s.protocol IS NULL
FOR UPDATE OF s SKIP LOCKED
"""
_APPEALS_TURNED_AWAY = """
SELECT a.id, d.last_error FROM appeal a JOIN delivery d ON d.tenant_id = $1 AND d.id = a.delivery_id
WHERE a.tenant_id = $1 AND a.payer_id = $2 AND a.status = 'enviando' AND d.status = 'ERROR' FOR UPDATE OF a SKIP LOCKED
"""
_APPEALS = """
SELECT a.id, a.number, a.status, a.reason, a.protocol, a.polled_at, m.content FROM appeal a
JOIN message m ON m.tenant_id = $1 AND m.id = a.message_id
WHERE a.tenant_id = $1 AND a.payer_id = $2 AND a.status IN ('recebido', 'incerto')
ORDER BY a.polled_at NULLS FIRST, a.id LIMIT 200 FOR UPDATE OF a SKIP LOCKED
"""
# files that were written before a written file was followed up at once (`on_written`): nobody answers their deliveries
_LEFT = """
SELECT s.id, s.batch_id FROM submission s JOIN delivery d ON d.tenant_id = $1 AND d.id = s.delivery_id
WHERE s.tenant_id = $1 AND s.payer_id = $2 AND s.status = 'enviando' AND d.status = 'SENT' FOR UPDATE OF s SKIP LOCKED
"""
_APPEALS_LEFT = """
SELECT a.id FROM appeal a JOIN delivery d ON d.tenant_id = $1 AND d.id = a.delivery_id
WHERE a.tenant_id = $1 AND a.payer_id = $2 AND a.status = 'enviando' AND d.status = 'SENT' FOR UPDATE OF a SKIP LOCKED
"""


@dataclass(slots=True, kw_only=True)
class Polled:
    """What a poll did: protocols and appeals asked about, batches sent again, payers that are set up wrongly."""

    protocols: int = 0
    appeals: int = 0
    resent: int = 0
    broken: int = 0


async def poll(world: World, tenant: Tenant) -> Polled:
    """Go round the payers; one that is set up wrongly delays no other."""
    done = Polled()
    async with world.transaction(tenant) as tx:
        wanted = [profile.partner.id for profile in await payers(tx)]
    for payer_id in wanted:
        try:
            async with world.transaction(tenant) as tx:
                profile = await payer(tx, payer_id)
                found = Polled()
                await _turned_away(tx, profile, writing.origin(world, tenant))
                if profile.by_file:
                    await _left(tx, profile)
                await _protocols(world, tenant, tx, profile, found)
                await _appeals(world, tenant, tx, profile, found)
        except Misconfigured as error:
            log.warning("payer %s cannot be polled: %s", payer_id, error.code)
            done.broken += 1
            continue
        done.protocols += found.protocols
        done.appeals += found.appeals
        done.resent += found.resent
    return done


def due(world: World, polled_at: datetime.datetime | None, profile: PayerProfile) -> bool:
    """Whether the payer may be asked again."""
    return polled_at is None or (world.now() - polled_at).total_seconds() >= profile.poll_minutes * 60


def mixed_up(row: Row) -> bool:
    """Whether a payer answered with another one's protocol: sending again does not help, a person must ask it."""
    return str(row["reason"] or "").startswith(protocols.MIXED_UP)


async def _turned_away(tx: Transaction, profile: PayerProfile, by: Origin) -> None:
    for row in await tx.rows(_TURNED_AWAY, profile.partner.id):
        why = Refusal(code="", text=row["last_error"] or "transport", action="refused")
        await submissions.refuse(tx, (row["id"], row["batch_id"]), why, by)


async def _left(tx: Transaction, profile: PayerProfile) -> None:
    """What was left as a file and still stands as being sent is sent."""
    for row in await tx.rows(_LEFT, profile.partner.id):
        await submissions.left(tx, {"submission": str(row["id"]), "batch": str(row["batch_id"])})
    for row in await tx.rows(_APPEALS_LEFT, profile.partner.id):
        await appeals.left(tx, {"appeal": str(row["id"])})


async def _protocols(world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, done: Polled) -> None:
    if profile.by_file:  # a folder answers no question: what it returns is collected
        return
    for row in await tx.rows(_OPEN, profile.partner.id):
        if not due(world, row["polled_at"], profile):
            continue
        if row["protocol"]:
            body, purpose = submissions.status_body(profile, row["protocol"]), {"submission": str(row["id"])}
            question = Question(transaction=submissions.STATUS, body=body, purpose=purpose)
            await submissions.ask(world, tenant, tx, profile, question)
            done.protocols += 1
        elif row["status"] == submissions.UNKNOWN and profile.resend == "same-bytes" and not mixed_up(row):
            await _again(tx, profile, row)
            done.resent += 1
        await tx.run("UPDATE submission SET polled_at = $3 WHERE tenant_id = $1 AND id = $2", row["id"], world.now())


async def _again(tx: Transaction, profile: PayerProfile, row: Row) -> UUID:
    """The same bytes of a batch once more, for the same submission."""
    delivery = await enqueue(
        tx,
        profile.partner,
        Outgoing(
            operation=batches.OPERATION,
            format="tiss",
            type=batches.TRANSACTION,
            content=bytes(row["content"]),
            control_id=str(row["number"]),
            charset="iso-8859-1",
            purpose={"submission": str(row["id"]), "batch": str(row["batch_id"])},
        ),
    )
    await tx.run("UPDATE submission SET delivery_id = $3 WHERE tenant_id = $1 AND id = $2", row["id"], delivery)
    return delivery


async def _appeals(world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, done: Polled) -> None:
    by = writing.origin(world, tenant)
    for row in await tx.rows(_APPEALS_TURNED_AWAY, profile.partner.id):
        await appeals.turned_away(tx, row["id"], row["last_error"] or "", by)
    if profile.by_file:
        return
    for row in await tx.rows(_APPEALS, profile.partner.id):
        if not due(world, row["polled_at"], profile):
            continue
        if row["status"] == appeals.RECEIVED:
            body = {"dadosPrestador": profile.contracted, "numeroProtocolo": row["protocol"]}
            question = Question(transaction=appeals.STATUS, body=body, purpose={"appeal": str(row["id"])})
            await submissions.ask(world, tenant, tx, profile, question)
            done.appeals += 1
        elif profile.resend == "same-bytes" and not mixed_up(row):
            await appeals.queue(tx, profile, row, bytes(row["content"]))
        await tx.run("UPDATE appeal SET polled_at = $3 WHERE tenant_id = $1 AND id = $2", row["id"], world.now())
