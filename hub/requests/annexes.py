"""Batches of annexes (ENVIO_ANEXO) for a request that was sent before: OPME, quimioterapia, radioterapia, teeth.

The payer gives a protocol; what it decides comes with it, or is asked for by the protocol. What was asked is a Claim of
its own, the decision its ClaimResponse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import NotFound, Refused
from hub.billing import writing
from hub.billing.message import numbers
from hub.billing.message.replies import listen
from hub.billing.profiles import PayerProfile, payer, profile_of
from hub.exchange.handlers import Reply, on_reply
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.records.saved import Origin
from hub.requests import annex_trees, authorisation, decision, hearing, records, sending
from hub.requests.hearing import Answered
from hub.requests.matter import Matter, Named, matter, professionals
from hub.requests.sending import Asked, Kind, Put, Told
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from tiss.answers import values as answers
from tiss.wire import transactions

TRANSACTION = "ENVIO_ANEXO"
STATUS = "SOLIC_STATUS_PROTOCOLO"
KIND: Kind = "anexo"
RECEIVED = "recebido"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The annex of a request of ours (`request`, its id), as `annex_trees` takes it; `values` are phone and email."""

    request: UUID
    annex: Mapping[str, Any]
    values: Mapping[str, Any]


async def ask(world: World, tenant: Tenant, tx: Transaction, wish: Wish, actor: str) -> Put:
    """Send an annex; raises NotFound for a request that is none of authorisation, Refused for a kind there is not."""
    by = writing.origin(world, tenant, actor)
    if wish.annex.get("kind") not in annex_trees.KINDS:
        raise Refused("there is no such kind of annex", code="request.annex-kind")
    parent = await sending.row_of(tx, wish.request)
    if parent["kind"] != authorisation.KIND:
        raise NotFound("there is no such request")
    profile = await payer(tx, parent["payer_id"])
    found, record = await _record(tx, profile, parent, wish, by)
    annex, problems = await annex_trees.tree(tx, profile, wish.annex, record)
    lote = await numbers.take(tx, profile.partner.id, "lote")
    asked = Asked(
        profile=profile,
        kind=KIND,
        detail=annex.kind,
        number=annex.number,
        transaction=TRANSACTION,
        body={"numeroLote": str(lote), "AnexosGuiasTISS": {annex_trees.element_of(annex.kind): annex.body}},
        problems=tuple(problems),
        patient_id=found.patient_id,
        encounter_id=found.encounter_id,
        coverage_id=found.coverage_id,
        subjects=(("Claim", str(wish.request)),),
        actor=actor,
    )
    put = await sending.put(world, tenant, tx, asked)
    told = {**records.asked(await sending.row_of(tx, put.id), by), "annexes": annex.kind}
    told |= {"main_number": parent["number"], "card": record["coverage"]["member_number"]}
    claim = {"request": told, "items": list(wish.annex.get("items", ())), "message": put.message_id}
    await records.save(tx, authorisation.PLAN, str(put.id), claim, profile, by)
    return put


async def _record(
    tx: Transaction, profile: PayerProfile, parent: Row, wish: Wish, by: Origin
) -> tuple[Matter, dict[str, Any]]:
    """What the request `parent` is about, and the record the annex is made from."""
    named = Named(
        patient=parent["patient_id"] or "",
        encounter=parent["encounter_id"] or "",
        coverage=parent["coverage_id"] or "",
        payer=profile.ans,
    )
    found = await matter(tx, named, writing.today(by))
    people = await professionals(tx, found, await _orders(tx, wish.request))
    requester = {**people["requester"], **{name: value for name, value in wish.values.items() if value}}
    reference = {"number": parent["number"], "asked_on": writing.today(by), "password": parent["protocol"]}
    return found, {**found.record, **people, "requester": requester, "request": reference}


async def _orders(tx: Transaction, request: UUID) -> list[dict[str, Any]]:
    """The orders of a request."""
    rows = await tx.rows(
        "SELECT record_id FROM payer_request_subject WHERE tenant_id = $1 AND request_id = $2 "
        "AND type = 'ServiceRequest' ORDER BY record_id",
        request,
    )
    return list((await writing.stored(tx, "ServiceRequest", [row["record_id"] for row in rows])).values())


async def take(tx: Transaction, found: Answered) -> bool:
    """Record the payer's answer; False when there is none of this kind."""
    protocol = found.heard.first(answers.AnnexProtocol)
    if not isinstance(protocol, answers.AnnexProtocol):
        return False
    decided = protocol.decided
    open_ = bool(decided) and decided[0].status not in ("1", "3", "6", "7")
    told = Told(status=RECEIVED, payer_status="1", protocol=protocol.number, settled=not open_)
    await sending.answered(tx, found.row["id"], told)
    if decided:
        await decision.save(tx, found, decided[0])
    return True


async def ask_status(world: World, tenant: Tenant, tx: Transaction, identity: UUID) -> None:
    """Ask by its protocol where a batch of annexes stands; raises NotFound."""
    row = await sending.row_of(tx, identity)
    profile = await payer(tx, row["payer_id"])
    body = {"dadosPrestador": profile.contracted, "numeroProtocolo": row["protocol"]}
    await enqueue(
        tx,
        profile.partner,
        Outgoing(
            operation=transactions.of(STATUS).service,
            format="tiss",
            type=STATUS,
            content=await sending.question(world, tenant, tx, profile, (STATUS, body)),
            control_id=str(identity),
            charset="iso-8859-1",
            lane=transactions.of(TRANSACTION).service,
            purpose={"request": str(identity), "topic": hearing.topic(STATUS)},
        ),
    )


@on_reply(hearing.topic(STATUS))
async def told_status(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """Where a batch of annexes stands: a decision ends the asking."""
    row = await sending.row_of(tx, UUID(reply.purpose["request"]))
    heard = await listen(tx, reply)
    by = writing.origin(world, tenant, message_id=reply.message_id)
    found = Answered(row=row, profile=profile_of(reply.partner), heard=heard, by=by)
    decided = heard.first(answers.Authorisation)
    status = heard.first(answers.Status)
    if isinstance(decided, answers.Authorisation):
        await decision.save(tx, found, decided)
    ended = isinstance(decided, answers.Authorisation) and decided.status in ("1", "3", "6", "7")
    if isinstance(status, answers.Status):
        told = Told(status=RECEIVED, payer_status=status.status, settled=ended)
        await sending.answered(tx, row["id"], told)


hearing.answers_to(TRANSACTION, take, decision.refuse)
hearing.same_bytes_only(TRANSACTION)
