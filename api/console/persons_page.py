"""The page `/console/persons`: one person's data (LGPD art. 18): who saw it, a copy for the person, blocks.

Who holds `persons/read` looks; who holds `persons/write` copies and blocks. The number a person is named by is sent by
a form and stands in no address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from api.console import pages
from api.console.visit import Visit, VisitDep, form_of
from api.http.rejected import status_of
from api.routes.persons import COPY
from canonical.errors import Conflict, Denied, NotFound, Refused
from hub.operate import events
from hub.operate.events import Event, Wanted
from hub.operate.persons import blocking, subject

router = APIRouter(include_in_schema=False, prefix="/console/persons")
READ, WRITE = "persons/read", "persons/write"
SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A person's records by type, who touched them last, and whether there were more events than are shown."""

    patients: Sequence[str]
    records: Sequence[tuple[str, int]]
    events: Sequence[Event]
    more: bool


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page."""
    return await _page(visit)


@router.post("/{what}")
async def act(visit: VisitDep, what: str) -> Response:
    """Look at a person (`look`), make the copy (`export`), block (`block`) or end a block (`unblock`)."""
    person = (await form_of(visit.request)).get("person", "").strip()[:200]
    world, tenant, actor = visit.state.world, visit.tenant, visit.actor
    try:
        if what == "look":
            visit.require(READ, WRITE)
            return await _page(visit, seen=await _seen(visit, person))
        visit.require(WRITE)
        if what == "export":
            content = await subject.exported(world, tenant, person, actor=actor)
            return Response(content, 200, {**pages.HEADERS, **COPY}, "application/zip")
        done = {"block": blocking.block, "unblock": blocking.unblock}.get(what)
        if done is None:
            raise NotFound("there is no such act")
        ids = await done(world, tenant, person, actor=actor)
        return await _page(visit, told=f"persons.{what}ed", whose=ids)
    except (Refused, Conflict, NotFound, Denied) as error:
        return await _page(visit, problem=error.code, status=status_of(error))


async def _seen(visit: Visit, person: str) -> Seen:
    async with visit.state.world.transaction(visit.tenant, wide=True) as tx:
        patients = await subject.patients_of(tx, person)
        wanted = Wanted(person=f"Patient/{patients[0]}")
        found = await events.page(tx, wanted, SHOWN)
        counted = Counter(kind for kind, _ in await subject.records_of(tx, patients))
        await events.looked(tx, visit.actor, wanted)
    return Seen(patients=patients, records=counted.most_common(), events=found.events, more=found.more is not None)


async def _page(
    visit: Visit,
    *,
    seen: Seen | None = None,
    told: str = "",
    whose: Sequence[str] = (),
    problem: str = "",
    status: int = 200,
) -> Response:
    allowed = visit.may(READ, WRITE)
    blocks: Sequence[blocking.Block] = ()
    if allowed:
        async with visit.state.world.transaction(visit.tenant) as tx:
            blocks = await blocking.standing(tx)
    blocked = {patient for block in blocks for patient in block.patients}
    return visit.page(
        "persons.html",
        status=status if allowed else 403,
        allowed=allowed,
        writes=visit.may(WRITE),
        blocks=blocks,
        seen=seen,
        is_blocked=seen is not None and bool(blocked & set(seen.patients)),
        told=told,
        whose=whose,
        actions=_actions(),
        problem=visit.told(problem) if allowed else visit.told("failure.denied"),
    )


def _actions() -> Mapping[str, Mapping[str, str]]:
    from api.console.trail_page import actions

    return actions()
