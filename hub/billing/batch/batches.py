"""Batches (lotes): ready guides of one kind and payer, checked, hashed, signed and put into the outbox, or blocked."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from canonical.errors import Conflict, Gone, NotFound
from canonical.identity import new_id
from canonical.problem import Problem, json_of
from hub.billing import writing
from hub.billing.check import checking
from hub.billing.guide import claims, guides
from hub.billing.message import messages, numbers
from hub.billing.message.sealing import Sealed, hash_of, seal
from hub.billing.profiles import PayerProfile, payer, payers
from hub.billing.returns import history
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.guard import audit
from hub.records.saved import Origin
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.billing.guides import plan
from tiss.wire import epilogo, soap, transactions

SENDING, BLOCKED, REFUSED, ENDED = "enviando", "bloqueado", "rejeitado", "encerrado"
TRANSACTION = "ENVIO_LOTE_GUIAS"
OPERATION = transactions.of(TRANSACTION).service
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """One closed batch: its id and number, how many guides, and whether it is on its way."""

    id: UUID
    number: int
    guides: int
    status: str


async def close_batches(world: World, tenant: Tenant, payer_id: UUID | None = None) -> list[Closed]:
    """Close what is ready, payer by payer (or for one), each payer in its own transaction."""
    async with world.transaction(tenant) as tx:
        wanted = [profile.partner.id for profile in await payers(tx)]
    closed: list[Closed] = []
    for identity in wanted:
        if payer_id in (None, identity):
            while made := await _close_payer(world, tenant, identity):
                closed += made
    return closed


async def _close_payer(world: World, tenant: Tenant, payer_id: UUID) -> list[Closed]:
    async with world.transaction(tenant) as tx:
        profile = await payer(tx, payer_id)
        rows = await tx.rows(
            "SELECT id, kind, competence, number, total_cents, tree FROM guide WHERE tenant_id = $1 AND payer_id = $2 "
            "AND status = 'pronta' AND batch_id IS NULL AND tiss_version = $3 "
            "ORDER BY kind, competence, length(number), number LIMIT $4 FOR UPDATE SKIP LOCKED",
            payer_id,
            profile.version,
            _AT_ONCE,
        )
        closed: list[Closed] = []
        for part in parts(rows, profile.guides_per_batch):
            closed += await _close(world, tenant, tx, profile, part)
        return closed


def parts(rows: Sequence[Row], most: int) -> Iterator[list[Row]]:
    """Groups of one kind and competência with at most `most` guides each, in order."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[(row["kind"], row["competence"])].append(row)
    for group in groups.values():
        for start in range(0, len(group), most):
            yield group[start : start + most]


async def _close(
    world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, rows: Sequence[Row]
) -> list[Closed]:
    """One batch of these guides; halves of them where the payer takes no file as large (the number stays unused)."""
    number = await numbers.take(tx, profile.partner.id, "lote")
    element = plan(rows[0]["kind"]).guide
    body = {"numeroLote": str(number), "guiasTISS": {element: [json.loads(row["tree"]) for row in rows]}}
    sealed = await seal(world, tenant, tx, profile, (TRANSACTION, body))
    if len(rows) > 1 and any(problem.code == "payer.size" and problem.blocks for problem in sealed.problems):
        half = len(rows) // 2
        first = await _close(world, tenant, tx, profile, rows[:half])
        return [*first, *await _close(world, tenant, tx, profile, rows[half:])]
    return [await _keep(world, tenant, tx, (profile, number, sealed), rows)]


async def _keep(
    world: World, tenant: Tenant, tx: Transaction, made: tuple[PayerProfile, int, Sealed], rows: Sequence[Row]
) -> Closed:
    """The batch as it was sealed, put into the outbox or kept as blocked."""
    profile, number, sealed = made
    by = writing.origin(world, tenant)
    status, guide_status = (BLOCKED, "bloqueada") if sealed.content is None else (SENDING, "enviada")
    batch_id = await _stored(tx, made, rows, status, by)
    identities = [row["id"] for row in rows]
    await tx.run(
        "UPDATE guide SET batch_id = $2, status = $3, updated_at = now() WHERE tenant_id = $1 AND id = ANY($4::uuid[])",
        batch_id,
        guide_status,
        identities,
    )
    await _tell_guides(tx, rows, sealed.problems)
    sent = {"number": number, "status": guide_status, "message": None}
    if sealed.content is not None:
        await send(tx, profile, batch_id, number, sealed.content)
        sent["message"] = await tx.value("SELECT message_id FROM batch WHERE tenant_id = $1 AND id = $2", batch_id)
    await claims.batched(tx, profile, identities, sent, by)
    await audit.note(tx, "billing", "close-batch", f"batch/{batch_id}", "success" if sealed.content else "failure")
    return Closed(id=batch_id, number=number, guides=len(rows), status=status)


async def _stored(
    tx: Transaction, made: tuple[PayerProfile, int, Sealed], rows: Sequence[Row], status: str, by: Origin
) -> UUID:
    """The id of the batch's row, with what its check and its guides' history found."""
    profile, number, sealed = made
    batch_id = new_id()
    await tx.run(
        "INSERT INTO batch (tenant_id, id, payer_id, number, kind, status, tiss_version, guides, total_cents, hash, "
        "sequence, rule_set, tables, problems) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        batch_id,
        profile.partner.id,
        number,
        rows[0]["kind"],
        status,
        profile.version,
        len(rows),
        sum(row["total_cents"] for row in rows),
        sealed.hash or None,
        sealed.sequence,
        checking.rule_set(),
        checking.table_versions(),
        json_of([*sealed.problems, *await _history(tx, profile, rows, by)]),
    )
    return batch_id


async def _history(tx: Transaction, profile: PayerProfile, rows: Sequence[Row], by: Origin) -> list[Problem]:
    return await history.of_guides(tx, profile, [row["id"] for row in rows], writing.today(by))


async def send(tx: Transaction, profile: PayerProfile, batch_id: UUID, number: int, content: bytes) -> UUID:
    """Put a batch's exact bytes into the outbox under a new submission; returns the submission's id."""
    submission = new_id()
    delivery = await enqueue(
        tx,
        profile.partner,
        Outgoing(
            operation=OPERATION,
            format="tiss",
            type=TRANSACTION,
            content=messages.wrapped(content, profile),
            control_id=str(number),
            charset="iso-8859-1",
            purpose={
                "submission": str(submission),
                "batch": str(batch_id),
                **messages.named(profile, str(number), hash_of(content)),
            },
        ),
    )
    await tx.run(
        "UPDATE batch SET message_id = (SELECT message_id FROM delivery WHERE tenant_id = $1 AND id = $3), "
        "status = $4, reason = NULL, updated_at = now() WHERE tenant_id = $1 AND id = $2",
        batch_id,
        delivery,
        SENDING,
    )
    await tx.run(
        "INSERT INTO submission (tenant_id, id, payer_id, batch_id, delivery_id, status) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        submission,
        profile.partner.id,
        batch_id,
        delivery,
        SENDING,
    )
    return submission


async def resend(tx: Transaction, batch_id: UUID, actor: str) -> UUID:
    """Send a batch's same bytes again (lost, refused, or unknown outcome); raises NotFound, Conflict."""
    row = await _batch(tx, batch_id)
    if row["message_id"] is None or row["status"] == BLOCKED:
        raise Conflict(
            "a blocked batch has nothing to send; repair its guides and close a new one", code="batch.nothing-to-send"
        )
    waiting = await tx.value(
        "SELECT count(*) FROM submission s JOIN delivery d ON d.tenant_id = $1 AND d.id = s.delivery_id "
        "WHERE s.tenant_id = $1 AND s.batch_id = $2 AND d.status IN ('QUEUED', 'DEAD')",
        batch_id,
    )
    if waiting or row["protocol"]:
        raise Conflict("the batch waits to be sent, or has a protocol already", code="batch.answered")
    content = content_of(await _bytes(tx, row))
    await audit.note(tx, actor, "resend-batch", f"batch/{batch_id}")
    return await send(tx, await payer(tx, row["payer_id"]), batch_id, row["number"], content)


async def reopen(tx: Transaction, batch_id: UUID, by: Origin) -> int:
    """Give the guides of a blocked or refused batch back for repair; returns how many. Its number stays used."""
    row = await _batch(tx, batch_id)
    if row["status"] not in (BLOCKED, REFUSED):
        raise Conflict("only a blocked or refused batch gives its guides back", code="batch.not-refused")
    found = await tx.rows(
        "UPDATE guide SET batch_id = NULL, status = 'pendente', updated_at = now() "
        "WHERE tenant_id = $1 AND batch_id = $2 RETURNING id",
        batch_id,
    )
    await tx.run("UPDATE batch SET status = $3, updated_at = now() WHERE tenant_id = $1 AND id = $2", batch_id, ENDED)
    await audit.note(tx, by.actor, "reopen-batch", f"batch/{batch_id}")
    await guides.rebuild(tx, by, [guide["id"] for guide in found])
    return len(found)


async def document(tx: Transaction, batch_id: UUID) -> bytes:
    """The exact TISS message of a batch as it was sent; raises NotFound."""
    row = await _batch(tx, batch_id)
    return content_of(await _bytes(tx, row))


async def file_of(tx: Transaction, batch_id: UUID) -> tuple[str, bytes]:
    """The same with the standard name of its file (batch in 20 digits, hash in capitals); raises NotFound."""
    row = await _batch(tx, batch_id)
    content = content_of(await _bytes(tx, row))
    return epilogo.file_name(str(row["number"]), hash_of(content)), content


async def _bytes(tx: Transaction, row: Row) -> bytes:
    return await kept(tx, row["message_id"], "the batch was blocked; nothing was sent")


async def kept(tx: Transaction, message_id: UUID | None, absent: str) -> bytes:
    """The bytes of a message as they are kept; raises NotFound with `absent` for none, Gone where they were removed."""
    row = await tx.row("SELECT content, removed_at FROM message WHERE tenant_id = $1 AND id = $2", message_id)
    if row is None:
        raise NotFound(absent)
    if row["removed_at"] is not None:
        raise Gone(f"its bytes were removed by retention on {row['removed_at'].date()}", code="message.removed")
    return bytes(row["content"])


def content_of(enveloped: bytes) -> bytes:
    """The message inside an envelope of ours."""
    found = soap.read(enveloped)
    if not isinstance(found, soap.Body):
        raise TypeError("a kept batch is no envelope")
    return found.content


async def _batch(tx: Transaction, batch_id: UUID) -> Row:
    row = await tx.row(
        "SELECT b.*, (SELECT max(protocol) FROM submission s WHERE s.tenant_id = $1 AND s.batch_id = b.id) AS protocol "
        "FROM batch b WHERE b.tenant_id = $1 AND b.id = $2 FOR UPDATE OF b",
        batch_id,
    )
    if row is None:
        raise NotFound("there is no such batch")
    return row


# what the batch's own check cannot find again stays told
_TOLD = """
UPDATE guide SET problems = (coalesce((SELECT jsonb_agg(p) FROM jsonb_array_elements(problems::jsonb) p
    WHERE p ->> 'code' LIKE ANY ($4::text[])), '[]'::jsonb) || $3::text::jsonb)::text
WHERE tenant_id = $1 AND id = $2
"""


async def _tell_guides(tx: Transaction, rows: Sequence[Row], problems: Sequence[Problem]) -> None:
    """Each finding that lies in a guide is kept with that guide too."""
    by_guide: dict[UUID, list[Problem]] = defaultdict(list)
    for problem in problems:
        position = checking.guide_of(problem)
        if position is not None and position <= len(rows):
            by_guide[rows[position - 1]["id"]].append(problem)
    for guide_id, found in by_guide.items():
        await tx.run(_TOLD, guide_id, json_of(found), ["guide.repeated", "history.%"])
