"""Takes files of a folder or SFTP channel: claimed by a rename, kept message by message, then moved away.

A file is taken when it has not changed for a while. It moves into `processing`, its messages are kept in order, and
only then does it move on to the folder of the processed or of the failed. After a crash the files in `processing` are
taken up again: what was kept before is recognised as a resend. The findings beside a file hold places and codes,
never a value.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any

import orjson

from adapters.transports import Means
from adapters.transports.drop import place_of
from adapters.transports.files import Listed, Place
from canonical.errors import TryLater
from canonical.identity import number
from canonical.problem import Problem
from hl7 import batch
from hub.exchange.channels import Channel
from hub.exchange.door.batches import together
from hub.exchange.door.keep import LARGEST_GROUP, Keeper
from hub.exchange.door.receive import Answer
from hub.exchange.door.strict import received
from hub.exchange.out.connections import vault_entry
from hub.world import World

log = logging.getLogger("ponte.pickup")
PROCESSING = "processing"
MOST_FILES = 100
MOST_FINDINGS = 1000
GROUP_BYTES = 1024 * 1024
_GOOD = ("AA", "CA")


@dataclass(slots=True)
class _Read:
    """What became of a file's messages."""

    messages: int = 0
    failed: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)

    def note(self, code: str, problems: tuple[Problem, ...], message: Answer | None = None) -> None:
        """Remember the findings of the last message read, or of the file itself (index 0), with what finds it again."""
        good = code in _GOOD
        self.failed += not good
        told = [p for p in problems if not good or p.severity != "information"]
        if told and len(self.lines) < MOST_FINDINGS:
            found = [{"code": p.code, "severity": p.severity, "where": p.where} for p in told]
            named = {"control_id": message.control_id, "id": str(message.message_id)} if message is not None else {}
            index = self.messages if message is not None else 0
            self.lines.append({"message": index, **named, "answer": code, "findings": found})


class Pickup:
    """The files of one channel, seen from one process; remembers how files looked at the last look."""

    def __init__(self, world: World, keeper: Keeper, channel: Channel) -> None:
        self.channel = channel
        self._world = world
        self._keeper = keeper
        self._seen: dict[str, tuple[Listed, float]] = {}
        self._place: Place | None = None

    async def close(self) -> None:
        """Give up the connection."""
        if self._place is not None:
            await self._place.close()
            self._place = None

    async def look(self) -> int:
        """Take what is ready; returns how many files were finished. One process at a time looks at a channel.

        Raises TryLater, Misconfigured.
        """
        lock = number("pickup", str(self.channel.id))
        async with self._world.transaction(self.channel.tenant) as tx:
            if not await tx.value("SELECT pg_try_advisory_xact_lock($2) WHERE $1::uuid IS NOT NULL", lock):
                return 0
            place = await self._opened()
            settings = self.channel.document.pickup
            for folder in (PROCESSING, settings.processed, settings.failed):
                await place.make(folder)
            left = [one.name for one in await place.files(PROCESSING)]  # by a process that ended
            for name in left[:MOST_FILES]:  # first: a new file may have the name of one of them
                await self._finish(place, name)
            if len(left) >= MOST_FILES:
                return MOST_FILES
            claimed = [name for name in await self._ready(place) if await place.rename(name, f"{PROCESSING}/{name}")][
                : MOST_FILES - len(left)
            ]
            for name in claimed:
                await self._finish(place, name)
            return len(left) + len(claimed)

    async def _ready(self, place: Place) -> list[str]:
        """Files that match the pattern and have kept size and time for `stable_s` seconds of our own clock."""
        settings, now = self.channel.document.pickup, asyncio.get_running_loop().time()
        seen: dict[str, tuple[Listed, float]] = {}
        for one in await place.files(""):
            if fnmatchcase(one.name.lower(), settings.pattern.lower()):
                before = self._seen.get(one.name)
                seen[one.name] = before if before is not None and before[0] == one else (one, now)
        self._seen = seen
        return [name for name, (_, since) in seen.items() if now - since >= settings.stable_s]

    async def _finish(self, place: Place, name: str) -> None:
        """Keep the messages of a claimed file, then move it; raises TryLater when one could not be kept."""
        settings, read = self.channel.document.pickup, _Read()
        sizes = {one.name: one.size for one in await place.files(PROCESSING)}
        if sizes.get(name, 0) > settings.most_bytes:
            problem = Problem("er7.too-large", "", args=(("limit", str(settings.most_bytes)),))
            read.note("AR", (problem,))
        else:
            await self._keep(place, f"{PROCESSING}/{name}", read)
            if not read.messages and not read.failed:
                read.note("AE", (Problem("er7.no-message", ""),))
        target = settings.failed if read.failed or not read.messages else settings.processed
        if read.lines or target == settings.failed:
            summary = {"messages": read.messages, "failed": read.failed, "channel": self.channel.name}
            text = b"".join(orjson.dumps(line) + b"\n" for line in (summary, *read.lines))
            await place.write(f"{target}/{name}.findings.jsonl", text)
        if target == settings.processed and settings.then == "delete":
            await place.remove(f"{PROCESSING}/{name}")
        elif not await _moved(place, f"{PROCESSING}/{name}", f"{target}/{name}"):
            log.warning("channel %s: a file was taken away while it was read; what was read is kept", self.channel.name)
        log.info("channel %s: a file with %s messages, %s failed", self.channel.name, read.messages, read.failed)

    async def _keep(self, place: Place, path: str, read: _Read) -> None:
        limit = self._world.settings.max_message_bytes
        async for group in _messages(place.read(path)):
            for whole, items in groupby(group, lambda item: isinstance(item, bytes) and len(item) <= limit):
                if whole:
                    said = await together(
                        self._keeper, self.channel, [item for item in items if isinstance(item, bytes)]
                    )
                    for answer in said:
                        read.messages += 1
                        read.note(answer.code, answer.problems, answer)
                else:
                    await self._keep_odd(items, limit, read)

    async def _keep_odd(self, items: Iterable[bytes | Problem], limit: int, read: _Read) -> None:
        """What is no message, and messages over the limit, of which the beginning is kept."""
        for item in items:
            if isinstance(item, Problem):
                read.note("AE", (item,))
                continue
            read.messages += 1
            large = Problem("er7.too-large", "MSH", args=(("limit", str(limit)),))
            answer: Answer = await received(self._keeper, self.channel, item[:limit], fault=large)
            read.note(answer.code, answer.problems, answer)

    async def _opened(self) -> Place:
        if self._place is None:
            settings = self.channel.document.pickup
            allowed = self._world.settings.allow_private_targets
            secret: dict[str, str] = {}
            if settings.secret:
                async with self._world.transaction(self.channel.tenant) as tx:
                    secret = await vault_entry(self._world, tx, settings.secret, f"channel/{self.channel.name}")
            means = Means(
                settings={
                    "kind": self.channel.door,
                    "path": settings.path,
                    "host": settings.host,
                    "port": settings.port,
                    "user": settings.user,
                    "host_key": settings.host_key,
                },
                allow_private=allowed,
                secret=secret,
                root=self._world.settings.folders / self.channel.tenant.slug,
            )
            self._place = place_of(means)
        return self._place


async def _moved(place: Place, old: str, new: str) -> bool:
    """Move a file; where one of that name lies already, under a name with a number. False: it is no longer there."""
    for attempt in range(1, 1000):
        try:
            return await place.rename(old, new if attempt == 1 else f"{new}.{attempt}")
        except TryLater as error:
            if error.code != "transport.exists":
                raise
    raise TryLater("too many files of one name", code="transport.exists")


async def _messages(pieces: AsyncIterator[bytes]) -> AsyncIterator[list[bytes | Problem]]:
    """The messages of a file that is read piece by piece, in groups that are kept together: split in a thread, so that
    a large one delays nobody."""
    loop = asyncio.get_running_loop()

    async def piece() -> bytes:
        return await anext(pieces, b"")

    def chunks() -> Iterator[bytes]:
        while True:
            waiting: Future[bytes] = asyncio.run_coroutine_threadsafe(piece(), loop)
            if not (found := waiting.result()):
                return
            yield found

    items = batch.messages(chunks())
    while group := await asyncio.to_thread(_group, items):
        yield group


def _group(items: Iterator[bytes | Problem]) -> list[bytes | Problem]:
    found: list[bytes | Problem] = []
    size = 0
    for item in items:
        found.append(item)
        size += len(item) if isinstance(item, bytes) else 0
        if len(found) == LARGEST_GROUP or size >= GROUP_BYTES:
            break
    return found
