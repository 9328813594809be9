"""The console's addresses: the page at `/`, its boards, its style sheet."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.console import denial_board, network_board, pages, session
from api.console.doors import doors
from api.console.visit import ACCOUNT, Visit, VisitDep, way_in, words_of
from api.console.words import HERE
from api.http.answering import csv_answer
from api.http.state import State, state_of
from canonical.errors import NotFound, TryLater
from hub.billing.profiles import payers
from hub.console import Overview
from hub.world import Tenant

router = APIRouter(include_in_schema=False)
_STATIC = {"console.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


@router.api_route("/", methods=["GET", "HEAD"])
async def first(request: Request) -> Response:
    """The page: a tenant's for who has a session, the hub's sums for who sits at this machine, else the way in."""
    state = state_of(request)
    visit = await _visit(request, state)
    if visit is None and not session.is_local(request):
        return way_in(request, status=401)
    if visit is not None and visit.session.must:
        return RedirectResponse(f"{ACCOUNT}?lang={visit.words.language}", 303, pages.HEADERS)
    tenant = visit.tenant if visit is not None else None
    overview = await _overview(request, state, tenant)
    words = words_of(request, state, tenant)
    found = await doors(state.world, tenant, database=overview is not None)
    paused = request.query_params.get("pause", "") == "1"
    return pages.page(
        "overview.html",
        words,
        status=200 if overview is not None else 503,
        tenant=tenant,
        visit=visit,
        overview=overview,
        doors=found,
        alarms=pages.alarms(overview, found, words),
        paused=paused,
        refresh=0 if paused else pages.REFRESH_SECONDS,
    )


@router.get("/console/denials")
async def denials(visit: VisitDep) -> Response:
    """The board of denials."""
    shown = await denial_board.shown(visit.state.world, visit.tenant)
    async with visit.state.world.transaction(visit.tenant) as tx:
        names = {profile.ans: profile.partner.name for profile in await payers(tx)}
    return visit.page("denials.html", board=shown, names=names)


@router.get("/console/denials.csv")
async def denials_as_sheet(visit: VisitDep, by: str = "glosa") -> Response:
    """One grouping of the board as a sheet."""
    content = await denial_board.as_sheet(visit.state.world, visit.tenant, by, visit.language)
    return csv_answer(content, f"glosas-{by}.csv", pages.HEADERS)


@router.get("/console/network")
async def network(visit: VisitDep) -> Response:
    """The documents to RNDS."""
    shown = await network_board.shown(visit.state.world, visit.tenant, visit.words.language)
    return visit.page("network.html", board=shown)


@router.get("/console/{name}", response_class=Response)
async def static(name: str) -> Response:
    """The style sheet and the icon."""
    kind = _STATIC.get(name)
    if kind is None:
        raise NotFound("there is no such file")
    headers = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(_file(name), 200, headers, kind)


async def _overview(request: Request, state: State, tenant: Tenant | None) -> Overview | None:
    """What the page tells; None when the database does not answer."""
    try:
        return await (state.views.tenant(tenant) if tenant is not None else state.views.hub())
    except TryLater:
        return None


async def _visit(request: Request, state: State) -> Visit | None:
    """The visit of a session; None without one, or while the database does not answer."""
    try:
        found = await session.found(request, state)
    except TryLater:
        return None
    return Visit(request, state, found) if found is not None else None


@cache
def _file(name: str) -> bytes:
    return (HERE / "static" / name).read_bytes()
