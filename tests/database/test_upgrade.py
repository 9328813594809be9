"""A database of an earlier version, with rows in it, comes to this version; a migration that fails leaves it where it was."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import own_database
import pytest
import pytest_asyncio
from alembic import op

from canonical.errors import Misconfigured
from hub.settings import Settings
from hub.store import migrate
from hub.store.database import Database
from hub.world import opened

EARLIER = "0019"  # before subscriptions, words, alarms
# days were taken as written, dates began at midnight UTC
_TOLD = ("2026-11-21T01:30:00Z", "2026-11-21", "2026-11")
_DERIVED = [
    ("ChargeItem", "INSERT INTO charge (tenant_id, id, tiss_table, code, quantity, status, occurred_on) VALUES "
     "($1, $2, '22', '1', 1, 'billable', CASE WHEN length($2) >= 10 THEN left($2, 10)::date END)"),
    ("Coverage", "INSERT INTO coverage (tenant_id, id, payer_code, member_number, status, valid_from) VALUES "
     "($1, $2, '', '', 'active', CASE WHEN length($2) >= 10 THEN left($2, 10)::date END)"),
    ("Encounter", "INSERT INTO encounter (tenant_id, id, class, status, start_at) VALUES ($1, $2, 'AMB', 'finished', "
     "CASE WHEN length($2) > 10 THEN $2::text::timestamptz ELSE left($2 || '-01', 10)::timestamp AT TIME ZONE 'UTC' END)"),
]  # fmt: skip


@pytest_asyncio.fixture
async def urls(cluster: Any) -> AsyncIterator[tuple[str, str]]:
    """Owner's and application's URL of a database of its own, at the earlier version."""
    async with own_database.fresh(cluster, EARLIER) as found:
        yield found


async def _fill(url: str) -> uuid.UUID:
    """One row of most kinds, as the earlier version wrote them."""
    tenant, message, partner = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute("INSERT INTO tenant (id, slug, name) VALUES ($1, 'antigo', 'Hospital')", tenant)
        await connection.execute("SELECT set_config('app.current_tenant', $1, true)", str(tenant))
        await connection.execute(
            "INSERT INTO partner (tenant_id, id, kind, code, name, adapter) VALUES ($1, $2, 'lab', 'x', 'X', '')",
            tenant,
            partner,
        )
        await connection.execute(
            "INSERT INTO message (tenant_id, id, direction, format, status, content) VALUES ($1, $2, 'in', 'hl7', 'ERROR', 'MSH|')",
            tenant, message,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO delivery (tenant_id, id, message_id, partner_id, lane_id, operation, status) "
            "VALUES ($1, $2, $3, $4, 5, 'test', 'DEAD')", tenant, uuid.uuid4(), message, partner,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO job (tenant_id, id, name, lane_id, status) VALUES ($1, $2, 'x', 1, 'DEAD')",
            tenant,
            uuid.uuid4(),
        )
        await connection.execute(
            "INSERT INTO audit_event (tenant_id, actor, action, entity, outcome) VALUES ($1, 'a', 'read', 'x', 'success')",
            tenant,
        )
        for kind, derived in _DERIVED:
            for told in _TOLD:
                body = f'{{"occurrenceDateTime":"{told}","period":{{"start":"{told}"}}}}'
                await connection.execute(
                    "INSERT INTO resource (tenant_id, type, id, version, updated_at, deleted, body) "
                    "VALUES ($1, $2, $3, 1, now(), false, $4)", tenant, kind, told, body,
                )  # fmt: skip
                await connection.execute(derived, tenant, told)
    await connection.close()
    return tenant


async def test_a_filled_database_comes_forward_and_a_failed_step_leaves_it(
    urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owner, application = urls
    await _fill(application)
    real = op.create_index

    def fails(name: str, *given: Any, **more: Any) -> Any:
        if name == "audit_event_transaction_idx":  # the last act of its migration: the others of it are done by then
            raise OSError("disk full")
        return real(name, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_index", fails)
        with pytest.raises(OSError, match="disk full"):
            await migrate.upgrade(owner, application)
    connection = await asyncpg.connect(owner)
    try:
        assert await connection.fetchval("SELECT to_regclass('alarm') IS NULL"), "half a migration stayed"
        stopped = await migrate.current(owner)
        assert EARLIER <= stopped < migrate.head()
    finally:
        await connection.close()
    await migrate.upgrade(owner, application)
    assert await migrate.current(owner) == migrate.head()
    async with opened(Settings(data=tmp_path, database_url=application), size=1) as world:
        tenant = await world.tenant("antigo")
        async with world.transaction(tenant) as tx:
            for table, count in (("message", 1), ("delivery", 1), ("job", 1), ("audit_event", 1), ("alarm", 0)):
                assert await tx.value(f"SELECT count(*) FROM {table} WHERE tenant_id = $1") == count, table
            for table, column in (("charge", "occurred_on"), ("coverage", "valid_from"), ("encounter", "start_at")):
                found = await tx.rows(
                    f"SELECT id, {column}::text AS at FROM {table} WHERE tenant_id = $1 ORDER BY id DESC"
                )
                days = {row["id"]: row["at"] for row in found}
                if table == "encounter":
                    assert days == {
                        "2026-11-21T01:30:00Z": "2026-11-21 01:30:00+00", "2026-11-21": "2026-11-21 03:00:00+00",
                        "2026-11": "2026-11-01 03:00:00+00",
                    }  # fmt: skip
                else:
                    assert days == {"2026-11-21T01:30:00Z": "2026-11-20", "2026-11-21": "2026-11-21", "2026-11": None}


async def test_processes_of_this_version_go_on_beside_a_later_schema(cluster: Any) -> None:
    """Its tables without tenant are its own business; one of tenants that is not walled in is refused whoever made it."""
    async with own_database.fresh(cluster) as (owner, application):
        connection = await asyncpg.connect(owner)
        try:
            await connection.execute("CREATE TABLE of_tomorrow (id int)")
            await (await Database.open(application, size=1)).close()
            await connection.execute("CREATE TABLE of_tenants (tenant_id uuid)")
            with pytest.raises(Misconfigured, match="of_tenants"):
                await Database.open(application, size=1)
        finally:
            await connection.close()
