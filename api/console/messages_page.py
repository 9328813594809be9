"""The page `/console/messages`: what failed by cause, the messages a search finds, and replaying all of them at once.

Codes and places, never content; who keeps channels tries first (`try`), then replays. And alarms are taken on here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.console import pages
from api.console.visit import Visit, VisitDep, form_of, way_in
from api.http.failures import status_of
from api.http.state import State
from canonical.errors import Conflict, Denied, NotFound, Refused
from hub.channels.compare import moment
from hub.console import shown_code, shown_type
from hub.operate import find, replay
from hub.operate.find import Cause, Found
from hub.operate.selection import Query
from hub.watch import alarms
from hub.world import Tenant

router = APIRouter(include_in_schema=False, prefix="/console")
SHOWN = 50
TRIED = 500
REPLAY = "channels/write"
"""The scope to replay what failed: whoever may change how a channel reads may have it read again."""
STATUSES = ("ERROR", "TRANSFORMED", "RECEIVED", "PENDING", "FILTERED", "QUEUED", "SENT")
AGAIN = frozenset(("ERROR", "TRANSFORMED"))  # what a replay of many may mean
FIELDS = ("status", "code", "channel", "type", "control_id", "since")
_SHAPE = re.compile(r"[A-Za-z0-9._\-]{1,40}\Z")
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Told:
    """What an act has to say: a text of the page with its number, a problem, or the sums of a trial."""

    key: str = ""
    count: int = 0
    problem: str = ""
    passing: int = 0
    failing: int = 0
    codes: tuple[tuple[str, int], ...] = ()


@router.get("/messages")
async def look(visit: VisitDep) -> Response:
    """The page."""
    return await _page(visit, _asked(visit.request.query_params), Told())


@router.post("/messages/try")
async def try_out(visit: VisitDep) -> Response:
    """What a replay of what the search finds would do, tried on the oldest TRIED of them."""
    return await _acted(visit, dry=True)


@router.post("/messages/replay")
async def replay_all(visit: VisitDep) -> Response:
    """Replay everything the search finds."""
    return await _acted(visit, dry=False)


@router.post("/alarms")
async def take(visit: VisitDep) -> Response:
    """Take an alarm on, and show the first page again."""
    if not visit.may("alarms/write"):
        return way_in(visit.request, status=403, error="login.scope")
    form = await form_of(visit.request)
    rule, place = form.get("rule", "")[:_LONGEST], form.get("place", "")[:300]
    with contextlib.suppress(NotFound):  # it ended in between
        await alarms.acknowledge(visit.state.world, visit.tenant, rule, place, actor=visit.actor)
    visit.state.views.forget(visit.tenant)
    return RedirectResponse(f"/?lang={visit.words.language}", 303, pages.HEADERS)


async def _acted(visit: Visit, *, dry: bool) -> Response:
    asked = _asked(await form_of(visit.request))
    state, tenant = visit.state, visit.tenant
    try:
        visit.require(REPLAY)
        if asked["status"] not in AGAIN:
            raise Refused("errors or worked messages can be replayed", code="message.which")
        query = _query(state, tenant, asked, replay.AT_MOST)
        told = await (_tried(state, tenant, query) if dry else _replayed(state, tenant, visit.actor, query))
    except (Refused, Conflict, NotFound, Denied) as error:
        return await _page(visit, asked, Told(problem=error.code), status_of(error))
    return await _page(visit, asked, told)


async def _tried(state: State, tenant: Tenant, query: Query) -> Told:
    limited = dataclasses.replace(query, limit=TRIED)
    found = await replay.rehearse(state.world, tenant, [], query=limited)
    failing = [one for one in found if not one.would_pass]
    codes = Counter(code for one in failing for code in dict.fromkeys(one.after))
    passing = len(found) - len(failing)
    return Told("messages.tried", len(found), passing=passing, failing=len(failing), codes=tuple(codes.most_common(10)))


async def _replayed(state: State, tenant: Tenant, actor: str, query: Query) -> Told:
    queued = await replay.replay(state.world, tenant, actor, [], query=query)
    return Told("messages.replayed", len(queued))


async def _page(visit: Visit, asked: Mapping[str, str], told: Told, status: int = 200) -> Response:
    state, tenant = visit.state, visit.tenant
    try:
        found = await _found(state, tenant, asked)
    except (Refused, NotFound) as error:
        told, status = Told(problem=error.code), status_of(error)
        found = await _found(state, tenant, dict.fromkeys(FIELDS, ""))
    return visit.page(
        "messages.html",
        status=status,
        replays=visit.may(REPLAY),
        asked=asked,
        searched=any(asked.values()),
        again=asked["status"] in AGAIN,
        statuses=STATUSES,
        causes=found[0],
        messages=found[1],
        most=SHOWN,
        told=told,
        number=_number,
        kind=shown_type,
        code_of=shown_code,
        place=_place,
        problem=visit.told(told.problem),
    )


async def _found(state: State, tenant: Tenant, asked: Mapping[str, str]) -> tuple[list[Cause], list[Found]]:
    query = _query(state, tenant, asked, SHOWN)
    week = state.world.now() - datetime.timedelta(days=7)
    async with state.world.transaction(tenant) as tx:
        return await find.causes(tx, week), await find.messages(tx, query)


def _asked(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given.get(name, "").strip()[:_LONGEST] for name in FIELDS}


def _query(state: State, tenant: Tenant, asked: Mapping[str, str], limit: int) -> Query:
    since = moment(asked["since"], state.world.now(), ZoneInfo(tenant.zone)) if asked["since"] else None
    return Query(
        status=asked["status"],
        code=asked["code"],
        channel=asked["channel"],
        type=asked["type"],
        control_id=asked["control_id"],
        since=since,
        limit=limit,
    )


def _number(control_id: str) -> str:
    """A message's number as it is shown: only where it looks like one."""
    return control_id if _SHAPE.match(control_id) else "–"


def _place(cause: Cause, language: str) -> str:
    """The address of the messages of a cause."""
    return "?" + urlencode({"lang": language, "status": "ERROR", "code": cause.code, "channel": cause.channel})
