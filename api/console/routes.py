"""The console's addresses: the page at `/`, its style sheet, and the way in and out."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.console import denial_board, network_board, pages, session
from api.console.doors import doors
from api.console.words import HERE, Words, language_of
from api.http.failures import Rejected
from api.http.state import State, state_of
from api.routes.fhir.exchange import body_of, pairs_of
from canonical.errors import Denied, NotFound, TryLater
from hub.console import Overview
from hub.guard.clients import InvalidClient
from hub.guard.tokens import InvalidToken
from hub.world import Tenant

router = APIRouter(include_in_schema=False)
_MOST_FORM = 32 * 1024
_STATIC = {"console.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


@router.api_route("/", methods=["GET", "HEAD"])
async def first(request: Request) -> Response:
    """The page: a tenant's for who has a session, the hub's sums for who sits at this machine, else the way in."""
    state = state_of(request)
    tenant, admin = await session.visitor(request, state)
    if tenant is None and not session.is_local(request):
        return pages.page("login.html", words_of(request, state, None), status=401, error="")
    overview = await _overview(request, state, tenant)
    words = words_of(request, state, tenant)
    found = await doors(state.world, tenant, database=overview is not None)
    paused = request.query_params.get("pause", "") == "1"
    return pages.page(
        "overview.html",
        words,
        status=200 if overview is not None else 503,
        tenant=tenant,
        admin=admin,
        overview=overview,
        doors=found,
        alarms=pages.alarms(overview, found, words),
        paused=paused,
        refresh=0 if paused else pages.REFRESH_SECONDS,
    )


@router.get("/console/login")
async def login_form(request: Request) -> Response:
    """The way in."""
    return pages.page("login.html", words_of(request, state_of(request), None), error="")


@router.post("/console/login")
async def login(request: Request) -> Response:
    """Begin a session and show the page; a wrong secret or token gives the form again (401, 403)."""
    state = state_of(request)
    words = words_of(request, state, None)
    if not session.is_same_site(request):
        return pages.page("login.html", words, status=403, error="login.failed")
    try:
        begun = await session.login(state, await form_of(request))
    except (InvalidClient, InvalidToken):
        return pages.page("login.html", words, status=401, error="login.failed")
    except Denied:
        return pages.page("login.html", words, status=403, error="login.scope")
    response = _to_first(words)
    session.set_cookie(response, begun, secure=session.is_secure(request, state))
    return response


@router.post("/console/logout")
async def logout(request: Request) -> Response:
    """End the session."""
    state = state_of(request)
    words = words_of(request, state, None)
    if not session.is_same_site(request):
        return pages.page("login.html", words, status=403, error="login.failed")
    await session.logout(request, state)
    response = _to_first(words)
    session.set_cookie(response, None, secure=session.is_secure(request, state))
    return response


@router.get("/console/denials")
async def denials(request: Request) -> Response:
    """The board of denials of the session's tenant; the way in without one."""
    state = state_of(request)
    tenant = await session.tenant_of(request, state)
    words = words_of(request, state, tenant)
    if tenant is None:
        return pages.page("login.html", words, status=401, error="")
    shown = await denial_board.shown(state.world, tenant)
    return pages.page("denials.html", words, tenant=tenant, board=shown)


@router.get("/console/network")
async def network(request: Request) -> Response:
    """The documents to RNDS of the session's tenant; the way in without one."""
    state = state_of(request)
    tenant = await session.tenant_of(request, state)
    words = words_of(request, state, tenant)
    if tenant is None:
        return pages.page("login.html", words, status=401, error="")
    shown = await network_board.shown(state.world, tenant, words.language)
    return pages.page("network.html", words, tenant=tenant, board=shown)


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


async def form_of(request: Request) -> dict[str, str]:
    """The form's fields; what is too long or no form is an empty one."""
    try:
        body = await body_of(request, _MOST_FORM)
        return dict(pairs_of(body.decode("utf-8", "replace")))
    except Rejected:
        return {}


def words_of(request: Request, state: State, tenant: Tenant | None) -> Words:
    """The words of the page in the language asked for, in the tenant's zone."""
    language = language_of(request.query_params.get("lang", ""), request.headers.get("accept-language", ""))
    zone = tenant.zone if tenant is not None else "America/Sao_Paulo"
    return Words(language=language, zone=zone, at=state.world.now())


def _to_first(words: Words) -> Response:
    return RedirectResponse(f"/?lang={words.language}", 303, pages.HEADERS)


@cache
def _file(name: str) -> bytes:
    return (HERE / "static" / name).read_bytes()
