"""Health: what an orchestrator is told while the database writes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import own_database
import pytest

from api.http.app import create_app
from api.routes import health
from hub.exchange.door.keep import Keeper
from hub.store.database import Database
from hub.store.standing import Standing
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


async def test_a_database_that_hangs_makes_the_hub_not_ready_soon(
    browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(Standing, "fetch", hang)
    monkeypatch.setattr(health, "READY_SECONDS", 0.05)
    answer = await asyncio.wait_for(browser.get("/health/ready"), 10)
    assert answer.status_code == 503 and answer.headers["retry-after"]


async def test_what_the_routes_are_made_of_is_made_once_in_a_process(world: World) -> None:
    """All but the description, which each application makes of itself; made anew they would cost the tenth of a second."""
    one, other = (create_app(world, Keeper(world.database)).router.routes for _ in range(2))
    shared = {id(route) for route in one} & {id(route) for route in other}
    assert [getattr(route, "path", "") for route in other if id(route) not in shared] == ["/openapi.json"]
