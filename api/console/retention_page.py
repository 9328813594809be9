"""The page `/console/retention`: how long what is kept stays, what would go now, and legal holds.

Who has a session looks and tries; who holds `retention/write` sets days, places and lifts holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from api.console.visit import Visit, VisitDep, form_of
from api.http.rejected import status_of
from canonical.errors import Conflict, Denied, NotFound, Refused
from hub.retention import holds, rules, run
from hub.retention.rules import Rule

router = APIRouter(include_in_schema=False, prefix="/console/retention")
WRITE = "retention/write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A rule as the page shows it, with its days for this tenant; `tried` is what would go now, after a trial."""

    rule: Rule
    days: int | None
    own: bool
    tried: run.Line | None


Change = Callable[[Visit, Mapping[str, str]], Awaitable[str]]


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page; with `try=1` what would be removed now."""
    tried = None
    if visit.request.query_params.get("try") == "1":
        tried = await run.tried(visit.state.world, await visit.state.world.tenant(visit.tenant.slug))
    return await _page(visit, tried=tried)


@router.post("/rules/{name}")
async def days(visit: VisitDep, name: str) -> Response:
    """Set a rule's days; nothing in the field means as usual."""

    async def done(visit: Visit, form: Mapping[str, str]) -> str:
        text = form.get("days", "").strip()
        if text and not (text.isascii() and text.isdigit() and len(text) < 7):
            raise Refused("days are a whole number", code="retention.days")
        wanted = int(text) if text else None
        world, actor = visit.state.world, visit.actor
        await rules.set_days(world, visit.tenant, name, wanted, usual=wanted is None, actor=actor)
        return "retention.kept"

    return await _changed(visit, done)


@router.post("/holds")
async def hold(visit: VisitDep) -> Response:
    """Place a hold on a person, or with the box ticked on everybody."""

    async def done(visit: Visit, form: Mapping[str, str]) -> str:
        person, everybody = form.get("person", "").strip(), "everybody" in form
        if everybody == bool(person):
            raise Refused("name one person, or everybody", code="retention.who")
        async with visit.state.world.transaction(visit.tenant) as tx:
            await holds.place(tx, person, form.get("reason", ""), actor=visit.actor)
        return "retention.hold-placed"

    return await _changed(visit, done)


@router.post("/holds/{hold_id}/lift")
async def lift(visit: VisitDep, hold_id: UUID) -> Response:
    """Lift a hold."""

    async def done(visit: Visit, form: Mapping[str, str]) -> str:
        async with visit.state.world.transaction(visit.tenant) as tx:
            await holds.lift(tx, hold_id, actor=visit.actor)
        return "retention.hold-lifted"

    return await _changed(visit, done)


async def _changed(visit: Visit, done: Change) -> Response:
    """The page after a change, or with what was wrong about it."""
    try:
        visit.require(WRITE)
        return await _page(visit, told=await done(visit, await form_of(visit.request)))
    except (Refused, Conflict, NotFound, Denied) as error:
        return await _page(visit, problem=error.code, status=status_of(error))


async def _page(
    visit: Visit, *, told: str = "", problem: str = "", status: int = 200, tried: Sequence[run.Line] | None = None
) -> Response:
    tenant = await visit.state.world.tenant(visit.tenant.slug)
    async with visit.state.world.transaction(tenant) as tx:
        standing = await holds.standing(tx)
    lines = {line.rule: line for line in tried or ()}
    return visit.page(
        "retention.html",
        status=status,
        rows=[
            Row(rule=rule, days=rules.days_of(tenant, name), own=rules.is_own(tenant, name), tried=lines.get(name))
            for name, rule in rules.rules().items()
        ],
        holds=standing,
        admin=visit.may(WRITE),
        told=told,
        tried=tried is not None,
        problem=visit.told(problem),
    )
