"""Connections are handed on between users: nobody starves, what broke is replaced, a cancelled statement ends."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg
import pytest

from canonical.errors import Refused, TryLater
from hub.settings import Settings
from hub.store import lending
from hub.store.database import Database
from hub.world import Tenant

PID = "SELECT pg_backend_pid() AS pid"


async def test_a_connection_is_handed_on_and_its_context_is_not(cluster: tuple[Settings, Any], tenant: Tenant) -> None:
    database = await Database.open(cluster[0].database_url, size=2)
    try:
        first = (await database.call(PID))[0]["pid"]
        async with database.transaction(tenant.id) as tx:
            assert await tx.value(f"{PID} WHERE $1::uuid IS NOT NULL") == first
        assert (await database.call("SELECT current_setting('app.current_tenant', true) AS t"))[0]["t"] in (None, "")
        with pytest.raises(RuntimeError):
            async with database.transaction(tenant.id):
                raise RuntimeError
        assert (await database.call(PID))[0]["pid"] == first
    finally:
        await database.close()


async def test_more_users_than_connections(cluster: tuple[Settings, Any]) -> None:
    database = await Database.open(cluster[0].database_url, size=2)
    try:
        found = await asyncio.gather(*(database.call(f"{PID}, {n} AS n, pg_sleep(0.002)") for n in range(40)))
        assert [rows[0]["n"] for rows in found] == list(range(40))
        assert len({rows[0]["pid"] for rows in found}) <= 2
    finally:
        await database.close()


async def test_who_waits_is_served_in_turn_whatever_becomes_of_the_users(
    cluster: tuple[Settings, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handed-on connections, failures, connections that end, and users that leave while they wait: nobody is left."""
    monkeypatch.setattr(lending, "_ROUND", 7)
    database = await Database.open(cluster[0].database_url, size=2)

    async def use(number: int) -> str:
        try:
            if number % 11 == 5:
                await database.call("SELECT pg_terminate_backend(pg_backend_pid())")
            if number % 5 == 3:
                await database.call("SELECT $1::int / 1", 2**40)
            return str((await database.call(f"{PID}, pg_sleep(0.001)"))[0]["pid"])
        except (Refused, TryLater) as error:
            return type(error).__name__

    try:
        users = [asyncio.create_task(use(n)) for n in range(120)]
        await asyncio.sleep(0.01)
        for user in users[4::9]:
            user.cancel()
        async with asyncio.timeout(60):
            found = await asyncio.gather(*users, return_exceptions=True)
        assert {type(each) for each in found} <= {str, asyncio.CancelledError}
        assert [each for each in found if isinstance(each, str) and each.isdigit()]
        both = await asyncio.gather(*(database.call(f"{PID}, pg_sleep(0.05)") for _ in range(2)))
        assert len({rows[0]["pid"] for rows in both}) == 2
        assert database._lending._out <= 2
    finally:
        await database.close()


async def test_who_waits_too_long_is_told(cluster: tuple[Settings, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "PATIENCE_SECONDS", 0.05)
    database = await Database.open(cluster[0].database_url, size=1)
    try:
        async with lending.Loan(database._lending) as held:
            with pytest.raises(TryLater) as caught:
                await database.call(PID)
        assert caught.value.code == "store.down"
        assert (await database.call(PID))[0]["pid"] == held.get_server_pid()
    finally:
        await database.close()


async def test_a_failure_that_was_let_pass_is_told_at_the_end(cluster: tuple[Settings, Any], tenant: Tenant) -> None:
    """The server answers the commit of a transaction that failed with a rollback: nothing of it is kept, and that is said."""
    database = await Database.open(cluster[0].database_url, size=1)
    try:
        with pytest.raises(TryLater, match="rolled back"):
            async with database.transaction(tenant.id) as tx:
                with contextlib.suppress(asyncpg.PostgresError):
                    await tx.value("SELECT 1 / 0 WHERE $1::uuid IS NOT NULL")
        async with database.transaction(tenant.id) as tx:
            assert await tx.value("SELECT 1 WHERE $1::uuid IS NOT NULL") == 1, "the connection is sound"
    finally:
        await database.close()


async def test_what_broke_is_replaced(cluster: tuple[Settings, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "_ROUND", 3)
    database = await Database.open(cluster[0].database_url, size=1)
    try:
        with pytest.raises(TryLater):
            await database.call("SELECT pg_terminate_backend(pg_backend_pid())")
        first = (await database.call(PID))[0]["pid"]
        with pytest.raises(Refused):
            await database.call("SELECT $1::int / 1", 2**40)
        assert (await database.call(PID))[0]["pid"] == first
        for _ in range(10):
            assert (await database.call(PID))[0]["pid"] == first
    finally:
        await database.close()


async def test_a_statement_over_its_time_leaves_a_sound_connection(
    cluster: tuple[Settings, Any], tenant: Tenant
) -> None:
    database = await Database.open(cluster[0].database_url, size=1)
    try:
        with pytest.raises(TryLater) as caught:
            await database.ask(tenant.id, "SELECT pg_sleep(60) LIMIT 1", seconds=0.05)
        assert caught.value.code == "store.too-long"
        assert (await database.call("SELECT 1 AS one"))[0]["one"] == 1
        task = asyncio.create_task(database.call("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await database.call("SELECT 1 AS one"))[0]["one"] == 1
    finally:
        await database.close()


async def test_what_ended_while_nobody_used_it_is_replaced(cluster: tuple[Settings, Any]) -> None:
    """A server that was killed ends every idle connection; the next user gets a new one, not the old one's end."""
    database = await Database.open(cluster[0].database_url, size=1)
    other = await Database.open(cluster[0].database_url, size=1)
    try:
        first = (await database.call(PID))[0]["pid"]
        assert (await other.call("SELECT pg_terminate_backend($1) AS done", first))[0]["done"]
        idle = database._lending._free[-1]
        async with asyncio.timeout(30):
            while idle._con is not None:  # until the end has come through
                await asyncio.sleep(0.01)
        assert (await database.call(PID))[0]["pid"] != first
    finally:
        await database.close()
        await other.close()
