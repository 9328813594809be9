"""The page `/console/account`: one's own password, second factor, sessions, tokens for programs of one's own.

It is all that who must choose a password or turn on the second factor first may see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console import session
from api.console.visit import AnyVisitDep, Visit, fields_of, from_where, way_in
from api.http.rejected import status_of
from api.http.state import state_of
from canonical.errors import Conflict, Denied, NotFound, Refused
from hub.users import accounts, codes, entering, factors, own_tokens, picture, sessions
from hub.users.guessing import Locked
from hub.users.own_tokens import Wish
from hub.users.roles import roles
from hub.users.rules import rules

router = APIRouter(include_in_schema=False, prefix="/console/account")
_PURPOSE = "console/enrol"
_ENROL_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Told:
    """What an act has to say: a text of the page or a problem, and what is shown only now."""

    key: str = ""
    problem: str = ""
    paper: tuple[str, ...] = ()
    secret: str = ""
    ticket: str = ""
    token: str = ""


Form = Mapping[str, str]
Act = Callable[[Visit, Sequence[tuple[str, str]]], Awaitable[Told]]


@router.get("")
async def look(visit: AnyVisitDep) -> Response:
    """The page."""
    return await _page(visit, Told())


@router.post("/{what}")
async def act(visit: AnyVisitDep, request: Request, what: str) -> Response:
    """A new password (`password`), a second factor begun, proved or forgotten (`begin`, `enrol`, `forget`), a session
    ended (`end`), a token made or ended (`token`, `token-end`)."""
    done = _ACTS.get(what)
    if done is None or not visit.session.login:
        return await _page(visit, Told(problem="failure.not-found"), 404)
    try:
        told = await done(visit, await fields_of(request))
    except Locked:
        return await _page(visit, Told(problem="user.wait"), 429)
    except (Refused, Conflict, NotFound, Denied) as error:
        return await _page(visit, Told(problem=error.code), status_of(error))
    found = await session.found(request, state_of(request))
    if found is None:
        return way_in(request, status=401)
    return await _page(Visit(visit.request, visit.state, found), told)


async def _password(visit: Visit, form: Form) -> Told:
    new = form.get("new", "")
    if new != form.get("again", ""):
        raise Refused("the two new passwords differ", code="user.password-twice")
    await _known(visit, form)
    own = visit.session
    await accounts.choose(visit.state.world, own.tenant, own.login, new, keep=own.id)
    return Told("account.password-kept")


async def _begin(visit: Visit, form: Form) -> Told:
    await _known(visit, form)
    return _offered(visit, codes.secret())


async def _enrol(visit: Visit, form: Form) -> Told:
    world, own = visit.state.world, visit.session
    said = entering.unsealed(world, form.get("ticket", ""), _PURPOSE)
    if said is None or said["login"] != own.login or said["session"] != own.id:
        raise Refused("the offer of a second factor is over", code="user.code-over")
    try:
        paper = await factors.enrol(world, own.tenant, own.login, said["secret"], form.get("code", "")[:40])
    except Refused as error:
        return _offered(visit, said["secret"], error.code)
    return Told("account.factor-kept", paper=tuple(paper))


async def _forget(visit: Visit, form: Form) -> Told:
    await _known(visit, form)
    await factors.forget(visit.state.world, visit.tenant, visit.session.login)
    return Told("account.factor-forgotten")


async def _end(visit: Visit, form: Form) -> Told:
    await sessions.end_one(visit.state.world, visit.session, form.get("session", "")[:40])
    return Told("account.session-ended")


async def _token(visit: Visit, form: Form, wanted: Sequence[str]) -> Told:
    own, minutes = visit.session, form.get("minutes", "")
    if own.must:
        raise Denied("something must be done first")
    if own.password:
        await _known(visit, form)
    wish = Wish(
        title=form.get("title", ""),
        scopes=tuple(wanted),
        minutes=int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 6 else 0,
    )
    return Told(
        "account.token-made", token=await own_tokens.make(visit.state.world, own.tenant, own.login, own.scopes, wish)
    )


async def _token_end(visit: Visit, form: Form) -> Told:
    own = visit.session
    await own_tokens.end(visit.state.world, own.tenant, own.login, form.get("token", "")[:40], actor=visit.actor)
    return Told("account.token-ended")


def _single(done: Callable[[Visit, Form], Awaitable[Told]]) -> Act:
    return lambda visit, pairs: done(visit, dict(pairs))


_ACTS: Mapping[str, Act] = {
    "password": _single(_password),
    "begin": _single(_begin),
    "enrol": _single(_enrol),
    "forget": _single(_forget),
    "end": _single(_end),
    "token": lambda visit, pairs: _token(visit, dict(pairs), [value for name, value in pairs if name == "scope"]),
    "token-end": _single(_token_end),
}


def _offered(visit: Visit, secret: str, problem: str = "") -> Told:
    """The secret to be taken over by a program, which travels with the form until its code proves it."""
    world, own = visit.state.world, visit.session
    until = world.now().timestamp() + _ENROL_SECONDS
    said = {"secret": secret, "login": own.login, "session": own.id, "until": until}
    return Told(problem=problem, secret=secret, ticket=entering.sealed(world, said, _PURPOSE))


async def _known(visit: Visit, form: Form) -> None:
    """Raise Refused unless the person gives the present password: an open screen is not yet its owner."""
    own = visit.session
    if not await entering.is_known(
        visit.state.world, own, form.get("current", ""), from_where(visit.request)["address"]
    ):
        raise Refused("the present password is another", code="user.password-wrong")


async def _page(visit: Visit, told: Told, status: int = 200) -> Response:
    own = visit.session
    async with visit.state.world.transaction(own.tenant) as tx:
        listed = await sessions.own(tx, own)
        made = await own_tokens.listed(tx, own.login, visit.state.world.now()) if own.login else []
    address = codes.address(told.secret, own.tenant.slug, own.login) if told.secret else ""
    drawn = picture.matrix(address) if address else []
    return visit.page(
        "account.html",
        status=status,
        sessions=listed,
        tokens=made,
        choices=own_tokens.choices(own.scopes) if own.login else [],
        spans=rules()["token"]["minutes"],
        told=told,
        address=address,
        picture=picture.path(drawn),
        size=len(drawn) + 8,
        titles=[roles()[key].title[visit.words.language] for key in own.roles if key in roles()],
        problem=visit.told(told.problem),
    )
