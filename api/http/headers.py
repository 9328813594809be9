"""Headers of every answer: how much of a caller's limits is left, and what a browser may not do with it.

An answer that says nothing of its keeping is kept nowhere, since it may hold a patient's data; one that names no policy
for content has the strictest. The console's pages, with a policy of their own, say so themselves.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.state import RATE

_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class OwnHeaders:
    """Adds them; what an answer brings itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                known = {name for name, _ in headers}
                limits = (scope.get(RATE) or {}).items()
                named = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in limits]
                headers = [pair for pair in headers if pair[0] not in dict(named)] if named else headers
                message["headers"] = headers + named + [pair for pair in _SAFE if pair[0] not in known]
            await send(message)

        await self._app(scope, receive, told)
