"""The names a client gives its request come back with the answer: X-Request-Id, X-Correlation-Id (R4, http.html)."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAMES = frozenset((b"x-request-id", b"x-correlation-id"))
_fits = re.compile(rb"[!-~]{1,128}").fullmatch


class Echoes:
    """Adds them to the answers of requests that bring them; what is longer or no printable ASCII stays away."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        given = {name: value for name, value in scope.get("headers", ()) if name in _NAMES and _fits(value)}
        if scope["type"] != "http" or not given:
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *given.items()]
            await send(message)

        await self._app(scope, receive, told)
