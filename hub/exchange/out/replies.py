"""What follows an answer: kept verbatim, the delivery closed and its handler called, in one fenced transaction."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from adapters.transports import Answer
from canonical.errors import Conflict, NotFound, PonteError, TryAgain, TryLater
from canonical.identity import bytes_number, new_id
from canonical.problem import Problem
from hub.exchange import handlers, partners
from hub.exchange.answer import late, onward
from hub.exchange.handlers import Reply
from hub.exchange.out.item import Item
from hub.exchange.partners import Partner
from hub.exchange.work import lanes
from hub.exchange.work.lanes import Lease, LeaseLost
from hub.store.database import Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.replies")
TRIES = 3
PAUSE_SECONDS = 1.0
"""After the first failure, twice as long after the second: well within a lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer, and whether it was learned by asking about a delivery in doubt."""

    answer: Answer
    reconciled: bool = False


async def record(world: World, tenant: Tenant, held: Lease, item: Item, outcome: Outcome) -> None:
    """Record an answered delivery; raises LeaseLost (then nothing was recorded).

    A handler that fails does not undo that the partner has the message: the reply is kept as an error and can be
    handled again with `replay`.
    """
    for attempt in range(1, TRIES + 1):
        try:
            async with world.transaction(tenant) as tx:
                await _record(world, tenant, tx, item, outcome)
                await lanes.acknowledge(tx, [(held, 1)])
            return
        except (TryLater, Conflict, asyncpg.PostgresError) as error:
            log.warning("delivery %s: recording failed (%s)", item.id, type(error).__name__)
            if attempt == TRIES:
                break
            if isinstance(error, TryLater) and not isinstance(error, TryAgain):
                await asyncio.sleep(PAUSE_SECONDS * attempt)  # a store that is away is not back at once
    async with world.transaction(tenant) as tx:
        await _close_failed(tx, item, outcome.answer)
        await lanes.acknowledge(tx, [(held, 1)])


async def _record(world: World, tenant: Tenant, tx: Transaction, item: Item, outcome: Outcome) -> None:
    answer = outcome.answer
    accepted = answer.verdict == "accepted"
    reply_id = await keep(tx, item.partner.id, answer, "TRANSFORMED") if answer.content else None
    status, code = ("SENT", None) if accepted else ("ERROR", answer.code)
    await close(tx, item.id, item.message_id, status, code, reply_id)
    if reply_id is None:  # a file was written: nobody answers
        written = handlers.WRITTEN.get(handlers.topic(item.operation, item.purpose))
        if accepted and written is not None:
            await written(tx, item.purpose)
        return
    if answer.awaits:  # the handler is called with what the application says
        waits = "UPDATE delivery SET application = $3 WHERE tenant_id = $1 AND id = $2"
        await tx.run(waits, item.id, late.WAITING)
        return
    reply = Reply(
        content=answer.content,
        message_id=reply_id,
        delivery_id=item.id,
        partner=item.partner,
        operation=item.operation,
        purpose=item.purpose,
        accepted=accepted,
        reconciled=outcome.reconciled,
    )
    await _handle(world, tenant, tx, reply)


async def _handle(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """Call the operation's handler in a savepoint; what may pass on repetition is raised, the rest is noted.

    An answer no handler takes may say more than an acknowledgement: it is worked like what comes by a door.
    """
    handler = handlers.REPLIES.get(handlers.topic(reply.operation, reply.purpose))
    if handler is None:
        await onward.work_on(tx, tenant, reply.partner, reply.message_id, reply.content)
        return
    await tx.connection.execute("SAVEPOINT reply")
    try:
        await handler(world, tenant, tx, reply)
    except (TryLater, Conflict, LeaseLost, asyncpg.PostgresError):
        raise
    except Exception as error:
        code = error.code if isinstance(error, PonteError) else type(error).__name__
        log.error("the handler of %s failed on reply %s: %s", reply.operation, reply.message_id, code)
        await tx.connection.execute("ROLLBACK TO SAVEPOINT reply")
        await _mark(tx, reply.delivery_id, reply.message_id)


async def given_up(world: World, tenant: Tenant, tx: Transaction, partner: Partner, code: str) -> None:
    """What follows a delivery that was given up, by the partner's kind; a failure of that undoes nothing else."""
    handler = handlers.GIVEN_UP.get(partner.kind)
    if handler is None:
        return
    await tx.connection.execute("SAVEPOINT given_up")
    try:
        await handler(world, tenant, tx, partner, code)
    except Exception as error:
        log.error("partner %s: what follows a delivery given up failed: %s", partner.code, type(error).__name__)
        await tx.connection.execute("ROLLBACK TO SAVEPOINT given_up")


async def keep(tx: Transaction, partner_id: UUID, answer: Answer, status: str) -> UUID:
    """Keep an answer's exact bytes as a message of its own; returns its id."""
    identity = new_id()
    await tx.run(
        "INSERT INTO message (tenant_id, id, direction, format, type, partner_id, status, control_id, payload_key, "
        "charset, content, finished_at) VALUES ($1, $2, 'in', $3, $4, $5, $6, $7, $8, $9, $10, now())",
        identity,
        answer.format,
        answer.type,
        partner_id,
        status,
        answer.control_id,
        bytes_number(answer.content),
        answer.charset,
        answer.content,
    )
    return identity


async def close(
    tx: Transaction, delivery_id: UUID, message_id: UUID, status: str, code: str | None, reply_id: UUID | None = None
) -> None:
    """End a delivery and its message; raises LeaseLost when it was ended already.

    `coalesce` keeps the partial index of waiting rows out of the plan: on stale statistics it reads the whole backlog.
    """
    row = await tx.row(
        "UPDATE delivery SET status = $3, last_error = $4, reply_id = $5, in_doubt = false, finished_at = now() "
        "WHERE tenant_id = $1 AND id = $2 AND coalesce(status, '') = 'QUEUED' RETURNING id",
        delivery_id,
        status,
        code,
        reply_id,
    )
    if row is None:
        raise LeaseLost
    await tx.run(
        "UPDATE message SET status = $3, finished_at = now() WHERE tenant_id = $1 AND id = $2",
        message_id,
        "SENT" if status == "SENT" else "ERROR",
    )


async def _close_failed(tx: Transaction, item: Item, answer: Answer) -> None:
    reply_id = await keep(tx, item.partner.id, answer, "ERROR")
    await close(tx, item.id, item.message_id, "SENT" if answer.verdict == "accepted" else "ERROR", None, reply_id)
    await _mark(tx, item.id, reply_id)


async def _mark(tx: Transaction, delivery_id: UUID, reply_id: UUID) -> None:
    problem = Problem("delivery.reply-failed")
    await tx.run(
        "UPDATE message SET status = 'ERROR', problems = $3 WHERE tenant_id = $1 AND id = $2",
        reply_id,
        json.dumps([problem.as_json()], ensure_ascii=False),
    )
    await tx.run("UPDATE delivery SET last_error = $3 WHERE tenant_id = $1 AND id = $2", delivery_id, problem.code)


async def replay(world: World, tenant: Tenant, delivery_id: UUID) -> None:
    """Hand a kept reply to its handler again, in one transaction; raises NotFound and what the handler raises."""
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            "SELECT d.operation, d.purpose, d.partner_id, d.status, m.id, m.content FROM delivery d "
            "JOIN message m ON m.tenant_id = $1 AND m.id = d.reply_id WHERE d.tenant_id = $1 AND d.id = $2 FOR UPDATE",
            delivery_id,
        )
        purpose = json.loads(row["purpose"]) if row is not None else {}
        name = handlers.topic(row["operation"], purpose) if row is not None else ""
        if row is None or name not in handlers.REPLIES:
            raise NotFound("there is no kept reply with a handler for this delivery")
        reply = Reply(
            content=bytes(row["content"]),
            message_id=row["id"],
            delivery_id=delivery_id,
            partner=await partners.partner(tx, row["partner_id"]),
            operation=row["operation"],
            purpose=purpose,
            accepted=row["status"] == "SENT",
        )
        await handlers.REPLIES[name](world, tenant, tx, reply)
        await tx.run(
            "UPDATE message SET status = 'TRANSFORMED', problems = '[]' WHERE tenant_id = $1 AND id = $2", row["id"]
        )
        await tx.run(
            "UPDATE delivery SET last_error = NULL WHERE tenant_id = $1 AND id = $2 AND status = 'SENT'", delivery_id
        )
