"""Keeps raw messages durably before anything answers "accepted". Messages that arrive together commit together."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from canonical.errors import PonteError, TryLater
from canonical.problem import Problem
from hub.exchange.channels import Channel
from hub.store.database import Database

_KEEP = "SELECT * FROM ponte_keep($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
_KEEP_ONE = "SELECT * FROM ponte_keep_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
_Place = tuple[UUID, UUID, int, str]  # tenant, channel, its version, format
LARGEST_GROUP = 200
LARGEST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message as a door received it. `lane` orders it; equal `control_key` and `payload_key` make it a resend."""

    id: UUID
    format: str
    type: str
    lane: int
    status: str
    control_id: str
    control_key: int | None
    payload_key: int
    charset: str
    content: bytes
    reply: bytes | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the store says: the id under which it is kept, the first answer of a resend, and id conflicts."""

    id: UUID
    resent: bool
    reply: bytes | None
    conflict: bool


class Keeper:
    """Collects messages while a commit is under way and keeps them in the next one, in order of arrival."""

    def __init__(self, database: Database, ring: Callable[[UUID], None] | None = None) -> None:
        self._database = database
        self._ring = ring
        self._waiting: dict[_Place, list[tuple[Incoming, asyncio.Future[Kept]]]] = defaultdict(list)
        self._running: set[_Place] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep(self, channel: Channel, incoming: Incoming) -> Kept:
        """Return once the message is committed; raises TryLater when that is unknown or failed."""
        place = (channel.tenant.id, channel.id, channel.version, incoming.format)
        future: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._waiting[place].append((incoming, future))
        if place not in self._running:
            self._running.add(place)
            task = asyncio.create_task(self._flush(place))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _flush(self, place: _Place) -> None:
        try:
            while group := _together(self._waiting[place]):
                del self._waiting[place][: len(group)]
                await self._commit(place, group)
        finally:
            self._running.discard(place)

    async def _commit(self, place: _Place, group: list[tuple[Incoming, asyncio.Future[Kept]]]) -> None:
        tenant, channel, version, kind = place
        try:
            if len(group) == 1:
                rows = await self._database.call(_KEEP_ONE, tenant, kind, channel, version, *_values(group[0][0]))
            else:
                columns = [list(column) for column in zip(*(_values(item) for item, _ in group), strict=True)]
                rows = await self._database.call(_KEEP, tenant, kind, channel, version, *columns)
        except Exception as error:  # whatever it was, none of these may be acknowledged
            reason = error if isinstance(error, PonteError) else TryLater(type(error).__name__, code="store.failed")
            for _, future in group:
                if not future.done():
                    future.set_exception(reason)
            return
        if self._ring is not None:
            self._ring(tenant)
        answers = {row["id"]: row for row in rows}
        for item, future in group:
            row = answers[item.id]
            if not future.done():
                resent = row["first_id"] != item.id
                future.set_result(Kept(id=row["first_id"], resent=resent, reply=row["reply"], conflict=row["conflict"]))


def _together(waiting: list[tuple[Incoming, asyncio.Future[Kept]]]) -> list[tuple[Incoming, asyncio.Future[Kept]]]:
    """The next group: at most LARGEST_GROUP messages and LARGEST_BYTES, but always one when there is one.

    Two bodies under one control id do not share a group: the second must see the first to be a conflict.
    """
    size, seen = 0, dict[int, int]()
    for count, (item, _) in enumerate(waiting[:LARGEST_GROUP]):
        size += len(item.content)
        other = item.control_key is not None and seen.get(item.control_key, item.payload_key) != item.payload_key
        if count and (size > LARGEST_BYTES or other):
            return waiting[:count]
        if item.control_key is not None:
            seen[item.control_key] = item.payload_key
    return waiting[:LARGEST_GROUP]


def _values(item: Incoming) -> tuple[object, ...]:
    """The row of one message, in the order of the functions' parameters."""
    found = [problem.as_json() for problem in item.problems]
    return (
        item.id,
        item.lane,
        item.status,
        item.type,
        item.control_id,
        item.control_key,
        item.payload_key,
        item.charset,
        item.content,
        item.reply,
        json.dumps(found, ensure_ascii=False) if found else "[]",
    )
