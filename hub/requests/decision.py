"""What a payer decides on a request: status, senha, validity, quantities. R4: ClaimResponse (preauthorization).

It comes as the answer to the request, as the answer to a question about it, or unasked; the newest one counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from hub.billing import writing
from hub.billing.message.replies import Refusal, hear, listen
from hub.billing.profiles import PayerProfile, payer, profile_of
from hub.exchange.handlers import Doubt, Reply, on_reply, reconcile
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.requests import hearing, records, sending
from hub.requests.authorisation import TRANSACTION
from hub.requests.contract import wants
from hub.requests.hearing import Answered
from hub.requests.matter import Named, matter
from hub.requests.sending import Told
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.tables.table import codes
from tiss.answers import values as answers
from tiss.answers.receipts import Decided
from tiss.wire import transactions

STATUS = "SOLICITA_STATUS_AUTORIZACAO"
STATUS_PLAN = "status-autorizacao"
ANSWER = "autorizacao-resposta"
WAITING = ("em analise", "aguarda justificativa", "aguarda documentos")
_DECIDED = frozenset(("1", "3", "6", "7"))
_REFUSED = "recusado"


async def take(tx: Transaction, found: Answered) -> bool:
    """Record the decision on a request; False when the answer holds none on it."""
    decided = _on(found.row["number"], found.heard.answers)
    if decided is None:
        return False
    status = codes("status-solicitacao").get(decided.status, WAITING[0])
    told = Told(
        status=status,
        payer_status=decided.status,
        protocol=decided.password,
        reason="; ".join(f"{g.code} {g.text}".strip() for g in decided.glosas),
        settled=decided.status in _DECIDED,
    )
    await sending.answered(tx, found.row["id"], told)
    await save(tx, found, decided)
    return True


async def save(tx: Transaction, found: Answered, decided: answers.Authorisation) -> None:
    """Save a decision as ClaimResponse."""
    answer = {
        "at": found.by.now,
        "status": decided.status,
        "outcome": decided.status,
        "operator_number": decided.operator_number,
        "password": decided.password,
        "given_on": decided.given_on,
        "valid_until": decided.valid_until,
        "days": decided.days,
        "accommodation": decided.accommodation,
        "note": decided.note,
        "errors": records.errors(decided.glosas),
    }
    await _save(tx, found, answer, decided.items)


def _on(number: str, told: Sequence[answers.Answer]) -> answers.Authorisation | None:
    """The decision on the request of a number; one that names none is on the request that was asked about."""
    found = [one for one in told if isinstance(one, answers.Authorisation)]
    return next((one for one in found if one.provider_number in (number, "")), None)


async def refuse(tx: Transaction, found: Answered, why: Refusal) -> None:
    """The payer will not take the request."""
    answer = {"at": found.by.now, "outcome": _REFUSED, "text": why.reason, "errors": records.refusal(why)}
    await _save(tx, found, answer, ())


async def _save(tx: Transaction, found: Answered, answer: Mapping[str, Any], items: Sequence[Decided]) -> None:
    identity = str(found.row["id"])
    claim = (await writing.stored(tx, "Claim", [identity])).get(identity, {})
    record = {
        "request": records.asked(found.row, found.by),
        "claim": claim,
        "answer": answer,
        "items": [_item(claim, item) for item in items],
        "message": found.by.message_id,
    }
    await records.save(tx, ANSWER, identity, record, found.profile, found.by)


def _item(claim: Mapping[str, Any], item: Decided) -> dict[str, Any]:
    """A decided item at the position it has in the request: by code, else by the payer's own sequence."""
    asked = claim.get("item", ())
    same = [one["sequence"] for one in asked if item.code in _codes(one)]
    position = item.sequence if item.sequence in same or not same else same[0]
    return {
        "position": position or None,
        "granted": item.granted or None,
        "cents": item.granted_cents,
        "glosas": records.errors(item.glosas),
    }


def _codes(item: Mapping[str, Any]) -> list[str]:
    return [str(coding.get("code", "")) for coding in item.get("productOrService", {}).get("coding", ())]


async def ask_status(world: World, tenant: Tenant, tx: Transaction, identity: UUID) -> None:
    """Put the question where a request stands into the outbox; raises NotFound."""
    row = await sending.row_of(tx, identity)
    profile = await payer(tx, row["payer_id"])
    await enqueue(
        tx,
        profile.partner,
        Outgoing(
            operation=transactions.of(STATUS).service,
            format="tiss",
            type=STATUS,
            content=await _question(world, tenant, tx, profile, row),
            control_id=str(identity),
            charset="iso-8859-1",
            lane=transactions.of(TRANSACTION).service,
            purpose={"request": str(identity), "topic": hearing.topic(STATUS)},
        ),
    )


async def _question(world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, row: Row) -> bytes:
    """solicitacaoStatusAutorizacao about a request, as it travels."""
    today = writing.today(writing.origin(world, tenant))
    named = Named(patient=row["patient_id"], coverage=row["coverage_id"] or "", payer=profile.ans)
    found = await matter(tx, named, today)
    body = sending.body_of(STATUS_PLAN, {**found.record, "request": {"number": row["number"]}}, profile)[0]
    return await sending.question(world, tenant, tx, profile, (STATUS, body))


@on_reply(hearing.topic(STATUS))
async def told_status(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """Where a request stands; a payer that does not have it gets the same bytes again, by the next poll."""
    row = await sending.row_of(tx, UUID(reply.purpose["request"]))
    profile, heard = profile_of(reply.partner), await listen(tx, reply)
    by = writing.origin(world, tenant, message_id=reply.message_id)
    found = Answered(row=row, profile=profile, heard=heard, by=by)
    if await take(tx, found) or heard.refusal is None:
        return
    if heard.refusal.code in wants(profile).unknown and not row["settled"]:
        await sending.set_state(tx, row["id"], sending.UNKNOWN, reason=heard.refusal.reason)


@reconcile(hearing.topic(TRANSACTION))
async def lost_reply(world: World, tenant: Tenant, doubt: Doubt) -> bytes | None:
    """Before a request in doubt goes out again, its status is asked; only one the payer does not have is sent."""
    profile = profile_of(doubt.partner)
    async with world.transaction(tenant) as tx:
        row = await sending.row_of(tx, UUID(doubt.purpose["request"]))
        question = await _question(world, tenant, tx, profile, row)
    content = await doubt.ask(question, operation=transactions.of(STATUS).service)
    heard = hear(content, profile)
    if _on(row["number"], heard.answers) is not None:
        return content
    missing = heard.refusal is not None and heard.refusal.code in wants(profile).unknown
    if missing or profile.resend == "same-bytes":
        return None
    await hearing.unsure(world, tenant, doubt)
    raise hearing.in_doubt()


hearing.answers_to(TRANSACTION, take, refuse)
