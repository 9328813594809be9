"""/api/v1/tiss: what is asked of payers beside the bill: eligibility, authorisations, stays, cancellations, documents.

A request is queued, never sent from inside the call; `wait` lets a reception desk wait for the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import CallerDep, StateDep
from api.routes.tiss_calls import REQUEST, Wait, answer, example, reader, writer
from api.routes.tiss_wishes import AnnexWish, AuthorisationWish, EligibilityWish, annex
from canonical.errors import NotFound
from hub.billing import listing
from hub.requests import annexes, authorisation, decision, eligibility, sending
from hub.requests.sending import Kind

router = APIRouter(prefix="/api/v1/tiss", tags=["TISS"])
COLLECTIONS: dict[str, Kind] = {
    "eligibility": "elegibilidade",
    "authorisations": "autorizacao",
    "annexes": "anexo",
    "stays": "comunicacao",
    "cancellations": "cancelamento",
    "documents": "documento",
    "statement-requests": "demonstrativo",
}
_RESERVED = frozenset(("after", "limit"))
_ASKED = {**example({**REQUEST, "status": "enviando"}, 202), **example(REQUEST, 201)}


@router.post("/eligibility", status_code=202, responses=_ASKED)
async def ask_eligibility(wish: EligibilityWish, state: StateDep, caller: CallerDep, wait: Wait = 0) -> Response:
    """Ask a payer whether it covers a membership (VERIFICA_ELEGIBILIDADE).

    The answer is also CoverageEligibilityRequest and CoverageEligibilityResponse with the request's id.
    """
    writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        wanted = eligibility.Wish(named=wish.named, token=wish.token, absence=wish.absence)
        put = await eligibility.ask(state.world, caller.tenant, tx, wanted, caller.identity.subject)
    return await answer(state, caller, put, wait)


_AUTHORISED = {
    **REQUEST,
    "kind": "autorizacao",
    "detail": "sp-sadt",
    "number": "1024",
    "status": "autorizado",
    "payer_status": "1",
    "protocol": "S806000001",
}


@router.post(
    "/authorisations",
    status_code=202,
    responses={**example({**_AUTHORISED, "status": "enviando"}, 202), **example(_AUTHORISED, 201)},
)
async def ask_authorisation(wish: AuthorisationWish, state: StateDep, caller: CallerDep, wait: Wait = 0) -> Response:
    """Ask a payer to authorise procedures, a stay, more days or dental treatment (SOLICITACAO_PROCEDIMENTOS).

    `protocol` of the answer is the senha. The request is also Claim and ClaimResponse (use preauthorization) with its
    id; guides built afterwards stand on it. 409 for an order that is asked for or authorised already.
    """
    writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        put = await authorisation.ask(state.world, caller.tenant, tx, wish.wish, caller.identity.subject)
    return await answer(state, caller, put, wait)


@router.post("/authorisations/{request_id}/status", status_code=202, responses=example(_AUTHORISED, 202))
async def ask_authorisation_status(request_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Ask now where a request stands (SOLICITA_STATUS_AUTORIZACAO); open ones are asked about by schedule as well."""
    writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        row = await sending.row_of(tx, request_id)
        if row["kind"] != authorisation.KIND or row["message_id"] is None:
            raise NotFound("there is no such request")
        await decision.ask_status(state.world, caller.tenant, tx, request_id)
        return json_answer(await listing.one(tx, "requests", request_id), 202)


@router.post(
    "/annexes",
    status_code=202,
    responses={**example({**_AUTHORISED, "kind": "anexo", "detail": "opme", "status": "enviando"}, 202)},
)
async def send_annex(wish: AnnexWish, state: StateDep, caller: CallerDep, wait: Wait = 0) -> Response:
    """Send an annex (OPME, quimioterapia, radioterapia, situação inicial) to a request sent before (ENVIO_ANEXO)."""
    writer(caller)
    values = {"phone": wish.phone, "email": wish.email}
    wanted = annexes.Wish(request=wish.request, annex=annex(wish.annex), values=values)
    async with state.world.transaction(caller.tenant) as tx:
        put = await annexes.ask(state.world, caller.tenant, tx, wanted, caller.identity.subject)
    return await answer(state, caller, put, wait)


def _lister(kind: Kind) -> Callable[..., Awaitable[Response]]:
    async def listed(
        request: Request,
        state: StateDep,
        caller: CallerDep,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=listing.MOST)] = 50,
    ) -> Response:
        """The requests of this kind, oldest first; filters: payer, status, detail, number, patient_id, encounter_id."""
        reader(caller)
        filters = {name: value for name, value in request.query_params.items() if name not in _RESERVED}
        async with state.world.transaction(caller.tenant) as tx:
            page = await listing.page(tx, "requests", {**filters, "kind": kind}, after, limit)
        return json_answer({"items": page.rows, "next": page.next})

    return listed


def _one(kind: Kind) -> Callable[..., Awaitable[Response]]:
    async def read(request_id: UUID, state: StateDep, caller: CallerDep) -> Response:
        """One request as it stands."""
        reader(caller)
        async with state.world.transaction(caller.tenant) as tx:
            row = await listing.one(tx, "requests", request_id)
        if row["kind"] != kind:
            raise NotFound("there is no such request")
        return json_answer(row)

    return read


def _resender(kind: Kind) -> Callable[..., Awaitable[Response]]:
    async def resend(request_id: UUID, state: StateDep, caller: CallerDep) -> Response:
        """Send the same bytes again: of a request that was refused, or whose outcome nobody knows."""
        writer(caller)
        async with state.world.transaction(caller.tenant) as tx:
            row = await sending.row_of(tx, request_id)
            if row["kind"] != kind:
                raise NotFound("there is no such request")
            await sending.resend(tx, request_id, caller.identity.subject)
            return json_answer(await listing.one(tx, "requests", request_id), 202)

    return resend


for _name, _kind in COLLECTIONS.items():
    _page = example({"items": [REQUEST], "next": None})
    router.add_api_route(f"/{_name}", _lister(_kind), methods=["GET"], name=f"list {_name}", responses=_page)
    router.add_api_route(
        f"/{_name}/{{request_id}}", _one(_kind), methods=["GET"], name=f"read {_name}", responses=example(REQUEST)
    )
    router.add_api_route(
        f"/{_name}/{{request_id}}/resend",
        _resender(_kind),
        methods=["POST"],
        name=f"resend {_name}",
        status_code=202,
        responses=example({**REQUEST, "status": "enviando"}, 202),
    )
