"""Replays received messages: the kept raw bytes go through their lane again, in order, and the replay is audited.

They are worked as the channel says today. A replay without a cause changes nothing: a record that stays equal gets
no new version. The replay of a part of a message is that of its whole; where it waits for others, it is tried whether
they are there now.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import Conflict
from canonical.problem import Problem, blocking
from hub.exchange.channels import Channel, channels_of
from hub.exchange.door.receive import judge
from hub.exchange.work import lanes
from hub.guard import audit
from hub.operate import rejoin
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.engine import translate

AT_MOST = 10_000
_FINISHED = ("ERROR", "TRANSFORMED", "FILTERED")
_WHICH = (
    "SELECT m.id, m.lane_id, m.type, m.control_id, m.status, m.problems, m.channel_id, m.content "
    "FROM message m WHERE m.tenant_id = $1 AND m.direction = 'in' AND m.format = 'hl7' AND m.lane_id IS NOT NULL "
    "AND m.type NOT IN ('FHS', 'BHS') "
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


async def rehearse(world: World, tenant: Tenant, ids: Sequence[UUID], status: str = "") -> list[Rehearsal]:
    """What a replay would do, without doing it."""
    channels = {channel.id: channel for channel in await channels_of(world, tenant)}
    async with world.transaction(tenant) as tx:
        waiting = await rejoin.waiting(tx, ids, status)
        rows = await _rows(tx, [*ids, *await rejoin.wholes(tx, ids)], status)
        tried = [(row, await rejoin.tried(tx, channels.get(row["channel_id"]), row["id"])) for row in waiting]
    found = [_rehearsal(row, problems, Counter()) for row, problems in tried]
    for row in rows:
        channel = channels.get(row["channel_id"])
        problems, records = [Problem("message.no-channel", "MSH")], Counter[str]()
        if channel is not None:
            problems, records = _translated(bytes(row["content"]), channel)
        found.append(_rehearsal(row, problems, records))
    return found


async def replay(world: World, tenant: Tenant, actor: str, ids: Sequence[UUID], status: str = "") -> list[UUID]:
    """Queue messages again, by id or all of a status; returns those queued. One that waits already is left alone."""
    channels = {channel.id: channel for channel in await channels_of(world, tenant)}
    async with world.transaction(tenant) as tx:
        made = await rejoin.joined(tx, actor, channels, await rejoin.waiting(tx, ids, status))
        wanted = [*ids, *await rejoin.wholes(tx, ids)]
        rows = [row for row in await _rows(tx, wanted, status) if row["status"] in _FINISHED and row["id"] not in made]
        counts = Counter(row["lane_id"] for row in rows)
        if counts:
            await lanes.touch(tx, "inbound", [(lane, "hl7", count) for lane, count in counts.items()])
        queued = await tx.rows(
            "UPDATE message SET status = 'RECEIVED', finished_at = NULL, attempt = 0, channel_version = coalesce("
            "(SELECT c.version FROM channel c WHERE c.tenant_id = $1 AND c.id = message.channel_id), channel_version) "
            "WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND status = ANY($3::text[]) RETURNING id",
            [row["id"] for row in rows],
            list(_FINISHED),
        )
        if len(queued) != len(rows):  # another replay was faster for some: then nothing of this one happens
            raise Conflict("the same messages are being replayed at this moment; nothing was changed")
        for row in rows:
            await audit.note(tx, actor, "replay", f"Message/{row['id']}")
    return [*made, *(row["id"] for row in rows)]


async def _rows(tx: Transaction, ids: Sequence[UUID], status: str) -> list[Row]:
    if ids:
        return await tx.rows(_WHICH + _NO_PART + "AND m.id = ANY($2::uuid[]) ORDER BY m.seq", list(ids))
    return await tx.rows(_WHICH + _NO_PART + f"AND m.status = $2 ORDER BY m.seq LIMIT {AT_MOST}", status)


def _translated(raw: bytes, channel: Channel) -> tuple[list[Problem], Counter[str]]:
    """What the door would say of the bytes today, and what their translation says."""
    message, problems = judge(raw, channel)
    if message is None:
        return problems, Counter()
    translation = translate(message, zone=channel.zone, site=channel.site)
    return [*problems, *translation.problems], Counter(draft.type for draft in translation.drafts)


def _rehearsal(row: Row, problems: Sequence[Problem], records: Counter[str]) -> Rehearsal:
    return Rehearsal(
        id=row["id"],
        type=row["type"],
        control_id=row["control_id"],
        status=row["status"],
        before=[problem["code"] for problem in json.loads(row["problems"])],
        after=[problem.code for problem in problems],
        records=dict(sorted(records.items())),
        would_pass=not blocking(problems),
    )
