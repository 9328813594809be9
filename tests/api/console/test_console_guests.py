"""A channel's page tells who is connected to its door, who was turned away and why, and how a pick-up fares."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from channel_feed import put

from api.doors import board
from api.doors.collector import Collector
from api.http.app import create_app
from hl7.mllp import frame
from hub.exchange import guests
from hub.exchange.door.keep import Keeper
from hub.redis import Bell
from hub.world import Tenant, World
from tests.api.console.test_console_access import enter
from tests.api.operate.test_guests import door, told
from tests.api.operate.test_mllp_tls import MESSAGE

PAGE = "/console/channels"


@pytest_asyncio.fixture
async def heard(world: World, redis_url: str) -> AsyncIterator[World]:
    """The test's world, with the Valkey over which doors leave word."""
    found = dataclasses.replace(world, bell=Bell(redis_url))
    yield found
    await found.bell.close()


@pytest_asyncio.fixture
async def page(heard: World) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody's browser at the application of that world."""
    app = create_app(heard, Keeper(heard.database))
    transport = httpx.ASGITransport(app=app, client=("10.1.2.3", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub.example") as found:
        yield found
    await app.state.ponte.reading.flush()


async def test_who_is_connected_and_who_was_turned_away(
    page: httpx.AsyncClient, heard: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "LOOK_SECONDS", 0.05)
    async with door(heard, tenant) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(frame(MESSAGE))
            assert b"MSA|" in await reader.readuntil(b"\x1c\r")
            await told(port, b"GET / HTTP/1.1\r\n\r\n")
            async with asyncio.timeout(20):
                while not (found := await guests.connected(heard, tenant, "door")) or not (
                    found[0]["turned_away"] and found[0]["connections"] == 1
                ):
                    await asyncio.sleep(0.05)
            await enter(page, heard, tenant, "console/read", "channels/read")
            shown = await said(page, "en", f"Port {port}, connections now: 1")
            assert "127.0.0.1 was turned away (×1)" in shown
            assert "door.http" in shown and 'aria-labelledby="connections"' in shown
            await said(page, "pt", f"Porta {port}, conexões agora: 1")
            await enter(page, heard, tenant, "console/read")
            assert "127.0.0.1 was" not in (await page.get(f"{PAGE}/door?lang=en")).text, "who may not read channels"
        finally:
            writer.close()
    monkeypatch.setattr(guests, "connected", _nobody_knows)
    await enter(page, heard, tenant, "console/read", "channels/read")
    assert "which does not answer" in (await page.get(f"{PAGE}/door?lang=en")).text


async def said(page: httpx.AsyncClient, language: str, text: str) -> str:
    """The page once it says `text`: it looks itself whether the door answers, and while that is open there are two."""
    async with asyncio.timeout(20):
        while text not in (shown := (await page.get(f"{PAGE}/door?lang={language}")).text):
            await asyncio.sleep(0.3)
    return shown


async def _nobody_knows(*_: object) -> None:
    return None


async def test_how_a_pick_up_fares(page: httpx.AsyncClient, heard: World, tenant: Tenant) -> None:
    await put(heard, tenant, 'name = "lost"\ndoor = "folder"\n[pickup]\npath = "absent/below"\n')
    stop = asyncio.Event()
    task = asyncio.create_task(Collector(heard, Keeper(heard.database)).follow(stop))
    try:
        async with asyncio.timeout(40):
            while not await guests.connected(heard, tenant, "lost"):
                await asyncio.sleep(0.1)
        await enter(page, heard, tenant, "console/read", "channels/read")
        shown = (await page.get(f"{PAGE}/lost?lang=en")).text
        assert ">Pick-up<" in shown and "Files taken" in shown
    finally:
        stop.set()
        await task
