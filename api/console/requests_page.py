"""The page `/console/requests`: what was asked of payers beside the bill, what became of it, and asking again.

Who has a session looks; who holds `tiss/write` asks whether a membership is covered, asks where a request stands, and
sends one again. Each act is the one of `/api/v1/tiss`. A person's number is sent by a form and stands in no address.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from api.console.visit import Visit, VisitDep, form_of
from api.http.failures import status_of
from canonical.errors import Conflict, Denied, Misconfigured, NotFound, Refused
from hub.billing import listing
from hub.billing.profiles import payers
from hub.console import ASKED
from hub.operate import subject
from hub.requests import authorisation, decision, eligibility, sending
from hub.requests.matter import Named

router = APIRouter(include_in_schema=False, prefix="/console/requests")
READ, WRITE = ("tiss/read", "tiss/write"), "tiss/write"
SHOWN = 50
FILTERS = ("kind", "status", "payer", "number")
STATUSES = (
    "enviando", "em analise", "aguarda justificativa", "aguarda documentos", "incerto", "bloqueado", "substituido",
    "rejeitado", "recusado", "autorizado", "autorizado parcial", "negado", "elegivel", "nao elegivel", "aceito",
    "recebido", "cancelado",
)  # fmt: skip
AGAIN = frozenset((sending.UNKNOWN, sending.REFUSED))
_STATED = (Refused, Conflict, NotFound, Denied, Misconfigured)
_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an act has to say: a text of the page or a problem."""

    key: str = ""
    problem: str = ""
    status: int = 200


Act = Callable[[Visit, Mapping[str, str]], Awaitable[str]]


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page."""
    return await _page(visit, Told())


@router.post("/eligibility")
async def ask(visit: VisitDep) -> Response:
    """Ask a payer whether it covers a person's membership."""

    async def done(visit: Visit, form: Mapping[str, str]) -> str:
        world, tenant = visit.state.world, visit.tenant
        payer = form.get("payer", "")[:_LONGEST]
        async with world.transaction(tenant) as tx:
            patient = (await subject.patients_of(tx, form.get("person", "").strip()[:200]))[0]
            wish = eligibility.Wish(named=Named(patient=patient, payer=payer))
            await eligibility.ask(world, tenant, tx, wish, visit.actor)
        return "requests.asked"

    return await _acted(visit, done)


@router.post("/{request_id}/{what}")
async def act(visit: VisitDep, request_id: UUID, what: str) -> Response:
    """Send the same bytes again (`resend`), or ask the payer where a request for authorisation stands (`status`)."""

    async def done(visit: Visit, form: Mapping[str, str]) -> str:
        world, tenant = visit.state.world, visit.tenant
        async with world.transaction(tenant) as tx:
            if what == "resend":
                await sending.resend(tx, request_id, visit.actor)
                return "requests.resent"
            row = await sending.row_of(tx, request_id)
            if what != "status" or row["kind"] != authorisation.KIND or row["message_id"] is None:
                raise NotFound("there is no such act")
            await decision.ask_status(world, tenant, tx, request_id)
        return "requests.status-asked"

    return await _acted(visit, done)


async def _acted(visit: Visit, done: Act) -> Response:
    """The page after an act, or with what was wrong about it (403, 404, 409, 422)."""
    try:
        visit.require(WRITE)
        told = Told(key=await done(visit, await form_of(visit.request)))
    except _STATED as error:
        told = Told(problem=error.code, status=status_of(error))
    return await _page(visit, told)


async def _page(visit: Visit, told: Told) -> Response:
    given = visit.request.query_params
    asked = {name: given.get(name, "").strip()[:_LONGEST] for name in FILTERS}
    filters = {name: value for name, value in asked.items() if value}
    async with visit.state.world.transaction(visit.tenant) as tx:
        names = {profile.ans: profile.partner.name for profile in await payers(tx)}
        try:
            rows = await listing.newest(tx, "requests", filters, SHOWN + 1, before=given.get("before", ""))
        except (NotFound, Refused) as error:
            rows, told = [], Told(problem=error.code, status=status_of(error))
    query = {"lang": visit.words.language, **filters}
    more = {**query, "before": rows[SHOWN - 1]["id"]} if len(rows) > SHOWN else None
    return visit.page(
        "requests.html",
        status=told.status,
        told=told,
        asked=asked,
        rows=[{**row, "created_at": datetime.datetime.fromisoformat(row["created_at"])} for row in rows[:SHOWN]],
        more=f"/console/requests?{urlencode(more)}#found" if more else "",
        newest=f"/console/requests?{urlencode(query)}#found" if given.get("before") else "",
        names=names,
        kinds=ASKED,
        statuses=STATUSES,
        again=AGAIN,
        writes=visit.may(WRITE),
        reads=visit.may(*READ),
        problem=visit.told(told.problem),
    )
