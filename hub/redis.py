"""The bell: workers are woken over Redis the moment work is committed. Without Redis they look by themselves.

Nothing of worth passes here: a message is a tenant's id, a lost one costs the moment until the next look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID

log = logging.getLogger("ponte.bell")
WORK, CHANNELS = "ponte:work", "ponte:channels"
GATHER_SECONDS = 0.002
RECONNECT_SECONDS = 1.0


@cache
def _down() -> tuple[type[Exception], ...]:
    """What a client raises when Redis cannot be reached.

    The client is loaded by who rings or listens: that takes longer than most commands of an operator, who do neither.
    """
    from redis.exceptions import RedisError

    return (RedisError, OSError, TimeoutError)


class Bell:
    """Rings for a tenant, and listens for rings. Without an address it is silent."""

    def __init__(self, url: str = "") -> None:
        self._url = url
        self._client: Any = None
        self._waiting: set[tuple[str, UUID]] = set()
        self._task: asyncio.Task[None] | None = None
        self._down_until = 0.0

    @property
    def silent(self) -> bool:
        """Whether there is no Redis to ring over."""
        return not self._url

    def ring(self, tenant: UUID, topic: str = WORK) -> None:
        """Say that `tenant` has work, or that its channels changed.

        Returns at once, never fails; rings that come together go out together.
        """
        if not self._url:
            return
        self._waiting.add((topic, tenant))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._flush())

    async def listen(self, woken: Callable[[UUID], None], connected: Callable[[bool], None], topic: str = WORK) -> None:
        """Call `woken` for each ring of a topic until cancelled; `connected` is told whether rings can be heard."""
        while self._url:
            try:
                async with self._connect() as connection, connection.pubsub() as pubsub:
                    await pubsub.subscribe(topic)
                    connected(True)
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            with contextlib.suppress(ValueError):
                                woken(UUID(bytes=message["data"]))
            except _down() as error:
                log.warning("cannot hear wake-ups (%s); looking for work instead", type(error).__name__)
            finally:
                connected(False)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def note(self, key: str, text: str, seconds: int) -> None:
        """Leave a note for whoever looks within so long; without Redis there is none. No patient data."""
        if not self._url:
            return
        with contextlib.suppress(*_down()):
            if self._client is None:
                self._client = self._connect()
            async with asyncio.timeout(2):
                await self._client.set(key, text, ex=seconds)

    async def notes(self, beginning: str) -> list[str] | None:
        """The notes whose keys begin so; None when there is no Redis to ask."""
        if not self._url:
            return None
        try:
            async with asyncio.timeout(5):
                if self._client is None:
                    self._client = self._connect()
                keys = [key async for key in self._client.scan_iter(match=f"{beginning}*", count=1000)]
                found = await self._client.mget(sorted(keys)) if keys else []
        except _down():
            return None
        return [text.decode() for text in found if text is not None]

    async def close(self) -> None:
        """Send what still waits and close the connection."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            with contextlib.suppress(*_down()):
                await self._client.aclose()
            self._client = None

    def _connect(self) -> Any:
        import redis.asyncio as client

        return client.from_url(self._url, protocol=2, socket_connect_timeout=2, health_check_interval=15)

    async def _flush(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        while self._waiting:
            rings, self._waiting = self._waiting, set()
            now = asyncio.get_running_loop().time()
            if now < self._down_until:
                return
            try:
                async with asyncio.timeout(2):
                    await self._publish(rings)
            except _down() as error:
                self._down_until = now + RECONNECT_SECONDS
                log.warning("cannot wake workers (%s); they look by themselves", type(error).__name__)

    async def _publish(self, rings: set[tuple[str, UUID]]) -> None:
        if self._client is None:
            self._client = self._connect()
        async with self._client.pipeline(transaction=False) as pipe:
            for topic, tenant in rings:
                pipe.publish(topic, tenant.bytes)
            await pipe.execute()
