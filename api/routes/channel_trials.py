"""/api/v1/channels/{name}/test and compare: what a version or a new document would do, before anyone activates it.

Nothing is stored and no lane is touched. A comparison tells places and counts, never values: what the messages say of
patients stays behind the scopes of messages and records.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any, Self
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import Caller, CallerDep, StateDep
from api.routes.channels import EXAMPLE, document_of, usable
from canonical.errors import NotFound
from hub.channels import candidate, compare, trial, versions
from hub.channels.trial import Trial
from hub.exchange.channels import Channel, serving
from hub.world import World

router = APIRouter(prefix="/api/v1/channels", tags=["channels"])
MOST_TRIED = 20
_MOST_TEXT = 8 * 1024 * 1024
_MESSAGE = "MSH|^~\\&|HIS|HOSP|||20261127080000||ADT^A04^ADT_A01|1|P|2.5\rPID|1||77^^^HOSP^MR||Silva^Ana"


class _Candidate(BaseModel):
    """What is tried: a document that is not stored, or a stored version; neither: the version that serves."""

    model_config = ConfigDict(extra="forbid")
    document: dict[str, Any] | None = Field(default=None, examples=[EXAMPLE])
    version: int | None = Field(default=None, ge=1, examples=[None])

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.document is not None and self.version is not None:
            raise ValueError("a document or a version, not both")
        return self


class TrialOf(_Candidate):
    """A message as text (lines may end by CR or LF), or a message, batch or capture as its own bytes."""

    message: str = Field(default="", max_length=_MOST_TEXT, examples=[_MESSAGE])
    content: Base64Bytes = Field(default=b"", max_length=_MOST_TEXT, examples=[""])


class ComparisonWith(_Candidate):
    """Since when messages count: a date, a moment, or `90m`, `24h`, `7d` before now; and how many, the newest first."""

    since: str = Field(default="24h", max_length=40, examples=["7d"])
    limit: int = Field(default=300, ge=1, le=1000)


@router.post("/{name}/test")
async def test(name: str, wish: TrialOf, state: StateDep, caller: CallerDep) -> Response:
    """The fate of each message: acknowledgement, status, records, deliveries and findings; the first 20 of a batch."""
    caller.require("channels/write", "admin/*")
    channel = await _channel(state.world, caller, name, wish)
    content = wish.content or candidate.typed(wish.message, channel.document)
    async with state.world.transaction(caller.tenant) as tx:
        labs = await trial.labs_of(tx)
    told: list[dict[str, Any]] = []
    more = False
    for found in candidate.run([content], channel, labs):
        if len(told) == MOST_TRIED:
            more = True
            break
        told.append(found.as_json() if isinstance(found, Trial) else {"problems": [found.as_json()], "ok": False})
        await asyncio.sleep(0)  # other requests of the same process go on
    if not told:
        raise NotFound("the file holds no message", code="channel.no-message")
    return json_answer({"messages": told, "more": more, "ok": all(one["ok"] for one in told)})


@router.post("/{name}/compare")
async def compared(name: str, wish: ComparisonWith, state: StateDep, caller: CallerDep) -> Response:
    """Where the outputs of the messages really received would differ from those of the version that serves."""
    caller.require("channels/write", "admin/*")
    world, tenant = state.world, caller.tenant
    old = await serving(world, tenant, name)
    if old is None:
        raise NotFound("a new channel has received nothing", code="channel.nothing-yet")
    new = await _channel(world, caller, name, wish)
    since = compare.moment(wish.since, world.now(), ZoneInfo(tenant.zone))
    found = await compare.compared(world, tenant, (old, new), since, wish.limit, values=False)
    answer = {"old": old.version, "new": new.version, "messages": found.messages, "differing": found.differing}
    return json_answer({**answer, "differences": [dataclasses.asdict(one) for one in found.differences]})


async def _channel(world: World, caller: Caller, name: str, wish: _Candidate) -> Channel:
    """The channel that is tried; raises NotFound without such a version and Rejected (422) for a faulty document."""
    if wish.document is None:
        async with world.transaction(caller.tenant) as tx:
            stored = await versions.version(tx, name, wish.version)
        return candidate.unstored(usable(stored.document), caller.tenant, stored.version)
    return candidate.unstored(document_of(name, wish.document), caller.tenant)
