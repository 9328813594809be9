"""/api/v1/schedules: what of a tenant runs when, what it did last; change, pause, start now."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import CallerDep, StateDep
from hub.operate import agenda
from hub.operate.agenda import Wish

router = APIRouter(prefix="/api/v1/schedules", tags=["schedules"])
_HEADERS = {"Cache-Control": "no-store"}
_READ, _WRITE = ("schedules/read", "schedules/write", "admin/*"), ("schedules/write", "admin/*")


class Wanted(BaseModel):
    """A schedule; what is left out stays as it is, or is what its job usually has."""

    model_config = ConfigDict(extra="forbid")
    job: str = Field(default="", max_length=80, examples=["close-batches"])
    cron: str = Field(default="", max_length=120, examples=["30 19 * * 1-5"])
    zone: str = Field(default="", max_length=60, examples=["America/Sao_Paulo"])
    catch_up: Literal["", "once", "all", "skip"] = ""
    active: bool | None = None
    arguments: dict[str, str | int] | None = Field(default=None, max_length=10, examples=[{"payer": "999814"}])


@router.get("")
async def listed(state: StateDep, caller: CallerDep) -> Response:
    """Every schedule of the tenant, by name: its time, when it runs next, and what it did last."""
    caller.require(*_READ)
    async with state.world.transaction(caller.tenant) as tx:
        found = await agenda.listed(tx)
    return json_answer({"schedules": [entry.as_json() for entry in found]}, 200, _HEADERS)


@router.get("/{name}")
async def one(name: str, state: StateDep, caller: CallerDep) -> Response:
    """One schedule."""
    caller.require(*_READ)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer((await agenda.one(tx, name)).as_json(), 200, _HEADERS)


@router.put("/{name}")
async def put(name: str, wanted: Wanted, state: StateDep, caller: CallerDep) -> Response:
    """Make a schedule or change what is given of it; `active: false` pauses it."""
    caller.require(*_WRITE)
    wish = Wish(name=name, **wanted.model_dump())
    found = await agenda.put(state.world, caller.tenant, caller.identity.subject, wish)
    return json_answer(found.as_json(), 200, _HEADERS)


@router.delete("/{name}", status_code=204)
async def remove(name: str, state: StateDep, caller: CallerDep) -> Response:
    """Take a schedule away; the ones that keep the hub sound stay (409)."""
    caller.require(*_WRITE)
    await agenda.remove(state.world, caller.tenant, caller.identity.subject, name)
    return Response(status_code=204)


@router.post("/{name}/run", status_code=202)
async def run(name: str, state: StateDep, caller: CallerDep) -> Response:
    """Start a schedule's job now; `last` of the schedule tells how it went."""
    caller.require(*_WRITE)
    identity = await agenda.run(state.world, caller.tenant, caller.identity.subject, name)
    return json_answer({"job": str(identity)}, 202, _HEADERS)
