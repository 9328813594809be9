"""The page `/console/access`: a tenant's clients and policies. Who has a session looks; who is administrator changes.

Every change is a form of our own page (same site, strict cookie); a secret is shown in the answer that made it, once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console import pages, session
from api.console.routes import form_of, words_of
from api.http.failures import status_of
from api.http.state import State, state_of
from canonical.errors import Conflict, Denied, NotFound, Refused
from canonical.problem import Problem
from hub.guard import keys, policies, registration
from hub.guard.clients import Registration
from hub.guard.policies import LIMITS, Policies
from hub.guard.registration import Proof
from hub.guard.tokens import Identity
from hub.world import Tenant

router = APIRouter(include_in_schema=False, prefix="/console/access")
_MOST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at the page, or one change by it."""

    request: Request
    state: State
    identity: Identity
    tenant: Tenant

    @property
    def is_admin(self) -> bool:
        """Whether the session may change things."""
        return session.ADMIN in self.identity.scopes


@dataclass(frozen=True, slots=True)
class Told:
    """What a change has to say: a text of the page, or a problem, and a secret that is shown only now."""

    key: str = ""
    problem: str = ""
    client: str = ""
    secret: str = ""


Change = Callable[[Visit, Mapping[str, str]], Awaitable[Told]]


@router.get("")
async def look(request: Request) -> Response:
    """The page."""
    visit = await _visit(request)
    return await _page(visit, Told()) if visit is not None else _login(request)


@router.post("/clients")
async def create(request: Request) -> Response:
    """Register a client by a secret made here, or by the address of its keys."""
    return await _changed(request, _create)


@router.post("/clients/{name}/{what}")
async def change(request: Request, name: str, what: str) -> Response:
    """A new secret (`secret`), a rate (`rate`), or the end (`revoke`) of a client."""

    async def named(visit: Visit, form: Mapping[str, str]) -> Told:
        done = {"secret": _secret, "rate": _rate, "revoke": _revoke}.get(what)
        if done is None:
            raise NotFound("there is no such change")
        return await done(visit, {**form, "name": name})

    return await _changed(request, named)


@router.post("/policies")
async def policy(request: Request) -> Response:
    """Change the tenant's policies."""
    return await _changed(request, _policies)


async def _create(visit: Visit, form: Mapping[str, str]) -> Told:
    name, url = form.get("name", "").strip(), form.get("jwks_url", "").strip()
    wanted = Registration(scopes=tuple(form.get("scopes", "").split()), rate=_number(form.get("rate", "")) or None)
    proof = Proof(jwks_url=url, secret=not url)
    _, secret = await registration.register(
        visit.state.world, visit.tenant, name, wanted, proof, actor=visit.identity.subject
    )
    return Told("access.created", client=name, secret=secret)


async def _secret(visit: Visit, form: Mapping[str, str]) -> Told:
    actor = visit.identity.subject
    secret = await registration.prove(visit.state.world, visit.tenant, form["name"], Proof(secret=True), actor=actor)
    return Told("access.secret-made", client=form["name"], secret=secret)


async def _rate(visit: Visit, form: Mapping[str, str]) -> Told:
    rate = _number(form.get("rate", "")) or None
    await registration.pace(visit.state.world, visit.tenant, form["name"], rate, actor=visit.identity.subject)
    return Told("access.changed", client=form["name"])


async def _revoke(visit: Visit, form: Mapping[str, str]) -> Told:
    await registration.revoke(visit.state.world, visit.tenant, form["name"], actor=visit.identity.subject)
    visit.state.verifier.forget_client(f"{visit.tenant.slug}.{form['name']}")
    return Told("access.revoked-now", client=form["name"])


async def _policies(visit: Visit, form: Mapping[str, str]) -> Told:
    wanted = Policies(
        update_create="update_create" in form,
        delete_most=_number(form.get("delete_most", "")),
        enforce_profiles="enforce_profiles" in form,
        require_match="require_match" in form,
        algorithms=tuple(name for name in keys.KNOWN if f"algorithm-{name}" in form),
        limits={name: _number(form.get(name, "")) for name in LIMITS},
        origins=tuple(form.get("origins", "").lower().split()),
    )
    await policies.change(visit.state.world, visit.tenant, wanted, actor=visit.identity.subject)
    visit.state.verifier.forget(visit.request.cookies.get(session.COOKIE, ""))
    return Told("access.policies-kept")


def _number(text: str) -> int:
    """A whole number of a form; nothing is 0. Raises Refused."""
    stated = text.strip()
    if not stated:
        return 0
    if not stated.isascii() or not stated.isdigit() or len(stated) > _MOST_DIGITS:
        raise Refused("a whole number is expected", code="client.rate")
    return int(stated)


async def _visit(request: Request) -> Visit | None:
    """The visit of a session; None without one."""
    state = state_of(request)
    found = await session.who(request, state)
    return Visit(request, state, *found) if found is not None else None


async def _changed(request: Request, done: Change) -> Response:
    """The page after a change, or with what was wrong about it (403, 404, 409, 422)."""
    visit = await _visit(request)
    if visit is None:
        return _login(request)
    if not visit.is_admin or not session.is_same_site(request):
        return await _page(visit, Told(problem="failure.denied"), 403)
    try:
        return await _page(visit, await done(visit, await form_of(request)))
    except (Refused, Conflict, NotFound, Denied) as error:
        return await _page(visit, Told(problem=error.code), status_of(error))


async def _page(visit: Visit, told: Told, status: int = 200) -> Response:
    tenant = await visit.state.world.tenant(visit.tenant.slug)
    async with visit.state.world.transaction(tenant) as tx:
        listed = await registration.listed(tx)
    words = words_of(visit.request, visit.state, tenant)
    problem = Problem(told.problem) if told.problem else None
    return pages.page(
        "access.html",
        words,
        status=status,
        tenant=tenant,
        clients=listed,
        policies=policies.policies_of(tenant),
        algorithms=list(keys.KNOWN),
        admin=visit.is_admin,
        told=told,
        problem=f"{problem.text(words.language)} {problem.remedy(words.language)}" if problem else "",
    )


def _login(request: Request) -> Response:
    return pages.page("login.html", words_of(request, state_of(request), None), status=401, error="")
