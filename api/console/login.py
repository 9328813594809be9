"""The way in and out: a person's login and password, then a code; a program's secret or a token by its own form."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.console import pages, session, visit
from api.console.visit import OwnForm, form_of, from_where, place_of, way_in, words_of
from api.http.state import State, state_of
from canonical.errors import Denied
from hub.guard import clients
from hub.guard.clients import InvalidClient
from hub.guard.limits import Throttled, token_limits
from hub.guard.tokens import InvalidToken
from hub.users import entering, sessions
from hub.users.entering import Attempt, Halfway, Wrong
from hub.users.guessing import Locked
from hub.users.sessions import Begun

router = APIRouter(include_in_schema=False, prefix="/console", dependencies=[OwnForm])
_REMEMBERED = 180 * 86_400


@router.get("/login")
async def form(request: Request) -> Response:
    """The way in."""
    return way_in(request)


@router.post("/login")
async def login(request: Request) -> Response:
    """Begin a session and show the page; what is wrong gives the form again (401, 403, 429)."""
    state, given = state_of(request), await form_of(request)
    try:
        begun = await _begun(request, state, given)
    except (Wrong, InvalidClient, InvalidToken):
        return _again(request, given, 401, "login.failed")
    except Denied:
        return _again(request, given, 403, "login.scope")
    except Locked as locked:
        return _wait(request, given, locked)
    except Throttled as throttled:
        return _wait(request, given, Locked(int(throttled.headers["Retry-After"])))
    if isinstance(begun, Halfway):
        return _again(request, given, 200, "", ticket=begun.ticket)
    return _in(request, state, begun, given)


@router.post("/login/code")
async def code(request: Request) -> Response:
    """The second step: a code of an authenticator program, or a recovery code."""
    state, given = state_of(request), await form_of(request)
    ticket = given.get("ticket", "")
    try:
        attempt = Attempt(house="", login="", password="", **from_where(request))
        begun = await entering.by_code(state.world, ticket, given.get("code", "")[:40], attempt)
    except Wrong:
        alive = entering.is_halfway(state.world, ticket)
        key = "login.code-wrong" if alive else "login.over"
        return _again(request, given, 401, key, ticket=ticket if alive else "")
    except Locked as locked:
        return _wait(request, given, locked)
    return _in(request, state, begun, given)


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the session."""
    state = state_of(request)
    found = await session.found(request, state)
    if found is not None:
        await sessions.end(state.world, found)
    response = RedirectResponse(f"/?lang={words_of(request, state, None).language}", 303, pages.HEADERS)
    session.set_cookie(response, None, secure=session.is_secure(request, state))
    return response


async def _begun(request: Request, state: State, given: Mapping[str, str]) -> Begun | Halfway:
    world, where = state.world, from_where(request)
    attempt = Attempt(
        house=given.get("house", ""), login=given.get("login", ""), password=given.get("password", ""), **where
    )
    if "login" not in given:
        await state.limits.take(token_limits(None, given.get("client_id", ""), where["address"]))
    if token := given.get("token", "").strip():
        identity, tenant = await state.verifier.caller(token)
        return await entering.by_token(world, identity, tenant, attempt)
    if "client_id" in given:
        secret = given.get("client_secret", "")
        client = await clients.authenticate_slowly(world, given["client_id"].strip(), secret)
        return await entering.by_client(world, client, attempt)
    return await entering.by_password(world, attempt)


def _again(request: Request, given: Mapping[str, str], status: int, error: str, ticket: str = "") -> Response:
    """The form again, with what was typed but for the secrets."""
    return way_in(
        request,
        status=status,
        error=error,
        house=given.get("house", "")[:60],
        login=given.get("login", "")[:100],
        to=place_of(given.get("to", "")),
        ticket=ticket,
        other="client_id" in given or "token" in given,
    )


def _wait(request: Request, given: Mapping[str, str], locked: Locked) -> Response:
    minutes = max(1, round(locked.seconds / 60 + 0.49))
    response = way_in(
        request,
        status=429,
        error="login.wait",
        minutes=minutes,
        house=given.get("house", "")[:60],
        login=given.get("login", "")[:100],
        to=place_of(given.get("to", "")),
    )
    response.headers["Retry-After"] = str(locked.seconds)
    return response


def _in(request: Request, state: State, begun: Begun, given: Mapping[str, str]) -> Response:
    """To the page that was wanted, with the session; the house is remembered for the next time."""
    language = words_of(request, state, None).language
    response = RedirectResponse(place_of(given.get("to", "")) or f"/?lang={language}", 303, pages.HEADERS)
    secure = session.is_secure(request, state)
    session.set_cookie(response, begun, secure=secure)
    if house := given.get("house", "").strip().casefold()[:60]:
        remember(response, house, secure=secure)
    return response


def remember(response: Response, house: str, *, secure: bool) -> None:
    """Whose pages were shown, for the form of the next time."""
    if house.isascii() and house.replace("-", "").isalnum():
        response.set_cookie(
            visit.HOUSE, house, max_age=_REMEMBERED, path="/", secure=secure, httponly=True, samesite="strict"
        )
