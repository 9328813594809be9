"""/api/v1/partners: payers, laboratories and systems told of admissions; their documents, how they stand, a trial."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.rejected import Rejected
from api.http.state import CallerDep, StateDep
from hub.partners import desk, probe
from hub.partners.document import Faulty

router = APIRouter(prefix="/api/v1/partners", tags=["partners"])
_HEADERS = {"Cache-Control": "no-store"}
_READ, _WRITE = ("partners/read", "partners/write", "admin/*"), ("partners/write", "admin/*")
Kind = Literal["payer", "lab", "subscriber"]
_EXAMPLE = {
    "name": "Operadora Exemplo",
    "speaks": "tiss 4.03.00",
    "transport": {"kind": "soap", "wsdl": "https://operadora.example/tiss?wsdl"},
    "secrets": {"login": "payer-326305-login"},
    "provider": {"code": "1234", "cnes": "9999999", "name": "Hospital Exemplo"},
}


class Switched(BaseModel):
    """Whether deliveries go to the partner."""

    model_config = ConfigDict(extra="forbid")
    active: bool


@router.get("")
async def listed(state: StateDep, caller: CallerDep, kind: str = "") -> Response:
    """Every partner, by kind and code: its document, what waits for it, and what failed last."""
    caller.require(*_READ)
    async with state.world.transaction(caller.tenant) as tx:
        found = await desk.listed(tx, kind)
    return json_answer({"partners": [standing.as_json() for standing in found]}, 200, _HEADERS)


@router.get("/{kind}/{code}")
async def one(kind: str, code: str, state: StateDep, caller: CallerDep) -> Response:
    """One partner."""
    caller.require(*_READ)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer((await desk.one(tx, kind, code)).as_json(), 200, _HEADERS)


@router.put("/{kind}/{code}")
async def put(
    kind: Kind,
    code: str,
    document: Annotated[dict[str, Any], Body(examples=[_EXAMPLE])],
    state: StateDep,
    caller: CallerDep,
) -> Response:
    """Make a partner or replace its document whole; kind and code are the address's. 422 names every fault."""
    caller.require(*_WRITE)
    stated = {**document, "kind": kind, "code": code}
    try:
        done = await desk.put(state.world, caller.tenant, caller.identity.subject, stated)
    except Faulty as error:
        raise Rejected(422, error.problems) from None
    answer = done.standing.as_json() | {
        "problems": [problem.as_json() for problem in done.problems],
        "schedules": done.schedules,
    }
    return json_answer(answer, 200, _HEADERS)


@router.patch("/{kind}/{code}")
async def switch(kind: Kind, code: str, wish: Switched, state: StateDep, caller: CallerDep) -> Response:
    """Switch deliveries to a partner off or on: meanwhile they wait."""
    caller.require(*_WRITE)
    subject = caller.identity.subject
    found = await desk.switch(state.world, caller.tenant, subject, kind, code, active=wish.active)
    return json_answer(found.as_json(), 200, _HEADERS)


@router.post("/{kind}/{code}/test")
async def test(kind: Kind, code: str, state: StateDep, caller: CallerDep) -> Response:
    """Try it: are its secrets in the vault, does its address answer, does its TLS hold. Nothing is sent."""
    caller.require(*_WRITE)
    found = await probe.tried(state.world, caller.tenant, caller.identity.subject, kind, code)
    return json_answer(found.as_json(), 200, _HEADERS)
