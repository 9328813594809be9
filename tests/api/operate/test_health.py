"""Health: what an orchestrator is told while the database writes nothing."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import own_database

from api.http.app import create_app
from hub.exchange.door.keep import Keeper
from hub.store.database import Database
from hub.world import World


async def test_ready_means_that_messages_can_be_kept(world: World, cluster: Any) -> None:
    """A standby, or a server told to be read only, answers and keeps nothing."""
    async with own_database.fresh(cluster) as (_, url):
        name = urlsplit(url).path.lstrip("/")
        superior = await asyncpg.connect(cluster[1].superuser_url)
        try:
            assert await _said(world, url) == (200, 200)
            await superior.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            assert await _said(world, url) == (503, 200)
        finally:
            await superior.close()


async def _said(world: World, url: str) -> tuple[int, int]:
    database = await Database.open(url, size=1)
    try:
        app = create_app(dataclasses.replace(world, database=database), Keeper(database))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
            ready, live = await client.get("/health/ready"), await client.get("/health/live")
        assert ready.status_code == 200 or ready.headers["retry-after"]
        return ready.status_code, live.status_code
    finally:
        await database.close()
