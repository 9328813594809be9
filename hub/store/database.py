"""The pool, and the transaction that belongs to one tenant. Only this module sets the tenant context.

The context is transaction-local (`set_config(…, true)`): a connection back in the pool carries nothing over.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg

from canonical.errors import Misconfigured, TryLater
from hub.store import hanging
from hub.store.failures import committing, reaching, starting
from hub.store.lending import Lending, Loan
from hub.store.schema import GLOBAL_TABLES, METADATA
from hub.store.standing import Standing

_SERVER_SETTINGS = {"timezone": "UTC"}
Row = Any  # asyncpg.Record: columns by name
_PROBE_SECONDS = 2.0
"""Within which a database that works answers a statement that costs nothing, whatever else it is at."""


class Transaction:
    """One open transaction of one tenant. Commits at the end of its block, or not at all.

    `announced` is set when it gave work to a lane, so that workers can be woken after the commit; `rearranged` when it
    changed channels, so that doors hear of it.
    """

    __slots__ = ("announced", "connection", "rearranged", "tenant")

    def __init__(self, connection: Any, tenant: UUID) -> None:
        self.announced = False
        self.rearranged = False
        self.connection = connection
        self.tenant = tenant

    async def rows(self, query: str, *arguments: Any) -> list[Row]:
        """All rows of a query; `$1` is always the tenant."""
        return await self.connection.fetch(_sent(query), self.tenant, *arguments)  # type: ignore[no-any-return]

    async def row(self, query: str, *arguments: Any) -> Row | None:
        """The first row or None; `$1` is always the tenant."""
        return await self.connection.fetchrow(_sent(query), self.tenant, *arguments)

    async def value(self, query: str, *arguments: Any) -> Any:
        """The first column of the first row; `$1` is always the tenant."""
        return await self.connection.fetchval(_sent(query), self.tenant, *arguments)

    async def run(self, query: str, *arguments: Any) -> str:
        """Execute a statement and return its command tag; `$1` is always the tenant."""
        return await self.connection.execute(_sent(query), self.tenant, *arguments)  # type: ignore[no-any-return]


class Database:
    """The application's connections. Every method works for exactly one tenant, or for global tables only."""

    def __init__(self, pool: Any, url: str) -> None:
        self._pool = pool
        self._lending = Lending(pool)
        self._url = url
        self._standing: list[Standing] = []
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, *, size: int = 8) -> Database:
        """Connect and refuse a role or a schema under which row-level security would not hold."""
        with starting("PONTE_DATABASE_URL"):
            pool = await asyncpg.create_pool(
                url, min_size=1, max_size=size, reset=_nothing_to_reset, server_settings=_SERVER_SETTINGS
            )
        database = cls(pool, url)
        try:
            async with pool.acquire() as connection:
                await refuse_unsafe(connection)
        except BaseException:
            await pool.close()
            raise
        database._watch = asyncio.create_task(hanging.watch(database._lending, database._ask))
        return database

    async def close(self) -> None:
        """Close all connections."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        for standing in self._standing:
            await standing.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self._lending.drain()
                await self._pool.close()
            return
        self._pool.terminate()

    @contextlib.contextmanager
    def standing(self) -> Iterator[Standing]:
        """A connection outside the pool for one caller of a hot path, kept open for the next one."""
        lent = self._standing.pop() if self._standing else Standing(self._connect)
        try:
            yield lent
        finally:
            self._standing.append(lent)

    async def probe(self, query: str, seconds: float) -> list[Row]:
        """A small reading statement on a connection of its own, cut off when it is not answered.

        Raises TryLater (`store.down`) after `seconds`: the database hangs, whatever else is asked of it.
        """
        try:
            return await self._ask(seconds, query)
        except TimeoutError:
            raise TryLater("the database does not answer", code="store.down") from None

    async def _ask(self, seconds: float, query: str = "SELECT 1") -> list[Row]:
        async with asyncio.timeout(seconds):
            with self.standing() as lent:
                return await lent.fetch(query)

    async def _connect(self) -> Any:
        with reaching():
            connection = await asyncpg.connect(self._url, timeout=30, server_settings=_SERVER_SETTINGS)
        try:
            await refuse_unsafe(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    @contextlib.asynccontextmanager
    async def transaction(self, tenant: UUID, *, wide: bool = False) -> AsyncIterator[Transaction]:
        """A transaction in which only rows of `tenant` exist.

        `wide` is for statements over hundreds of rows: each is planned when it runs. A plan kept from the time when the
        tables were small may read all records of a tenant for each row.

        Raises TryLater `store.unknown` when the answer to its commit was lost; after anything else nothing is done.
        """
        begin = f"BEGIN; SELECT set_config('app.current_tenant', '{UUID(str(tenant))}', true)"
        async with Loan(self._lending) as connection:
            await connection.execute(begin + (_PLANNED if wide else ""))
            try:
                yield Transaction(connection, tenant)
            except BaseException:
                await _roll_back(connection)
                raise
            with committing():
                ended = await connection.execute("COMMIT")
            if ended != "COMMIT":  # a statement failed, and whoever asked let it pass
                raise TryLater("the transaction was rolled back", code="store.busy")

    async def call(self, query: str, *arguments: Any) -> list[Row]:
        """One statement in its own transaction: the functions that set the tenant themselves (`ponte_…`)."""
        async with Loan(self._lending) as connection:
            return await connection.fetch(query, *arguments)  # type: ignore[no-any-return]

    async def ask(
        self, tenant: UUID, query: str, *arguments: Any, seconds: float | None = None, planned: bool = False
    ) -> list[Row]:
        """One reading statement of one tenant in one trip; it names the tenant `c.tenant` and ends with a LIMIT.

        `planned` asks for a plan made for these very values, at the price of a second trip.

        The outer row sets the context for this statement only; the LIMIT keeps the planner from starting with the
        inner side. Were it to, the policies would find no context and show nothing. Raises TryLater after `seconds`:
        `store.too-long` when the database answers others meanwhile, `store.down` when it does not.
        """
        async with Loan(self._lending) as connection:
            try:
                whole = as_asked(query)
                if planned:
                    statement = await connection.prepare(whole)
                    found = await statement.fetch(str(tenant), *arguments, timeout=seconds)
                else:
                    found = await connection.fetch(whole, str(tenant), *arguments, timeout=seconds)
            except TimeoutError:
                try:
                    await self.probe("SELECT 1", _PROBE_SECONDS)
                except TryLater:
                    connection.terminate()  # nothing that is asked of it, to stop least of all, is answered
                    raise
                raise TryLater("the statement took too long", code="store.too-long") from None
            return found  # type: ignore[no-any-return]

    async def global_rows(self, query: str, *arguments: Any) -> list[Row]:
        """Rows of the global tables; a tenant table shows nothing here."""
        return await self.call(query, *arguments)


@lru_cache(maxsize=4096)
def _sent(query: str) -> str:
    """The statement as it is sent: where it joins, the tenant is known when it runs, not when it is planned.

    Statistics do not know a tenant that came after them. To the planner such a tenant has one row in each table, so
    that any index serves to find it and any join is cheap: beside a large tenant a new one's ten thousand rows were
    joined each with each. A tenant that is not known yet is as large as tenants are. Statements of one table keep the
    tenant: what a small one has is not looked for by reading a large one's rows.
    """
    found = len(_TENANT.findall(query))
    joins = found > 1 or (found and any(word in query for word in _ROW_BY_ROW))
    return _TENANT.sub(r"tenant_id = (SELECT $1::uuid)", query) if joins else query


_TENANT = re.compile(r"tenant_id = \$1\b")
_ROW_BY_ROW = ("unnest(", "LATERAL", "JOIN ")
_PLANNED = "; SET LOCAL plan_cache_mode = force_custom_plan"
_ASK = (
    "SELECT s.* FROM (SELECT set_config('app.current_tenant', $1::text, true)::uuid AS tenant OFFSET 0) c "
    "CROSS JOIN LATERAL ("
)


def as_asked(query: str) -> str:
    """The whole statement that `ask` sends for a query; `$1` is the tenant as text."""
    return f"{_ASK}{query}) s"


async def _roll_back(connection: Any) -> None:
    """End a transaction that failed. What cannot be rolled back is cut off, and the failure before it stands."""
    try:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        with contextlib.suppress(asyncpg.InterfaceError):  # the pool has it back already
            connection.terminate()


async def _nothing_to_reset(connection: Any) -> None:
    """Every setting and lock we take ends with its transaction; the usual reset would cost one trip per use."""


_ROLE = """
SELECT current_user::text AS name, r.rolsuper, r.rolbypassrls,
       EXISTS (SELECT 1 FROM pg_class c WHERE c.relname = 'resource' AND c.relkind = 'r'
               AND pg_has_role(current_user, c.relowner, 'MEMBER')) AS owner,
       current_setting('server_version_num')::int AS version
FROM pg_roles r WHERE r.rolname = current_user
"""
# A table without tenant that this version does not know is a later version's: while a hub of several processes is
# brought up to date, those of the version before go on beside it.
_OPEN = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
AND (c.relname = ANY ($1::text[]) OR EXISTS (
 SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
"""
_OURS = sorted(set(METADATA.tables) - set(GLOBAL_TABLES))


async def refuse_unsafe(connection: Any) -> None:
    """Raise Misconfigured unless the role is held by row-level security and every tenant table enforces it."""
    role = await connection.fetchrow(_ROLE)
    if role["version"] < 160000:
        raise Misconfigured("PostgreSQL 16 or newer is needed")
    reasons = {
        "rolsuper": "is a superuser",
        "rolbypassrls": "has BYPASSRLS",
        "owner": "owns the tables or is a member of their owner",
    }
    for flag, reason in reasons.items():
        if role[flag]:
            raise Misconfigured(f"the database role {role['name']} {reason}: row-level security would not hold")
    open_tables = {row["relname"] for row in await connection.fetch(_OPEN, _OURS)} - set(GLOBAL_TABLES)
    if open_tables:
        raise Misconfigured(f"row-level security is not forced on: {', '.join(sorted(open_tables))}")
    if await connection.fetchval("SELECT to_regclass('resource') IS NULL"):
        raise Misconfigured("the database is empty; run `ponte db migrate` with PONTE_OWNER_DATABASE_URL")
