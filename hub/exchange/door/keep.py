"""Keeps raw messages durably before anything answers "accepted". Messages that arrive together commit together."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from uuid import UUID

from canonical.errors import PonteError, TryAgain, TryLater
from canonical.problem import Problem
from hub.exchange.channels import Channel
from hub.store.database import Database
from hub.store.standing import Standing

_PARAMETERS = ", ".join(f"${n}" for n in range(1, 18))
_KEEP = f"SELECT * FROM ponte_keep({_PARAMETERS})"
KEEP_ONE = f"SELECT ponte_keep_one({_PARAMETERS})"
"""As a value, not as a table: see the function."""
_Place = tuple[UUID, UUID, int, str]  # tenant, channel, its version, format
AFTERWARDS = "OR"
"""What a message owes whose one answer of original mode waits for the processing."""
LARGEST_GROUP = 200
LARGEST_BYTES = 32 * 1024 * 1024

KEEP_ATTEMPTS = 3
KEEP_SECONDS = 20.0
"""How long a commit may take. Senders wait half a minute as a rule: one that hears nothing is to be told before."""
COMMITTERS = 4
"""Commits of one channel under way at a time, at most."""
WORTH = 8
"""So many messages that wait are worth a commit of their own beside those under way."""
LATE_SECONDS = 0.002
"""A commit that takes longer lets another begin beside it, however few wait.

A message alone costs the door and the database three times what one in a group of eight does, and more commits at a
time make smaller groups. So fewer than WORTH wait for the commit under way, which on a quick disk is soon done; a slow
disk or a large message holds up nobody.
"""


class Incoming(NamedTuple):
    """A message as a door received it. Each costs one: a tuple is made in half the time of a frozen dataclass.

    `lane` orders it. `control_key` stands for its channel and bytes: with the same `control_id` it is a resend. Other
    bytes under the same id of the same sender (`sender_key`) are a conflict. `owes` is the condition (AL, ER, SU) of an
    application acknowledgement that follows. `reply` is kept when it cannot be made again from the message.
    """

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
    owes: str = ""
    sender_key: int | None = None


class Kept(NamedTuple):
    """What the store says: the id under which it is kept, the first answer and status of a resend, and id conflicts."""

    id: UUID
    resent: bool
    reply: bytes | None
    conflict: bool
    status: str | None = None


Done = Callable[[Kept | PonteError], None]


class _Waiting(NamedTuple):
    incoming: Incoming
    done: Done
    source: Hashable


@dataclass(slots=True)
class _Queue:
    """The messages of one place that wait, its commits under way, and how many of them are late.

    `beginning` while one is about to take its first group.
    """

    waiting: list[_Waiting] = field(default_factory=list)
    running: int = 0
    late: int = 0
    beginning: bool = False


class Keeper:
    """Collects messages while commits are under way and keeps them in the next ones.

    What comes from one source is kept in the order it came: its messages never stand in two commits at a time.
    """

    def __init__(self, database: Database, ring: Callable[[UUID], None] | None = None) -> None:
        self.database = database
        self._ring = ring
        self._queues: dict[_Place, _Queue] = defaultdict(_Queue)
        self._busy: set[Hashable] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, tenant: UUID) -> None:
        """Wake the workers of a tenant."""
        if self._ring is not None:
            self._ring(tenant)

    async def keep(self, channel: Channel, incoming: Incoming, source: Hashable = None) -> Kept:
        """Return once the message is committed; raises TryLater when that is unknown or failed."""
        future: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()

        def done(outcome: Kept | PonteError) -> None:
            if future.done():
                return
            if isinstance(outcome, Kept):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

        self.submit(channel, incoming, done, source)
        return await future

    def submit(self, channel: Channel, incoming: Incoming, done: Done, source: Hashable = None) -> None:
        """Call `done` once the message is committed, or with the reason why it may not be acknowledged.

        Returns at once. What one `source` (a connection) submits is committed and reported in that order.
        """
        place = (channel.tenant.id, channel.id, channel.version, incoming.format)
        queue = self._queues[place]
        queue.waiting.append(_Waiting(incoming, done, source))
        if (queue.running == queue.late or len(queue.waiting) >= WORTH) and source not in self._busy:
            self._begin(place, queue)

    def _begin(self, place: _Place, queue: _Queue) -> None:
        """Start a commit of what waits, unless one is about to be or enough are under way."""
        if queue.running < COMMITTERS and not queue.beginning:
            queue.running += 1
            queue.beginning = True
            self._tasks.add(asyncio.get_running_loop().create_task(self._flush(place, queue)))

    async def _flush(self, place: _Place, queue: _Queue) -> None:
        try:
            with self.database.standing() as standing:
                while group := self._together(queue):
                    failed = await self._watched(standing, place, queue, group)
                    if failed is not None:
                        self._fail_behind(queue, group, failed)
        finally:
            queue.running -= 1
            queue.beginning = False
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _watched(
        self, standing: Standing, place: _Place, queue: _Queue, group: Sequence[_Waiting]
    ) -> PonteError | None:
        """Commit a group. Meanwhile its sources have nothing in another commit; from LATE_SECONDS on it is late, and
        only then its KEEP_SECONDS are watched."""
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(None)
        late = False

        def told() -> None:
            nonlocal late
            late = True
            queue.late += 1
            limit.reschedule(loop.time() + KEEP_SECONDS)
            if queue.waiting:
                self._begin(place, queue)

        timer = loop.call_later(LATE_SECONDS, told)
        sources = [item.source for item in group if item.source is not None]
        self._busy.update(sources)
        try:
            return await self._commit(standing, place, group, limit)
        finally:
            timer.cancel()
            queue.late -= late
            self._busy.difference_update(sources)

    def _together(self, queue: _Queue) -> list[_Waiting]:
        """The next group: at most LARGEST_GROUP messages and LARGEST_BYTES, but always one when one may go.

        Two messages under one control id do not share a group: the second must see the first to be a resend or a
        conflict. Nor does anything join whose source has a message in another commit.
        """
        waiting = queue.waiting
        if not waiting:
            queue.beginning = False
            return []
        size, count, seen = 0, 0, set[tuple[str, int | None]]()
        for item in waiting[:LARGEST_GROUP]:
            incoming = item.incoming
            size += len(incoming.content)
            if item.source in self._busy or (count and size > LARGEST_BYTES):
                break
            if incoming.control_key is not None:
                key = (incoming.control_id, incoming.sender_key)
                if key in seen:
                    break
                seen.add(key)
            count += 1
        group = waiting[:count]
        del waiting[:count]
        queue.beginning = False
        return group

    def _fail_behind(self, queue: _Queue, group: Sequence[_Waiting], reason: PonteError) -> None:
        """What waits behind a message that could not be kept, from the same source, is not kept either: it would stand
        before that one, which comes again."""
        sources = {item.source for item in group} - {None}
        behind = [item for item in queue.waiting if item.source in sources]
        queue.waiting[:] = [item for item in queue.waiting if item.source not in sources]
        for item in behind:
            item.done(reason)

    async def _commit(
        self, standing: Standing, place: _Place, group: Sequence[_Waiting], limit: asyncio.Timeout
    ) -> PonteError | None:
        """Keep a group and tell each of its messages; returns why when it could not be kept, or not within the limit:
        whether it was kept is not known then, and who sends it again is told."""
        try:
            if len(group) == 1:
                async with limit:
                    rows = await _kept(standing, KEEP_ONE, *_head(place), *values(group[0].incoming))
                outcomes = [kept_of(group[0].incoming.id, rows[0][0])]
            else:
                columns = [list(column) for column in zip(*(values(item.incoming) for item in group), strict=True)]
                async with limit:
                    rows = await _kept(standing, _KEEP, *_head(place), *columns)
                told = {row[0]: tuple(row)[1:] for row in rows}
                outcomes = [kept_of(item.incoming.id, told.get(item.incoming.id)) for item in group]
        except Exception as error:  # whatever it was, none of these may be acknowledged
            code = "store.down" if isinstance(error, TimeoutError) else "store.failed"
            reason = error if isinstance(error, PonteError) else TryLater(type(error).__name__, code=code)
            for item in group:
                item.done(reason)
            return reason
        for item, outcome in zip(group, outcomes, strict=True):
            item.done(outcome)
        self.ring(place[0])
        return None


async def _kept(standing: Standing, query: str, *arguments: object) -> list[Any]:
    """What the store says; a group whose transaction lost a race is kept again, the senders need not know."""
    for _ in range(KEEP_ATTEMPTS - 1):
        try:
            return await standing.fetch(query, *arguments)
        except TryAgain:
            continue
    return await standing.fetch(query, *arguments)


def kept_of(made: UUID, told: Sequence[Any] | None) -> Kept:
    """The outcome of the message `made` by what `ponte_keep` or `ponte_keep_one` told: nothing of a plain new one."""
    if told is None:
        return Kept(id=made, resent=False, reply=None, conflict=False)
    first, status, reply, conflict = told
    return Kept(id=first, resent=first != made, reply=reply, conflict=conflict, status=status)


def _head(place: _Place) -> tuple[UUID, str, UUID, int]:
    tenant, channel, version, kind = place
    return tenant, kind, channel, version


def values(item: Incoming) -> tuple[object, ...]:
    """The row of one message, in the order of the functions' parameters after the channel's."""
    found = [problem.as_json() for problem in item.problems]
    return (
        item.id,
        item.lane,
        item.status,
        item.type,
        item.control_id,
        item.control_key,
        item.sender_key,
        item.payload_key,
        item.charset,
        item.content,
        item.reply,
        json.dumps(found, ensure_ascii=False) if found else "[]",
        item.owes,
    )
