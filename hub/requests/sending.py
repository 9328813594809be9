"""A request to a payer: built by tables, sealed, kept as a row, and put into the outbox; or blocked with its findings.

The exact bytes are kept; a repetition is the same bytes under the same number, never a new request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from canonical.errors import Conflict, Misconfigured, NotFound
from canonical.identity import new_id
from canonical.problem import Problem, blocking, json_of
from hub.billing import writing
from hub.billing.check import checking
from hub.billing.message import messages
from hub.billing.message.sealing import seal, stated_in
from hub.billing.profiles import PayerProfile, payer
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.guard import audit
from hub.requests import replacing
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.billing.guides import guide_tree, plan
from tiss.wire import transactions

Kind = Literal["elegibilidade", "autorizacao", "anexo", "comunicacao", "cancelamento", "documento", "demonstrativo"]
ROOM = "requests"
SENDING, SENT, BLOCKED, REFUSED, UNKNOWN = "enviando", "enviado", "bloqueado", "rejeitado", "incerto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a payer: the transaction and its body, our number for it, and the records it is about.

    `detail` tells requests of one kind apart (`sp-sadt`, `I`, `lote`); `kept` is the tree of the row where the
    body is too large for it. `problems` are what the tables found missing; a blocking one keeps the request here.
    """

    profile: PayerProfile
    kind: Kind
    transaction: str
    body: Mapping[str, Any]
    detail: str = ""
    number: str = ""
    kept: Mapping[str, Any] | None = None
    problems: tuple[Problem, ...] = ()
    patient_id: str = ""
    encounter_id: str = ""
    coverage_id: str = ""
    subjects: tuple[tuple[str, str], ...] = ()
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What became of a request: its id, its status, and the findings (those of a blocked one say why)."""

    id: UUID
    status: str
    message_id: UUID | None = None
    problems: tuple[Problem, ...] = field(default=())


def body_of(name: str, record: Mapping[str, Any], profile: PayerProfile) -> tuple[dict[str, Any], list[Problem]]:
    """The body of a request by its plan, and what the record lacks for it."""
    return guide_tree(plan(name, ROOM, profile.version), record, profile.version)


def element_of(name: str) -> str:
    """The element a request's plan becomes."""
    return plan(name, ROOM).guide


def _of_request(problem: Problem) -> Problem:
    """A finding of the tables, which serve guides too, in the words of a request."""
    return replace(problem, code="request.missing") if problem.code == "guide.missing" else problem


async def put(world: World, tenant: Tenant, tx: Transaction, asked: Asked) -> Put:
    """Keep a request and queue it; one with a blocking finding is kept and not sent.

    Blocked ones of the same matter are replaced by it.
    """
    problems, content, stated = [_of_request(problem) for problem in asked.problems], None, ""
    if not blocking(problems):
        sealed = await seal(world, tenant, tx, asked.profile, (asked.transaction, dict(asked.body)))
        problems += sealed.problems
        content, stated = sealed.content, sealed.hash
    identity = new_id()
    await _insert(tx, identity, asked, (BLOCKED if content is None else SENDING, stated), problems)
    message_id = None
    if content is not None:
        message_id = await queue(
            tx, asked.profile, identity, asked.transaction, messages.wrapped(content, asked.profile)
        )
    outcome = "failure" if content is None else "success"
    await audit.note(tx, asked.actor, f"ask-{asked.kind}", f"payer_request/{identity}", outcome)
    await replacing.replace(tx, identity, asked.kind, writing.origin(world, tenant, asked.actor))
    status = BLOCKED if content is None else SENDING
    return Put(id=identity, status=status, message_id=message_id, problems=tuple(problems))


async def question(
    world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, made: tuple[str, Mapping[str, Any]]
) -> bytes:
    """A question (transaction, body) as it travels; raises Misconfigured when it would not be valid."""
    mark = await messages.stamp(world, tenant, tx, profile)
    raw = messages.request(profile, made[0], dict(made[1]), mark)
    if wrong := blocking(checking.findings(raw, profile, mark.at.date())):
        raise Misconfigured(f"the question to the payer is not valid TISS: {wrong[0].code} at {wrong[0].where}")
    return messages.wrapped(raw, profile)


async def queue(tx: Transaction, profile: PayerProfile, identity: UUID, transaction: str, content: bytes) -> UUID:
    """Put the exact bytes of a request into the outbox, in a lane of its kind; returns the message's id."""
    row = transactions.of(transaction)
    delivery = await enqueue(
        tx,
        profile.partner,
        Outgoing(
            operation=row.service,
            format="tiss",
            type=transaction,
            content=content,
            control_id=str(identity),
            charset="iso-8859-1",
            lane=row.service,
            purpose={
                "request": str(identity),
                "topic": f"request/{transaction}",
                **messages.named(profile, str(identity.int % 10**12), stated_in(content)),
            },
        ),
    )
    message_id: UUID = await tx.value("SELECT message_id FROM delivery WHERE tenant_id = $1 AND id = $2", delivery)
    await tx.run(
        "UPDATE payer_request SET delivery_id = $3, message_id = $4, status = $5, reason = NULL, updated_at = now() "
        "WHERE tenant_id = $1 AND id = $2",
        identity,
        delivery,
        message_id,
        SENDING,
    )
    return message_id


async def _insert(
    tx: Transaction, identity: UUID, asked: Asked, state: tuple[str, str], problems: list[Problem]
) -> None:
    await tx.run(
        "INSERT INTO payer_request (tenant_id, id, payer_id, kind, detail, number, status, hash, patient_id, "
        "encounter_id, coverage_id, tiss_version, tree, problems, actor, settled) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        identity,
        asked.profile.partner.id,
        asked.kind,
        asked.detail,
        asked.number,
        state[0],
        state[1] or None,
        asked.patient_id or None,
        asked.encounter_id or None,
        asked.coverage_id or None,
        asked.profile.version,
        json.dumps(asked.body if asked.kept is None else asked.kept, ensure_ascii=False),
        json_of(problems),
        asked.actor,
        state[0] == BLOCKED,
    )
    for kind, record_id in dict.fromkeys(asked.subjects):
        await tx.run(
            "INSERT INTO payer_request_subject (tenant_id, request_id, type, record_id) VALUES ($1, $2, $3, $4)",
            identity,
            kind,
            record_id,
        )


async def row_of(tx: Transaction, identity: UUID) -> Row:
    """A request's row, locked; raises NotFound."""
    row = await tx.row("SELECT * FROM payer_request WHERE tenant_id = $1 AND id = $2 FOR UPDATE", identity)
    if row is None:
        raise NotFound("there is no such request")
    return row


async def resend(tx: Transaction, identity: UUID, actor: str) -> None:
    """Send a request's same bytes again (refused, of unknown outcome, or left as a file and not answered).

    Raises NotFound, Conflict.
    """
    row = await row_of(tx, identity)
    waiting = await tx.value(
        "SELECT count(*) FROM delivery WHERE tenant_id = $1 AND id = $2 AND status IN ('QUEUED', 'DEAD')",
        row["delivery_id"],
    )
    if row["status"] not in (SENT, UNKNOWN, REFUSED) or waiting:
        raise Conflict("only a refused request, or one without answer, can be sent again", code="request.answered")
    await again(tx, await payer(tx, row["payer_id"]), row)
    await audit.note(tx, actor, "resend-request", f"payer_request/{identity}")


async def again(tx: Transaction, profile: PayerProfile, row: Row) -> None:
    """Queue the kept bytes of a request once more."""
    kept = await tx.row(
        "SELECT type, content FROM message WHERE tenant_id = $1 AND id = $2 AND removed_at IS NULL", row["message_id"]
    )
    if kept is None:
        raise Conflict("a blocked request has nothing to send", code="request.answered")
    await queue(tx, profile, row["id"], kept["type"], bytes(kept["content"]))
    await tx.run("UPDATE payer_request SET settled = false WHERE tenant_id = $1 AND id = $2", row["id"])


async def set_state(
    tx: Transaction, identity: UUID, status: str, *, reason: str | None = None, settled: bool = False
) -> None:
    """Give a request a status; `reason` are the payer's words or the code of a failure."""
    await tx.run(
        "UPDATE payer_request SET status = $3, reason = $4, settled = $5, updated_at = now() "
        "WHERE tenant_id = $1 AND id = $2",
        identity,
        status,
        reason,
        settled,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a payer's answer says of a request: its own code, the status that stands for it, and a number it gave."""

    status: str
    payer_status: str = ""
    protocol: str = ""
    reason: str = ""
    settled: bool = True


async def answered(tx: Transaction, identity: UUID, told: Told) -> None:
    """Record an answer in the request's row."""
    await tx.run(
        "UPDATE payer_request SET status = $3, payer_status = $4, protocol = coalesce($5, protocol), reason = $6, "
        "settled = $7, answered_at = now(), updated_at = now() WHERE tenant_id = $1 AND id = $2",
        identity,
        told.status,
        told.payer_status or None,
        told.protocol or None,
        told.reason or None,
        told.settled,
    )
