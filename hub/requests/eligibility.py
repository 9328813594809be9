"""Elegibilidade: whether a payer covers a membership. R4: CoverageEligibilityRequest and its Response."""

from __future__ import annotations

from dataclasses import dataclass

from hub.billing import writing
from hub.billing.message.replies import Refusal
from hub.requests import hearing, records, sending
from hub.requests.hearing import Answered
from hub.requests.matter import Named, matter
from hub.requests.sending import Asked, Kind, Put, Told
from hub.store.database import Transaction
from hub.world import Tenant, World
from mappings.tables.table import codes
from tiss.answers import values as answers

TRANSACTION = "VERIFICA_ELEGIBILIDADE"
KIND: Kind = "elegibilidade"
PLAN, ANSWER = "elegibilidade-pedido", "elegibilidade-resposta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Whose membership is asked about; `token` is the codValidacao, `absence` why there is none (table 79)."""

    named: Named
    token: str = ""
    absence: str = ""


async def ask(world: World, tenant: Tenant, tx: Transaction, wish: Wish, actor: str) -> Put:
    """Ask the payer of a membership; raises NotFound, Refused. The answer comes later: `sending.row_of`."""
    by = writing.origin(world, tenant, actor)
    today = writing.today(by)
    found = await matter(tx, wish.named, today)
    await writing.keep_parties(tx, [found.profile], by)
    record = {**found.record, "request": {"token": wish.token, "absence": wish.absence}}
    body, problems = sending.body_of(KIND, record, found.profile)
    asked = Asked(
        profile=found.profile,
        kind=KIND,
        transaction=TRANSACTION,
        body=body,
        problems=tuple(problems),
        patient_id=found.patient_id,
        encounter_id=found.encounter_id,
        coverage_id=found.coverage_id,
        subjects=(("Coverage", found.coverage_id), *((("Encounter", e),) if (e := found.encounter_id) else ())),
        actor=actor,
    )
    put = await sending.put(world, tenant, tx, asked)
    told = {**records.asked(await sending.row_of(tx, put.id), by), "on": today}
    await records.save(tx, PLAN, str(put.id), {"request": told, "message": put.message_id}, found.profile, by)
    return put


async def take(tx: Transaction, found: Answered) -> bool:
    """Record the payer's answer; False when there is none of this kind."""
    told = found.heard.first(answers.Eligibility)
    if not isinstance(told, answers.Eligibility):
        return False
    said = "S" if told.covered else "N"
    reason = "; ".join(f"{g.code} {g.text}".strip() for g in told.glosas)
    status = codes("status-elegibilidade")[said]
    await sending.answered(tx, found.row["id"], Told(status=status, payer_status=said, reason=reason))
    answer = {
        "at": found.by.now,
        "outcome": "complete",
        "covered": said,
        "valid_until": told.valid_until,
        "errors": records.errors(told.glosas),
    }
    await _save(tx, found, answer)
    return True


async def _refuse(tx: Transaction, found: Answered, why: Refusal) -> None:
    answer = {"at": found.by.now, "outcome": "error", "text": why.reason, "errors": records.refusal(why)}
    await _save(tx, found, answer)


async def _save(tx: Transaction, found: Answered, answer: dict[str, object]) -> None:
    record = {"request": records.asked(found.row, found.by), "answer": answer, "message": found.by.message_id}
    await records.save(tx, ANSWER, str(found.row["id"]), record, found.profile, found.by)


hearing.answers_to(TRANSACTION, take, _refuse)
hearing.safe_again(TRANSACTION)
