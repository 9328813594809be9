"""POST /hl7: one HL7 v2 message over HTTP, answered by its acknowledgement."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.state import CallerDep, StateDep
from canonical.errors import Misconfigured
from hub.exchange.channels import channels_of
from hub.exchange.receive import receive

router = APIRouter()
ER7 = "application/hl7-v2"


@router.post("/hl7")
async def post(request: Request, state: StateDep, caller: CallerDep) -> Response:
    """Keep the message in the body and return its acknowledgement (200 also for AE and AR: the ACK tells)."""
    caller.require("hl7/write", "system/*.write", "system/*.*")
    channels = [c for c in await channels_of(state.world, caller.tenant) if c.door == "http"]
    if not channels:
        raise Misconfigured("the tenant has no HTTP channel for HL7")
    answer = await receive(state.keeper, channels[0], await request.body(), state.world.now)
    return Response(answer.payload, 200, {"X-Ponte-Message": str(answer.message_id)}, ER7)
