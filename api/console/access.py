"""The page `/console/access`: a tenant's clients and policies. Who has a session looks; who is administrator changes.

Every change is a form of our own page (same site, strict cookie); a secret is shown in the answer that made it, once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from api.console.visit import Visit, VisitDep, form_of
from api.http.rejected import status_of
from canonical.errors import Conflict, Denied, NotFound, Refused
from hub.guard import keys, policies, registration
from hub.guard.clients import Registration
from hub.guard.policies import LIMITS, Policies
from hub.guard.registration import Proof

router = APIRouter(include_in_schema=False, prefix="/console/access")
_MOST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Told:
    """What a change has to say: a text of the page, or a problem, and a secret that is shown only now."""

    key: str = ""
    problem: str = ""
    client: str = ""
    secret: str = ""


Change = Callable[[Visit, Mapping[str, str]], Awaitable[Told]]


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page."""
    return await _page(visit, Told())


@router.post("/clients")
async def create(visit: VisitDep) -> Response:
    """Register a client by a secret made here, or by the address of its keys."""
    return await _changed(visit, _create)


@router.post("/clients/{name}/{what}")
async def change(visit: VisitDep, name: str, what: str) -> Response:
    """A new secret (`secret`), a rate (`rate`), or the end (`revoke`) of a client."""

    async def named(visit: Visit, form: Mapping[str, str]) -> Told:
        done = {"secret": _secret, "rate": _rate, "revoke": _revoke}.get(what)
        if done is None:
            raise NotFound("there is no such change")
        return await done(visit, {**form, "name": name})

    return await _changed(visit, named)


@router.post("/policies")
async def policy(visit: VisitDep) -> Response:
    """Change the tenant's policies."""
    return await _changed(visit, _policies)


async def _create(visit: Visit, form: Mapping[str, str]) -> Told:
    name, url = form.get("name", "").strip(), form.get("jwks_url", "").strip()
    wanted = Registration(scopes=tuple(form.get("scopes", "").split()), rate=_number(form.get("rate", "")) or None)
    proof = Proof(jwks_url=url, secret=not url)
    _, secret = await registration.register(visit.state.world, visit.tenant, name, wanted, proof, actor=visit.actor)
    return Told("access.created", client=name, secret=secret)


async def _secret(visit: Visit, form: Mapping[str, str]) -> Told:
    actor = visit.actor
    secret = await registration.prove(visit.state.world, visit.tenant, form["name"], Proof(secret=True), actor=actor)
    return Told("access.secret-made", client=form["name"], secret=secret)


async def _rate(visit: Visit, form: Mapping[str, str]) -> Told:
    rate = _number(form.get("rate", "")) or None
    await registration.pace(visit.state.world, visit.tenant, form["name"], rate, actor=visit.actor)
    return Told("access.changed", client=form["name"])


async def _revoke(visit: Visit, form: Mapping[str, str]) -> Told:
    await registration.revoke(visit.state.world, visit.tenant, form["name"], actor=visit.actor)
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
    await policies.change(visit.state.world, visit.tenant, wanted, actor=visit.actor)
    return Told("access.policies-kept")


def _number(text: str) -> int:
    """A whole number of a form; nothing is 0. Raises Refused."""
    stated = text.strip()
    if not stated:
        return 0
    if not stated.isascii() or not stated.isdigit() or len(stated) > _MOST_DIGITS:
        raise Refused("a whole number is expected", code="client.rate")
    return int(stated)


async def _changed(visit: Visit, done: Change) -> Response:
    """The page after a change, or with what was wrong about it (403, 404, 409, 422)."""
    try:
        visit.require("admin/*")
        return await _page(visit, await done(visit, await form_of(visit.request)))
    except (Refused, Conflict, NotFound, Denied) as error:
        return await _page(visit, Told(problem=error.code), status_of(error))


async def _page(visit: Visit, told: Told, status: int = 200) -> Response:
    tenant = await visit.state.world.tenant(visit.tenant.slug)
    async with visit.state.world.transaction(tenant) as tx:
        listed = await registration.listed(tx)
    return visit.page(
        "access.html",
        status=status,
        clients=listed,
        policies=policies.policies_of(tenant),
        algorithms=list(keys.KNOWN),
        admin=visit.may("admin/*"),
        told=told,
        problem=visit.told(told.problem),
    )
