"""The page `/console/billing`: what waits for repair, batches, statements taken in, appeals drafted and sent.

Who has a session looks; the message of a batch wants `tiss/read`, acts want `tiss/write`. Each act is the one of
`/api/v1/tiss`.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from api.console import forms, pages
from api.console.visit import Visit, VisitDep, form_of
from api.http.answering import csv_answer
from api.http.rejected import Rejected, status_of
from canonical.errors import Conflict, Denied, Misconfigured, NotFound, PonteError, Refused
from canonical.problem import Problem
from hub.billing import listing, sheets, writing
from hub.billing.appeal import appeals
from hub.billing.batch import batches
from hub.billing.profiles import payers
from hub.billing.returns import deadlines, intake
from hub.exchange.work import jobs
from hub.guard import audit

router = APIRouter(include_in_schema=False, prefix="/console/billing")
READ, WRITE = ("tiss/read", "tiss/write"), "tiss/write"
LARGEST = 64 * 1024 * 1024
MOST = 30
DAYS = 60
_STATED = (Refused, Conflict, NotFound, Denied, Misconfigured)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an act has to say: a text of the page about `what`, and findings."""

    key: str = ""
    what: str = ""
    problems: Sequence[Problem] = ()
    status: int = 200


_OF_AUTHORISATION = ("dadosAutorizacao", "guiaSolicInternacao")
"""What a guide that wants an authorisation first lacks, as its findings name it."""
_OF_APPEALS = {"send": "billing.appeal-sent", "resend": "billing.resended", "discard": "billing.appeal-discarded"}
Act = Callable[[Visit, Mapping[str, str]], Awaitable[Told]]


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page."""
    return await _page(visit, Told())


@router.get("/batches/{batch_id}")
async def document(visit: VisitDep, batch_id: UUID) -> Response:
    """The exact message of a batch as it was sent, as a download."""
    visit.require(*READ)
    async with visit.state.world.transaction(visit.tenant) as tx:
        name, content = await batches.file_of(tx, batch_id)
        await audit.note(tx, visit.actor, "batch-download", f"batch/{batch_id}")
    headers = {**pages.HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, 200, headers, "application/xml")


@router.get("/lists/{name}.csv")
async def list_as_sheet(visit: VisitDep, name: str) -> Response:
    """All rows of a list (at most 20,000) as a sheet; filters are those of `/api/v1/tiss`."""
    visit.require(*READ)
    filters = {key: value for key, value in visit.request.query_params.items() if key != "lang"}
    async with visit.state.world.transaction(visit.tenant) as tx:
        rows = await listing.everything(tx, name, filters)
        await audit.note(tx, visit.actor, "export-list", f"list/{name}")
    return csv_answer(sheets.sheet(name, rows, visit.language, visit.tenant.zone), f"{name}.csv", pages.HEADERS)


@router.post("/close")
async def close(visit: VisitDep) -> Response:
    """Queue the building of guides and the closing of batches."""

    async def done(visit: Visit, form: Mapping[str, str]) -> Told:
        async with visit.state.world.transaction(visit.tenant) as tx:
            await jobs.enqueue(tx, "close-batches", {})
            await audit.note(tx, visit.actor, "batches-close", "batch")
        return Told(key="billing.closing")

    return await _changed(visit, done)


@router.post("/batches/{batch_id}/{what}")
async def batch(visit: VisitDep, batch_id: UUID, what: str) -> Response:
    """Send the same bytes again (`resend`), or give the guides back for repair (`reopen`)."""

    async def done(visit: Visit, form: Mapping[str, str]) -> Told:
        async with visit.state.world.transaction(visit.tenant) as tx:
            if what == "resend":
                await batches.resend(tx, batch_id, visit.actor)
            elif what == "reopen":
                await batches.reopen(tx, batch_id, writing.origin(visit.state.world, visit.tenant, visit.actor))
            else:
                raise NotFound("there is no such act")
        return Told(key=f"billing.{what}ed")

    return await _changed(visit, done)


@router.post("/statements")
async def statement(visit: VisitDep) -> Response:
    """Take in a statement of a payer (XML): its lines, denials and payments."""
    if not visit.may(WRITE):
        return await _page(visit, Told(problems=[Problem("failure.denied", level="error")], status=403))
    try:
        parts = await forms.parts_of(visit.request, LARGEST)
    except Rejected as error:
        return await _page(visit, Told(problems=error.problems, status=error.status))
    content = next((bytes(part.content) for part in parts if part.name == "file" and part.content), b"")
    if not content:
        return await _page(visit, Told(problems=[Problem("encoding.empty")], status=422))
    taken = await intake.take_file(visit.state.world, visit.tenant, content, visit.actor)
    wrong = [problem for problem in taken.problems if problem.blocks]
    return await _page(
        visit,
        Told(
            key="" if wrong else "billing.taken",
            what="" if wrong else str(taken.found.protocols + taken.found.payments),
            problems=taken.problems,
            status=422 if wrong else 200,
        ),
    )


@router.post("/appeals")
async def draft(visit: VisitDep) -> Response:
    """Draft an appeal over the open denials of a protocol, with the justifications of the templates."""

    async def done(visit: Visit, form: Mapping[str, str]) -> Told:
        protocol = form.get("protocol", "")
        async with visit.state.world.transaction(visit.tenant) as tx:
            payer = await listing.payer_id(tx, form.get("payer", ""))
            by = writing.origin(visit.state.world, visit.tenant, visit.actor)
            await appeals.draft(tx, appeals.Wish(payer_id=payer, protocol=protocol), by)
        return Told(key="billing.drafted", what=protocol)

    return await _changed(visit, done)


@router.post("/appeals/{appeal_id}/{what}")
async def appeal(visit: VisitDep, appeal_id: UUID, what: str) -> Response:
    """Send a drafted appeal (`send`), its same bytes again (`resend`), or drop it (`discard`)."""

    async def done(visit: Visit, form: Mapping[str, str]) -> Told:
        world, tenant = visit.state.world, visit.tenant
        async with world.transaction(tenant) as tx:
            if what == "send":
                if await appeals.send(world, tenant, tx, appeal_id, visit.actor) in pages.STOPPED:
                    return Told(key="billing.appeal-blocked")
            elif what == "resend":
                await appeals.resend(tx, appeal_id, visit.actor)
            elif what == "discard":
                await appeals.discard(tx, appeal_id, writing.origin(world, tenant, visit.actor))
            else:
                raise NotFound("there is no such act")
        return Told(key=_OF_APPEALS[what])

    return await _changed(visit, done)


async def _changed(visit: Visit, done: Act) -> Response:
    """The page after an act, or with what was wrong about it (403, 404, 409, 422)."""
    try:
        visit.require(WRITE)
        told = await done(visit, await form_of(visit.request))
    except _STATED as error:
        told = _told(error)
    return await _page(visit, told)


def _told(error: PonteError) -> Told:
    return Told(problems=[Problem(error.code, level="error")], status=status_of(error))


async def _page(visit: Visit, told: Told) -> Response:
    today = writing.today(writing.origin(visit.state.world, visit.tenant))
    async with visit.state.world.transaction(visit.tenant) as tx:
        waiting = await listing.newest(tx, "guides", {"status": "pendente"}, MOST)
        closed = await listing.newest(tx, "batches", {}, MOST)
        sent = {row["batch_id"]: row for row in await listing.newest(tx, "submissions", {}, 2 * MOST)}
        drafted = await listing.newest(tx, "appeals", {}, MOST)
        protocols = await listing.newest(tx, "submissions", {"settled": "false"}, MOST)
        due = await deadlines.upcoming(tx, today, DAYS)
        names = {profile.ans: profile.partner.name for profile in await payers(tx)}
    return visit.page(
        "billing.html",
        status=told.status,
        names=names,
        told=told,
        waiting=[_with_findings(row) for row in waiting],
        batches=[{**row, "sent": sent.get(row["id"], {})} for row in closed],
        appeals=drafted,
        protocols=protocols,
        due=[{**row, "appeal_until": datetime.date.fromisoformat(row["appeal_until"])} for row in due[:MOST]],
        days=DAYS,
        writes=visit.may(WRITE),
    )


def _with_findings(row: Mapping[str, Any]) -> dict[str, Any]:
    """A guide's row with its findings by severity, those that block first."""
    found = sorted(row["problems"], key=lambda one: one["severity"] != "error")
    unauthorised = any(mark in f"{one['where']} {one['text']}" for one in found for mark in _OF_AUTHORISATION)
    return {**row, "problems": found[:5], "more": max(0, len(found) - 5), "unauthorised": unauthorised}
