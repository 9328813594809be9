"""/api/v1/messages: find messages by what an operator knows, see why they failed, have them worked or sent again.

Places, codes and states only: what a message says of a patient is never shown here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import Caller, CallerDep, StateDep
from canonical.errors import NotFound
from hub.channels.compare import moment
from hub.operate.messages import find, redeliver, replay
from hub.operate.messages import selection as chosen
from hub.operate.messages.redeliver import Wanted
from hub.world import World

router = APIRouter(prefix="/api/v1/messages", tags=["messages"])
MOST_SHOWN = 1000
MOST_TRIED = 200
"""Messages of one dry run: each is read and mapped while the caller waits."""
_HEADERS = {"Cache-Control": "no-store"}
_READ, _WRITE = ("channels/read", "channels/write", "admin/*"), ("channels/write", "admin/*")
_SINCE = "a date, a moment, or `90m`, `24h`, `7d` before now"


class Conditions(BaseModel):
    """Which messages are meant; several conditions must hold together."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(default="", max_length=80, description="a finding's code, or its beginning up to a dot")
    type: str = Field(default="", max_length=60, examples=["ADT^A01"])
    channel: str = Field(default="", max_length=80)
    partner: str = Field(default="", max_length=80)
    since: str = Field(default="", max_length=40, description=_SINCE, examples=["24h"])
    until: str = Field(default="", max_length=40, description=_SINCE)

    def query(self, world: World, caller: Caller, **more: Any) -> chosen.Query:
        """The query these conditions are; raises Refused for a moment that cannot be read."""
        now, zone = world.now(), ZoneInfo(caller.tenant.zone)
        ends = {name: moment(text, now, zone) for name, text in (("since", self.since), ("until", self.until)) if text}
        named = {name: getattr(self, name) for name in ("code", "type", "channel", "partner")}
        return chosen.Query(**{**named, **ends, **more})


class Looking(Conditions):
    """What to find: newest first, `before` goes on behind a message of the page before."""

    status: str = Field(default="", max_length=20, examples=["ERROR"])
    control_id: str = Field(default="", max_length=199)
    direction: Literal["", "in", "out"] = ""
    limit: int = Field(default=100, ge=1, le=MOST_SHOWN)
    before: UUID | None = None


class Again(Conditions):
    """What is worked again (ERROR, TRANSFORMED) or sent again (DEAD, REFUSED, SENT): by id, or all of a status."""

    ids: list[UUID] = Field(default=[], max_length=MOST_SHOWN)
    status: Literal["", "ERROR", "TRANSFORMED", "DEAD", "REFUSED", "SENT"] = ""
    limit: int = Field(default=MOST_SHOWN, ge=1, le=replay.AT_MOST, description="at most so many, the oldest first")
    dry_run: bool = Field(default=False, description=f"only tell what would happen, to {MOST_TRIED} at most")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if bool(self.ids) == bool(self.status):
            raise ValueError("ids or a status, and not both")
        if self.status == "SENT" and not (self.partner and self.since):
            raise ValueError("SENT sends again what a partner has taken: name the partner and since when")
        return self


@router.get("")
async def found(asked: Annotated[Looking, Query()], state: StateDep, caller: CallerDep) -> Response:
    """The messages that meet all conditions, newest first, each with its findings and their repair."""
    caller.require(*_READ)
    own = {"status": asked.status, "control_id": asked.control_id, "direction": asked.direction, "limit": asked.limit}
    query = asked.query(state.world, caller, **own)
    async with state.world.transaction(caller.tenant) as tx:
        page = await find.messages(tx, query, before=asked.before)
    following = str(page[-1].id) if len(page) == asked.limit else None
    return json_answer({"messages": [one.as_json() for one in page], "next": following}, 200, _HEADERS)


@router.get("/causes")
async def causes(state: StateDep, caller: CallerDep, since: str = "7d") -> Response:
    """What failed, by cause and channel, most frequent first, each with its repair and an example."""
    caller.require(*_READ)
    start = moment(since[:40], state.world.now(), ZoneInfo(caller.tenant.zone))
    async with state.world.transaction(caller.tenant) as tx:
        told = await find.causes(tx, start)
    return json_answer({"causes": [cause.as_json() for cause in told]}, 200, _HEADERS)


@router.get("/{message_id}")
async def one(message_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """One message: what became of it, its findings, its parts, and of an outgoing one its delivery."""
    caller.require(*_READ)
    async with state.world.transaction(caller.tenant) as tx:
        shown = await find.message(tx, message_id)
    if shown is None:
        raise NotFound("there is no such message")
    return json_answer(shown.as_json(), 200, _HEADERS)


@router.post("/replay")
async def again(wish: Again, state: StateDep, caller: CallerDep) -> Response:
    """Queue messages again in their order: `queued` are received ones, `sent` deliveries; of a dry run `would`, too."""
    caller.require(*_WRITE)
    limit = min(wish.limit, MOST_TRIED) if wish.dry_run else wish.limit
    sent = await _sent(wish, state.world, caller, limit)
    rest = [each for each in wish.ids if each not in {delivery.message_id for delivery in sent}]
    answer: dict[str, Any] = {"queued": [], "sent": [delivery.as_json() for delivery in sent]}
    if rest or wish.status in ("ERROR", "TRANSFORMED"):
        answer |= await _worked(wish, state.world, caller, rest, limit)
    return json_answer(answer, 200, _HEADERS)


async def _sent(wish: Again, world: World, caller: Caller, limit: int) -> Sequence[redeliver.Ended]:
    if not wish.ids and wish.status not in redeliver.STATUSES:
        return []
    wanted = Wanted.of(wish.query(world, caller), wish.status, wish.ids)
    if not wish.dry_run:
        return await redeliver.redeliver(world, caller.tenant, caller.identity.subject, wanted, limit)
    async with world.transaction(caller.tenant) as tx:
        return await redeliver.ended(tx, wanted, limit)


async def _worked(wish: Again, world: World, caller: Caller, ids: Sequence[UUID], limit: int) -> dict[str, Any]:
    query = dataclasses.replace(wish.query(world, caller), status=wish.status, limit=limit)
    if wish.dry_run:
        would = await replay.rehearse(world, caller.tenant, ids, query=query)
        return {"would": [each.as_json() for each in would]}
    queued = await replay.replay(world, caller.tenant, caller.identity.subject, ids, query=query)
    return {"queued": [str(each) for each in queued]}
