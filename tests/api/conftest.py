"""A partner of the HTTP doors: an in-process client with a token of the test's tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import httpx
import pytest_asyncio
from fastapi import FastAPI

from api.http.app import create_app
from hub.exchange.door.keep import Keeper
from hub.guard import tokens
from hub.world import Tenant, World

NewClient = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest_asyncio.fixture
async def app(world: World) -> AsyncIterator[FastAPI]:
    """The application over the test's world; what waits to be audited is written at the end."""
    found = create_app(world, Keeper(world.database))
    yield found
    await found.state.ponte.reading.flush()


@pytest_asyncio.fixture
async def client_for(world: World, app: FastAPI) -> AsyncIterator[NewClient]:
    """Makes clients: `await client_for(tenant, scopes=[...])`."""
    opened: list[httpx.AsyncClient] = []

    async def make(tenant: Tenant, scopes: Sequence[str] = ("system/*.*",)) -> httpx.AsyncClient:
        token = await tokens.issue(world, tenant, "test", roles=[], scopes=scopes)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        headers = {"authorization": f"Bearer {token}"}
        opened.append(httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers))
        return opened[-1]

    yield make
    for client in opened:
        await client.aclose()


@pytest_asyncio.fixture
async def fhir(client_for: NewClient, tenant: Tenant) -> httpx.AsyncClient:
    """A client that may do everything in the test's tenant."""
    return await client_for(tenant)


@pytest_asyncio.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at this machine."""
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as found:
        yield found


@pytest_asyncio.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody from elsewhere."""
    transport = httpx.ASGITransport(app=app, client=("10.1.2.3", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub.example") as found:
        yield found
