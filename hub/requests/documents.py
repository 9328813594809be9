"""Envio de documentos: a laudo, an invoice, a consent beside a guide. R4: Communication with a DocumentReference."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import NotFound, Refused
from canonical.identity import new_id
from hub.billing import writing
from hub.billing.message import numbers
from hub.billing.message.replies import Refusal
from hub.billing.profiles import PayerProfile, payer
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.requests import authorisation, hearing, records, sending
from hub.requests.hearing import Answered
from hub.requests.sending import Asked, Kind, Put, Told
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.tables.table import codes
from tiss.answers import values as answers
from tiss.wire import transactions

TRANSACTION = "ENVIO_DOCUMENTO"
KIND: Kind = "documento"
PLAN = "documento"
RECEIVED = "recebido"
LARGEST = 20 * 1024 * 1024
_OF_REQUEST, _OF_GUIDE = "1", "2"  # dm_tipoGuia
_GUIDE = """
SELECT g.id, g.payer_id, g.number, g.patient_id, g.encounter_id, b.number AS batch, s.protocol,
       g.tree::jsonb #>> '{dadosAutorizacao,numeroGuiaOperadora}' AS operator_number FROM guide g
LEFT JOIN batch b ON b.tenant_id = $1 AND b.id = g.batch_id
LEFT JOIN submission s ON s.tenant_id = $1 AND s.batch_id = g.batch_id AND s.protocol IS NOT NULL
    AND s.status <> 'substituido'
WHERE g.tenant_id = $1 AND g.id = $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A document of a guide, or of a request for authorisation (`request`), by its DocumentReference or by its bytes.

    `kind` is tipoDocumento, `format` formatoDocumento (empty: by the content's type), `item` the guide's item.
    """

    kind: str
    guide: UUID | None = None
    request: UUID | None = None
    document: str = ""
    content: bytes = b""
    content_type: str = ""
    format: str = ""
    item: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    id: str
    content: bytes
    content_type: str


async def send(world: World, tenant: Tenant, tx: Transaction, wish: Wish, actor: str) -> Put:
    """Send a document to the payer of its guide; raises NotFound, Refused for one that cannot be sent."""
    by = writing.origin(world, tenant, actor)
    row, about = await _about(tx, wish)
    profile = await payer(tx, row["payer_id"])
    if not transactions.known_in(transactions.of(TRANSACTION), profile.version):
        raise Refused("the payer's version has no such transaction", code="request.no-transaction")
    file = await _file(tx, wish, row["patient_id"], by)
    form = wish.format or codes("tiss-formato-documento").get(file.content_type.partition(";")[0].strip().lower(), "")
    number = str(await numbers.take(tx, profile.partner.id, "documento"))
    told = {
        "number": number,
        "format": form,
        "content": base64.b64encode(file.content).decode("ascii"),
        "document_kind": wish.kind,
        "item": wish.item,
        "note": wish.note,
    }
    body, problems = sending.body_of(PLAN, {"guide": about, "request": told}, profile)
    await writing.keep_parties(tx, [profile], by)
    asked = Asked(
        profile=profile,
        kind=KIND,
        detail=wish.kind,
        number=number,
        transaction=TRANSACTION,
        body=body,
        kept={name: value for name, value in body.items() if name != "documento"},
        problems=tuple(problems),
        patient_id=row["patient_id"] or "",
        encounter_id=row["encounter_id"] or "",
        subjects=(("Claim", str(row["id"])), ("DocumentReference", file.id)),
        actor=actor,
    )
    put = await sending.put(world, tenant, tx, asked)
    await _save(tx, profile, await sending.row_of(tx, put.id), {}, by)
    return put


async def _about(tx: Transaction, wish: Wish) -> tuple[Row, dict[str, Any]]:
    """The guide or request a document belongs to, and how the payer knows it."""
    if wish.guide is not None:
        row = await tx.row(_GUIDE, wish.guide)
        if row is None:
            raise NotFound("there is no such guide")
        names = ("number", "operator_number", "protocol")
        batch = str(row["batch"]) if row["batch"] is not None else ""
        return row, {**{name: row[name] for name in names}, "batch": batch, "nature": _OF_GUIDE}
    row = await sending.row_of(tx, wish.request) if wish.request is not None else None
    if row is None or row["kind"] != authorisation.KIND:
        raise NotFound("there is no such request")
    answer = (await writing.stored(tx, "ClaimResponse", [str(row["id"])])).get(str(row["id"]), {})
    operator = next((one.get("value", "") for one in answer.get("identifier", ())), "")
    return row, {"number": row["number"], "operator_number": operator, "nature": _OF_REQUEST}


async def _file(tx: Transaction, wish: Wish, patient_id: str | None, by: Origin) -> _File:
    """The document's bytes; those a caller hands over become a DocumentReference of the patient."""
    if wish.document:
        body = (await writing.stored(tx, "DocumentReference", [wish.document])).get(wish.document)
        if body is None:
            raise NotFound("there is no such document")
        return await _stored_file(tx, wish.document, body)
    if not wish.content:
        raise Refused("there is nothing to send", code="request.no-document")
    if len(wish.content) > LARGEST:
        raise Refused("the document is too large", code="request.document-size")
    body = {
        "resourceType": "DocumentReference",
        "status": "current",
        **({"subject": {"reference": f"Patient/{patient_id}"}} if patient_id else {}),
        "date": f"{by.now:%Y-%m-%dT%H:%M:%SZ}",
        "content": [
            {
                "attachment": {
                    "contentType": wish.content_type,
                    "data": base64.b64encode(wish.content).decode("ascii"),
                }
            }
        ],
    }
    identity = str(new_id())
    await save(tx, [Write(type="DocumentReference", id=identity, body=body)], by)
    return _File(id=identity, content=wish.content, content_type=wish.content_type)


async def _stored_file(tx: Transaction, identity: str, body: Mapping[str, Any]) -> _File:
    """The first attachment of a DocumentReference that has data, or whose Binary the hub holds."""
    for content in body.get("content", ()):
        attachment = content.get("attachment", {})
        data, kind = attachment.get("data"), str(attachment.get("contentType", ""))
        kind_of_record, _, record_id = str(attachment.get("url", "")).partition("/")
        if data is None and kind_of_record == "Binary" and record_id:
            binary = (await writing.stored(tx, "Binary", [record_id])).get(record_id, {})
            data, kind = binary.get("data"), kind or str(binary.get("contentType", ""))
        if data:
            try:
                raw = base64.b64decode(data, validate=True)
            except (binascii.Error, ValueError):
                continue
            if len(raw) > LARGEST:
                raise Refused("the document is too large", code="request.document-size")
            return _File(id=identity, content=raw, content_type=kind)
    raise Refused("the document has no content the hub holds", code="request.no-document")


async def take(tx: Transaction, found: Answered) -> bool:
    """Record the payer's answer; False when there is none of this kind."""
    told = found.heard.first(answers.DocumentReceipt)
    if not isinstance(told, answers.DocumentReceipt):
        return False
    await sending.answered(tx, found.row["id"], Told(status=RECEIVED, protocol=told.protocol, reason=told.note))
    answer = {
        "at": found.by.now,
        "protocol": told.protocol,
        "protocol_system": records.protocol_system(found.profile),
        "note": told.note,
    }
    await _save(tx, found.profile, await sending.row_of(tx, found.row["id"]), answer, found.by)
    return True


async def _refuse(tx: Transaction, found: Answered, why: Refusal) -> None:
    answer = {"at": found.by.now, "text": why.reason, "errors": records.refusal(why)}
    await _save(tx, found.profile, await sending.row_of(tx, found.row["id"]), answer, found.by)


async def _save(tx: Transaction, profile: PayerProfile, row: Row, answer: dict[str, Any], by: Origin) -> None:
    subjects = {
        one["type"]: one["record_id"]
        for one in await tx.rows(
            "SELECT type, record_id FROM payer_request_subject WHERE tenant_id = $1 AND request_id = $2", row["id"]
        )
    }
    asked = {
        **records.asked(row, by),
        "claim_id": subjects.get("Claim"),
        "document_id": subjects.get("DocumentReference"),
    }
    record = {"request": asked, "answer": answer, "message": by.message_id or row["message_id"]}
    await records.save(tx, PLAN, str(row["id"]), record, profile, by)


hearing.answers_to(TRANSACTION, take, _refuse)
hearing.same_bytes_only(TRANSACTION)
