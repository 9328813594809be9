"""One message as it stands: what became of each of its segments and fields, and the records it made. Never a value.

The account is made anew: the kept bytes are mapped under the channel's version they were worked under, by the tables of
today. Which records a message made is looked for among the versions written while it was worked.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from hl7.er7 import Message
from hub.exchange.channels import Channel, channels_at
from hub.exchange.door.receive import judge
from hub.exchange.work import poison
from hub.store.database import Transaction
from hub.world import Tenant, World
from mappings.reading.account import Account, numbers, populated_bits
from mappings.reading.engine import Translation, translate, untouched
from mappings.tables.table import TableError

MOST_LINES = 400
MOST_RECORDS = 200
_KEPT = (
    "SELECT channel_id, channel_version, content, problems, received_at, finished_at FROM message "
    "WHERE tenant_id = $1 AND id = $2"
)
_MADE = (
    "SELECT type, id, version, deleted FROM resource_version WHERE tenant_id = $1 AND type = ANY($2::text[]) "
    "AND updated_at BETWEEN $3 AND $4 AND message_id = $5 ORDER BY type, id, version LIMIT $6"
)
_BEFORE, _AFTER = datetime.timedelta(minutes=10), datetime.timedelta(minutes=1)
_SOON = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One segment (`PID#3`): its fate, and the numbers of its populated fields that were mapped, ignored, left."""

    segment: str
    fate: str
    mapped: tuple[int, ...] = ()
    ignored: tuple[int, ...] = ()
    unmapped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A version of a record that the message made; `deleted` when it ended the record."""

    type: str
    id: str
    version: int
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounted:
    """The account; `readable` is False where the bytes are gone, too large for one row, or no message."""

    readable: bool = False
    lines: tuple[Line, ...] = ()
    more: int = 0
    made: tuple[Made, ...] = ()


async def accounted(world: World, tenant: Tenant, message_id: UUID) -> Accounted:
    """The account of a received HL7 message of the tenant; an empty one for any other."""
    async with world.transaction(tenant) as tx:
        row = await tx.row(_KEPT, message_id)
    if row is None or row["channel_id"] is None or not row["content"] or poison.deadly(row["problems"]):
        return Accounted()
    under = (row["channel_id"], row["channel_version"])
    channel = (await channels_at(world, tenant, [under])).get(under)
    message, _ = judge(bytes(row["content"]), channel) if channel is not None else (None, [])
    if message is None or channel is None:
        return Accounted()
    try:
        told = _told(message, channel)
        lines = tuple(_lines(message, told.account, channel))
    except TableError:  # its findings tell which
        return Accounted()
    async with world.transaction(tenant) as tx:
        made = await _made(
            tx, message_id, {draft.type for draft in told.drafts}, row["received_at"], row["finished_at"]
        )
    return Accounted(readable=True, lines=lines[:MOST_LINES], more=max(0, len(lines) - MOST_LINES), made=made)


def _told(message: Message, channel: Channel) -> Translation:
    """The message mapped again; all of it ignored where the channel only passes on."""
    return translate(message, zone=channel.zone, site=channel.site) if channel.document.records else untouched(message)


def _lines(message: Message, account: Account, channel: Channel) -> Iterable[Line]:
    for segment in message.segments:
        fate = account.fate.get(segment.index, "unmapped")
        populated = populated_bits(segment)
        left = account.left.get(segment.index, 0)
        passed = populated & ~account.mapped(segment) & ~left
        by_fate = {"mapped": populated & ~(left | passed), "ignored": passed, "unmapped": left}
        if fate != "mapped":
            by_fate = {fate: populated}
        yield Line(
            segment=f"{segment.name}#{segment.index}",
            fate=fate,
            **{name: tuple(numbers(bits)) for name, bits in by_fate.items()},
        )


async def _made(
    tx: Transaction,
    message_id: UUID,
    types: set[str],
    received: datetime.datetime,
    finished: datetime.datetime | None,
) -> tuple[Made, ...]:
    """The versions of a message's records: by their time, since there is no index of what a message made."""
    if finished is None or not types:
        return ()
    spans = [(received - _AFTER, min(received + _SOON, finished + _AFTER)), (finished - _BEFORE, finished + _AFTER)]
    found: dict[tuple[str, str, int], Made] = {}
    for start, end in spans:
        for row in await tx.rows(_MADE, sorted(types), start, end, message_id, MOST_RECORDS):
            found[row["type"], row["id"], row["version"]] = Made(**dict(row))
    return tuple(found[key] for key in sorted(found))
