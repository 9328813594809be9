"""Replays received messages: the kept raw bytes go through their lane again, in order, and the replay is audited.

They are worked as the channel says today. A replay without a cause changes nothing: a record that stays equal gets
no new version. The replay of a part of a message is that of its whole; where it waits for others, it is tried whether
they are there now. Many are replayed in waves, each a transaction of its own: what was queued stays queued.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import Refused
from canonical.problem import Problem, blocking
from hub.exchange.channels import Channel, known_channels
from hub.exchange.work import anew, lanes, poison, reading
from hub.operate.messages import rejoin
from hub.operate.messages.selection import Query, conditions
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.replay")
AT_MOST = 100_000
WAVE = 1000
REHEARSED_AT_ONCE = 200
_WHICH = (
    "SELECT m.id, m.seq, m.lane_id, m.type, m.control_id, m.status, m.problems, m.channel_id{content} "
    "FROM message m WHERE m.tenant_id = $1 AND m.direction = 'in' AND m.format = 'hl7' AND m.lane_id IS NOT NULL "
    "AND m.type NOT IN ('FHS', 'BHS') AND m.removed_at IS NULL "
)
_NO_PART = "AND NOT EXISTS (SELECT 1 FROM fragment f WHERE f.tenant_id = $1 AND f.message_id = m.id) "


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a replay would do to one message: findings then and now, and how many records of each type it states."""

    id: UUID
    type: str
    control_id: str
    status: str
    before: list[str]
    after: list[str]
    records: dict[str, int]
    would_pass: bool

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "id": str(self.id)}


async def rehearse(
    world: World, tenant: Tenant, ids: Sequence[UUID], status: str = "", *, query: Query | None = None
) -> list[Rehearsal]:
    """What a replay would do, without doing it; of a query at most its `limit`."""
    channels = {channel.id: channel for channel in await known_channels(world, tenant)}
    async with world.transaction(tenant) as tx:
        which = await _chosen(tx, ids, status, query)
        waiting = await rejoin.waiting(tx, ids, which.query)
        tried = [(row, await rejoin.tried(tx, channels.get(row["channel_id"]), row["id"])) for row in waiting]
    found = [_rehearsal(row, problems, Counter(), passes=not blocking(problems)) for row, problems in tried]
    while len(found) < which.most:
        wave = min(REHEARSED_AT_ONCE, which.most - len(found))
        async with world.transaction(tenant) as tx:
            rows = await _rows(tx, which, wave, content=True)
        for row in rows:
            found.append(_read(row, channels.get(row["channel_id"])))
        if len(rows) < wave:
            break
        which = dataclasses.replace(which, after=rows[-1]["seq"])
    return found


async def replay(
    world: World, tenant: Tenant, actor: str, ids: Sequence[UUID], status: str = "", *, query: Query | None = None
) -> list[UUID]:
    """Queue messages again, by id or all that a query means; returns those queued. One that waits is left alone.

    Messages of a lane keep their order. Raises Conflict when another replay was faster; what came before it is queued.
    """
    channels = {channel.id: channel for channel in await known_channels(world, tenant)}
    async with world.transaction(tenant) as tx:
        which = await _chosen(tx, ids, status, query)
        queued = await rejoin.joined(tx, actor, channels, await rejoin.waiting(tx, ids, which.query))
    while len(queued) < which.most:
        wave = min(WAVE, which.most - len(queued))
        async with world.transaction(tenant) as tx:
            rows = await _rows(tx, which, wave)
            queued += await _queued(tx, actor, rows)
        if len(rows) < wave:
            break
        which = dataclasses.replace(which, after=rows[-1]["seq"])
    return queued


async def _queued(tx: Transaction, actor: str, found: Sequence[Row]) -> list[UUID]:
    rows = [row for row in found if row["status"] in anew.FINISHED]
    await anew.queue(tx, actor, rows)
    return [row["id"] for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Which:
    """The messages meant: by id, or those of a query; behind `after` in the order they came, at most `most`."""

    ids: Sequence[UUID]
    query: Query
    most: int
    after: int = -1


async def _chosen(tx: Transaction, ids: Sequence[UUID], status: str, query: Query | None) -> _Which:
    """A query is bounded by now: what comes while it is replayed, and fails, is not replayed with it."""
    asked = query or Query(status=status, limit=AT_MOST)
    if not ids and asked.says_nothing:
        raise Refused("name which messages are meant", code="message.which")
    now = await tx.value("SELECT now() WHERE $1::uuid IS NOT NULL")  # the clock that dated the messages
    until = min(asked.until, now) if asked.until is not None else now
    gone = await tx.value(
        "SELECT count(*) FROM message WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND removed_at IS NOT NULL",
        list(ids),
    )
    if gone:
        raise Refused(f"the bytes of {gone} of them were removed by retention", code="message.removed")
    wholes = await rejoin.wholes(tx, ids)
    return _Which(ids=[*ids, *wholes], query=dataclasses.replace(asked, until=until), most=min(asked.limit, AT_MOST))


async def _rows(tx: Transaction, which: _Which, most: int, *, content: bool = False) -> list[Row]:
    start = _WHICH.replace("{content}", ", m.content" if content else "") + _NO_PART + "AND m.seq > $2"
    order = f" ORDER BY m.seq LIMIT {most}"
    if which.ids:
        return await tx.rows(f"{start} AND m.id = ANY($3::uuid[]){order}", which.after, list(which.ids))
    where, values = conditions(which.query, 3)
    return await tx.rows(f"{start}{where}{order}", which.after, *values)


def _read(row: Row, channel: Channel | None) -> Rehearsal:
    """What its lane would make of a message's bytes today."""
    if poison.deadly(row["problems"]):  # it may end this process too, with all who are served by it
        return _rehearsal(row, [Problem(lanes.ABANDONED, "MSH")], Counter(), passes=False)
    try:
        told = reading.read(bytes(row["content"]), row["problems"], channel)
    except Exception as error:  # a defect of a mapping, as the lane would meet it; the others are tried all the same
        log.error("message %s: %s at %s", row["id"], type(error).__name__, lanes.place_of(error))
        told = reading.Reading(problems=[reading.defect(error)])
    drafts = told.translation.drafts if told.translation is not None else []
    return _rehearsal(row, told.problems, Counter(draft.type for draft in drafts), passes=told.passes)


def _rehearsal(row: Row, problems: Sequence[Problem], records: Counter[str], *, passes: bool) -> Rehearsal:
    return Rehearsal(
        id=row["id"],
        type=row["type"],
        control_id=row["control_id"],
        status=row["status"],
        before=[problem["code"] for problem in json.loads(row["problems"])],
        after=[problem.code for problem in problems],
        records=dict(sorted(records.items())),
        would_pass=passes,
    )
