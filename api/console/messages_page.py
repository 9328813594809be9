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
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.console import pages
from api.console.visit import Visit, VisitDep, form_of, way_in
from api.http.rejected import status_of
from api.http.state import State
from canonical.errors import Conflict, Denied, NotFound, Refused
from canonical.identifiers import is_cns, is_cpf
from hub.channels.compare import moment
from hub.console import shown_code, shown_type
from hub.operate.messages import find, replay
from hub.operate.messages.find import Cause, Found
from hub.operate.messages.selection import STATUSES, Query
from hub.operate.persons import whose
from hub.watch import alarms
from hub.world import Tenant

router = APIRouter(include_in_schema=False, prefix="/console")
SHOWN = 50
TRIED = 500
REPLAY = "channels/write"
"""The scope to replay what failed: whoever may change how a channel reads may have it read again."""
WHOSE = ("channels/read", "channels/write", "persons/read")
"""Who may look for the messages of one person."""
AGAIN = frozenset(("ERROR", "TRANSFORMED"))  # what a replay of many may mean
FIELDS = ("status", "code", "channel", "type", "control_id", "since", "until")
_SHAPE = re.compile(r"[A-Za-z0-9._\-]{1,40}\Z")
_LONGEST = 120
_ANY = re.compile(r".*")
_MEANT = {  # what the fields hold that are no choice; a name or a number of somebody does not look like it
    "status": re.compile(r"[A-Z]+"),
    "code": re.compile(r"[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*"),
    "type": re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[\^_][A-Za-z0-9_*]*)*"),
    "control_id": re.compile(r"\S+"),
    "since": re.compile(r"[0-9TZhdwm:.+\-]+"),
    "until": re.compile(r"[0-9TZhdwm:.+\-]+"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What an act has to say: a text of the page with its number, a problem, or the sums of a trial."""

    key: str = ""
    count: int = 0
    problem: str = ""
    passing: int = 0
    failing: int = 0
    codes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked for: the fields that may stand in an address, the person's number that may not, and the place
    behind which the list goes on."""

    said: Mapping[str, str]
    person: str = ""
    before: UUID | None = None

    @property
    def in_address(self) -> bool:
        """Whether it may stand in an address: no person is looked for, and no field holds what it is not for."""
        return not self.person and all(_may_stand(name, value) for name, value in self.said.items())


@router.get("/messages")
async def look(visit: VisitDep) -> Response:
    """The page."""
    return await _page(visit, _asked(visit.request.query_params), Told())


@router.post("/messages/find")
async def find_them(visit: VisitDep) -> Response:
    """The page of a search: by its address, but a person's number travels in the form only, in whichever field."""
    form = await form_of(visit.request)
    asked = _asked(form, form.get("person", "").strip()[:200])
    if not asked.in_address:
        return await _page(visit, asked, Told())
    said = {name: value for name, value in asked.said.items() if value}
    query = urlencode({"lang": visit.words.language, **said})
    return RedirectResponse(f"/console/messages?{query}#found", 303, pages.HEADERS)


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
    form = await form_of(visit.request)
    asked = _asked(form, form.get("person", "").strip()[:200])
    asked = dataclasses.replace(asked, before=None)
    state, tenant = visit.state, visit.tenant
    try:
        visit.require(REPLAY)
        if asked.said["status"] not in AGAIN:
            raise Refused("errors or worked messages can be replayed", code="message.which")
        query = await _query(visit, asked, replay.AT_MOST)
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


async def _page(visit: Visit, asked: Asked, told: Told, status: int = 200) -> Response:
    try:
        found = await _found(visit, asked)
    except (Refused, NotFound, Denied) as error:
        told, status = Told(problem=error.code), status_of(error)
        asked = Asked(said=dict.fromkeys(FIELDS, ""))
        found = await _found(visit, asked)
    said = {name: value for name, value in asked.said.items() if value}
    address = {"lang": visit.words.language, **said}
    last = found.messages[SHOWN - 1].id if len(found.messages) > SHOWN else None
    return visit.page(
        "messages.html",
        status=status,
        replays=visit.may(REPLAY),
        whose=visit.may(*WHOSE),
        asked=asked.said,
        person=asked.person,
        by_form=not asked.in_address,
        again=asked.said["status"] in AGAIN,
        statuses=STATUSES,
        channels=found.channels,
        causes=found.causes,
        messages=found.messages[:SHOWN],
        last=last,
        older=f"/console/messages?{urlencode({**address, 'before': str(last)})}#found" if last else "",
        newest=f"/console/messages?{urlencode(address)}#found" if asked.before else "",
        told=told,
        number=shown_number,
        kind=shown_type,
        code_of=shown_code,
        place=_place,
        problem=visit.told(told.problem),
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    causes: list[Cause]
    messages: list[Found]
    channels: list[str]


async def _found(visit: Visit, asked: Asked) -> _Shown:
    query = await _query(visit, asked, SHOWN + 1)
    week = visit.state.world.now() - datetime.timedelta(days=7)
    async with visit.state.world.transaction(visit.tenant) as tx:
        names = await tx.rows("SELECT name FROM channel WHERE tenant_id = $1 ORDER BY name LIMIT 500")
        found = await find.messages(tx, query, before=asked.before)
        return _Shown(await find.causes(tx, week), found, [row["name"] for row in names])


def _asked(given: Mapping[str, str], person: str = "") -> Asked:
    said = {name: given.get(name, "").strip()[:_LONGEST] for name in FIELDS}
    try:
        before = UUID(given.get("before", ""))
    except ValueError:
        before = None
    return Asked(said=said, person=person, before=before)


async def _query(visit: Visit, asked: Asked, limit: int) -> Query:
    """The search; raises NotFound for a moment or a person nobody knows, Denied where the person may not be asked."""
    state, said, ids = visit.state, asked.said, None
    if asked.person:
        visit.require(*WHOSE)
        theirs = await whose.messages_of(state.world, visit.tenant, asked.person, visit.actor)
        if not theirs.ids and not theirs.known:
            raise NotFound("nobody here has that number or id", code="person.unknown")
        ids = theirs.ids
    now, zone = state.world.now(), ZoneInfo(visit.tenant.zone)
    since, until = (moment(said[name], now, zone) if said[name] else None for name in ("since", "until"))
    named = {name: said[name] for name in ("status", "code", "channel", "type", "control_id")}
    return Query(**named, since=since, until=until, ids=ids, limit=limit)


def _may_stand(name: str, value: str) -> bool:
    """Whether a value may stand in an address: what the field is for, and no number of a person (CPF, CNS)."""
    if not value:
        return True
    digits = "".join(c for c in value if c not in " .-/")
    return not (is_cpf(digits) or is_cns(digits)) and _MEANT.get(name, _ANY).fullmatch(value) is not None


def shown_number(control_id: str) -> str:
    """A message's number as it is shown: only where it looks like one."""
    return control_id if _SHAPE.match(control_id) else "–"


def _place(cause: Cause, language: str) -> str:
    """The address of the messages of a cause."""
    return "?" + urlencode({"lang": language, "status": "ERROR", "code": cause.code, "channel": cause.channel})
