"""/api/v1/rnds: documents to the national network: settings, preview, send, state, resend, delete."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.rejected import Rejected
from api.http.state import Caller, CallerDep, StateDep
from canonical.problem import Problem
from fhir import jsontext
from hub.rnds import context, desk, flow, rows, settings
from hub.rnds.settings import Faulty

router = APIRouter(prefix="/api/v1/rnds", tags=["RNDS"])
_EXAMPLE: JsonDict = {
    "environment": "homologacao",
    "uf": "SP",
    "requester": "1234",
    "cnes": "2337991",
    "certificate": "rnds",
    "professional": {"cns": "204567890120002", "cbo": "225125"},
    "documents": {"REL": {"active": True, "wait_minutes": 10, "settings": {"method": "não informado"}}},
}


class Wish(BaseModel):
    """A document of a record: its kind (REL, RIA, RIAC, RAC, SA, RIRA) and the record it is made from."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(pattern=r"^[A-Z]{2,8}$", examples=["REL"])
    subject: str = Field(pattern=r"^[A-Za-z]{1,64}/[A-Za-z0-9.\-]{1,64}$", examples=["DiagnosticReport/laudo-1"])


class Meeting(BaseModel):
    """Who sees whom: the patient by CNS or CPF, the professional by CNS (absent: the one of the settings)."""

    model_config = ConfigDict(extra="forbid")
    patient: str = Field(max_length=40, examples=["100000000060018"])
    professional: str = Field(default="", max_length=40, examples=["204567890120002"])

    def made(self) -> context.Meeting:
        """The same for the hub."""
        return context.Meeting(patient=self.patient, professional=self.professional)


class Reading(Meeting):
    """The same, and the document to read by its id at RNDS."""

    document: str = Field(max_length=64, examples=["0a1b2c3d-0000-4000-8000-000000000000-sp"])


class Filter(BaseModel):
    """Which documents to list."""

    model_config = ConfigDict(extra="forbid")
    status: str = Field(default="", max_length=20, examples=["recusado"])
    kind: str = Field(default="", max_length=8, examples=["REL"])
    subject: str = Field(default="", max_length=130, examples=["DiagnosticReport/laudo-1"])
    after: UUID | None = None
    limit: int = Field(default=50, ge=1, le=500)


class SettingsWish(BaseModel):
    """The whole settings; their keys are in the reference of RNDS."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_EXAMPLE]})


def _reader(caller: Caller) -> None:
    caller.require("rnds/read", "rnds/write", "admin/*")


def _writer(caller: Caller) -> None:
    caller.require("rnds/write", "admin/*")


@router.get("/settings")
async def read_settings(state: StateDep, caller: CallerDep) -> Response:
    """The tenant's settings; certificates are named, never shown."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer((await settings.show(tx)).as_json())


@router.put("/settings")
async def put_settings(wish: SettingsWish, state: StateDep, caller: CallerDep) -> Response:
    """Store the settings; every fault is told at once (422)."""
    _writer(caller)
    try:
        found = await desk.configure(state.world, caller.tenant, wish.model_extra or {}, caller.identity.subject)
    except Faulty as error:
        raise Rejected(422, error.problems) from None
    return json_answer(found.as_json())


@router.post("/preview")
async def preview(wish: Wish, state: StateDep, caller: CallerDep) -> Response:
    """The document as it would be sent now, with what it lacks; nothing is stored or sent."""
    _reader(caller)
    found = await flow.preview(state.world, caller.tenant, wish.kind, wish.subject, caller.identity.subject)
    return json_answer(found.as_json())


@router.post("/send", status_code=202)
async def send(wish: Wish, state: StateDep, caller: CallerDep) -> Response:
    """Make the document now and queue it; what it lacks is told in it."""
    _writer(caller)
    found = await flow.send(state.world, caller.tenant, wish.kind, wish.subject, caller.identity.subject)
    return json_answer(found.as_json(), 202)


@router.get("/summary")
async def summary(state: StateDep, caller: CallerDep) -> Response:
    """How many documents stand where, by kind, state and reason."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer({"items": await rows.counts(tx)})


@router.get("/people")
async def people(state: StateDep, caller: CallerDep) -> Response:
    """Patients whose documents wait for a CNS or CPF, or whose national registration has to be mended."""
    _reader(caller)
    return json_answer({"items": await desk.people(state.world, caller.tenant)})


@router.post("/context")
async def open_context(wish: Meeting, state: StateDep, caller: CallerDep) -> Response:
    """Open a context of care: what RNDS answers is handed on, and not stored."""
    _writer(caller)
    try:
        found = await context.opened(state.world, caller.tenant, wish.made(), caller.identity.subject)
    except ValueError:
        raise Rejected(422, [Problem("rnds.number")]) from None
    return json_answer(found)


@router.post("/read")
async def read(wish: Reading, state: StateDep, caller: CallerDep) -> Response:
    """A whole document of RNDS, within a context of care opened for it; the look is audited, nothing is stored."""
    _writer(caller)
    try:
        found = await context.document(state.world, caller.tenant, wish.document, wish.made(), caller.identity.subject)
    except ValueError:
        raise Rejected(422, [Problem("rnds.number")]) from None
    return Response(jsontext.text(found), media_type="application/fhir+json")


@router.get("/documents")
async def listed(state: StateDep, caller: CallerDep, wanted: Annotated[Filter, Query()]) -> Response:
    """Documents, oldest first; `next` is the `after` of the next page."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        found = await rows.listed(
            tx,
            status=wanted.status,
            kind=wanted.kind,
            subject=wanted.subject,
            after=wanted.after,
            limit=wanted.limit,
        )
    following = str(found[-1].id) if len(found) == wanted.limit else None
    return json_answer({"items": [one.as_json() for one in found], "next": following})


@router.get("/documents/{document_id}")
async def one(document_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Where a document stands, and why."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer((await rows.one(tx, document_id)).as_json())


@router.get("/documents/{document_id}/answer")
async def answer(document_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """The last answer of RNDS as it was kept, headers and all. It may name the patient; the look is audited."""
    _reader(caller)
    found = await flow.answer(state.world, caller.tenant, document_id, caller.identity.subject)
    return Response(found, media_type="text/plain; charset=utf-8")


@router.post("/documents/{document_id}/resend", status_code=202)
async def resend(document_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Make the document again and send it; one that was given up goes on with the same bytes."""
    _writer(caller)
    found = await flow.resend(state.world, caller.tenant, document_id, caller.identity.subject)
    return json_answer(found.as_json(), 202)


@router.delete("/documents/{document_id}", status_code=202)
async def delete(document_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Ask RNDS to delete the document."""
    _writer(caller)
    found = await flow.delete(state.world, caller.tenant, document_id, caller.identity.subject)
    return json_answer(found.as_json(), 202)
