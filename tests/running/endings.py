"""A process that ends in the midst of its work: at each of its commits once just before it and once just after it.

What is stored is what a killed process leaves: everything committed, nothing else. A lane it held is held until its
lease is over; the clock is spared that wait.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from unittest import mock
from uuid import UUID

from hub.store.database import Database, Transaction
from hub.store.owned import Owner
from hub.world import Tenant, World
from tests.conftest import new_tenant

MOST = 400
"""Commits of one piece of work; beyond them it is taken never to end."""


class Died(BaseException):
    """The process is no more: no handler of errors hears of it."""


class Life:
    """Counts the commits that changed something, and ends with the chosen one."""

    def __init__(self, last: int = 0, *, before: bool = False) -> None:
        self.commits = 0
        self._last = last
        self._before = before

    def _is_last(self) -> bool:
        return self.commits == self._last

    @contextlib.asynccontextmanager
    async def passed(self, opened: Any) -> AsyncIterator[Transaction]:
        """A transaction of this life."""
        async with opened as tx:
            yield tx
            wrote = await tx.connection.fetchval("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            self.commits += wrote
            if wrote and self._is_last() and self._before:
                raise Died
        if wrote and self._is_last():
            raise Died


@contextlib.contextmanager
def living(life: Life) -> Iterator[None]:
    """Every transaction within the block belongs to `life`."""
    plain, owned = Database.transaction, Owner.transaction

    def ours(self: Database, tenant: UUID, *, wide: bool = False) -> Any:
        return life.passed(plain(self, tenant, wide=wide))

    def owners(self: Owner, tenant: UUID) -> Any:
        return life.passed(owned(self, tenant))

    with mock.patch.object(Database, "transaction", ours), mock.patch.object(Owner, "transaction", owners):
        yield


async def lease_over(world: World, tenant: Tenant) -> None:
    """As long after the end of the process as its leases last."""
    async with world.transaction(tenant) as tx:
        await tx.run(
            "UPDATE lane SET next_at = now(), lease_until = NULL WHERE tenant_id = $1 AND lease_until IS NOT NULL"
        )


async def at_every_commit(
    world: World,
    begin: Callable[[Tenant], Awaitable[Any]],
    work: Callable[[Tenant, Any], Awaitable[Any]],
    state: Callable[[Tenant, Any], Awaitable[Any]],
) -> int:
    """Do the work undisturbed, then ended at each commit and taken up again; each must leave the same `state`.

    `begin` prepares a new tenant and its value is handed on. Returns how many endings were tried.
    """
    tenant = await new_tenant(world)
    made = await begin(tenant)
    whole = Life()
    with living(whole):
        await work(tenant, made)
    wanted = await state(tenant, made)
    tried = 0
    for last in range(1, whole.commits + 1):
        assert last < MOST
        for before in (True, False):
            tried += 1
            tenant = await new_tenant(world)
            made = await begin(tenant)
            with contextlib.suppress(Died), living(Life(last, before=before)):
                await work(tenant, made)
            await lease_over(world, tenant)
            await work(tenant, made)
            found = await state(tenant, made)
            assert found == wanted, (
                f"{found} for {wanted}: ended {'before' if before else 'after'} commit {last} of {whole.commits}"
            )
    return tried
