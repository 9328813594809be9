"""Gives up what stands first in a lane to a partner, so that the rest goes on; it can be sent again later.

For the message a partner will never take while it says AR or nothing at all: an order of its own before the policy's
attempts are used up. HL7 v2 only; billing and RNDS have acts of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import Conflict, NotFound
from hub.guard import audit
from hub.operate.messages.fates import fates
from hub.operate.messages.halting import Wanted, meant
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

CODE = "delivery.skipped"
_LANES = (
    "SELECT id, name, lease_until > clock_timestamp() AS busy FROM lane WHERE tenant_id = $1 AND kind = 'outbound' "
    "AND pending > 0 AND {meant} ORDER BY id FOR UPDATE"
)
_WAITING = (
    "SELECT d.id, d.message_id, m.control_id, m.format FROM delivery d "
    "JOIN message m ON m.tenant_id = $1 AND m.id = d.message_id WHERE d.tenant_id = $1 AND d.status = 'QUEUED' "
)
_FIRST = _WAITING + "AND d.lane_id = $2 ORDER BY d.seq LIMIT 1"
_THIS = _WAITING + "AND d.id = $2"
_MESSAGE = "UPDATE message SET status = 'ERROR', finished_at = now() WHERE tenant_id = $1 AND id = $2"
_GIVEN_UP = (
    "UPDATE delivery SET status = 'DEAD', last_error = $3, in_doubt = false, finished_at = now() "
    "WHERE tenant_id = $1 AND id = $2"
)
# A new token: whoever held the lane before and is behind its time can record nothing any more.
_ONWARD = (
    "UPDATE lane SET pending = pending - 1, attempt = 0, last_error = CASE WHEN paused THEN last_error END, "
    "lease_token = lease_token + 1, lease_until = NULL, next_at = now() WHERE tenant_id = $1 AND id = $2"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """What was given up: the lane it stood first in, the message and its MSH-10."""

    lane: int
    name: str
    message_id: UUID
    control_id: str

    def as_json(self) -> dict[str, Any]:
        """One JSON object; the lane's id as text, since it may not fit a double."""
        document = {name: getattr(self, name) for name in self.__slots__}
        return {**document, "lane": str(self.lane), "message_id": str(self.message_id)}


async def skip(world: World, tenant: Tenant, actor: str, wanted: Wanted, reason: str = "") -> list[Skipped]:
    """Give up the first delivery of each lane meant that has one; each is audited.

    Raises NotFound where nothing waits, Conflict while one is being sent or where it is no HL7 message.
    """
    async with world.transaction(tenant) as tx:
        found = []
        for lane in await tx.rows(_LANES.format(meant=meant()), *wanted.values):
            if (first := await tx.row(_FIRST, lane["id"])) is not None:
                found.append(await _skip(tx, actor, lane, first, reason))
        if not found:
            raise NotFound("nothing waits in such a lane")
        tx.announced = True
    return found


async def skip_message(world: World, tenant: Tenant, actor: str, message_id: UUID) -> Skipped:
    """Give up the delivery of one outgoing message that waits, wherever it stands in its lane; raises as `skip`."""
    async with world.transaction(tenant) as tx:
        fate = (await fates(tx, [message_id])).get(message_id)
        lane = await tx.row(_LANES.format(meant=meant()), *Wanted(id=fate.lane).values) if fate is not None else None
        waiting = await tx.row(_THIS, fate.id) if lane is not None and fate is not None else None
        if lane is None or waiting is None:
            raise NotFound("this message does not wait")
        tx.announced = True
        return await _skip(tx, actor, lane, waiting, "")


async def _skip(tx: Transaction, actor: str, lane: Row, first: Row, reason: str) -> Skipped:
    if lane["busy"]:
        raise Conflict("the lane's first delivery is being sent", code="lane.in-work")
    if first["format"] != "hl7":
        raise Conflict("only HL7 messages are skipped", code="lane.not-skipped")
    await tx.run(_GIVEN_UP, first["id"], CODE)
    await tx.run(_MESSAGE, first["message_id"])
    await tx.run(_ONWARD, lane["id"])
    detail = {"reason": reason[:200]} if reason else None
    await audit.note(tx, actor, "lane-skip", f"Delivery/{first['id']}", detail=detail)
    return Skipped(lane=lane["id"], name=lane["name"], message_id=first["message_id"], control_id=first["control_id"])
