"""Who looks: an operator with a session of one tenant, somebody at this machine, or nobody we know.

A session is a cookie no script can read and no other site can send. Its token sees the console's pages and nothing
else; an administrator's may change clients and policies there.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from api.http.state import State
from canonical.errors import Denied, TryLater
from hub.guard import audit, clients, tokens
from hub.guard.tokens import Identity, InvalidToken
from hub.world import Tenant

COOKIE = "ponte_console"
SCOPE = "console/read"
ADMIN = "console/admin"  # of sessions only: to change clients and policies on the page
LIFETIME = datetime.timedelta(hours=8)
_ENTRY = frozenset((SCOPE, "admin/*"))
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_NAMES_OF_THIS_MACHINE = frozenset(("localhost", "127.0.0.1", "::1"))
_AT_ONCE = asyncio.Semaphore(2)  # a secret is slow to check on purpose; a flood of attempts must not take the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A fresh session: the token for the cookie and how long it lives."""

    token: str
    lifetime: datetime.timedelta


async def who(request: Request, state: State) -> tuple[Identity, Tenant] | None:
    """Who has a valid session, and of which tenant; None without one."""
    token = request.cookies.get(COOKIE, "")
    if not token:
        return None
    try:
        identity, tenant = await state.verifier.caller(token)
    except InvalidToken:
        return None
    return (identity, tenant) if SCOPE in identity.scopes else None


async def tenant_of(request: Request, state: State) -> Tenant | None:
    """The tenant of a valid session; None without one, or while the database does not answer."""
    return (await visitor(request, state))[0]


async def visitor(request: Request, state: State) -> tuple[Tenant | None, bool]:
    """The tenant of a valid session and whether it may change things; None without one, or without the database."""
    try:
        found = await who(request, state)
    except TryLater:
        return None, False
    return (found[1], ADMIN in found[0].scopes) if found is not None else (None, False)


def is_local(request: Request) -> bool:
    """Whether the request comes from this machine itself: a loopback address, no proxy, addressed by a local name.

    The name is checked so that a foreign page cannot reach us by a domain of its own that points here.
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        local = ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    return local and (urlsplit(f"//{request.headers.get('host', '')}").hostname or "") in _NAMES_OF_THIS_MACHINE


def is_same_site(request: Request) -> bool:
    """Whether a form was sent from our own page (RFC 6454 Origin; Fetch Metadata)."""
    origin = request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == request.headers.get("host", "")
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


async def login(state: State, form: Mapping[str, str]) -> Session:
    """A session for who proves a client's secret or holds a token. Raises InvalidClient, InvalidToken, Denied."""
    world = state.world
    if token := form.get("token", "").strip():
        identity, tenant = await state.verifier.caller(token)
        subject, held = identity.subject, identity.scopes
        lifetime = min(LIFETIME, identity.expires_at - world.now())
    else:
        async with _AT_ONCE:
            client = await clients.authenticate(world, form.get("client_id", "").strip(), form.get("client_secret", ""))
        tenant, subject, held, lifetime = client.tenant, client.client_id, frozenset(client.scopes), LIFETIME
    if not held & _ENTRY:
        raise Denied("the token lacks the scope for the console")
    scopes = (SCOPE, ADMIN) if "admin/*" in held else (SCOPE,)
    issued = await tokens.issue(world, tenant, subject, roles=(), scopes=scopes, lifetime=lifetime)
    async with world.transaction(tenant) as tx:
        await audit.note(tx, subject, "console-login", "console")
    return Session(token=issued, lifetime=lifetime)


async def logout(request: Request, state: State) -> None:
    """End the session, if there is one."""
    token = request.cookies.get(COOKIE, "")
    try:
        identity = await state.verifier.verify(token) if token else None
    except InvalidToken:
        return
    if identity is not None and SCOPE in identity.scopes:
        await tokens.revoke(state.world, identity)
        state.verifier.forget(token)


def set_cookie(response: Response, session: Session | None, *, secure: bool) -> None:
    """Put the session into the answer, or take it away."""
    response.set_cookie(
        COOKIE,
        session.token if session else "",
        max_age=int(session.lifetime.total_seconds()) if session else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def is_secure(request: Request, state: State) -> bool:
    """Whether browsers reach us over TLS, so that the cookie must not travel without."""
    return request.url.scheme == "https" or state.world.settings.public_url.startswith("https://")
