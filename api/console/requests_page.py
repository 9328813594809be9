"""The page `/console/requests`: what was asked of payers beside the bill, what became of it, and asking.

Who has a session looks; who holds `tiss/write` asks whether a membership is covered, asks for an authorisation (first
by whom or what for, then by ticking orders or a stay), asks where a request stands, and sends one again. Each act is
the one of `/api/v1/tiss`. A person's number is sent by a form and stands in no address.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import Response

from api.console.visit import Visit, VisitDep, fields_of, form_of
from api.http.rejected import status_of
from api.routes.tiss_calls import waited
from api.routes.tiss_wishes import AuthorisationWish
from canonical.errors import Conflict, Denied, Misconfigured, NotFound, Refused
from hub.billing import listing
from hub.billing.profiles import payers
from hub.console import ASKED
from hub.operate.persons import subject
from hub.requests import askable, authorisation, decision, eligibility, sending
from hub.requests.askable import Askable
from hub.requests.matter import Named

router = APIRouter(include_in_schema=False, prefix="/console/requests")
READ, WRITE = ("tiss/read", "tiss/write"), "tiss/write"
SHOWN = 50
ANSWER_SECONDS = 5.0
"""How long a page waits for a payer's answer before it says that there is none yet."""
_DETAILS = ("sp-sadt", "internacao", "prorrogacao", "odonto")
_TABLES = ("22", "18", "19", "20", "00", "90", "98")
_WISHED = ("patient", "encounter", "payer", "detail", "indication", "note", "days")
FILTERS = ("kind", "status", "payer", "number")
STATUSES = (
    "enviando", "enviado", "em analise", "aguarda justificativa", "aguarda documentos", "incerto", "bloqueado",
    "substituido", "rejeitado", "recusado", "autorizado", "autorizado parcial", "negado", "elegivel", "nao elegivel",
    "aceito", "recebido", "cancelado",
)  # fmt: skip
AGAIN = frozenset((sending.SENT, sending.UNKNOWN, sending.REFUSED))
_STATED = (Refused, Conflict, NotFound, Denied, Misconfigured)
_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an act has to say: a text of the page or a problem; the request it made; what can be asked for, and the
    form as it was sent."""

    key: str = ""
    problem: str = ""
    status: int = 200
    request: UUID | None = None
    choice: Askable | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    ticked: frozenset[str] = frozenset()


Act = Callable[[Visit, Mapping[str, str]], Awaitable[Told]]


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page."""
    return await _page(visit, Told())


@router.get("/{request_id}")
async def one(visit: VisitDep, request_id: UUID) -> Response:
    """The page with one request and its answer before all others."""
    async with visit.state.world.transaction(visit.tenant) as tx:
        try:
            await listing.one(tx, "requests", request_id)
        except NotFound as error:
            return await _page(visit, Told(problem=error.code, status=404))
    return await _page(visit, Told(request=request_id))


@router.post("/eligibility")
async def ask(visit: VisitDep) -> Response:
    """Ask a payer whether it covers a person's membership."""

    async def done(visit: Visit, form: Mapping[str, str]) -> Told:
        world, tenant = visit.state.world, visit.tenant
        payer = form.get("payer", "")[:_LONGEST]
        async with world.transaction(tenant) as tx:
            patient = (await subject.patients_of(tx, form.get("person", "").strip()[:200]))[0]
            wish = eligibility.Wish(named=Named(patient=patient, payer=payer))
            put = await eligibility.ask(world, tenant, tx, wish, visit.actor)
        await waited(world, tenant, put.id, ANSWER_SECONDS)
        return Told(key="requests.asked", request=put.id)

    return await _acted(visit, done)


@router.post("/choose")
async def choose(visit: VisitDep) -> Response:
    """What an authorisation can be asked for: the orders and visits of whom a number names."""

    async def done(visit: Visit, form: Mapping[str, str]) -> Told:
        async with visit.state.world.transaction(visit.tenant) as tx:
            found = await askable.found(tx, form.get("about", "").strip()[:200], visit.actor)
        ticked = [one.id for one in found.orders if not one.asked] if len(found.orders) == 1 else []
        return Told(choice=found, form={"about": form.get("about", "")}, ticked=frozenset(ticked))

    return await _acted(visit, done)


@router.post("/authorisation")
async def authorise(visit: VisitDep) -> Response:
    """Ask a payer to authorise what was ticked; a refusal leaves the form as it was."""
    fields = await fields_of(visit.request)
    form = {name: value.strip() for name, value in fields}
    ticked = frozenset(value for name, value in fields if name == "order")
    world, tenant = visit.state.world, visit.tenant
    try:
        visit.require(WRITE)
        async with world.transaction(tenant) as tx:
            put = await authorisation.ask(world, tenant, tx, _wish(form, sorted(ticked)), visit.actor)
        await waited(world, tenant, put.id, ANSWER_SECONDS)
        return await _page(visit, Told(key="requests.authorisation-asked", request=put.id))
    except _STATED as error:
        told = Told(problem=error.code, status=status_of(error), form=form, ticked=ticked)
    if visit.may(WRITE):
        async with world.transaction(tenant) as tx:
            with contextlib.suppress(NotFound):
                found = await askable.found(tx, form.get("about", "")[:200], visit.actor)
                told = replace(told, choice=found)
    return await _page(visit, told)


def _wish(form: Mapping[str, str], orders: Sequence[str]) -> authorisation.Wish:
    """What the form asks for, by the rules of the API; raises Refused."""
    said = {name: form[name] for name in _WISHED if form.get(name)}
    items = [{"table": form.get("table", "22"), "code": form.get("code", ""), "quantity": form.get("quantity") or 1}]
    try:
        wish = AuthorisationWish.model_validate({**said, "orders": orders, "items": items if form.get("code") else []})
    except ValidationError:
        raise Refused("a field has not the form it should have", code="request.form") from None
    if not wish.orders and not wish.items and not wish.encounter:
        raise Refused("nothing was chosen", code="request.nothing")
    return wish.wish


@router.post("/{request_id}/{what}")
async def act(visit: VisitDep, request_id: UUID, what: str) -> Response:
    """Send the same bytes again (`resend`), or ask the payer where a request for authorisation stands (`status`)."""

    async def done(visit: Visit, form: Mapping[str, str]) -> Told:
        world, tenant = visit.state.world, visit.tenant
        async with world.transaction(tenant) as tx:
            if what == "resend":
                await sending.resend(tx, request_id, visit.actor)
                return Told(key="requests.resent", request=request_id)
            row = await sending.row_of(tx, request_id)
            if what != "status" or row["kind"] != authorisation.KIND or row["message_id"] is None:
                raise NotFound("there is no such act")
            await decision.ask_status(world, tenant, tx, request_id)
        return Told(key="requests.status-asked", request=request_id)

    return await _acted(visit, done)


async def _acted(visit: Visit, done: Act) -> Response:
    """The page after an act, or with what was wrong about it (403, 404, 409, 422)."""
    try:
        visit.require(WRITE)
        told = await done(visit, await form_of(visit.request))
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
        own = await listing.one(tx, "requests", told.request) if told.request is not None else None
        authorises = own is not None and own["kind"] == authorisation.KIND
        items = await askable.items_of(tx, told.request) if told.request and authorises else []
    query = {"lang": visit.words.language, **filters}
    more = {**query, "before": rows[SHOWN - 1]["id"]} if len(rows) > SHOWN else None
    return visit.page(
        "requests.html",
        status=told.status,
        told=told,
        own=own,
        items=items if visit.may(*READ) else [],
        kinds_of_request=_DETAILS,
        tables=_TABLES,
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
