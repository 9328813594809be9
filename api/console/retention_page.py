"""The page `/console/retention`: how long what is kept stays, what would go now, and legal holds.

Who has a session looks and tries; who is administrator sets days, places and lifts holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console import pages, session
from api.console.routes import form_of, words_of
from api.http.failures import status_of
from api.http.state import State, state_of
from canonical.errors import Conflict, NotFound, Refused
from canonical.problem import Problem
from hub.guard.tokens import Identity
from hub.retention import holds, rules, run
from hub.retention.rules import Rule
from hub.world import Tenant

router = APIRouter(include_in_schema=False, prefix="/console/retention")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A rule as the page shows it, with its days for this tenant; `tried` is what would go now, after a trial."""

    rule: Rule
    days: int | None
    own: bool
    tried: run.Line | None


Change = Callable[[Visit, Mapping[str, str]], Awaitable[str]]


@router.get("")
async def look(request: Request) -> Response:
    """The page; with `try=1` what would be removed now."""
    visit = await _visit(request)
    if visit is None:
        return _login(request)
    tried = None
    if request.query_params.get("try") == "1":
        tried = await run.tried(visit.state.world, await visit.state.world.tenant(visit.tenant.slug))
    return await _page(visit, tried=tried)


@router.post("/rules/{name}")
async def days(request: Request, name: str) -> Response:
    """Set a rule's days; nothing in the field means as usual."""

    async def done(visit: Visit, form: Mapping[str, str]) -> str:
        text = form.get("days", "").strip()
        if text and not (text.isascii() and text.isdigit() and len(text) < 7):
            raise Refused("days are a whole number", code="retention.days")
        wanted = int(text) if text else None
        world, actor = visit.state.world, visit.identity.subject
        await rules.set_days(world, visit.tenant, name, wanted, usual=wanted is None, actor=actor)
        return "retention.kept"

    return await _changed(request, done)


@router.post("/holds")
async def hold(request: Request) -> Response:
    """Place a hold on a person, or with the box ticked on everybody."""

    async def done(visit: Visit, form: Mapping[str, str]) -> str:
        person, everybody = form.get("person", "").strip(), "everybody" in form
        if everybody == bool(person):
            raise Refused("name one person, or everybody", code="retention.who")
        async with visit.state.world.transaction(visit.tenant) as tx:
            await holds.place(tx, person, form.get("reason", ""), actor=visit.identity.subject)
        return "retention.hold-placed"

    return await _changed(request, done)


@router.post("/holds/{hold_id}/lift")
async def lift(request: Request, hold_id: UUID) -> Response:
    """Lift a hold."""

    async def done(visit: Visit, form: Mapping[str, str]) -> str:
        async with visit.state.world.transaction(visit.tenant) as tx:
            await holds.lift(tx, hold_id, actor=visit.identity.subject)
        return "retention.hold-lifted"

    return await _changed(request, done)


async def _visit(request: Request) -> Visit | None:
    """The visit of a session; None without one."""
    state = state_of(request)
    found = await session.who(request, state)
    return Visit(request, state, *found) if found is not None else None


async def _changed(request: Request, done: Change) -> Response:
    """The page after a change, or with what was wrong about it."""
    visit = await _visit(request)
    if visit is None:
        return _login(request)
    if not visit.is_admin or not session.is_same_site(request):
        return await _page(visit, problem="failure.denied", status=403)
    try:
        return await _page(visit, told=await done(visit, await form_of(request)))
    except (Refused, Conflict, NotFound) as error:
        return await _page(visit, problem=error.code, status=status_of(error))


async def _page(
    visit: Visit, *, told: str = "", problem: str = "", status: int = 200, tried: Sequence[run.Line] | None = None
) -> Response:
    tenant = await visit.state.world.tenant(visit.tenant.slug)
    async with visit.state.world.transaction(tenant) as tx:
        standing = await holds.standing(tx)
    words = words_of(visit.request, visit.state, tenant)
    lines = {line.rule: line for line in tried or ()}
    wrong = Problem(problem) if problem else None
    return pages.page(
        "retention.html",
        words,
        status=status,
        tenant=tenant,
        rows=[
            Row(rule=rule, days=rules.days_of(tenant, name), own=rules.is_own(tenant, name), tried=lines.get(name))
            for name, rule in rules.rules().items()
        ],
        holds=standing,
        admin=visit.is_admin,
        told=told,
        tried=tried is not None,
        problem=f"{wrong.text(words.language)} {wrong.remedy(words.language)}" if wrong else "",
    )


def _login(request: Request) -> Response:
    return pages.page("login.html", words_of(request, state_of(request), None), status=401, error="")
