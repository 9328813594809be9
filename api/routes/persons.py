"""/api/v1/persons: a person's own data (LGPD art. 18): who saw it, a copy of it, blocks.

The person is named in the body, by `Patient/id` or a number: what stands in an address stands in logs.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import CallerDep, StateDep
from hub.operate import events
from hub.operate.events import Wanted
from hub.operate.persons import blocking, subject

router = APIRouter(prefix="/api/v1/persons", tags=["persons"])
READ = ("persons/read", "persons/write", "admin/*")
WRITE = ("persons/write", "admin/*")
MOST_EVENTS = 1000
HEADERS = {"Cache-Control": "no-store"}
COPY = {**HEADERS, "Content-Disposition": 'attachment; filename="dados-da-pessoa.zip"'}


class Person(BaseModel):
    """Whose data: `Patient/id`, or a number the person holds here (CPF, CNS, medical record)."""

    model_config = ConfigDict(extra="forbid")
    person: str = Field(min_length=1, max_length=200, examples=["Patient/3c6w2"])


class Question(Person):
    """Whose accesses, and where to go on: `more` of the answer before."""

    before: Annotated[int, Field(ge=1, le=2**62)] | None = None


@router.get("/blocked")
async def blocked(state: StateDep, caller: CallerDep) -> Response:
    """The persons whose records nobody reads, each as the ids of their patient records; since when, and by whom."""
    caller.require(*READ)
    async with state.world.transaction(caller.tenant) as tx:
        found = await blocking.standing(tx)
    return json_answer({"persons": [block.as_json() for block in found]}, 200, HEADERS)


@router.post("/block")
async def block(who: Person, state: StateDep, caller: CallerDep) -> Response:
    """Let nobody read a person's records; writing goes on. It holds within half a second."""
    caller.require(*WRITE)
    ids = await blocking.block(state.world, caller.tenant, who.person.strip(), actor=caller.identity.subject)
    return json_answer({"patients": ids}, 200, HEADERS)


@router.post("/unblock")
async def unblock(who: Person, state: StateDep, caller: CallerDep) -> Response:
    """End a block; 409 when there is none."""
    caller.require(*WRITE)
    ids = await blocking.unblock(state.world, caller.tenant, who.person.strip(), actor=caller.identity.subject)
    return json_answer({"patients": ids}, 200, HEADERS)


@router.post("/accesses")
async def accesses(who: Question, state: StateDep, caller: CallerDep) -> Response:
    """Who read, wrote or searched the person's records, newest first; `more` is where to go on. Itself audited."""
    caller.require(*READ)
    wanted = Wanted(person=who.person.strip(), before=who.before)
    async with state.world.transaction(caller.tenant, wide=True) as tx:
        found = await events.page(tx, wanted, MOST_EVENTS)
        await events.looked(tx, caller.identity.subject, wanted)
    return json_answer({"events": [each.as_json() for each in found.events], "more": found.more}, 200, HEADERS)


@router.post("/export", response_class=Response)
async def export(who: Person, state: StateDep, caller: CallerDep) -> Response:
    """All data about the person, for the person: a ZIP, also of who is blocked. Itself audited."""
    caller.require(*WRITE)
    content = await subject.exported(state.world, caller.tenant, who.person.strip(), actor=caller.identity.subject)
    return Response(content, 200, COPY, "application/zip")
