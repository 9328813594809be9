"""POST /hl7: one HL7 v2 message over HTTP, answered by its acknowledgement."""

from __future__ import annotations

import zlib

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.http.packing import plain
from api.http.rejected import Rejected
from api.http.state import CallerDep, StateDep
from canonical.errors import NotFound
from canonical.problem import Problem
from hl7 import batch
from hub.exchange.answer import owed
from hub.exchange.channels import channels_of
from hub.exchange.door import batches, strict
from hub.exchange.door.keep import AFTERWARDS

router = APIRouter()
ER7 = "application/hl7-v2"


@router.post("/hl7")
@router.post("/hl7/{channel}")
async def post(request: Request, state: StateDep, caller: CallerDep, channel: str = "") -> Response:
    """Keep the message in the body and return its acknowledgement (200 also for AE and AR: the ACK tells).

    Without a channel's name the tenant's first HTTP channel serves.
    """
    caller.require("hl7/write", "system/*.write", "system/*.*")
    channels = [c for c in await channels_of(state.world, caller.tenant) if c.door == "http"]
    if channel:
        channels = [c for c in channels if c.name == channel]
        if not channels:
            raise NotFound("there is no such HTTP channel")
    if not channels:
        raise NotFound("the tenant has no HTTP channel for HL7")
    body = await _body(request, state.world.settings.max_message_bytes)
    found = channels[0]
    if batch.is_batch(body):
        said = (await batches.receive(state.keeper, found, body))[0]
    else:
        said = await strict.received(state.keeper, found, body)
    payload = said.payload
    if said.owes == AFTERWARDS:
        payload = await owed.wait(state.world, caller.tenant, said, found.document.acknowledge.wait_s)
    return Response(payload, 200 if payload else 202, {"X-Ponte-Message": str(said.message_id)}, ER7)


@router.get("/hl7/{channel}/answers")
async def answers(state: StateDep, caller: CallerDep, channel: str) -> Response:
    """The oldest application acknowledgement that waits to be picked up (200), or 204 when there is none."""
    caller.require("hl7/write", "system/*.write", "system/*.*")
    channels = [c for c in await channels_of(state.world, caller.tenant) if c.name == channel]
    if not channels:
        raise NotFound("there is no such channel")
    found = await owed.pick_up(state.world, channels[0])
    if found is None:
        return Response(status_code=204)
    return Response(found[1], 200, {"X-Ponte-Message": str(found[0])}, ER7)


async def _body(request: Request, limit: int) -> bytes:
    """The body, unpacked, read no further than the limit; MLLP framing that some clients keep around it is taken off.

    Raises Rejected: 413 for one over the limit, 415 when it is packed otherwise than by gzip, 400 when it is damaged or
    its sender went away.
    """
    stated = request.headers.get("content-length", "")
    parts: list[bytes] = []
    size = 0
    if not (stated.isascii() and stated.isdigit() and int(stated) > limit):
        try:
            async for part in plain(request):
                size += len(part)
                if size > limit:
                    break
                parts.append(part)
            else:
                return b"".join(parts).removeprefix(b"\x0b")
        except (ClientDisconnect, zlib.error):
            raise Rejected(400, [Problem("failure.request", level="error")]) from None
    raise Rejected(413, [Problem("er7.too-large", "MSH", args=(("limit", str(limit)),))])
