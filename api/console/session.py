"""The session's cookie, which no script can read and no other site can send, and from where a request comes."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from api.http.state import State
from hub.users import sessions
from hub.users.sessions import Begun, Session

COOKIE = "ponte_console"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_NAMES_OF_THIS_MACHINE = frozenset(("localhost", "127.0.0.1", "::1"))


async def found(request: Request, state: State) -> Session | None:
    """The session of a request; None without one that holds. A page that renews itself is no look of a person's.

    Raises TryLater while the database does not answer.
    """
    word = request.cookies.get(COOKIE, "")
    looked = request.query_params.get("auto", "") != "1"
    return await sessions.find(state.world, word, looked=looked) if word else None


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


def set_cookie(response: Response, begun: Begun | None, *, secure: bool) -> None:
    """Put the session into the answer, or take it away."""
    response.set_cookie(
        COOKIE,
        begun.word if begun else "",
        max_age=int(begun.lifetime.total_seconds()) if begun else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def is_secure(request: Request, state: State) -> bool:
    """Whether browsers reach us over TLS, so that the cookie must not travel without."""
    return request.url.scheme == "https" or state.world.settings.public_url.startswith("https://")
