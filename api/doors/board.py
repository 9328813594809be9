"""The board of MLLP doors: ports open, change and close as the channels say, while the hub runs.

A change is heard over the bell; without it the board looks by itself. A port that cannot be opened is tried again at
every look and holds up no other door. Connections of a channel whose settings changed go on under the new version.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any
from uuid import UUID

import orjson

from api.doors.mllp import Listener
from canonical.errors import Misconfigured, PonteError
from hub.exchange import guests, ports
from hub.exchange.answer.owed import Debts
from hub.exchange.channels import Channel, all_channels
from hub.exchange.door import tls
from hub.exchange.door.keep import Keeper
from hub.exchange.ports import Place
from hub.redis import CHANNELS
from hub.world import World

log = logging.getLogger("ponte.board")
LOOK_SECONDS = 2.0


class Board:
    """The open MLLP doors of one process."""

    def __init__(self, world: World, keeper: Keeper) -> None:
        self._world = world
        self._keeper = keeper
        self._debts = Debts(world)
        self._open: dict[UUID, tuple[Place, Listener]] = {}
        self._marks: dict[UUID, str] = {}
        self._refused: set[Place] = set()
        self._closed: dict[UUID, tuple[Channel, Place, str, float]] = {}
        self._changed = asyncio.Event()

    @property
    def listeners(self) -> list[Listener]:
        """The open doors."""
        return [listener for _, listener in self._open.values()]

    async def start(self) -> None:
        """Open what the channels say now; raises Misconfigured when the hub's own port cannot be opened.

        A port that one channel names keeps nobody else's doors closed: it is told, and tried again at every look.
        """
        await self._look(strict=True)

    async def follow(self, stop: asyncio.Event) -> None:
        """Keep the doors as the channels say until `stop`."""
        hearing = asyncio.create_task(
            self._world.bell.listen(lambda _: self._changed.set(), lambda _: None, topic=CHANNELS)
        )
        stopping = asyncio.create_task(stop.wait())
        paying = asyncio.create_task(self._debts.run(stop))
        try:
            while not stop.is_set():
                self._changed.clear()
                try:
                    await self._look(strict=False)
                    await self._tell()
                except PonteError as error:
                    log.warning("cannot look at the channels: %s", error.code)
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait((changed, stopping), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
        finally:
            for task in (hearing, stopping, paying):
                task.cancel()
            await asyncio.gather(hearing, stopping, paying, return_exceptions=True)

    async def close(self) -> None:
        """Close all doors; what was not acknowledged the senders will send again."""
        while self._open:
            _, (_, listener) = self._open.popitem()
            await listener.stop()

    async def _tell(self) -> None:
        """Leave word of who is connected and what stays closed, for `channel connections` and the alarms."""
        if self._world.bell.silent:
            return
        for place, listener in list(self._open.values()):
            await self._note(listener.channel, place, listener.report())
        now = asyncio.get_running_loop().time()
        for channel, place, code, since in list(self._closed.values()):
            nobody = {"connections": 0, "addresses": [], "turned_away": []}
            await self._note(channel, place, {**nobody, "closed": code, "closed_s": round(now - since)})

    def _stays_closed(self, channel: Channel, place: Place, code: str) -> None:
        before = self._closed.get(channel.id)
        since = before[3] if before is not None else asyncio.get_running_loop().time()
        self._closed[channel.id] = (channel, place, code, since)

    async def _note(self, channel: Channel, place: Place, report: dict[str, Any]) -> None:
        told = {"channel": channel.name, "port": place.port, "pid": os.getpid(), **report}
        key = guests.key_of(channel.tenant.id, channel.name, os.getpid())
        await self._world.bell.note(key, orjson.dumps(told).decode(), guests.KEPT_SECONDS)

    async def _look(self, *, strict: bool) -> None:
        wanted = ports.placed(await all_channels(self._world), self._world.settings)
        self._closed = {identity: found for identity, found in self._closed.items() if identity in wanted}
        for identity, (place, listener) in list(self._open.items()):
            if identity not in wanted or wanted[identity][0] != place:
                del self._open[identity]
                await listener.stop()
                log.info("channel %s: port %s is closed", listener.channel.name, place.port)
        for identity, (place, channel) in wanted.items():
            if identity in self._open:
                await self._renew(place, self._open[identity][1], channel)
            else:
                await self._start(place, channel, strict=strict)

    async def _renew(self, place: Place, listener: Listener, channel: Channel) -> None:
        """The door goes on under the new version; a new certificate serves new connections."""
        listener.channel = channel
        mark = await tls.mark_of(self._world, channel)
        if mark == self._marks.get(channel.id, ""):
            return
        self._marks[channel.id] = mark
        try:
            found = await tls.door_tls(self._world, channel)
            await listener.start(place.host, place.port, found.context if found else None)
            log.info("channel %s: port %s has a new certificate or new rules for clients", channel.name, place.port)
        except (Misconfigured, OSError) as error:
            log.error("channel %s: TLS stays as it was: %s", channel.name, error)

    async def _start(self, place: Place, channel: Channel, *, strict: bool) -> None:
        listener = Listener(channel, self._keeper, self._world.settings.max_message_bytes, self._debts)
        try:
            found = await tls.door_tls(self._world, channel)
            await listener.start(place.host, place.port, found.context if found else None)
        except Misconfigured as error:
            self._stays_closed(channel, place, error.code)
            if place not in self._refused:
                self._refused.add(place)
                log.error("channel %s: port %s stays closed: %s", channel.name, place.port, error.text)
            return
        except OSError as error:
            if strict and place.port == self._world.settings.mllp_port:
                raise Misconfigured(f"channel {channel.name}: port {place.port}: {error.strerror}") from None
            self._stays_closed(channel, place, "door.port")
            if place not in self._refused:
                self._refused.add(place)
                log.warning("channel %s: port %s cannot be opened: %s", channel.name, place.port, error.strerror)
            return
        self._refused.discard(place)
        self._closed.pop(channel.id, None)
        self._open[channel.id] = (place, listener)
        self._marks[channel.id] = found.mark if found else ""
        log.info("channel %s, version %s: port %s is open", channel.name, channel.version, place.port)
