"""Signing in by the house's own service: there, and back with its answer.

Both ways go by a small page of ours that leads on: a form may not lead to another site (Content-Security-Policy), and
the session's cookie is not sent on a way that another site began.
"""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console import pages, session
from api.console.login import remember
from api.console.visit import OwnForm, form_of, from_where, place_of, way_in, words_of
from api.http.state import State, state_of
from canonical.errors import Conflict, PonteError, Refused, TryLater
from hub.users import federation
from hub.users.entering import Attempt
from hub.users.provider import Distrusted

log = logging.getLogger("ponte.login")
router = APIRouter(include_in_schema=False, prefix="/console/login", dependencies=[OwnForm])
COOKIE = "ponte_oidc"
_A_MINUTE = 120  # ways begun from one address: each asks the service


@router.post("/oidc")
async def there(request: Request) -> Response:
    """To the service of the house named in the form."""
    state, given = state_of(request), await form_of(request)
    house = given.get("house", "")[:60]
    address = from_where(request)["address"]
    await state.limits.take([(f"oidc:{address}", _A_MINUTE)])
    try:
        begun = await federation.begin(state.world, house, place_of(given.get("to", "")))
    except (Distrusted, PonteError) as error:
        return _down(request, error, house=house)
    if begun is None:
        return way_in(request, status=404, error="login.not-federated", house=house)
    response = _onward(request, state, begun.address)
    _keep(response, begun.kept, secure=session.is_secure(request, state))
    return response


@router.get("/oidc/back")
async def back(request: Request) -> Response:
    """From the service, with its answer."""
    state = state_of(request)
    attempt = Attempt(house="", login="", password="", **from_where(request))
    kept, answer = request.cookies.get(COOKIE, ""), dict(request.query_params)
    try:
        came = await federation.finish(state.world, state.services, kept, answer, attempt)
    except Refused as error:
        response = way_in(
            request, status=403, error=f"login.{error.code}" if error.code in _TOLD else "login.oidc-failed"
        )
    except (Distrusted, PonteError) as error:
        response = _down(request, error)
    else:
        language = words_of(request, state, None).language
        response = _onward(request, state, came.to or f"/?lang={language}")
        secure = session.is_secure(request, state)
        session.set_cookie(response, came.begun, secure=secure)
        remember(response, came.house, secure=secure)
    _keep(response, "", secure=session.is_secure(request, state))
    return response


_TOLD = frozenset(("user.oidc-role", "user.oidc-closed", "user.oidc-taken", "user.login"))


def _down(request: Request, error: Exception, **known: object) -> Response:
    """What went wrong with the service, for the person in general; its reason stands in the log and the trail."""
    reason = error.reason if isinstance(error, Distrusted) else getattr(error, "code", "")
    log.warning("a sign-in service was of no use: %s", reason)
    if isinstance(error, Distrusted):
        key, status = ("login.over", 401) if reason == "over" else ("login.oidc-failed", 401)
    else:
        key, status = "login.oidc-down", 503 if isinstance(error, (TryLater, Conflict)) else 502
    return way_in(request, status=status, error=key, **known)


def _onward(request: Request, state: State, place: str) -> Response:
    return pages.page("onward.html", words_of(request, state, None), place=place)


def _keep(response: Response, kept: str, *, secure: bool) -> None:
    """What the browser keeps until it comes back; `lax`, since the way back begins at the service."""
    response.set_cookie(
        COOKIE,
        kept,
        max_age=federation.MINUTES * 60 if kept else 0,
        path="/console/login",
        secure=secure,
        httponly=True,
        samesite="lax",
    )
