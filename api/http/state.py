"""What every HTTP request can reach: the world, the token verifier and the keeper, and who calls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Request

from hub.console import Views
from hub.exchange.door.keep import Keeper
from hub.find.sight import WHOLE, Alternatives, alternative
from hub.guard import scopes
from hub.guard.keys import Published, usable
from hub.guard.limits import Limits, limits_of
from hub.guard.policies import origins_of
from hub.guard.reading import ReadAudit
from hub.guard.tokens import Identity, InvalidToken, Verifier
from hub.operate.persons import blocking
from hub.records import blocked as blocks
from hub.records.requests.acting import Actor, setting_of
from hub.records.requests.refusal import refused
from hub.world import Tenant, World

ORIGINS = "ponte.origins"  # where a request keeps the origins whose pages its caller's tenant allows
RATE = "ponte.rate"  # where a request keeps the headers that tell of its limits


@dataclass(slots=True)
class State:
    """Held by the application for its whole life."""

    world: World
    verifier: Verifier
    keeper: Keeper
    reading: ReadAudit
    published: Published = field(default_factory=Published)
    services: Published = field(default_factory=lambda: Published(usable))
    limits: Limits = field(default_factory=Limits)
    views: Views = field(init=False)

    def __post_init__(self) -> None:
        self.views = Views(self.world)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request: the tenant comes from the token, never from the client's own words."""

    identity: Identity
    tenant: Tenant
    world: World
    blocked: blocks.Patients = ()
    _narrow: dict[tuple[str, str], Alternatives] = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        """The caller as the records see it."""
        return Actor(
            tenant=self.tenant,
            subject=self.identity.subject,
            permits=self.permits,
            narrow=self.narrow,
            granted=self.granted,
        )

    def permits(self, type_name: str, action: str) -> bool:
        """Whether the token allows `action` (a letter of `cruds`) on all records of a type."""
        allowed = scopes.permits(self.identity.scopes, type_name, action)
        return allowed and not blocks.hides(type_name, action, self.blocked)

    def granted(self, type_name: str, action: str) -> tuple[tuple[str, str], ...]:
        """What scopes allow on some records of a type: a patient whose compartment is meant, or "", and a query."""
        if scopes.permits(self.identity.scopes, type_name, action):
            return (("", ""),)
        found = scopes.narrowing(self.identity.scopes, type_name, action)
        kept = [g for g in found if g.context != "patient" or self.identity.patient]
        return tuple((self.identity.patient if g.context == "patient" else "", g.query) for g in kept)

    def narrow(self, type_name: str, action: str) -> Alternatives:
        """The records of a type on which scopes for a patient, or with a query, allow `action`; no blocked ones."""
        key = (type_name, action)
        if key not in self._narrow:
            grants = scopes.narrowing(self.identity.scopes, type_name, action)
            setting = setting_of(self.world, self.tenant) if grants else None
            found = [
                alternative(grant, type_name, self.identity.patient, setting) for grant in grants if setting is not None
            ]
            whole = WHOLE if scopes.permits(self.identity.scopes, type_name, action) else ()
            allowed = whole or tuple(each for each in found if each is not None)
            self._narrow[key] = blocks.narrowed(allowed, type_name, action, self.blocked)
        return self._narrow[key]

    def require(self, *wanted: str) -> None:
        """Raise a Refusal that names the first of `wanted` (the least that would do) unless the token has one.

        `tiss/*` has `tiss/read` and `tiss/write`, and so with every door of the hub's own.
        """
        if not any(scopes.names_of(scope).intersection(self.identity.scopes) for scope in wanted):
            raise refused("forbidden", "failure.denied.scope", scope=wanted[0])


def state_of(request: Request) -> State:
    """The application's state."""
    found = request.app.state.ponte
    if not isinstance(found, State):
        raise TypeError("the application has no state")
    return found


async def caller_of(request: Request) -> Caller:
    """The caller, from the bearer token; raises InvalidToken, and Throttled when it calls too often."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("a bearer token is needed")
    state = state_of(request)
    identity, tenant = await state.verifier.caller(token.strip())
    request.scope[ORIGINS] = origins_of(tenant)
    if limits := limits_of(identity, tenant):
        request.scope[RATE] = await state.limits.take(limits)
    caller = Caller(identity, tenant, state.world, blocks.blocked_of(tenant.settings))
    purpose = request.headers.get("x-purpose-of-use", "")
    if not purpose or not caller.blocked:
        return caller
    caller.require(blocking.SCOPE)
    await blocking.break_glass(state.world, tenant, identity.subject, purpose, request.url.path)
    return replace(caller, blocked=(), _narrow={})


StateDep = Annotated[State, Depends(state_of)]
CallerDep = Annotated[Caller, Depends(caller_of)]
