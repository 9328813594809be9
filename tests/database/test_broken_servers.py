"""What a server that ends, stands by or lacks space says, as failures of ours: never as a crash."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg
import pytest

from canonical.errors import NotFound, TryAgain, TryLater
from hub.settings import Settings
from hub.store.database import Database
from hub.store.failures import translated
from hub.store.lending import Lending, Loan
from hub.world import Tenant

SAID = {
    asyncpg.DiskFullError: "store.busy",
    asyncpg.PostgresIOError: "store.busy",
    asyncpg.ReadOnlySQLTransactionError: "store.busy",
    asyncpg.AdminShutdownError: "store.busy",
    asyncpg.LockNotAvailableError: "store.busy",
    asyncpg.TransactionTimeoutError: "store.busy",
    asyncpg.IdleInTransactionSessionTimeoutError: "store.busy",
    asyncpg.InternalClientError: "store.down",
    asyncpg.ConnectionDoesNotExistError: "store.down",
    asyncpg.InvalidCachedStatementError: "store.raced",
    asyncpg.OutdatedSchemaCacheError: "store.raced",
}


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
def test_each_is_worth_another_attempt(kind: type[Exception]) -> None:
    with pytest.raises(TryLater) as caught, translated():
        raise kind("a value of somebody")
    assert caught.value.code == SAID[kind] and isinstance(caught.value, TryAgain) is (SAID[kind] == "store.raced")
    assert "somebody" not in caught.value.text


async def ended(cluster: Any) -> None:
    """Every session of the application is ended by the server."""
    superior = await asyncpg.connect(cluster.superuser_url)
    try:
        await superior.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ended'"
        )
    finally:
        await superior.close()


@pytest.fixture
def url(cluster: tuple[Settings, Any]) -> str:
    """The application's URL, with a name by which its sessions are found."""
    return f"{cluster[0].database_url}?application_name=ended"


async def test_a_transaction_whose_server_ends_is_tried_later(
    cluster: tuple[Settings, Any], url: str, tenant: Tenant
) -> None:
    """Between two statements, within one, and while it is rolled back: TryLater, or what failed before."""
    database = await Database.open(url, size=4)
    all_begun = asyncio.Barrier(5)

    async def one(number: int) -> None:
        async with database.transaction(tenant.id) as tx:
            await all_begun.wait()  # a slow machine connects late, and what begins after the end does not end
            await tx.value("SELECT pg_sleep($2) WHERE $1::uuid IS NOT NULL", number * 0.02)
            await tx.value("SELECT pg_sleep($2) WHERE $1::uuid IS NOT NULL", 20)

    try:
        for _ in range(3):
            tasks = [asyncio.create_task(one(number)) for number in range(4)]
            await all_begun.wait()
            await asyncio.sleep(0.05)
            await ended(cluster[1])
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(outcome, TryLater) for outcome in outcomes), outcomes
        with pytest.raises(NotFound):
            async with database.transaction(tenant.id):
                await ended(cluster[1])
                await asyncio.sleep(0.05)
                raise NotFound("there is no such thing")
        assert await database.call("SELECT 1")
    finally:
        await database.close()


async def test_a_standing_connection_that_ended_is_made_anew_before_its_use(
    cluster: tuple[Settings, Any], url: str
) -> None:
    """After a restart of the server no message is turned away for a connection of before."""
    database = await Database.open(url, size=1)
    try:
        with contextlib.ExitStack() as stack:
            lent = [stack.enter_context(database.standing()) for _ in range(3)]
            for standing in lent:
                assert await standing.fetch("SELECT 1")
            await ended(cluster[1])
            await asyncio.sleep(0.1)
            for standing in lent:
                assert await standing.fetch("SELECT 1")
    finally:
        await database.close()


class Hanging:
    """A pool whose connections do not end what they were asked to end."""

    def get_max_size(self) -> int:
        return 1

    async def acquire(self, timeout: float) -> object:
        return object()

    async def release(self, connection: object) -> None:
        raise TimeoutError


async def test_a_connection_that_does_not_come_to_rest_hides_no_failure() -> None:
    lending = Lending(Hanging())
    for _ in range(2):  # its room is free again
        with pytest.raises(TryLater) as caught:
            async with Loan(lending):
                raise TryLater("the statement took too long", code="store.too-long")
        assert caught.value.code == "store.too-long"
