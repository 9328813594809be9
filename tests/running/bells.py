"""Whether somebody listens for a wake-up, so that a test rings when it can be heard."""

from __future__ import annotations

import asyncio

import redis.asyncio


async def heard(url: str, topic: str) -> None:
    """Return when a process listens to the topic; a worker that starts may hold the loop for seconds with its imports."""
    patient = redis.asyncio.from_url(url, socket_connect_timeout=30, socket_timeout=30)
    async with patient as client, asyncio.timeout(60):
        while not (await client.pubsub_numsub(topic))[0][1]:
            await asyncio.sleep(0.02)
