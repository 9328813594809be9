"""Headers that tell a caller how much of its limits is left (RateLimit-Limit, -Remaining, -Reset)."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.state import RATE


class RateHeaders:
    """Adds them to the answers of requests that were counted; a refused one brings its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and (found := scope.get(RATE)):
                headers = MutableHeaders(scope=message)
                for name, value in found.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, told)
