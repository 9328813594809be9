"""/api/v1/retention: how long what is kept stays, what the rules would remove, and legal holds."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import CallerDep, StateDep
from hub.exchange.work import jobs
from hub.retention import holds, rules, run
from hub.world import Tenant

router = APIRouter(prefix="/api/v1/retention", tags=["retention"])
_READ = ("retention/read", "retention/write", "admin/*")
_WRITE = ("retention/write", "admin/*")
_HEADERS = {"Cache-Control": "no-store"}
_Name = Annotated[str, Path(pattern=r"^[a-z-]{1,40}$", examples=["received"])]


class Days(BaseModel):
    """For how many days; null: for ever. `usual`: as for who sets nothing."""

    model_config = ConfigDict(extra="forbid")
    days: int | None = Field(default=None, ge=1, le=100_000, examples=[365])
    usual: bool = False


class Trial(BaseModel):
    """Days as if they were set; rules that are not named go by the tenant's own."""

    model_config = ConfigDict(extra="forbid")
    days: dict[str, int | None] = Field(default_factory=dict, max_length=20, examples=[{"received": 365}])


class Wish(BaseModel):
    """Whose messages and requests no rule removes (`Patient/id` or a number; empty: everybody's), and why."""

    model_config = ConfigDict(extra="forbid")
    person: str = Field(default="", max_length=200, examples=["Patient/3c6w2"])
    reason: str = Field(min_length=1, max_length=holds.LONGEST_REASON, examples=["processo 0001234-56.2026.8.26.0100"])


@router.get("")
async def shown(state: StateDep, caller: CallerDep) -> Response:
    """Every rule with its days, the least the law allows and why, and the holds that stand."""
    caller.require(*_READ)
    tenant = await state.world.tenant(caller.tenant.slug)
    async with state.world.transaction(tenant) as tx:
        standing = await holds.standing(tx)
    return json_answer({"rules": _rules(tenant), "holds": [hold.as_json() for hold in standing]}, 200, _HEADERS)


@router.put("/rules/{name}")
async def set_days(name: _Name, wish: Days, state: StateDep, caller: CallerDep) -> Response:
    """Set the days of a rule; 422 for fewer than the law allows."""
    caller.require(*_WRITE)
    actor = caller.identity.subject
    changed = await rules.set_days(state.world, caller.tenant, name, wish.days, usual=wish.usual, actor=actor)
    return json_answer(next(one for one in _rules(changed) if one["rule"] == name), 200, _HEADERS)


@router.post("/try")
async def tried(wish: Trial, state: StateDep, caller: CallerDep) -> Response:
    """What the rules would remove now: counts by rule and year, and what is kept back. Nothing is changed."""
    caller.require(*_READ)
    tenant = await state.world.tenant(caller.tenant.slug)
    found = await run.tried(state.world, tenant, wish.days)
    return json_answer({"rules": [line.as_json() for line in found]}, 200, _HEADERS)


@router.post("/run", status_code=202, response_class=Response)
async def begun(state: StateDep, caller: CallerDep) -> Response:
    """Remove now what the rules say, in a job; the trail tells what it removed. By itself it happens every night."""
    caller.require(*_WRITE)
    async with state.world.transaction(caller.tenant) as tx:
        await jobs.enqueue(tx, run.JOB, {})
    return Response(status_code=202)


@router.post("/holds", status_code=201)
async def placed(wish: Wish, state: StateDep, caller: CallerDep) -> Response:
    """Place a legal hold; no removal goes past it once this is answered."""
    caller.require(*_WRITE)
    async with state.world.transaction(caller.tenant) as tx:
        hold = await holds.place(tx, wish.person.strip(), wish.reason, actor=caller.identity.subject)
    return json_answer(hold.as_json(), 201, _HEADERS)


@router.delete("/holds/{hold_id}", status_code=204)
async def lifted(hold_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Lift a hold."""
    caller.require(*_WRITE)
    async with state.world.transaction(caller.tenant) as tx:
        await holds.lift(tx, hold_id, actor=caller.identity.subject)
    return Response(status_code=204)


def _rules(tenant: Tenant) -> list[dict[str, object]]:
    return [
        {**rule.as_json(), "days": rules.days_of(tenant, name), "own": rules.is_own(tenant, name)}
        for name, rule in rules.rules().items()
    ]
