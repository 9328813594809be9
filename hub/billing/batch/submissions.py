"""What a payer says about a batch: protocol, refusal or nothing; and where its protocols stand.

A batch whose reply was lost goes out again with the same bytes under the same number, never as a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from canonical.errors import Conflict, Misconfigured, NotFound, TryLater
from canonical.problem import Problem, blocking
from hub.billing import writing
from hub.billing.batch import batches, protocols, responses
from hub.billing.batch.responses import Said
from hub.billing.check import checking
from hub.billing.message import messages
from hub.billing.message.replies import Heard, Refusal, listen
from hub.billing.profiles import PayerProfile, profile_of
from hub.billing.returns.following import ENDED, catch_up
from hub.exchange.handlers import Doubt, Reply, on_reply, on_written, reconcile
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.exchange.work import lanes
from hub.guard import audit
from hub.records.saved import Origin
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from tiss.answers import values as answers
from tiss.wire import soap, transactions

STATUS = "SOLIC_STATUS_PROTOCOLO"
STATEMENT = "SOLIC_DEMONSTRATIVO_RETORNO"
STATUS_OPERATION = transactions.of(STATUS).service
STATEMENT_OPERATION = transactions.of(STATEMENT).service
RECEIVED, UNKNOWN, REFUSED, SENT = "recebido", "incerto", "rejeitado", "enviado"
# statusProtocolo (dm_statusProtocolo): analysed ones have a statement
ANALYSED = frozenset(("3", "4", "5", "6"))
CANCELLED = "9"
BATCH_STATUS = {"1": "recebido", "2": "em analise", "3": "demonstrativo", "5": "demonstrativo", "8": "em analise"}


@on_reply(batches.OPERATION)
async def received(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """The answer to a batch: a protocol, a refusal kept verbatim, or an answer that leaves it open."""
    submission, batch = UUID(reply.purpose["submission"]), UUID(reply.purpose["batch"])
    heard = await listen(tx, reply)
    profile = profile_of(reply.partner)
    by = writing.origin(world, tenant, message_id=reply.message_id)
    if await tx.value("SELECT protocol FROM submission WHERE tenant_id = $1 AND id = $2 FOR UPDATE", submission):
        return  # the payer has it, whatever it says to a repetition
    if heard.refusal is not None and heard.refusal.code in profile.already_received:
        await _set(tx, submission, batch, SENT, heard.refusal.reason)
    elif heard.refusal is not None and heard.refusal.action != "retry":
        await refuse(tx, (submission, batch), heard.refusal, by)
    elif wrong := await _astray(tx, batch, heard):
        await protocols.note(tx, reply.message_id, wrong)
        await _set(tx, submission, batch, UNKNOWN, wrong.code)
    elif protocol := protocol_of(heard):
        await set_protocol(tx, (submission, batch), said_by(heard, protocol), by)
    else:
        reason = heard.refusal.reason if heard.refusal else heard.unreadable
        await _set(tx, submission, batch, UNKNOWN, reason)


@on_written(batches.OPERATION)
async def left(tx: Transaction, purpose: dict[str, Any]) -> None:
    """A batch was left as a file: it is sent, and its protocol comes as a file, too."""
    await tx.run(
        "UPDATE submission SET status = $3, sent_at = coalesce(sent_at, now()) "
        "WHERE tenant_id = $1 AND id = $2 AND status = $4",
        UUID(purpose["submission"]),
        SENT,
        batches.SENDING,
    )
    await tx.run(
        "UPDATE batch SET status = $3, updated_at = now() WHERE tenant_id = $1 AND id = $2 AND status = $4",
        UUID(purpose["batch"]),
        SENT,
        batches.SENDING,
    )


def said_by(heard: Heard, protocol: str) -> Said:
    """What an answer with a protocol says of the batch and of single guides in it."""
    found = heard.first(answers.Protocol, answers.Status)
    if isinstance(found, answers.Status):
        return Said(protocol=protocol, status=found.status, **by_guide(found.guides))
    if isinstance(found, answers.Protocol):
        return Said(protocol=protocol, status="1", errors=found.glosas, **by_guide(found.guides))
    return Said(protocol=protocol, status="1")


def by_guide(states: tuple[answers.GuideState, ...]) -> dict[str, Any]:
    """What an answer says of single guides, by our numbers: their errors, and the numbers the payer gives them."""
    return {
        "guides": {state.provider_number: state.glosas for state in states if state.glosas},
        "numbers": {state.provider_number: state.operator_number for state in states if state.operator_number},
    }


def protocol_of(heard: Heard) -> str:
    """The protocol number an answer gives; empty when it gives none."""
    found = heard.first(answers.Protocol, answers.Status)
    return found.number if isinstance(found, answers.Protocol | answers.Status) else ""


async def _astray(tx: Transaction, batch: UUID, heard: Heard) -> Problem | None:
    """Why the answer to a batch is another one's; None when it is not, or says nothing."""
    found = heard.first(answers.Protocol, answers.Status)
    if not isinstance(found, answers.Protocol | answers.Status):
        return None
    return await protocols.astray(tx, batch, found.number, found.batch, found.where)


async def set_protocol(tx: Transaction, place: tuple[UUID, UUID | None], said: Said, by: Origin) -> None:
    """Record that the payer has the batch of `place` (submission, batch) under the protocol it said."""
    submission, batch = place
    await tx.run(
        "UPDATE submission SET protocol = $3, status = $4, reason = NULL, received_at = $5, "
        "sent_at = coalesce(sent_at, $5) WHERE tenant_id = $1 AND id = $2",
        submission,
        said.protocol,
        RECEIVED,
        by.now,
    )
    # an earlier sending of the same batch was this one: its reply was lost, its bytes were the same
    await tx.run(
        "UPDATE submission SET settled = true, status = 'substituido' WHERE tenant_id = $1 AND batch_id = $2 "
        "AND id <> $3 AND (protocol IS NULL OR protocol = $4)",
        batch,
        submission,
        said.protocol,
    )
    await tx.run(
        "UPDATE batch SET status = 'recebido', reason = NULL, updated_at = now() WHERE tenant_id = $1 AND id = $2",
        batch,
    )
    await tx.run(
        "UPDATE guide SET status = 'recebida', updated_at = now() WHERE tenant_id = $1 AND batch_id = $2", batch
    )
    await responses.answered(tx, batch, said, by)
    await catch_up(tx, submission, said.protocol)


async def refuse(tx: Transaction, place: tuple[UUID, UUID], why: Refusal, by: Origin) -> None:
    """Record that the payer will not take the batch of `place`; its guides wait to be given back."""
    submission, batch = place
    await _set(tx, submission, batch, REFUSED, why.reason)
    await tx.run(
        "UPDATE guide SET status = 'rejeitada', updated_at = now() WHERE tenant_id = $1 AND batch_id = $2", batch
    )
    error = answers.Glosa(code=why.code, text=why.text)
    said = Said(status=responses.REFUSED, text=why.reason, errors=(error,))
    await responses.answered(tx, batch, said, by)


async def _set(tx: Transaction, submission: UUID, batch: UUID, status: str, reason: str) -> None:
    await tx.run(
        "UPDATE submission SET status = $3, reason = $4, sent_at = coalesce(sent_at, now()), settled = $5 "
        "WHERE tenant_id = $1 AND id = $2",
        submission,
        status,
        reason,
        status == REFUSED,
    )
    await tx.run(
        "UPDATE batch SET status = $3, reason = $4, updated_at = now() WHERE tenant_id = $1 AND id = $2",
        batch,
        status,
        reason,
    )


@reconcile(batches.OPERATION)
async def lost_reply(world: World, tenant: Tenant, doubt: Doubt) -> bytes | None:
    """Before a batch in doubt goes out again: ask by protocol where one is known, else trust the payer or a person.

    Without a protocol TISS has no question to ask. A payer that recognises a repeated batch gets the same bytes; for
    any other the delivery waits until a person enters the protocol or sends it again.
    """
    async with world.transaction(tenant) as tx:
        profile = profile_of(doubt.partner)
        protocol = await tx.value(
            "SELECT protocol FROM submission WHERE tenant_id = $1 AND id = $2", UUID(doubt.purpose["submission"])
        )
        if protocol is None:
            await tx.run(
                "UPDATE submission SET status = $3, reason = 'transport.no-answer', sent_at = coalesce(sent_at, now()) "
                "WHERE tenant_id = $1 AND id = $2",
                UUID(doubt.purpose["submission"]),
                UNKNOWN,
            )
            question = None
        else:
            mark = await messages.stamp(world, tenant, tx, profile)
            question = messages.request(profile, STATUS, status_body(profile, protocol), mark)
    if question is not None:
        return await doubt.ask(soap.envelope(question), operation=STATUS_OPERATION)
    if profile.resend == "same-bytes":
        return None
    raise TryLater("the payer may have the batch already; a person must look", code="batch.in-doubt")


def status_body(profile: PayerProfile, protocol: str) -> dict[str, Any]:
    """solicitacaoStatusProtocolo."""
    return {"dadosPrestador": profile.contracted, "numeroProtocolo": protocol}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a payer: the transaction, its body, and ids the answer's handler needs."""

    transaction: str
    body: dict[str, Any]
    purpose: dict[str, str]


async def ask(world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, question: Question) -> UUID:
    """Put a question to a payer into the outbox; returns the delivery's id."""
    mark = await messages.stamp(world, tenant, tx, profile)
    raw = messages.request(profile, question.transaction, question.body, mark)
    if wrong := blocking(checking.findings(raw, profile, mark.at.date())):
        raise Misconfigured(f"the question to the payer is not valid TISS: {wrong[0].code} at {wrong[0].where}")
    return await enqueue(
        tx,
        profile.partner,
        Outgoing(
            operation=transactions.of(question.transaction).service,
            format="tiss",
            type=question.transaction,
            content=messages.wrapped(raw, profile),
            control_id=str(mark.sequence),
            charset="iso-8859-1",
            purpose=question.purpose,
        ),
    )


@on_reply(STATUS_OPERATION)
async def told_status(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """Where a protocol stands; an analysed one makes the hub ask for its statement."""
    submission = UUID(reply.purpose["submission"])
    status = (await listen(tx, reply)).first(answers.Status)
    if not isinstance(status, answers.Status):
        return  # an error or nothing readable: the reply is kept, the next poll asks again
    row = await tx.row(
        "SELECT batch_id, protocol, payer_status FROM submission WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
        submission,
    )
    if row is None:
        return
    if status.number != row["protocol"] and (wrong := await protocols.astray(tx, row["batch_id"], status.number)):
        await protocols.note(tx, reply.message_id, wrong)
        return  # where another batch stands says nothing of this one; the next poll asks again
    if status.status != row["payer_status"]:
        await _new_status(tx, submission, row, status, writing.origin(world, tenant, message_id=reply.message_id))
    await _follow(tx, row["batch_id"], status.status)
    if status.status in ANALYSED:
        profile = profile_of(reply.partner)
        body = {
            "demonstrativoAnalise": {
                "dadosPrestador": profile.contracted,
                "dataSolicitacao": world.now().astimezone(ZoneInfo(tenant.zone)).date().isoformat(),
                "protocolos": {"numeroProtocolo": [row["protocol"]]},
            }
        }
        purpose = {"submission": str(submission)}
        await ask(world, tenant, tx, profile, Question(transaction=STATEMENT, body=body, purpose=purpose))
    elif status.status in ENDED:
        await tx.run("UPDATE submission SET settled = true WHERE tenant_id = $1 AND id = $2", submission)


async def returned(tx: Transaction, row: Row, told: answers.Protocol | answers.Status, by: Origin) -> Problem | None:
    """A protocol or a state that came unasked, for the submission of `row` (id, batch_id, protocol).

    What is another batch's is not recorded: the finding says whose it is.
    """
    if wrong := await protocols.astray(tx, row["batch_id"], told.number, where=told.where):
        return wrong
    if not row["protocol"] and told.number:
        said = said_by(Heard(answers=(told,)), told.number)
        await set_protocol(tx, (row["id"], row["batch_id"]), said, by)
    if not isinstance(told, answers.Status):
        return None
    again = await tx.row("SELECT * FROM submission WHERE tenant_id = $1 AND id = $2 FOR UPDATE", row["id"])
    if again is not None and again["payer_status"] != told.status:
        await _new_status(tx, row["id"], again, told, by)
    await _follow(tx, row["batch_id"], told.status)
    if told.status == CANCELLED:
        await tx.run("UPDATE submission SET settled = true WHERE tenant_id = $1 AND id = $2", row["id"])
    return None


async def _follow(tx: Transaction, batch_id: UUID | None, status: str) -> None:
    """The batch takes the state that a protocol's status stands for."""
    if status in BATCH_STATUS:
        await tx.run(
            "UPDATE batch SET status = $3, updated_at = now() WHERE tenant_id = $1 AND id = $2 "
            "AND status IN ('recebido', 'em analise', 'enviado')",
            batch_id,
            BATCH_STATUS[status],
        )


async def _new_status(tx: Transaction, submission: UUID, row: Row, status: answers.Status, by: Origin) -> None:
    await tx.run("UPDATE submission SET payer_status = $3 WHERE tenant_id = $1 AND id = $2", submission, status.status)
    said = Said(protocol=row["protocol"] or "", status=status.status, **by_guide(status.guides))
    await responses.answered(tx, row["batch_id"], said, by)


async def enter_protocol(tx: Transaction, submission: UUID, protocol: str, by: Origin) -> None:
    """A person learned the protocol of a batch whose reply was lost; raises NotFound, Conflict."""
    row = await tx.row(
        "SELECT batch_id, protocol, delivery_id FROM submission WHERE tenant_id = $1 AND id = $2 FOR UPDATE", submission
    )
    if row is None:
        raise NotFound("there is no such submission")
    if row["protocol"]:
        raise Conflict("the payer has given a protocol already", code="batch.answered")
    if await protocols.holder(tx, row["batch_id"], protocol):
        raise Conflict("another batch has this protocol", code="batch.protocol-taken")
    await set_protocol(tx, (submission, row["batch_id"]), Said(protocol=protocol, status="1"), by)
    dead = await tx.row(
        "UPDATE delivery SET status = 'SENT', last_error = NULL WHERE tenant_id = $1 AND id = $2 AND status = 'DEAD' "
        "RETURNING lane_id",
        row["delivery_id"],
    )
    if dead is not None:  # its outcome is known now; what waits behind it may go on
        await lanes.resume(tx, dead["lane_id"])
    await audit.note(tx, by.actor, "enter-protocol", f"submission/{submission}")
