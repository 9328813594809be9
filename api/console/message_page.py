"""The page `/console/messages/{id}`: one message with its findings, the account of its fields, what it made; a replay.

Places, codes and numbers of fields, never content. Who sees the list sees it; who keeps channels tries and replays it.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from api.console.messages_page import REPLAY, shown_number
from api.console.visit import Visit, VisitDep
from api.http.rejected import status_of
from canonical.errors import Conflict, Denied, NotFound, Refused
from hub.console import shown_code, shown_type
from hub.operate.messages import accounting, find, redeliver, replay, skipping
from hub.operate.messages.redeliver import Wanted
from hub.operate.messages.replay import Rehearsal
from hub.operate.messages.selection import STATUSES

router = APIRouter(include_in_schema=False, prefix="/console/messages")
_STATED = (Refused, Conflict, NotFound, Denied)


@router.get("/{message_id}")
async def look(visit: VisitDep, message_id: UUID) -> Response:
    """The page."""
    return await _page(visit, message_id)


@router.post("/{message_id}/{what}")
async def act(visit: VisitDep, message_id: UUID, what: str) -> Response:
    """What a replay would do (`try`), the replay (`replay`); of an outgoing one: `resend` and `skip`."""
    world, tenant = visit.state.world, visit.tenant
    try:
        visit.require(REPLAY)
        if what == "try":
            found = await replay.rehearse(world, tenant, [message_id])
            return await _page(visit, message_id, key="message.tried", tried=found)
        if what == "resend":
            sent = await redeliver.redeliver(world, tenant, visit.actor, Wanted(messages=(message_id,)))
            return await _page(visit, message_id, key="message.resent" if sent else "message.not-replayed")
        if what == "skip":
            await skipping.skip_message(world, tenant, visit.actor, message_id)
            return await _page(visit, message_id, key="message.skipped")
        if what != "replay":
            raise NotFound("there is no such act")
        queued = await replay.replay(world, tenant, visit.actor, [message_id])
    except _STATED as error:
        return await _page(visit, message_id, problem=error.code, status=status_of(error))
    return await _page(visit, message_id, key="message.replayed" if queued else "message.not-replayed")


async def _page(
    visit: Visit,
    message_id: UUID,
    *,
    key: str = "",
    problem: str = "",
    tried: list[Rehearsal] | None = None,
    status: int = 200,
) -> Response:
    world, tenant = visit.state.world, visit.tenant
    async with world.transaction(tenant) as tx:
        found = await find.message(tx, message_id)
    if found is None:
        return visit.page("message.html", status=404, found=None, problem=visit.told(problem or "failure.not-found"))
    incoming = found.direction == "in" and found.format == "hl7"
    account = await accounting.accounted(world, tenant, message_id) if incoming else accounting.Accounted()
    return visit.page(
        "message.html",
        status=status,
        found=found,
        incoming=incoming,
        account=account,
        key=key,
        tried=tried or (),
        statuses=STATUSES,
        replays=visit.may(REPLAY),
        kind=shown_type,
        number=shown_number,
        code_of=shown_code,
        problem=visit.told(problem),
    )
