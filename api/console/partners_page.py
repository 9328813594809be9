"""The page `/console/partners`: with whom the tenant exchanges, how that goes, and what runs when.

Who has a session looks; who holds `partners/write` puts a partner's document, tries and switches it, who holds
`schedules/write` changes schedules.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.console.visit import Visit, VisitDep, form_of
from api.http.rejected import status_of
from canonical import toml_text
from canonical.errors import Conflict, Denied, Misconfigured, NotFound, PonteError, Refused, TryLater
from canonical.problem import Problem
from hub.operate import agenda
from hub.operate.agenda import Wish
from hub.partners import desk, probe
from hub.partners.document import Faulty
from hub.partners.probe import Tried

router = APIRouter(include_in_schema=False, prefix="/console/partners")
EXAMPLE = """\
kind = "payer"
code = ""
name = ""
speaks = "tiss 4.03.00"
plan = "tiss/lote"

[transport]
kind = "soap"
wsdl = "https://"

[secrets]
login = ""

[provider]
code = ""
cnes = ""
name = ""
"""
PARTNERS, SCHEDULES = "partners/write", "schedules/write"
_STATED = (Refused, Conflict, Denied, NotFound, Misconfigured, TryLater)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an act has to say: a text of the page about `what`, findings, a trial, and the document to mend."""

    key: str = ""
    what: str = ""
    problems: Sequence[Problem] = ()
    tried: Tried | None = None
    text: str = ""
    status: int = 200
    schedules: Sequence[str] = field(default=())


Act = Callable[[Visit, Mapping[str, str]], Awaitable[Told]]


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page; with `edit=kind/code` the partner's document stands in the form."""
    kind, _, code = visit.request.query_params.get("edit", "").partition("/")
    if not (kind and code):
        return await _page(visit, Told())
    try:
        async with visit.state.world.transaction(visit.tenant) as tx:
            found = await desk.one(tx, kind, code)
    except NotFound as error:
        return await _page(visit, Told(problems=[Problem(error.code, level="error")], status=404))
    return await _page(visit, Told(text=toml_text.text(found.stated)))


@router.post("")
async def put(visit: VisitDep) -> Response:
    """Make a partner, or replace its document."""
    return await _changed(visit, PARTNERS, _put)


@router.post("/schedules/{name}/{what}")
async def schedule(visit: VisitDep, name: str, what: str) -> Response:
    """Change a schedule's time (`time`), pause it, let it go on, or start its job now."""

    async def done(visit: Visit, form: Mapping[str, str]) -> Told:
        return await _schedule(visit, name, what, form.get("cron", "").strip())

    return await _changed(visit, SCHEDULES, done)


@router.post("/{kind}/{code}/{what}")
async def act(visit: VisitDep, kind: str, code: str, what: str) -> Response:
    """Switch a partner `on` or `off`, or `test` it."""

    async def done(visit: Visit, form: Mapping[str, str]) -> Told:
        world, actor = visit.state.world, visit.actor
        if what == "test":
            tried = await probe.tried(world, visit.tenant, actor, kind, code)
            return Told(key="partners.tried", what=f"{kind}/{code}", tried=tried, problems=tried.problems)
        if what not in ("on", "off"):
            raise NotFound("there is no such act")
        await desk.switch(world, visit.tenant, actor, kind, code, active=what == "on")
        return Told(key=f"partners.{what}", what=f"{kind}/{code}")

    return await _changed(visit, PARTNERS, done)


async def _put(visit: Visit, form: Mapping[str, str]) -> Told:
    text = form.get("document", "").replace("\r\n", "\n")
    try:
        stated = _read(text)
        done = await desk.put(visit.state.world, visit.tenant, visit.actor, stated)
    except ValueError:
        return Told(problems=[Problem("partner.text", "document")], text=text, status=422)
    except Faulty as error:
        return Told(problems=error.problems, text=text, status=422)
    what = f"{done.standing.stated['kind']}/{done.standing.code}"
    return Told(key="partners.kept", what=what, problems=done.problems, schedules=done.schedules)


def _read(text: str) -> Mapping[str, Any]:
    """A document in TOML or JSON; raises ValueError."""
    found = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    if not isinstance(found, Mapping):
        raise ValueError("no table")
    return found


async def _schedule(visit: Visit, name: str, what: str, cron: str) -> Told:
    world, tenant, actor = visit.state.world, visit.tenant, visit.actor
    match what:
        case "time":
            if not cron:
                raise Refused("a time is needed", code="schedule.cron")
            await agenda.put(world, tenant, actor, Wish(name=name, cron=cron, changes=True))
        case "pause" | "resume":
            await agenda.switch(world, tenant, actor, name, active=what == "resume")
        case "run":
            await agenda.run(world, tenant, actor, name)
        case _:
            raise NotFound("there is no such act")
    return Told(key="schedules.time-kept" if what == "time" else f"schedules.{what}", what=name)


async def _changed(visit: Visit, scope: str, done: Act) -> Response:
    """The page after an act, or with what was wrong about it."""
    try:
        visit.require(scope)
        return await _page(visit, await done(visit, await form_of(visit.request)))
    except _STATED as error:
        return await _page(visit, _told(error))


def _told(error: PonteError) -> Told:
    return Told(problems=[Problem(error.code, level="error")], status=status_of(error))


async def _page(visit: Visit, told: Told) -> Response:
    async with visit.state.world.transaction(visit.tenant) as tx:
        partners, schedules = await desk.listed(tx), await agenda.listed(tx)
    schedules.sort(key=lambda one: one.kept)  # what people plan stands before what keeps the hub sound
    return visit.page(
        "partners.html",
        status=told.status,
        partners=partners,
        schedules=schedules,
        admin=visit.may(PARTNERS),
        plans=visit.may(SCHEDULES),
        told=told,
        text=told.text or EXAMPLE,
    )
