"""Cancelamento: guides, requests or a batch taken back at the payer. R4: Task (abort); its effect follows the answer.

A cancelled guide gives its charges back, a cancelled batch its guides; a cancelled authorisation no longer counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import Conflict, NotFound
from hub.billing import writing
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.message.replies import Refusal
from hub.billing.profiles import PayerProfile, payer
from hub.requests import authorisation, hearing, records, sending
from hub.requests.hearing import Answered
from hub.requests.matter import provider
from hub.requests.sending import Asked, Kind, Put, Told
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.billing.guides import plan
from mappings.tables.table import codes
from tiss.answers import values as answers

TRANSACTION = "CANCELA_GUIA"
KIND: Kind = "cancelamento"
PLAN = "cancelamento"
DONE, PARTLY, PENDING = "cancelado", "cancelado em parte", "4"
_OF_REQUEST, _OF_GUIDE = "1", "2"  # dm_tipoGuia
_CANCELLED = "1"  # dm_statusCancelamento
_GUIDES = """
SELECT g.id, g.payer_id, g.number, g.patient_id, s.protocol,
       g.tree::jsonb #>> '{dadosAutorizacao,numeroGuiaOperadora}' AS operator_number FROM guide g
LEFT JOIN submission s ON s.tenant_id = $1 AND s.batch_id = g.batch_id AND s.protocol IS NOT NULL
    AND s.status <> 'substituido'
WHERE g.tenant_id = $1 AND g.id = ANY($2::uuid[]) AND g.batch_id IS NOT NULL ORDER BY length(g.number), g.number
"""
_BATCH = """
SELECT b.id, b.payer_id, b.number, b.status, s.protocol FROM batch b
LEFT JOIN submission s ON s.tenant_id = $1 AND s.batch_id = b.id AND s.protocol IS NOT NULL
    AND s.status <> 'substituido'
WHERE b.tenant_id = $1 AND b.id = $2 FOR UPDATE OF b
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is taken back at one payer: sent guides, requests for authorisation, or one batch; and why (kept here)."""

    guides: tuple[UUID, ...] = ()
    requests: tuple[UUID, ...] = ()
    batch: UUID | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _What:
    profile: PayerProfile
    detail: str
    items: list[dict[str, Any]]
    number: str = ""
    protocol: str = ""
    patient_id: str = ""
    subjects: tuple[tuple[str, str], ...] = ()


async def ask(world: World, tenant: Tenant, tx: Transaction, wish: Wish, actor: str) -> Put:
    """Ask the payer to cancel; raises NotFound, and Conflict for what another payer has or what was never sent."""
    by = writing.origin(world, tenant, actor)
    what = await _batch(tx, wish.batch) if wish.batch is not None else await _guides(tx, wish)
    shared = _shared(what)
    await writing.keep_parties(tx, [what.profile], by)
    record = {
        "provider": provider(what.profile),
        "request": {"number": what.number, "protocol": what.protocol} | shared,
        "items": what.items,
    }
    body, problems = sending.body_of(f"cancelamento-{what.detail}", record, what.profile)
    asked = Asked(
        profile=what.profile,
        kind=KIND,
        detail=what.detail,
        number=what.number,
        transaction=TRANSACTION,
        body=body,
        problems=tuple(problems),
        patient_id=what.patient_id,
        subjects=what.subjects,
        actor=actor,
    )
    put = await sending.put(world, tenant, tx, asked)
    told = {**records.asked(await sending.row_of(tx, put.id), by), "note": wish.note, "claim_id": _claim(what.subjects)}
    task = {"request": told, "entries": _entries(what), "message": put.message_id}
    await records.save(tx, PLAN, str(put.id), task, what.profile, by)
    return put


def _shared(what: _What) -> dict[str, str]:
    """What the payer's version states once for all guides; raises Conflict where they differ in it."""
    names = plan(f"cancelamento-{what.detail}", sending.ROOM, what.profile.version).once
    found = {name: {item[name] for item in what.items} for name in names}
    if any(len(values) > 1 for values in found.values()):
        raise Conflict("in this payer's version a cancellation is of one kind and protocol", code="request.one-kind")
    return {name: next(iter(values), "") or "" for name, values in found.items()}


_EMPTIED = """
UPDATE batch b SET status = $3, updated_at = now() WHERE b.tenant_id = $1
AND b.id IN (SELECT g.batch_id FROM guide g WHERE g.tenant_id = $1 AND g.id = ANY($2::uuid[]))
AND NOT EXISTS (
    SELECT 1 FROM guide g WHERE g.tenant_id = $1 AND g.batch_id = b.id AND g.status <> 'cancelada'
) RETURNING b.id
"""  # versions before 4.00.00 cancel guides only: a batch ends with its last one


def _claim(subjects: Sequence[tuple[str, str]]) -> str | None:
    """The one Claim a cancellation is about; None for several, or for a batch."""
    found = [record_id for kind, record_id in subjects if kind == "Claim"]
    return found[0] if len(found) == 1 else None


def _entries(what: _What) -> list[dict[str, str]]:
    if what.detail == "lote":
        return [{"name": "numeroLote", "number": what.number}]
    return [{"name": "numeroGuiaPrestador", "number": item["number"]} for item in what.items]


async def _batch(tx: Transaction, batch_id: UUID | None) -> _What:
    row = await tx.row(_BATCH, batch_id)
    if row is None:
        raise NotFound("there is no such batch")
    if row["status"] in (batches.BLOCKED, batches.REFUSED, batches.ENDED):
        raise Conflict("the payer does not have this batch, or is done with it", code="request.batch-ended")
    profile = await payer(tx, row["payer_id"])
    if plan("cancelamento-lote", sending.ROOM, profile.version).kind != "cancelamento-lote":
        rows = await tx.rows("SELECT id FROM guide WHERE tenant_id = $1 AND batch_id = $2", batch_id)
        return await _guides(tx, Wish(guides=tuple(found["id"] for found in rows)))
    return _What(
        profile=profile,
        detail="lote",
        items=[],
        number=str(row["number"]),
        protocol=row["protocol"] or "",
        subjects=(("Batch", str(batch_id)),),
    )


async def _guides(tx: Transaction, wish: Wish) -> _What:
    billed = await tx.rows(_GUIDES, list(wish.guides))
    asked = [await sending.row_of(tx, one) for one in wish.requests]
    if len(billed) != len(set(wish.guides)) or any(row["kind"] != authorisation.KIND for row in asked):
        raise NotFound("there is no such guide that was sent")
    payers = {row["payer_id"] for row in (*billed, *asked)}
    if len(payers) != 1 or any(row["message_id"] is None for row in asked):
        raise Conflict("a cancellation goes to one payer, about what it was sent", code="request.not-sent")
    patients = {row["patient_id"] for row in (*billed, *asked)}
    return _What(
        profile=await payer(tx, next(iter(payers))),
        detail="guia",
        items=[*(_item(row, _OF_GUIDE) for row in billed), *(_item(row, _OF_REQUEST) for row in asked)],
        patient_id=str(next(iter(patients)) or "") if len(patients) == 1 else "",
        subjects=tuple(("Claim", str(row["id"])) for row in (*billed, *asked)),
    )


def _item(row: Row, nature: str) -> dict[str, Any]:
    billed = nature == _OF_GUIDE
    return {
        "nature": nature,
        "number": row["number"],
        "operator_number": row["operator_number"] if billed else "",
        "protocol": row["protocol"] if billed else "",
    }


async def take(tx: Transaction, found: Answered) -> bool:
    """Record the payer's answer; False when there is none of this kind."""
    told = found.heard.first(answers.CancelReceipt)
    if not isinstance(told, answers.CancelReceipt) or not told.entries:
        return False
    states = [entry.status for entry in told.entries]
    whole, some = all(s == _CANCELLED for s in states), any(s == _CANCELLED for s in states)
    first = next((s for s in states if s != _CANCELLED), _CANCELLED)
    status = DONE if whole else PARTLY if some else codes("status-cancelamento").get(first, "nao cancelado")
    told_status = Told(status=status, payer_status=first, settled=True)
    await sending.answered(tx, found.row["id"], told_status)
    if found.row["detail"] == "lote":
        if whole:
            await _batch_taken_back(tx, found)
    else:
        await _guides_taken_back(tx, found, [e.provider_number for e in told.entries if e.status == _CANCELLED])
    results = [{"number": e.provider_number or e.batch, "status": e.status} for e in told.entries]
    await _save(tx, found, status, {"at": found.by.now, "status": first}, results)
    return True


async def _batch_taken_back(tx: Transaction, found: Answered) -> None:
    """The batch ends; its guides wait to be built again."""
    batch = await tx.value(
        "SELECT record_id FROM payer_request_subject WHERE tenant_id = $1 AND request_id = $2 AND type = 'Batch'",
        found.row["id"],
    )
    await tx.run(
        "UPDATE submission SET settled = true, payer_status = '9' WHERE tenant_id = $1 AND batch_id = $2", UUID(batch)
    )
    await tx.run("UPDATE batch SET status = $3 WHERE tenant_id = $1 AND id = $2", UUID(batch), batches.REFUSED)
    await batches.reopen(tx, UUID(batch), found.by)


async def _guides_taken_back(tx: Transaction, found: Answered, numbers: Sequence[str]) -> None:
    """Guides give their charges back, requests for authorisation end; those not cancelled stay as they are."""
    rows = await tx.rows(
        "SELECT s.record_id, g.id AS guide, r.id AS request FROM payer_request_subject s "
        "LEFT JOIN guide g ON g.tenant_id = $1 AND g.id::text = s.record_id AND g.number = ANY($3::text[]) "
        "LEFT JOIN payer_request r ON r.tenant_id = $1 AND r.id::text = s.record_id AND r.number = ANY($3::text[]) "
        "WHERE s.tenant_id = $1 AND s.request_id = $2 AND s.type = 'Claim'",
        found.row["id"],
        list(numbers),
    )
    gone = [row["guide"] for row in rows if row["guide"] is not None]
    await guides.cancel(tx, gone, found.by)
    ended = [row["id"] for row in await tx.rows(_EMPTIED, gone, batches.ENDED)]
    await tx.run(
        "UPDATE submission SET settled = true, payer_status = '9' WHERE tenant_id = $1 AND batch_id = ANY($2::uuid[])",
        ended,
    )
    for row in rows:
        if row["request"] is not None:
            await sending.answered(tx, row["request"], Told(status=DONE, payer_status="6"))
            await records.withdraw(tx, str(row["request"]), found.by)


async def _refuse(tx: Transaction, found: Answered, why: Refusal) -> None:
    await _save(tx, found, sending.REFUSED, {"at": found.by.now, "text": why.reason}, [])


async def _save(
    tx: Transaction, found: Answered, status: str, answer: dict[str, Any], results: list[dict[str, str]]
) -> None:
    """Lay the answer over the Task, which keeps what was to be cancelled."""
    identity = str(found.row["id"])
    known = (await writing.stored(tx, "Task", [identity])).get(identity, {})
    focus = str(known.get("focus", {}).get("reference", "")).partition("/")[2]
    asked = {**records.asked(found.row, found.by), "status": status, "claim_id": focus or None}
    asked["note"] = known.get("reasonCode", {}).get("text")
    entries = [{"name": one["type"]["text"], "number": one["valueString"]} for one in known.get("input", ())]
    record = {"request": asked, "answer": answer, "entries": entries, "results": results}
    await records.save(tx, PLAN, identity, {**record, "message": found.by.message_id}, found.profile, found.by)


hearing.answers_to(TRANSACTION, take, _refuse)
hearing.safe_again(TRANSACTION)
