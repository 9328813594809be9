"""The pages `/console/channels` and `/console/channels/{name}`: how each channel goes, its versions, and a new one.

Who has a session sees the figures; who holds `channels/read` the documents and their changes, who holds
`channels/write` makes, tries, compares, activates and pauses (`api.console.channel_bench`).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.console import channel_bench as bench
from api.console.channel_bench import READ, WRITE, Told
from api.console.doors import doors
from api.console.visit import Visit, VisitDep, form_of
from api.http.rejected import status_of
from canonical import toml_text
from canonical.errors import Conflict, Denied, NotFound, Refused
from canonical.identity import first_id
from canonical.problem import Problem
from hub.channels import figures, versions
from hub.channels.figures import ChannelLine
from hub.channels.versions import Version
from hub.channels.writing import to_toml
from hub.exchange import guests

router = APIRouter(include_in_schema=False, prefix="/console/channels")
DOORS = ("mllp", "http", "folder", "sftp")
SHOWN = 30
_NAME = re.compile(r"[a-z0-9][a-z0-9\-]{0,62}\Z")
_HOUR, _WEEK = datetime.timedelta(hours=1), datetime.timedelta(days=7)
_FIELDS = ("name", "title", "door", "port", "path", "application", "facility")
_LONGEST = 120
_STATED = (Refused, Conflict, NotFound, Denied)


@router.get("")
async def look(visit: VisitDep) -> Response:
    """All channels."""
    return await _list(visit, {})


@router.post("")
async def begin(visit: VisitDep) -> Response:
    """The document of a new channel from a few fields, to be looked at, tried and activated; nothing is stored yet."""
    form = await form_of(visit.request)
    given = {name: form.get(name, "").strip()[:_LONGEST] for name in _FIELDS}
    try:
        visit.require(WRITE)
        name = given["name"]
        if not _NAME.match(name):
            raise Refused("a name of small letters, digits and hyphens", code="channel.name")
        if await _known(visit, name):
            raise Conflict("there is such a channel", code="channel.exists")
    except _STATED as error:
        return await _list(visit, given, problem=error.code, status=status_of(error))
    text = toml_text.text(written(given))
    return await _one(visit, name, await bench.checked(visit, name, text, key="channels.written"))


@router.get("/{name}")
async def one(visit: VisitDep, name: str) -> Response:
    """One channel; with `version` the document of that version stands in the form."""
    told, number = Told(), visit.request.query_params.get("version", "")
    try:
        if not await _known(visit, name):
            raise NotFound("there is no such channel")
        if number and visit.may(*READ):
            async with visit.state.world.transaction(visit.tenant) as tx:
                found = await versions.version(tx, name, int(number) if number.isdigit() and len(number) < 9 else 0)
            told = Told(text=to_toml(found.document), loaded=found.version)
    except NotFound as error:
        return await _list(visit, {}, problem=error.code, status=status_of(error))
    return await _one(visit, name, told)


@router.post("/{name}/{what}")
async def act(visit: VisitDep, name: str, what: str) -> Response:
    """Check, keep, test or compare the document in the form; activate a version, or pause the channel."""
    try:
        visit.require(WRITE)
        told = await bench.done(visit, name, what)
    except _STATED as error:
        told = Told(problems=[Problem(error.code, level="error")], status=status_of(error))
    visit.state.views.forget(visit.tenant)
    if told.status == 404 and not await _known(visit, name):
        return await _list(visit, {}, problem=told.problems[0].code, status=404)
    return await _one(visit, name, told)


def written(given: Mapping[str, str]) -> dict[str, Any]:
    """The document that the fields of the small form mean."""
    port = given.get("port", "")
    sender = {
        key: [part.strip() for part in given.get(name, "").split(",") if part.strip()]
        for key, name in (("applications", "application"), ("facilities", "facility"))
    }
    door = given.get("door", "")
    document: dict[str, Any] = {"name": given["name"], "door": door if door in DOORS else "mllp"}
    if given.get("title"):
        document["title"] = given["title"]
    if port and document["door"] == "mllp":
        document["port"] = int(port) if port.isdecimal() and port.isascii() else port
    if any(sender.values()):
        document["sender"] = {key: said for key, said in sender.items() if said}
    if document["door"] in ("folder", "sftp"):
        document["pickup"] = {"path": given.get("path", "")}
    if document["door"] == "sftp":
        document["pickup"] |= {"host": "", "user": "", "secret": "", "host_key": ""}
    return document


async def _known(visit: Visit, name: str) -> bool:
    async with visit.state.world.transaction(visit.tenant) as tx:
        return bool(await tx.value("SELECT true FROM channel WHERE tenant_id = $1 AND name = $2", name))


async def _lines(visit: Visit) -> tuple[list[ChannelLine], dict[str, datetime.datetime]]:
    """The channels with their figures, and when the last message of each came, of the last week."""
    now = visit.state.world.now()
    async with visit.state.world.transaction(visit.tenant) as tx:
        found = await figures.lines(tx, first_id(now - _HOUR))
        return list(found), await figures.lasts(tx, first_id(now - _WEEK))


async def _open(visit: Visit) -> dict[str, bool]:
    """Of each MLLP channel whether its door answers."""
    found = await doors(visit.state.world, visit.tenant, database=True)
    return {door.channel: door.open for door in found if door.channel}


async def _list(visit: Visit, given: Mapping[str, str], *, problem: str = "", status: int = 200) -> Response:
    lines, lasts = await _lines(visit)
    return visit.page(
        "channels.html",
        status=status,
        lines=lines,
        lasts=lasts,
        answers=await _open(visit),
        reads=visit.may(*READ),
        writes=visit.may(WRITE),
        doors=DOORS,
        given={name: given.get(name, "") for name in _FIELDS},
        problem=visit.told(problem),
    )


async def _one(visit: Visit, name: str, told: Told) -> Response:
    lines, lasts = await _lines(visit)
    line = next((line for line in lines if line.name == name), None)
    past: list[Version] = []
    met: list[dict[str, Any]] | None = []
    if line is not None and visit.may(*READ):
        met = await guests.connected(visit.state.world, visit.tenant, name)
        async with visit.state.world.transaction(visit.tenant) as tx:
            past = await versions.versions(tx, name)
    current = next((found for found in past if line is not None and found.version == line.version), None)
    return visit.page(
        "channel.html",
        status=told.status,
        channel=name,
        line=line,
        last=lasts.get(name),
        answers=await _open(visit),
        met=met,
        past=[(found, _changes(past, at)) for at, found in enumerate(past[:SHOWN])],
        current=current,
        told=told,
        text=told.text if told.text is not None else (to_toml(current.document) if current else ""),
        reads=visit.may(*READ),
        writes=visit.may(WRITE),
        most=bench.COMPARED,
        since=told.since or "24h",
        problems=[(problem, 0) for problem in told.problems] + [(fault.problem, fault.line) for fault in told.faults],
        stated=(told.text or "").splitlines(),
    )


def _changes(past: list[Version], at: int) -> list[versions.Change]:
    """What a version changed against the one before it; nothing for the first."""
    return versions.difference(past[at + 1].document, past[at].document) if at + 1 < len(past) else []
