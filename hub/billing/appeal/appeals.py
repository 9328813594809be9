"""Appeals (recurso de glosa): a draft from a protocol's denials, its justifications, its sending and its answer."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

from canonical.errors import Conflict, NotFound, TryLater
from canonical.identity import new_id
from canonical.problem import Problem, json_of
from hub.billing import writing
from hub.billing.appeal import records as appeal_records
from hub.billing.appeal import trees as appeal_trees
from hub.billing.batch import batches, protocols
from hub.billing.batch.responses import REFUSED as NOT_TAKEN
from hub.billing.batch.responses import Said
from hub.billing.message import messages, numbers
from hub.billing.message.replies import Refusal, listen
from hub.billing.message.sealing import seal, stated_in
from hub.billing.profiles import PayerProfile, payer, profile_of
from hub.billing.returns.decisions import decide
from hub.exchange.handlers import Doubt, Reply, on_reply, on_written, reconcile
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.guard import audit
from hub.records.saved import Origin
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.tables.table import HERE, codes
from tiss.answers import values as answers
from tiss.wire import latin1, transactions

TRANSACTION = "RECURSO_GLOSA"
STATUS = "SOLIC_STATUS_RECURSO_GLOSA"
OPERATION = transactions.of(TRANSACTION).service
STATUS_OPERATION = transactions.of(STATUS).service
DRAFT, SENDING, SENT, RECEIVED = "rascunho", "enviando", "enviado", "recebido"
UNKNOWN, REFUSED, ANSWERED = "incerto", "rejeitado", "respondido"
DISCARDED = "descartado"
CANCELLED, NOT_FOUND = "9", "7"  # statusProtocolo
DECIDED = "3"  # statusProtocolo of what has been analysed
MOST_GUIDES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants appealed: a payer's protocol, some of its denials (empty: all open ones), and why.

    `texts` maps a denial's id or a glosa code to the justification; others get the template of their code.
    """

    payer_id: UUID
    protocol: str
    denials: tuple[UUID, ...] = ()
    texts: Mapping[str, str] | None = None


@cache
def _templates() -> dict[str, str]:
    with (HERE / "tiss" / "justificativas.csv").open(encoding="utf-8", newline="") as file:
        return {row["glosa"]: row["text"] for row in csv.DictReader(file)}


def template(glosa: str) -> str:
    """The justification proposed for a glosa code: its own, its group's (two digits), or the general one."""
    found = _templates()
    return found.get(glosa) or found.get(glosa[:2]) or found["default"]


# what was not appealed yet, and what of a decided denial the payer hears again: as much as was not granted
_OPEN = """
SELECT d.id, d.glosa_code, d.amount_cents - coalesce(d.granted_cents, 0) AS amount_cents, d.appeal_until, l.guide_number
FROM denial d JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id
WHERE d.tenant_id = $1 AND d.payer_id = $2 AND l.protocol = $3 AND NOT l.replaced
AND (d.status = 'aberta' OR (d.status IN ('mantida', 'revertida parcial') AND d.level < $5))
AND (d.guide_id IS NOT NULL OR l.guide_number = '') AND d.amount_cents > coalesce(d.granted_cents, 0)
AND (cardinality($4::uuid[]) = 0 OR d.id = ANY($4::uuid[])) ORDER BY l.guide_number, l.sequence FOR UPDATE OF d
"""


async def draft(tx: Transaction, wish: Wish, by: Origin) -> UUID:
    """An appeal in draft over open denials of one protocol; raises NotFound when there is none to appeal."""
    profile = await payer(tx, wish.payer_id)
    rows = await tx.rows(
        _OPEN,
        wish.payer_id,
        wish.protocol,
        list(wish.denials),
        profile.terms.levels,
    )
    numbers_of = sorted({row["guide_number"] for row in rows})
    allowed = set(numbers_of[:1] if "" in numbers_of else numbers_of[:MOST_GUIDES])
    chosen = [row for row in rows if row["guide_number"] in allowed]
    if not chosen:
        raise NotFound("there is no open denial to appeal", code="appeal.nothing-open")
    identity = await _insert(tx, wish, profile, chosen)
    await tx.run(
        "UPDATE denial SET appeal_id = $2, status = 'em recurso', justification = x.why "
        "FROM unnest($3::uuid[], $4::text[]) AS x(id, why) WHERE denial.tenant_id = $1 AND denial.id = x.id",
        identity,
        [row["id"] for row in chosen],
        [_why(row, wish.texts or {}) for row in chosen],
    )
    await appeal_records.save_claims(tx, identity, by)
    await audit.note(tx, by.actor, "draft-appeal", f"appeal/{identity}")
    return identity


async def _insert(tx: Transaction, wish: Wish, profile: PayerProfile, chosen: Sequence[Row]) -> UUID:
    identity = new_id()
    await tx.run(
        "INSERT INTO appeal (tenant_id, id, payer_id, batch_id, batch_protocol, number, status, claimed_cents, "
        "appeal_until, tiss_version) VALUES ($1, $2, $3, (SELECT batch_id FROM submission WHERE tenant_id = $1 "
        "AND payer_id = $3 AND protocol = $4 LIMIT 1), $4, $5, $6, $7, $8, $9)",
        identity,
        wish.payer_id,
        wish.protocol,
        await numbers.take(tx, wish.payer_id, "recurso"),
        DRAFT,
        sum(row["amount_cents"] for row in chosen),
        min(row["appeal_until"] for row in chosen),
        profile.version,
    )
    return identity


def _why(row: Row, texts: Mapping[str, str]) -> str:
    own = texts.get(str(row["id"])) or texts.get(row["glosa_code"]) or template(row["glosa_code"])
    return latin1.fit(" ".join(own.split()), appeal_trees.LONGEST_JUSTIFICATION)


async def discard(tx: Transaction, appeal_id: UUID, by: Origin) -> None:
    """Drop an appeal that never went out; its denials are open again. Raises NotFound, Conflict."""
    row = await _appeal(tx, appeal_id)
    if row["status"] not in (DRAFT, batches.BLOCKED):
        raise Conflict("only a draft, or a blocked appeal, can be dropped", code="appeal.sent")
    await appeal_records.discarded(tx, appeal_id, DISCARDED, by)
    await _release(tx, appeal_id)
    await _set(tx, appeal_id, DISCARDED)
    await audit.note(tx, by.actor, "discard-appeal", f"appeal/{appeal_id}")


async def send(world: World, tenant: Tenant, tx: Transaction, appeal_id: UUID, actor: str) -> str:
    """Build, check, sign and queue an appeal; returns its status (`bloqueado` keeps the findings in its row)."""
    row = await _appeal(tx, appeal_id)
    if row["status"] not in (DRAFT, batches.BLOCKED):
        raise Conflict("the appeal has been sent already", code="appeal.sent")
    by = writing.origin(world, tenant, actor)
    today = writing.today(by)
    if deadline_passed(row, today):
        raise Conflict("the payer's deadline for this appeal is over", code="appeal.late")
    profile = await payer(tx, row["payer_id"])
    body = await appeal_trees.body_of(tx, profile, row, today.isoformat())
    sealed = await seal(world, tenant, tx, profile, (TRANSACTION, body))
    await tx.run(
        "UPDATE appeal SET problems = $3, hash = $4, tiss_version = $5 WHERE tenant_id = $1 AND id = $2",
        appeal_id,
        json_of(sealed.problems),
        sealed.hash,
        profile.version,
    )
    if sealed.content is None:
        await _set(tx, appeal_id, batches.BLOCKED)
        await appeal_records.save_claims(tx, appeal_id, by)
        return batches.BLOCKED
    await queue(tx, profile, row, messages.wrapped(sealed.content, profile))
    await appeal_records.save_claims(tx, appeal_id, by)
    await audit.note(tx, actor, "send-appeal", f"appeal/{appeal_id}")
    return SENDING


async def resend(tx: Transaction, appeal_id: UUID, actor: str) -> None:
    """Send an appeal's same bytes again: left as a file and never acknowledged, or its answer lost.

    Raises NotFound; Conflict while it waits to be sent, and once the payer has answered.
    """
    row = await _appeal(tx, appeal_id)
    waiting = await tx.value(
        "SELECT count(*) FROM delivery WHERE tenant_id = $1 AND id = $2 AND status IN ('QUEUED', 'DEAD')",
        row["delivery_id"],
    )
    if row["status"] not in (SENT, UNKNOWN) or waiting:
        raise Conflict("only an appeal without an answer can be sent again", code="appeal.answered")
    await queue(tx, await payer(tx, row["payer_id"]), row, await _kept(tx, row))
    await audit.note(tx, actor, "resend-appeal", f"appeal/{appeal_id}")


async def document(tx: Transaction, appeal_id: UUID) -> bytes:
    """The exact TISS message of an appeal as it was sent; raises NotFound, Gone."""
    return batches.content_of(await _kept(tx, await _appeal(tx, appeal_id)))


async def _kept(tx: Transaction, row: Row) -> bytes:
    return await batches.kept(tx, row["message_id"], "the appeal was not sent yet")


async def queue(tx: Transaction, profile: PayerProfile, row: Row, content: bytes) -> None:
    """Put an appeal's exact bytes into the outbox (`row`: its id and number)."""
    delivery = await enqueue(
        tx,
        profile.partner,
        Outgoing(
            operation=OPERATION,
            format="tiss",
            type=TRANSACTION,
            content=content,
            control_id=str(row["number"]),
            charset="iso-8859-1",
            purpose={"appeal": str(row["id"]), **messages.named(profile, str(row["number"]), stated_in(content))},
        ),
    )
    await tx.run(
        "UPDATE appeal SET status = $3, delivery_id = $4, message_id = (SELECT message_id FROM delivery "
        "WHERE tenant_id = $1 AND id = $4), updated_at = now() WHERE tenant_id = $1 AND id = $2",
        row["id"],
        SENDING,
        delivery,
    )


@on_reply(OPERATION)
async def received(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """The answer to an appeal: its protocol, or a refusal kept verbatim (its denials are then open again)."""
    appeal_id = UUID(reply.purpose["appeal"])
    heard = await listen(tx, reply)
    by = writing.origin(world, tenant, message_id=reply.message_id)
    protocol = heard.first(answers.AppealProtocol)
    if isinstance(protocol, answers.AppealProtocol):
        if wrong := await taken(tx, appeal_id, protocol.number, by):
            await protocols.note(tx, reply.message_id, wrong)
            await _set(tx, appeal_id, UNKNOWN, wrong.code)
    elif heard.refusal is not None and heard.refusal.action != "retry":
        await _refused(tx, appeal_id, heard.refusal, by)
    else:
        await _set(tx, appeal_id, UNKNOWN, heard.refusal.reason if heard.refusal else heard.unreadable)


@on_written(OPERATION)
async def left(tx: Transaction, purpose: dict[str, Any]) -> None:
    """An appeal was left as a file: it is sent, and its protocol comes as a file, too."""
    await tx.run(
        "UPDATE appeal SET status = $3, updated_at = now() WHERE tenant_id = $1 AND id = $2 AND status = $4",
        UUID(purpose["appeal"]),
        SENT,
        SENDING,
    )


async def taken(tx: Transaction, appeal_id: UUID, protocol: str, by: Origin) -> Problem | None:
    """Record that the payer has an appeal under a protocol; one that is another appeal's is told and not recorded."""
    if wrong := await protocols.appeal_astray(tx, appeal_id, protocol):
        return wrong
    await tx.run(
        "UPDATE appeal SET protocol = $3, status = $4, reason = NULL, updated_at = now() "
        "WHERE tenant_id = $1 AND id = $2",
        appeal_id,
        protocol,
        RECEIVED,
    )
    await tx.run(
        "UPDATE batch SET status = 'recurso', updated_at = now() FROM appeal a WHERE batch.tenant_id = $1 "
        "AND a.tenant_id = $1 AND a.id = $2 AND batch.id = a.batch_id",
        appeal_id,
    )
    await appeal_records.answered(tx, appeal_id, Said(protocol=protocol, status="1"), by)
    return None


async def _refused(tx: Transaction, appeal_id: UUID, why: Refusal, by: Origin) -> None:
    error = answers.Glosa(code=why.code, text=why.text)
    await appeal_records.answered(tx, appeal_id, Said(status=NOT_TAKEN, text=why.reason, errors=(error,)), by)
    await _set(tx, appeal_id, REFUSED, why.reason)
    await _release(tx, appeal_id)


@reconcile(OPERATION)
async def lost_reply(world: World, tenant: Tenant, doubt: Doubt) -> bytes | None:
    """An appeal in doubt goes out again only to a payer that recognises a repeated one; else a person must look."""
    async with world.transaction(tenant) as tx:
        await _set(tx, UUID(doubt.purpose["appeal"]), UNKNOWN, "transport.no-answer")
    if profile_of(doubt.partner).resend == "same-bytes":
        return None
    raise TryLater("the payer may have the appeal already; a person must look", code="appeal.in-doubt")


@on_reply(STATUS_OPERATION)
async def answered(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """The decision on an appeal: what was granted, by item, and the batch's end when nothing is open any more."""
    appeal_id = UUID(reply.purpose["appeal"])
    found = (await listen(tx, reply)).first(answers.AppealAnswer, answers.AppealStatus)
    by = writing.origin(world, tenant, message_id=reply.message_id)
    if isinstance(found, answers.AppealAnswer):
        await decided(tx, profile_of(reply.partner), appeal_id, found, by)
    elif isinstance(found, answers.AppealStatus):
        await standing(tx, appeal_id, found.status, by)


async def turned_away(tx: Transaction, appeal_id: UUID, code: str, by: Origin) -> None:
    """The transport was refused (an HTTP 400, say): the appeal did not arrive, its denials are open again."""
    await _refused(tx, appeal_id, Refusal(code=code, text="", action="refused"), by)


async def standing(tx: Transaction, appeal_id: UUID, status: str, by: Origin) -> None:
    """Where the payer says an appeal stands that it has not decided (statusProtocolo).

    One it cancelled is refused, so that its denials are open again; one it does not find waits for a person.
    """
    row = await _appeal(tx, appeal_id)
    words = codes("status-protocolo").get(status, "")
    if row["status"] != RECEIVED or not words:
        return
    if status == CANCELLED:
        await _refused(tx, appeal_id, Refusal(code="", text=words, action="refused"), by)
    else:
        await _set(tx, appeal_id, UNKNOWN if status == NOT_FOUND else RECEIVED, words)


async def decided(
    tx: Transaction, profile: PayerProfile, appeal_id: UUID, found: answers.AppealAnswer, by: Origin
) -> None:
    """Record the decision on an appeal; one that is decided already is granted nothing twice."""
    row = await _appeal(tx, appeal_id)
    if row["status"] == ANSWERED:
        return
    found = replace(found, lines=tuple(await appeal_records.as_listed(tx, appeal_id, found.lines)))
    said = Said(protocol=found.protocol, status=DECIDED)
    await appeal_records.answered(tx, appeal_id, said, by, found.lines, found.granted_cents)
    problems = await decide(tx, profile, appeal_id, found, writing.today(by))
    await tx.run(
        "UPDATE appeal SET status = $3, granted_cents = $4, problems = $5, updated_at = now() "
        "WHERE tenant_id = $1 AND id = $2",
        appeal_id,
        ANSWERED,
        found.granted_cents,
        json_of(problems),
    )
    await tx.run(
        "UPDATE batch SET status = 'encerrado', updated_at = now() FROM appeal a WHERE batch.tenant_id = $1 "
        "AND a.tenant_id = $1 AND a.id = $2 AND batch.id = a.batch_id AND NOT EXISTS ("
        " SELECT 1 FROM denial d JOIN guide g ON g.tenant_id = $1 AND g.id = d.guide_id WHERE d.tenant_id = $1 "
        " AND g.batch_id = batch.id AND d.status IN ('aberta', 'em recurso') AND d.amount_cents > 0)",
        appeal_id,
    )


def deadline_passed(row: Row, today: datetime.date) -> bool:
    """Whether the payer's time for an appeal is over."""
    return row["appeal_until"] is not None and row["appeal_until"] < today


async def _release(tx: Transaction, appeal_id: UUID) -> None:
    await tx.run(
        "UPDATE denial SET appeal_id = NULL, status = CASE WHEN level = 0 THEN 'aberta' "
        "WHEN coalesce(granted_cents, 0) > 0 THEN 'revertida parcial' ELSE 'mantida' END "
        "WHERE tenant_id = $1 AND appeal_id = $2",
        appeal_id,
    )


async def _set(tx: Transaction, appeal_id: UUID, status: str, reason: str | None = None) -> None:
    await tx.run(
        "UPDATE appeal SET status = $3, reason = $4, updated_at = now() WHERE tenant_id = $1 AND id = $2",
        appeal_id,
        status,
        reason,
    )


async def _appeal(tx: Transaction, appeal_id: UUID) -> Row:
    row = await tx.row("SELECT * FROM appeal WHERE tenant_id = $1 AND id = $2 FOR UPDATE", appeal_id)
    if row is None:
        raise NotFound("there is no such appeal")
    return row
