"""The collector: looks at the folders and SFTP servers of channels, each by its own schedule, while the hub runs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from canonical.errors import PonteError
from hub.exchange import guests
from hub.exchange.channels import Channel, all_channels
from hub.exchange.door.keep import Keeper
from hub.exchange.door.pickup import Pickup
from hub.exchange.work import cron
from hub.exchange.work.lanes import place_of
from hub.world import World

log = logging.getLogger("ponte.collector")
LOOK_SECONDS = 2.0
TICK_SECONDS = 0.2
DOORS = ("folder", "sftp")
LONGEST_REST = 300.0


@dataclass(slots=True)
class _Route:
    """One channel's pick-up: when it is due (by the loop's clock), what runs, and how often it failed in a row."""

    pickup: Pickup
    due: float
    task: asyncio.Task[None] | None = None
    failures: int = 0
    code: str = ""
    since: float = 0.0
    looked: float | None = None
    files: int = 0

    def report(self, now: float) -> dict[str, Any]:
        """How it fares, as JSON; times as seconds ago. `looked_s` is None before the first look that succeeded."""
        channel = self.pickup.channel
        return {
            "channel": channel.name,
            "door": channel.door,
            "path": channel.document.pickup.path,
            "files": self.files,
            "looked_s": None if self.looked is None else round(now - self.looked),
            "failures": self.failures,
            "code": self.code,
            "failing_s": round(now - self.since) if self.code else 0,
            "again_s": max(0, round(self.due - now)),
        }


class Collector:
    """The pick-ups of one process."""

    def __init__(self, world: World, keeper: Keeper) -> None:
        self._world = world
        self._keeper = keeper
        self._routes: dict[UUID, _Route] = {}

    async def follow(self, stop: asyncio.Event) -> None:
        """Look whenever a channel's schedule says, until `stop`."""
        loop, fresh = asyncio.get_running_loop(), 0.0
        try:
            while not stop.is_set():
                if loop.time() >= fresh:
                    with contextlib.suppress(PonteError):
                        await self._refresh()
                        await self._tell()
                    fresh = loop.time() + LOOK_SECONDS
                for route in self._routes.values():
                    if loop.time() >= route.due and (route.task is None or route.task.done()):
                        route.task = asyncio.create_task(self._look(route))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), TICK_SECONDS)
        finally:
            await asyncio.gather(*(self._end(route) for route in self._routes.values()))

    async def _refresh(self) -> None:
        wanted = {channel.id: channel for channel in await all_channels(self._world) if channel.door in DOORS}
        for identity, route in list(self._routes.items()):
            channel = wanted.get(identity)
            if channel is None or channel.version != route.pickup.channel.version:
                await self._end(self._routes.pop(identity))
        for identity, channel in wanted.items():
            if identity not in self._routes:
                self._routes[identity] = _Route(
                    Pickup(self._world, self._keeper, channel), self._next(channel, first=True)
                )

    async def _tell(self) -> None:
        """Leave word of how the pick-ups fare, for `channel connections` and the alarms."""
        now = asyncio.get_running_loop().time()
        for route in self._routes.values() if not self._world.bell.silent else ():
            channel = route.pickup.channel
            key = guests.key_of(channel.tenant.id, channel.name, os.getpid())
            await self._world.bell.note(key, orjson.dumps(route.report(now)).decode(), guests.KEPT_SECONDS)

    async def _look(self, route: _Route) -> None:
        """One look; a failure is told once and waited for longer each time, other channels go on."""
        channel = route.pickup.channel
        try:
            route.files += await route.pickup.look()
            if route.failures:
                log.info("channel %s: files can be taken again", channel.name)
            route.failures, route.code, route.looked = 0, "", asyncio.get_running_loop().time()
        except PonteError as error:
            await self._failed(route, error.code)
        except Exception as error:  # a defect of ours: this channel waits and says so, the others go on
            await self._failed(route, "pickup.failed", f" ({type(error).__name__} at {place_of(error)})")
        rest = min(LONGEST_REST, 2.0 ** min(route.failures, 9)) if route.failures else 0.0
        route.due = max(self._next(channel), asyncio.get_running_loop().time() + rest)

    async def _failed(self, route: _Route, code: str, more: str = "") -> None:
        """Remember why a pick-up failed, and tell it where it is another cause than before."""
        route.failures += 1
        if route.failures == 1:
            route.since = asyncio.get_running_loop().time()
        if code != route.code:
            route.code = code
            log.warning("channel %s: files cannot be taken: %s%s", route.pickup.channel.name, code, more)
        await route.pickup.close()

    def _next(self, channel: Channel, *, first: bool = False) -> float:
        """When a channel is looked at next; by `cron` in its zone, else every `every_s` seconds, the first time now."""
        now, settings = asyncio.get_running_loop().time(), channel.document.pickup
        if not settings.cron:
            return now if first else now + settings.every_s
        moment = cron.following(settings.cron, channel.zone, self._world.now())
        seconds = (moment - self._world.now()) / datetime.timedelta(seconds=1) if moment else LONGEST_REST
        return now + max(0.0, seconds)

    async def _end(self, route: _Route) -> None:
        """Let a look under way finish, then give up the connection."""
        if route.task is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(route.task, return_exceptions=True), 30)
        await route.pickup.close()
