"""/api/v1/tiss: stays, cancellations, documents and statements asked of payers."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.rejected import Rejected
from api.http.state import CallerDep, StateDep
from api.routes.tiss_calls import REQUEST, Wait, answer, example, writer
from api.routes.tiss_wishes import CancelWish, DocumentWish, StatementWish, StayWish
from canonical.problem import Problem
from hub.billing import listing
from hub.requests import cancellation, documents, statements, stays
from hub.requests.matter import Named

router = APIRouter(prefix="/api/v1/tiss", tags=["TISS"])


def _asked(**told: Any) -> dict[int | str, dict[str, Any]]:
    return {**example({**REQUEST, **told, "status": "enviando"}, 202), **example({**REQUEST, **told}, 201)}


@router.post("/stays", status_code=202, responses=_asked(kind="comunicacao", detail="I", status="aceito"))
async def tell_stay(wish: StayWish, state: StateDep, caller: CallerDep, wait: Wait = 0) -> Response:
    """Tell a payer of an admission or a discharge (COMUNICACAO_BENEFICIARIO); also a Communication with its id."""
    writer(caller)
    named = Named(encounter=wish.encounter, payer=wish.payer)
    wanted = stays.Wish(named=named, event=wish.event, stay_kind=wish.stay_kind, ending=wish.ending)
    async with state.world.transaction(caller.tenant) as tx:
        put = await stays.tell(state.world, caller.tenant, tx, wanted, caller.identity.subject)
    return await answer(state, caller, put, wait)


@router.post(
    "/cancellations", status_code=202, responses=_asked(kind="cancelamento", detail="guia", status="cancelado")
)
async def cancel(wish: CancelWish, state: StateDep, caller: CallerDep, wait: Wait = 0) -> Response:
    """Ask a payer to cancel guides, requests or a batch (CANCELA_GUIA); also a Task with the request's id.

    What the payer cancels gives back: a guide its charges, a batch its guides, a request its orders.
    """
    writer(caller)
    if bool(wish.batch) == bool(wish.guides or wish.requests):
        raise Rejected(422, [Problem("request.cancel-what")])
    wanted = cancellation.Wish(
        guides=tuple(wish.guides), requests=tuple(wish.requests), batch=wish.batch, note=wish.note
    )
    async with state.world.transaction(caller.tenant) as tx:
        put = await cancellation.ask(state.world, caller.tenant, tx, wanted, caller.identity.subject)
    return await answer(state, caller, put, wait)


@router.post("/documents", status_code=202, responses=_asked(kind="documento", detail="02", status="recebido"))
async def send_document(wish: DocumentWish, state: StateDep, caller: CallerDep, wait: Wait = 0) -> Response:
    """Send a document beside a guide or request (ENVIO_DOCUMENTO, from 4.00.00); `protocol` is that of the document.

    It is also a Communication with the request's id. Content handed over is kept as a DocumentReference.
    """
    writer(caller)
    if (wish.guide is None) == (wish.request is None) or bool(wish.document) == bool(wish.content):
        raise Rejected(422, [Problem("request.document-what")])
    try:
        content = base64.b64decode(wish.content, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected(422, [Problem("request.no-document")]) from None
    wanted = documents.Wish(
        kind=wish.kind,
        guide=wish.guide,
        request=wish.request,
        document=wish.document,
        content=content,
        content_type=wish.content_type,
        format=wish.format,
        item=wish.item,
        note=wish.note,
    )
    async with state.world.transaction(caller.tenant) as tx:
        put = await documents.send(state.world, caller.tenant, tx, wanted, caller.identity.subject)
    return await answer(state, caller, put, wait)


@router.post(
    "/statement-requests",
    status_code=202,
    responses=example(
        {"items": [{**REQUEST, "kind": "demonstrativo", "detail": "analise", "status": "enviando"}]}, 202
    ),
)
async def ask_statements(wish: StatementWish, state: StateDep, caller: CallerDep) -> Response:
    """Ask a payer for statements (SOLIC_DEMONSTRATIVO_RETORNO): more than 30 protocols make several requests.

    What comes back is read like any statement; one that is not ready yet is asked for again by schedule.
    """
    writer(caller)
    if (wish.kind == "analise") != bool(wish.protocols) or (
        wish.kind != "analise" and bool(wish.paid_on) == bool(wish.competence)
    ):
        raise Rejected(422, [Problem("request.statement-what")])
    async with state.world.transaction(caller.tenant) as tx:
        wanted = statements.Wish(
            payer_id=await listing.payer_id(tx, wish.payer),
            detail=wish.kind,
            protocols=tuple(wish.protocols),
            paid_on=wish.paid_on,
            competence=wish.competence,
        )
        made = await statements.ask(state.world, caller.tenant, tx, wanted, caller.identity.subject)
        items = [await listing.one(tx, "requests", put.id) for put in made]
    return json_answer({"items": items}, 202)
