"""A database that hangs (it neither answers nor refuses) is told from a statement that costs too much."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from canonical.errors import TryLater
from hub.store import hanging
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


WRITE = "INSERT INTO lane (tenant_id, id, kind, name) VALUES ($1, $2, 'outbound', 'of this test')"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LOOK", 0.05), ("PATIENT", 0.3), ("ASK", 0.3), ("AGAIN", 0.05)):
        monkeypatch.setattr(hanging, f"{name}_SECONDS", seconds)


async def _written(world: World, tenant: Tenant) -> int:
    async with world.transaction(tenant) as tx:
        return int(await tx.value("SELECT count(*) FROM lane WHERE tenant_id = $1 AND name = 'of this test'"))


async def _refused(database: Database, tenant: Tenant, number: int) -> str:
    with pytest.raises(TryLater) as caught:
        async with database.transaction(tenant.id) as tx:
            await tx.run(WRITE, number)
    return caught.value.code


@pytest.mark.usefixtures("soon")
async def test_who_writes_on_a_database_that_hangs_is_told_and_nothing_is_done_later(
    world: World, tenant: Tenant
) -> None:
    async with through(world.settings.database_url) as (database, line), asyncio.timeout(25):
        await asyncio.gather(*(database.call("SELECT pg_sleep(0.05)") for _ in range(8)))
        line.moves.clear()
        codes = await asyncio.gather(*(_refused(database, tenant, number) for number in range(12)))  # eight have room
        assert set(codes) == {"store.down"}
        began = asyncio.get_running_loop().time()
        assert await _refused(database, tenant, 12) == "store.down"
        assert asyncio.get_running_loop().time() - began < 0.2, "known to hang: nobody waits for it again"
        line.moves.set()
        while database._lending.stopped:
            await asyncio.sleep(0.05)
        async with database.transaction(tenant.id) as tx:
            await tx.run(WRITE, 13)
        assert await _written(world, tenant) == 1


@pytest.mark.usefixtures("soon")
async def test_a_commit_whose_answer_is_lost_is_told_as_unknown(world: World, tenant: Tenant) -> None:
    async with through(world.settings.database_url) as (database, line), asyncio.timeout(25):
        with pytest.raises(TryLater) as caught:
            async with database.transaction(tenant.id) as tx:
                await tx.run(WRITE, 1)
                line.moves.clear()
        assert caught.value.code == "store.unknown"
        assert await _written(world, tenant) == 0
        line.moves.set()
        while not await _written(world, tenant):  # what had been sent comes through
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("soon")
async def test_a_statement_that_takes_long_on_a_database_that_answers_goes_on(world: World, tenant: Tenant) -> None:
    async with through(world.settings.database_url) as (database, _):
        assert (await database.call("SELECT pg_sleep(1.2), 1 AS one"))[0]["one"] == 1
        async with database.transaction(tenant.id) as tx:
            await tx.run(WRITE, 1)
            await asyncio.sleep(0.8)
    assert await _written(world, tenant) == 1
