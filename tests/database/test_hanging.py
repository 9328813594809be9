"""A database that hangs (it neither answers nor refuses) is told from a statement that costs too much."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from canonical.errors import TryLater
from hub.store.database import Database
from hub.world import Tenant, World


class Line:
    """A way to the real database on which nothing moves while `frozen`."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self.moves = asyncio.Event()
        self.moves.set()
        self.port = 0

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self.moves.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other, onward = await asyncio.open_connection(*self._there)
        await asyncio.gather(self._pass(reader, onward), self._pass(other, writer))


@contextlib.asynccontextmanager
async def through(url: str) -> AsyncIterator[tuple[Database, Line]]:
    parts = urlsplit(url)
    line = Line(str(parts.hostname), int(parts.port or 5432))
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    where = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
    database = await Database.open(where)
    try:
        yield database, line
    finally:
        line.moves.set()
        await database.close()
        server.close()


async def test_a_statement_that_costs_too_much_is_told_from_a_database_that_hangs(world: World, tenant: Tenant) -> None:
    async with through(world.settings.database_url) as (database, line):
        with pytest.raises(TryLater) as caught:
            await database.ask(tenant.id, "SELECT pg_sleep(20) LIMIT 1", seconds=0.3)
        assert caught.value.code == "store.too-long"
        line.moves.clear()
        with pytest.raises(TryLater) as caught:
            async with asyncio.timeout(60):
                await database.ask(tenant.id, "SELECT 1 LIMIT 1", seconds=0.3)
        assert caught.value.code == "store.down"
