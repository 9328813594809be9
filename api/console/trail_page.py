"""The page `/console/trail`: the audit trail by who, what, about whom and when, and whether its chain holds.

Who holds `system/AuditEvent.rs` sees it, and is noted as having looked. A person's number is sent by a form and turned
into the id of the record, so that it stands in no address.
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.console import pages
from api.console.visit import Visit, VisitDep, form_of
from api.console.words import HERE
from api.http.rejected import status_of
from canonical.errors import Denied, NotFound, Refused
from hub.channels.compare import moment
from hub.guard import audit
from hub.operate import events
from hub.operate.events import Chain, Page, Wanted
from hub.operate.persons import subject

router = APIRouter(include_in_schema=False, prefix="/console/trail")
READ = "system/AuditEvent.rs"
SHOWN = 100
CHECKED = 1440
"""How many of the newest seals the page computes anew: a day of them."""
FIELDS = ("actor", "action", "outcome", "person", "since", "until", "before")
_LONGEST = 120
_DAY = 10  # characters of a date without a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The newest seals were computed anew: how many, and the first that does not fit."""

    seals: int
    broken: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a look gave: events and how the chain stands, or what was wrong."""

    page: Page = field(default_factory=lambda: Page(events=()))
    chain: Chain | None = None
    checked: Checked | None = None
    problem: str = ""
    status: int = 200


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page; with `check=1` the newest seals are computed anew."""
    asked = {name: visit.request.query_params.get(name, "").strip()[:_LONGEST] for name in FIELDS}
    try:
        visit.require(READ)
        wanted = _wanted(visit, asked)
        async with visit.state.world.transaction(visit.tenant, wide=True) as tx:
            found, chain = await events.page(tx, wanted, SHOWN), await events.chain(tx)
            checked = None
            if visit.request.query_params.get("check") == "1":
                seals = min(CHECKED, chain.number)
                checked = Checked(seals=seals, broken=await audit.broken_seal(tx, newest=CHECKED + 1))
            await events.looked(tx, visit.actor, wanted)
    except (Refused, NotFound, Denied) as error:
        return _page(visit, asked, Shown(problem=error.code, status=status_of(error)))
    return _page(visit, asked, Shown(page=found, chain=chain, checked=checked))


@router.post("")
async def ask(visit: VisitDep) -> Response:
    """To the events asked for, a person's number turned into the id of the record."""
    form = await form_of(visit.request)
    asked = {name: form.get(name, "").strip()[:_LONGEST] for name in FIELDS}
    try:
        visit.require(READ)
        if asked["person"] and not asked["person"].startswith("Patient/"):
            async with visit.state.world.transaction(visit.tenant) as tx:
                asked["person"] = f"Patient/{(await subject.patients_of(tx, asked['person']))[0]}"
    except (NotFound, Denied) as error:
        asked["person"] = ""
        return _page(visit, asked, Shown(problem=error.code, status=status_of(error)))
    return RedirectResponse(_place(visit, asked), 303, pages.HEADERS)


def _wanted(visit: Visit, asked: Mapping[str, str]) -> Wanted:
    before = asked["before"]
    until = _moment(visit, asked["until"])
    whole_day = len(asked["until"]) == _DAY and until is not None
    return Wanted(
        actor=asked["actor"],
        action=asked["action"],
        outcome=asked["outcome"],
        person=asked["person"],
        since=_moment(visit, asked["since"]),
        until=until + datetime.timedelta(days=1) if whole_day and until else until,
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None,
    )


def _moment(visit: Visit, text: str) -> datetime.datetime | None:
    try:
        return moment(text, visit.state.world.now(), ZoneInfo(visit.tenant.zone)) if text else None
    except (NotFound, OverflowError, ValueError):
        raise Refused("a moment is written otherwise", code="console.moment") from None


def _place(visit: Visit, asked: Mapping[str, str], **more: str) -> str:
    """The address of what is asked for."""
    said = {name: value for name, value in {**asked, **more}.items() if value}
    return "/console/trail?" + urlencode({"lang": visit.words.language, **said}) + "#events"


def _page(visit: Visit, asked: Mapping[str, str], shown: Shown) -> Response:
    found = shown.page
    return visit.page(
        "trail.html",
        status=shown.status,
        asked=asked,
        found=found,
        chain=shown.chain,
        checked=shown.checked,
        actions=actions(),
        more=_place(visit, asked, before=str(found.more)) if found.more else "",
        newest=_place(visit, {**asked, "before": ""}) if asked["before"] else "",
        allowed=visit.may(READ),
        problem=visit.told(shown.problem),
    )


@cache
def actions() -> Mapping[str, Mapping[str, str]]:
    """What the hub's actions are called, by language."""
    with (HERE / "actions.csv").open(encoding="utf-8", newline="") as file:
        return {row["action"]: {"pt": row["pt"], "en": row["en"]} for row in csv.DictReader(file)}
