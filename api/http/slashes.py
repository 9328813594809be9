"""A slash at the end of an address of the FHIR door says nothing.

Redirected, as the framework would, clients of other servers lose a body or their token; behind a proxy that ends TLS
they would be sent to another scheme.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = "/fhir/"


class Unslashed:
    """Takes it away before the address is looked up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path = scope.get("path", "")
        if path.endswith("/") and path != _PREFIX and path.startswith(_PREFIX) and scope["type"] == "http":
            bare = path.rstrip("/")
            scope = {**scope, "path": bare, "raw_path": bare.encode()}
        await self._app(scope, receive, send)
