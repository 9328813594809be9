"""A look at a page of the console by somebody with a session, and changes by forms of our own pages."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from api.console import pages, session
from api.console.routes import words_of
from api.http.state import State, state_of
from hub.guard.tokens import Identity
from hub.world import Tenant


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a page, or one change by it."""

    request: Request
    state: State
    identity: Identity
    tenant: Tenant

    @property
    def is_admin(self) -> bool:
        """Whether the session may change things."""
        return session.ADMIN in self.identity.scopes

    @property
    def may_change(self) -> bool:
        """Whether this request may: an administrator's, from a page of our own."""
        return self.is_admin and session.is_same_site(self.request)


async def visit_of(request: Request) -> Visit | None:
    """The visit of a session; None without one."""
    state = state_of(request)
    found = await session.who(request, state)
    return Visit(request, state, *found) if found is not None else None


def login(request: Request) -> Response:
    """The way in, for who has no session (401)."""
    return pages.page("login.html", words_of(request, state_of(request), None), status=401, error="")
