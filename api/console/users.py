"""The page `/console/users`: the people of a house and how they sign in. Who may only look sees it without forms.

A first password is shown in the answer that made it, once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import Response

from api.console import service_form
from api.console.service_form import Form, Told
from api.console.visit import Visit, VisitDep, fields_of
from api.http.rejected import status_of
from canonical.errors import Conflict, Denied, NotFound, Refused
from hub.users import accounts, federation, roles
from hub.users import rules as house_rules
from hub.users.rules import House

router = APIRouter(include_in_schema=False, prefix="/console/users")
READ, WRITE = "users/read", "users/write"
_MOST_DIGITS = 4


Change = Callable[[Visit, Form, str], Awaitable[Told]]


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page."""
    return await _page(visit, Told())


@router.post("")
async def add(visit: VisitDep) -> Response:
    """Make an account."""
    return await _changed(visit, _add, "")


@router.post("/rules")
async def decide(visit: VisitDep) -> Response:
    """Set what the house decides about signing in."""
    return await _changed(visit, _decide, "")


@router.post("/oidc")
async def trust(visit: VisitDep) -> Response:
    """Set the house's own sign-in service."""
    return await _changed(visit, service_form.keep, "")


@router.post("/oidc/try")
async def try_service(visit: VisitDep) -> Response:
    """Ask the service that is kept who it is."""
    return await _changed(visit, service_form.try_out, "")


@router.post("/oidc/off")
async def distrust(visit: VisitDep) -> Response:
    """Take the house's own sign-in service away."""
    return await _changed(visit, service_form.take_away, "")


@router.post("/{login}/{what}")
async def change(visit: VisitDep, login: str, what: str) -> Response:
    """Change (`change`), close (`close`) or open (`open`) an account, or make a new first password (`reset`)."""
    done = {"change": _change, "close": _close, "open": _open, "reset": _reset}.get(what)
    return await _changed(visit, done or _nothing, login)


async def _nothing(visit: Visit, form: Form, login: str) -> Told:
    raise NotFound("there is no such change")


async def _add(visit: Visit, form: Form, login: str) -> Told:
    person = accounts.checked(form.text("login").casefold(), form.text("name"), form.roles)
    roles.check_grantable(visit.session.scopes, person.roles)
    first = await accounts.add(visit.state.world, visit.tenant, person, actor=visit.actor)
    return Told("users.added", login=person.login, password=first)


async def _change(visit: Visit, form: Form, login: str) -> Told:
    await _check_above(visit, login)
    wanted = roles.chosen(form.roles)
    roles.check_grantable(visit.session.scopes, wanted)
    name = form.text("name")
    await accounts.change(visit.state.world, visit.tenant, login, name=name, roles=wanted, actor=visit.actor)
    return Told("users.changed", login=login)


async def _close(visit: Visit, form: Form, login: str) -> Told:
    await _check_above(visit, login)
    await accounts.close(visit.state.world, visit.tenant, login, actor=visit.actor)
    return Told("users.closed-now", login=login)


async def _open(visit: Visit, form: Form, login: str) -> Told:
    await _check_above(visit, login)
    await accounts.reopen(visit.state.world, visit.tenant, login, actor=visit.actor)
    return Told("users.opened", login=login)


async def _reset(visit: Visit, form: Form, login: str) -> Told:
    await _check_above(visit, login)
    factor = "second_factor" in form.fields
    first = await accounts.reset(visit.state.world, visit.tenant, login, second_factor=factor, actor=visit.actor)
    return Told("users.reset-now", login=login, password=first)


async def _decide(visit: Visit, form: Form, login: str) -> Told:
    wanted = House(
        second_factor="second_factor" in form.fields,
        idle_minutes=_number(form.text("idle_minutes")),
        hours=_number(form.text("hours")),
    )
    await house_rules.decide(visit.state.world, visit.tenant, wanted, actor=visit.actor)
    return Told("users.rules-kept")


async def _check_above(visit: Visit, login: str) -> None:
    """Raise Denied for an account that may more than who would touch it; NotFound."""
    async with visit.state.world.transaction(visit.tenant) as tx:
        found = await accounts.read(tx, login)
    roles.check_grantable(visit.session.scopes, found.roles)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise Refused("a whole number is expected", code="user.session")
    return int(text)


async def _changed(visit: Visit, done: Change, login: str) -> Response:
    """The page after a change, or with what was wrong about it (403, 404, 409, 422)."""
    try:
        visit.require(WRITE)
        pairs = await fields_of(visit.request)
        form = Form(dict(pairs), [value for name, value in pairs if name == "role"])
        return await _page(visit, await done(visit, form, login))
    except (Refused, Conflict, NotFound, Denied) as error:
        return await _page(visit, Told(problem=error.code), status_of(error))


async def _page(visit: Visit, told: Told, status: int = 200) -> Response:
    if not visit.may(READ, WRITE):
        return visit.page("users.html", status=403, told=told, problem=visit.told("failure.denied"), accounts=None)
    tenant = await visit.state.world.tenant(visit.tenant.slug)
    async with visit.state.world.transaction(tenant) as tx:
        listed = await accounts.listed(tx)
    return visit.page(
        "users.html",
        status=status,
        told=told,
        problem=visit.told(told.problem),
        accounts=listed,
        roles=roles.roles(),
        house=house_rules.house_of(tenant),
        most=house_rules.rules()["session"],
        writes=visit.may(WRITE),
        service=service_form.shown(tenant),
        redirect=federation.back(visit.state.world),
        admin=visit.may("admin/*"),
    )
