"""What every HTTP request can reach: the world, the token verifier and the keeper, and who calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from canonical.errors import Denied
from hub.exchange.keep import Keeper
from hub.guard import scopes
from hub.guard.reading import ReadAudit
from hub.guard.tokens import Identity, InvalidToken, Verifier
from hub.records.acting import Actor
from hub.world import Tenant, World


@dataclass(slots=True)
class State:
    """Held by the application for its whole life."""

    world: World
    verifier: Verifier
    keeper: Keeper
    reading: ReadAudit


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request: the tenant comes from the token, never from the client's own words."""

    identity: Identity
    tenant: Tenant

    @property
    def actor(self) -> Actor:
        """The caller as the records see it."""
        return Actor(tenant=self.tenant, subject=self.identity.subject, permits=self.permits)

    def permits(self, type_name: str, action: str) -> bool:
        """Whether the token allows `action` (a letter of `cruds`) on records of a type."""
        return scopes.permits(self.identity.scopes, type_name, action)

    def require(self, *scopes: str) -> None:
        """Raise Denied unless the token has one of `scopes`."""
        if not self.identity.scopes.intersection(scopes):
            raise Denied("the token lacks the scope for this")


def state_of(request: Request) -> State:
    """The application's state."""
    found = request.app.state.ponte
    if not isinstance(found, State):
        raise TypeError("the application has no state")
    return found


async def caller_of(request: Request) -> Caller:
    """The caller, from the bearer token; raises InvalidToken."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("a bearer token is needed")
    return Caller(*await state_of(request).verifier.caller(token.strip()))


StateDep = Annotated[State, Depends(state_of)]
CallerDep = Annotated[Caller, Depends(caller_of)]
