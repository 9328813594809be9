"""Comunicação de internação ou alta: news of a stay, told to the payer. R4: Communication about the Encounter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from canonical import local
from canonical.errors import Conflict, Refused
from hub.billing import writing
from hub.billing.message.replies import Refusal
from hub.billing.visit.stays import ending_of, is_inpatient
from hub.requests import authorisation, hearing, records, sending
from hub.requests.hearing import Answered
from hub.requests.matter import Matter, Named, matter
from hub.requests.sending import Asked, Kind, Put, Told
from hub.store.database import Transaction
from hub.world import Tenant, World
from mappings.tables.table import codes
from tiss.answers import values as answers

TRANSACTION = "COMUNICACAO_BENEFICIARIO"
KIND: Kind = "comunicacao"
PLAN = "comunicacao"
Event = Literal["", "I", "A"]
ADMISSION, DISCHARGE = "I", "A"
NOT_TOLD = ("bloqueado", "substituido", "rejeitado", "recusado")
_PLANS = {ADMISSION: "comunicacao-internacao", DISCHARGE: "comunicacao-alta"}
_LEADING = """
SELECT code FROM (SELECT c.code, 1 AS turn, c.occurred_on::text AS at FROM charge c
    WHERE c.tenant_id = $1 AND c.encounter_id = $2 AND c.tiss_table = '22'
  UNION ALL SELECT o.code, 0, o.authored_at::text FROM service_order o
    WHERE o.tenant_id = $1 AND o.encounter_id = $2 AND o.status NOT IN ('revoked', 'entered-in-error')) x
WHERE code ~ '^[0-9]{8}$' ORDER BY (code NOT LIKE '3%'), turn, at LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The visit whose news is told; `event` empty: discharge of a finished visit, else admission.

    `stay_kind` (table 57) and `ending` (table 39) go before what the records say.
    """

    named: Named
    event: Event = ""
    stay_kind: str = ""
    ending: str = ""


async def tell(world: World, tenant: Tenant, tx: Transaction, wish: Wish, actor: str) -> Put:
    """Tell the payer of an admission or discharge; raises NotFound, Refused, and Conflict for news told already."""
    by = writing.origin(world, tenant, actor)
    found = await matter(tx, wish.named, writing.today(by))
    if not found.encounter_id or not is_inpatient(found.record["encounter"]["class"]):
        raise Refused("only an inpatient's visit has an admission and a discharge", code="request.no-stay")
    event = wish.event or (DISCHARGE if found.encounter.get("status") == "finished" else ADMISSION)
    await _not_twice(tx, found.encounter_id, event)
    await writing.keep_parties(tx, [found.profile], by)
    record = {**found.record, "request": await _said(tx, found, wish, event, tenant.zone)}
    body, problems = sending.body_of(_PLANS[event], record, found.profile)
    asked = Asked(
        profile=found.profile,
        kind=KIND,
        detail=event,
        transaction=TRANSACTION,
        body=body,
        problems=tuple(problems),
        patient_id=found.patient_id,
        encounter_id=found.encounter_id,
        coverage_id=found.coverage_id,
        subjects=(("Encounter", found.encounter_id),),
        actor=actor,
    )
    put = await sending.put(world, tenant, tx, asked)
    told = records.asked(await sending.row_of(tx, put.id), by)
    await records.save(tx, PLAN, str(put.id), {"request": told, "message": put.message_id}, found.profile, by)
    return put


async def _not_twice(tx: Transaction, encounter: str, event: str) -> None:
    known = await tx.value(
        "SELECT r.id FROM payer_request_subject s JOIN payer_request r ON r.tenant_id = $1 AND r.id = s.request_id "
        "WHERE s.tenant_id = $1 AND s.type = 'Encounter' AND s.record_id = $2 AND r.kind = $3 AND r.detail = $4 "
        "AND NOT r.status = ANY($5::text[]) LIMIT 1",
        encounter,
        KIND,
        event,
        list(NOT_TOLD),
    )
    if known is not None:
        raise Conflict("the payer was told already", code="request.already-told")


async def _said(tx: Transaction, found: Matter, wish: Wish, event: str, zone: str) -> dict[str, Any]:
    """What the tables read of the event: its day, and the kind or the end of the stay."""
    period = found.encounter.get("period", {})
    if event == DISCHARGE:
        disposition = found.encounter.get("hospitalization", {}).get("dischargeDisposition", {})
        return {
            "event": event,
            "on": local.day(period.get("end"), zone),
            "ending": wish.ending or ending_of(disposition),
        }
    kind = wish.stay_kind or await _authorised_kind(tx, found.encounter_id)
    leading = "" if kind else str(await tx.value(_LEADING, found.encounter_id) or "")
    return {"event": event, "on": local.day(period.get("start"), zone), "stay_kind": kind, "leading_code": leading}


async def _authorised_kind(tx: Transaction, encounter: str) -> str:
    """tipoInternacao of the visit's request for authorisation; empty without one."""
    found = await tx.value(
        "SELECT tree::jsonb #>> '{solicitacaoInternacao,dadosInternacao,tipoInternacao}' FROM payer_request "
        "WHERE tenant_id = $1 AND kind = $2 AND detail = 'internacao' AND encounter_id = $3 "
        "AND NOT status = ANY($4::text[]) ORDER BY id DESC LIMIT 1",
        authorisation.KIND,
        encounter,
        list(authorisation.ENDED),
    )
    return str(found or "")


async def take(tx: Transaction, found: Answered) -> bool:
    """Record the payer's answer; False when there is none of this kind."""
    told = found.heard.first(answers.StayReceipt)
    if not isinstance(told, answers.StayReceipt):
        return False
    said = "S" if told.accepted else "N"
    status = codes("status-comunicacao")[said]
    reason = "; ".join(f"{g.code} {g.text}".strip() for g in told.glosas)
    await sending.answered(tx, found.row["id"], Told(status=status, payer_status=said, reason=reason))
    await _save(tx, found, status, {"at": found.by.now, "text": reason, "errors": records.errors(told.glosas)})
    return True


async def _refuse(tx: Transaction, found: Answered, why: Refusal) -> None:
    answer = {"at": found.by.now, "text": why.reason, "errors": records.refusal(why)}
    await _save(tx, found, sending.REFUSED, answer)


async def _save(tx: Transaction, found: Answered, status: str, answer: dict[str, Any]) -> None:
    asked = {**records.asked(found.row, found.by), "status": status}
    record = {"request": asked, "answer": answer, "message": found.by.message_id}
    await records.save(tx, PLAN, str(found.row["id"]), record, found.profile, found.by)


hearing.answers_to(TRANSACTION, take, _refuse)
hearing.same_bytes_only(TRANSACTION)
