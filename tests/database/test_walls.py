"""The walls between tenants, as PostgreSQL itself tells them: policy and FORCE on every table, a harmless role."""

from __future__ import annotations

import asyncpg
import pytest

from canonical.errors import Misconfigured
from hub.servers.postgres import Cluster
from hub.settings import Settings
from hub.store.database import Database
from hub.store.schema import GLOBAL_TABLES, METADATA
from hub.world import Tenant, World

TENANT_TABLES = sorted(set(METADATA.tables) - set(GLOBAL_TABLES))
EXPRESSION = (
    "(tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant'::text, true), ''::text))::uuid AS \"nullif\"))"
)


async def owner_rows(cluster: tuple[Settings, Cluster], query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(cluster[1].owner_url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def test_every_table_is_tenant_led_or_listed(cluster: tuple[Settings, Cluster]) -> None:
    tables = {
        row["tablename"]
        for row in await owner_rows(cluster, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }
    assert tables - set(GLOBAL_TABLES) == set(TENANT_TABLES)
    keys = await owner_rows(
        cluster,
        "SELECT c.relname AS table, i.relname AS index, a.attname AS first FROM pg_index x "
        "JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0] "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'",
    )
    wrong = [(r["table"], r["index"]) for r in keys if r["table"] in TENANT_TABLES and r["first"] != "tenant_id"]
    assert not wrong, f"these indexes do not lead with tenant_id: {wrong}"


async def test_every_tenant_table_has_policy_and_force(cluster: tuple[Settings, Cluster]) -> None:
    rows = await owner_rows(
        cluster,
        "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, p.qual, p.with_check, p.permissive, p.cmd "
        "FROM pg_class c LEFT JOIN pg_policies p ON p.tablename = c.relname AND p.schemaname = 'public' "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')",
    )
    found = {row["relname"]: row for row in rows}
    assert len(found) == len(rows), "a table has more than one policy"
    for table in TENANT_TABLES:
        row = found[table]
        assert row["relrowsecurity"] and row["relforcerowsecurity"], f"{table}: ENABLE and FORCE row level security"
        assert row["qual"] == EXPRESSION and row["with_check"] == EXPRESSION and row["cmd"] == "ALL", table


async def test_nothing_walks_around_the_policies(cluster: tuple[Settings, Cluster]) -> None:
    views = await owner_rows(
        cluster,
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND relkind IN ('v', 'm')",
    )
    definers = await owner_rows(
        cluster,
        "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' AND prosecdef",
    )
    assert not views and not definers


@pytest.mark.parametrize("role", ["superuser_url", "owner_url"])
async def test_startup_refuses_roles_above_the_policies(cluster: tuple[Settings, Cluster], role: str) -> None:
    url = getattr(cluster[1], role)
    database = url if role == "owner_url" else url.rsplit("/", 1)[0] + "/ponte"
    with pytest.raises(Misconfigured, match="row-level security would not hold"):
        await Database.open(database, size=1)


async def test_startup_refuses_bypassrls_and_members_of_the_owner(cluster: tuple[Settings, Cluster]) -> None:
    admin = await asyncpg.connect(cluster[1].superuser_url)
    try:
        for role, grant in (("wall_bypass", "BYPASSRLS"), ("wall_member", "IN ROLE ponte_owner")):
            await admin.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER PASSWORD 'x1y2' {grant}")
            url = f"postgresql://{role}:x1y2@127.0.0.1:{cluster[1].port}/ponte"
            with pytest.raises(Misconfigured):
                await Database.open(url, size=1)
            await admin.execute(f"DROP ROLE {role}")
    finally:
        await admin.close()


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_no_context_no_rows_and_no_foreign_insert(
    world: World, tenant: Tenant, other_tenant: Tenant, table: str
) -> None:
    assert await world.database.global_rows(f"SELECT 1 FROM {table} LIMIT 1") == []
    async with world.transaction(tenant) as tx:
        foreign = await tx.connection.fetch(f"SELECT 1 FROM {table} WHERE tenant_id = $1", other_tenant.id)
        assert foreign == []
        columns = [
            c.name
            for c in METADATA.tables[table].columns
            if c.name != "tenant_id" and not c.nullable and c.server_default is None and c.identity is None
        ]
        values = ", ".join(["$1", *(_literal(METADATA.tables[table].c[c].type) for c in columns)])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with world.transaction(tenant) as tx:
            await tx.connection.execute(
                f"INSERT INTO {table} ({', '.join(['tenant_id', *columns])}) VALUES ({values})", other_tenant.id
            )


def _literal(kind: object) -> str:
    return {
        "TEXT": "''", "BIGINT": "0", "INTEGER": "0", "UUID": "gen_random_uuid()", "DATETIME": "now()", "CHAR(32)": "gen_random_uuid()",
        "DATE": "current_date", "DOUBLE": "0", "BOOLEAN": "false", "BLOB": "''::bytea",
    }[str(kind).partition(" COLLATE")[0]]  # fmt: skip


@pytest.mark.parametrize("table", ["audit_event", "audit_seal", "resource_version"])
async def test_append_only_tables_stay_so(world: World, tenant: Tenant, table: str) -> None:
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET tenant_id = tenant_id", f"TRUNCATE {table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.transaction(tenant) as tx:
                await tx.connection.execute(statement)


async def test_context_ends_with_its_transaction(world: World, tenant: Tenant) -> None:
    for _ in range(20):
        async with world.transaction(tenant) as tx:
            assert await tx.value("SELECT count(*) FROM channel WHERE tenant_id = $1") == 2
        assert await world.database.global_rows("SELECT 1 FROM channel") == []


async def test_schema_and_migrations_agree(cluster: tuple[Settings, Cluster]) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(cluster[1].owner_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(lambda c: compare_metadata(MigrationContext.configure(c), METADATA))
    finally:
        await engine.dispose()
    assert found == [], "write a migration for these differences"
