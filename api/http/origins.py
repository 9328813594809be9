"""Pages of other sites that may call the FHIR door from a browser (Fetch §3.2, CORS): each tenant lists their origins.

A preflight comes without a token, so it is answered for the origins of all tenants; an answer itself is shown only to
those of the tenant whose token it came with. What is open to everyone (SMART App Launch 2.2 §9: discovery) is shown to
every page. No cookies take part, so none are allowed.
"""

from __future__ import annotations

import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.state import ORIGINS, State
from hub.guard.policies import origins_of

_PATHS = ("/fhir", "/oauth/", "/.well-known/")
_PUBLIC = ("/fhir/metadata", "/fhir/.well-known/", "/.well-known/")
_EVERYWHERE = "*"
_KEPT = 10.0  # seconds for which the tenants' lists are remembered
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_SENT = ", ".join(
    (
        "Accept", "Accept-Language", "Authorization", "Content-Type", "If-Match", "If-Modified-Since", "If-None-Exist",
        "If-None-Match", "Prefer", "X-Correlation-Id", "X-Provenance", "X-Purpose-Of-Use", "X-Request-Id",
    )
)  # fmt: skip
_SHOWN = ", ".join(
    (
        "Content-Location", "ETag", "Last-Modified", "Location", "RateLimit-Limit", "RateLimit-Remaining",
        "RateLimit-Reset", "Retry-After", "WWW-Authenticate", "X-Correlation-Id", "X-Progress", "X-Request-Id",
    )
)  # fmt: skip


class CrossOrigin:
    """Answers preflights, and tells the browser which answers it may show to the page that asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._all: frozenset[str] = frozenset()
        self._until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        origin = headers.get("origin", "")
        if not origin or not scope["path"].startswith(_PATHS):
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await (await self._preflight(scope, origin))(scope, receive, send)
        else:
            await self._shown(scope, receive, send, origin)

    async def _preflight(self, scope: Scope, origin: str) -> Response:
        vary = {"Vary": "Origin"}
        if not scope["path"].startswith(_PUBLIC) and not _allows(await self._listed(scope), origin):
            return Response(status_code=403, headers=vary)
        allowed = {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": _METHODS}
        rest = {"Access-Control-Allow-Headers": _SENT, "Access-Control-Max-Age": "600"}
        return Response(status_code=204, headers=allowed | rest | vary)

    async def _shown(self, scope: Scope, receive: Receive, send: Send, origin: str) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if scope["path"].startswith(_PUBLIC) or _allows(await self._shown_to(scope), origin):
                    headers["Access-Control-Allow-Origin"] = origin
                    headers["Access-Control-Expose-Headers"] = _SHOWN
            await send(message)

        await self._app(scope, receive, told)

    async def _shown_to(self, scope: Scope) -> frozenset[str]:
        """The origins of the caller's tenant; of all, so that a page sees a refusal, where there is no caller."""
        own = scope.get(ORIGINS)
        return await self._listed(scope) if own is None else frozenset(own)

    async def _listed(self, scope: Scope) -> frozenset[str]:
        """The origins of all tenants."""
        state = scope["app"].state.ponte
        if time.monotonic() > self._until and isinstance(state, State):
            tenants = await state.world.tenants()
            self._all = frozenset(origin for tenant in tenants for origin in origins_of(tenant))
            self._until = time.monotonic() + _KEPT
        return self._all


def _allows(listed: frozenset[str], origin: str) -> bool:
    return origin in listed or _EVERYWHERE in listed
