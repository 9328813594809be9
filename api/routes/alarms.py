"""/api/v1/alarms: what needs attention now, for a monitor that asks; and taking an alarm on."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import CallerDep, StateDep
from hub.watch import alarms

router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"])
_HEADERS = {"Cache-Control": "no-store"}


class Taken(BaseModel):
    """The alarm that somebody takes on."""

    model_config = ConfigDict(extra="forbid")
    rule: str = Field(max_length=80, examples=["outbound.age"])
    place: str = Field(default="", max_length=300, examples=["payer/326305"])


@router.get("")
async def listed(state: StateDep, caller: CallerDep) -> Response:
    """The alarms that stand, gravest first, each with text and remedy in Portuguese and English."""
    caller.require("alarms/read", "alarms/write", "admin/*")
    found = []
    for alarm in await alarms.current(state.world, caller.tenant):
        english = alarm.as_json("en")
        found.append({**alarm.as_json("pt"), "text_en": english["text"], "remedy_en": english["remedy"]})
    return json_answer({"alarms": found}, 200, _HEADERS)


@router.post("/acknowledge", status_code=204)
async def acknowledge(wish: Taken, state: StateDep, caller: CallerDep) -> Response:
    """Take an alarm on: it is still listed, and told again only when it worsens."""
    caller.require("alarms/write", "admin/*")
    await alarms.acknowledge(state.world, caller.tenant, wish.rule, wish.place, actor=caller.identity.subject)
    return Response(status_code=204)
