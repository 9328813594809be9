"""What only the tables' owner may do: end what is append-only for the application. Row-level security holds it, too.

FORCE makes the policies bind the owner: a transaction here sees one tenant's rows as the application's do, with the
right to delete besides. Only commands an operator starts come this way; no door and no worker has the owner's URL.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import asyncpg

from canonical.errors import Misconfigured
from hub.servers import postgres
from hub.settings import Settings, secret_file
from hub.store.database import Transaction
from hub.store.failures import starting, translated
from hub.store.schema import METADATA

_HELD = """
SELECT r.rolsuper OR r.rolbypassrls AS above, pg_has_role(current_user, c.relowner, 'MEMBER') AS owner,
       (SELECT count(*) FROM pg_class t WHERE t.relname = ANY($1::text[]) AND t.relkind = 'r'
        AND t.relnamespace = c.relnamespace AND NOT (t.relrowsecurity AND t.relforcerowsecurity)) AS open
FROM pg_roles r, pg_class c WHERE r.rolname = current_user AND c.oid = to_regclass('resource')
"""


class Owner:
    """One connection of the tables' owner."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @contextlib.asynccontextmanager
    async def transaction(self, tenant: UUID) -> AsyncIterator[Transaction]:
        """A transaction in which only rows of `tenant` exist, and the global tables. Raises as the application's do."""
        with translated():
            async with self._connection.transaction():
                await self._connection.execute("SELECT set_config('app.current_tenant', $1, true)", str(tenant))
                yield Transaction(self._connection, tenant)


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Owner]:
    """The owner of the tables; raises Misconfigured for another role, or one that the policies do not hold."""
    with starting("PONTE_OWNER_DATABASE_URL"):
        connection = await asyncpg.connect(_url(settings), timeout=60, server_settings={"timezone": "UTC"})
    try:
        tables = [name for name, table in METADATA.tables.items() if "tenant_id" in table.columns]
        found = await connection.fetchrow(_HELD, tables)
        if found is None or not found["owner"] or found["above"] or found["open"]:
            raise Misconfigured(
                "PONTE_OWNER_DATABASE_URL must be of the role that owns the tables, no superuser and without "
                "BYPASSRLS, and row-level security must be forced on every tenant's table"
            )
        yield Owner(connection)
    finally:
        await connection.close()


def _url(settings: Settings) -> str:
    if settings.owner_database_url:
        return settings.owner_database_url
    port = urlsplit(settings.database_url).port
    if port is None or not (settings.secrets / "owner.password").is_file():
        raise Misconfigured("set PONTE_OWNER_DATABASE_URL: this is done as the owner of the tables, as migrations are")
    password = quote(secret_file(settings, "owner.password"))
    return f"postgresql://{postgres.OWNER}:{password}@127.0.0.1:{port}/{postgres.DATABASE}"
