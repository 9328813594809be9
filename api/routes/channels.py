"""/api/v1/channels: channels as versioned documents: read, change, compare two versions, go back, switch off."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.rejected import Rejected
from api.http.state import Caller, CallerDep, StateDep
from canonical.problem import Problem
from hub.channels import reading, versions
from hub.channels.document import Document, as_json
from hub.channels.reading import Faulty
from hub.exchange import ports
from hub.exchange.out import forward

router = APIRouter(prefix="/api/v1/channels", tags=["channels"])
EXAMPLE = {
    "name": "his-adt",
    "door": "mllp",
    "port": 2580,
    "sender": {"applications": ["HIS*"]},
    "filters": [{"action": "skip", "types": ["ADT^A31"]}],
}


class NewVersion(BaseModel):
    """A channel's new document and why it changes; the document's keys are in the reference of channels."""

    model_config = ConfigDict(extra="forbid")
    document: dict[str, Any] = Field(examples=[EXAMPLE])
    note: str = Field(default="", max_length=500, examples=["o HIS passou a enviar A31"])


class Activation(BaseModel):
    """The version that shall serve."""

    model_config = ConfigDict(extra="forbid")
    version: int = Field(ge=1, examples=[3])


def _reader(caller: Caller) -> None:
    caller.require("channels/read", "channels/write", "admin/*")


def _writer(caller: Caller) -> None:
    caller.require("channels/write", "admin/*")


def document_of(name: str, stated: dict[str, Any]) -> Document:
    """The document of a channel of this name; Rejected (422) with every fault of it at once."""
    try:
        document = reading.from_json({"name": name, **stated})
        if document.name != name:
            raise Faulty([reading.fault("name", "one-of", allowed=name)])
    except Faulty as error:
        raise _faulty(error) from None
    return usable(document)


def usable(document: Document) -> Document:
    """The document, whose overlay and zone are there; Rejected (422) otherwise."""
    try:
        versions.refuse_unusable(document)
    except Faulty as error:
        raise _faulty(error) from None
    return document


def _faulty(error: Faulty) -> Rejected:
    return Rejected(422, [fault.problem for fault in error.faults] or [Problem(error.code)])


@router.get("")
async def listed(state: StateDep, caller: CallerDep) -> Response:
    """Every channel with its active version."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        found = await versions.listed(tx)
    return json_answer({"channels": [version.as_json() for version in found]})


@router.get("/{name}")
async def read(name: str, state: StateDep, caller: CallerDep) -> Response:
    """A channel in its active (or last active) version."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer((await versions.version(tx, name)).as_json())


@router.put("/{name}")
async def put(name: str, wish: NewVersion, state: StateDep, caller: CallerDep) -> Response:
    """Store a new version and activate it; every fault of the document is told at once (422).

    `problems` tells what is stored and goes nowhere yet: a destination whose partner is not there.
    """
    _writer(caller)
    document = document_of(name, wish.document)
    await ports.refuse_taken(state.world, caller.tenant, document)
    async with state.world.transaction(caller.tenant) as tx:
        stored = await versions.put(tx, caller.tenant, document, actor=caller.identity.subject, note=wish.note)
        lacking = await forward.lacking(tx, document)
    return json_answer({**stored.as_json(), "problems": [problem.as_json() for problem in lacking]})


@router.get("/{name}/versions")
async def history(name: str, state: StateDep, caller: CallerDep) -> Response:
    """All versions, newest first: who, when, why, and what the document said."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer({"versions": [version.as_json() for version in await versions.versions(tx, name)]})


@router.get("/{name}/versions/{number}")
async def one_version(name: str, number: int, state: StateDep, caller: CallerDep) -> Response:
    """One version."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer((await versions.version(tx, name, number)).as_json())


@router.get("/{name}/diff")
async def diff(
    name: str, state: StateDep, caller: CallerDep, old: int = Query(ge=1), new: int = Query(ge=1)
) -> Response:
    """What changed between two versions, key by key."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        before, after = [await versions.version(tx, name, number) for number in (old, new)]
    changes = versions.difference(before.document, after.document)
    return json_answer({"changes": [{"key": c.key, "old": as_json(c.old), "new": as_json(c.new)} for c in changes]})


@router.post("/{name}/activate")
async def activate(name: str, wish: Activation, state: StateDep, caller: CallerDep) -> Response:
    """Make a version the active one: go back to an earlier one, or open a channel that was switched off."""
    _writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        wanted = await versions.version(tx, name, wish.version)
    await ports.refuse_taken(state.world, caller.tenant, wanted.document)
    async with state.world.transaction(caller.tenant) as tx:
        found = await versions.activate(tx, name, wish.version, actor=caller.identity.subject)
    return json_answer(found.as_json())


@router.post("/{name}/deactivate")
async def deactivate(name: str, state: StateDep, caller: CallerDep) -> Response:
    """Close the channel's door; what was received is still worked."""
    _writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        await versions.deactivate(tx, name, actor=caller.identity.subject)
        return json_answer((await versions.version(tx, name)).as_json())
