"""A wave of messages looks its records up one by one, whatever the planner believes of a tenant that has just grown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import clusters
import pytest

from canonical.records import Draft, Key
from hub.records.drafts.settle import settle
from hub.records.saved import Origin
from hub.records.write import save
from hub.servers.postgres import Cluster
from hub.settings import Settings
from hub.store.database import Transaction
from hub.world import Tenant, World

pytestmark = pytest.mark.slow
SYSTEM = "urn:ponte:HOSPITAL:MR"
GROWN, WAVE = 4000, 100
TABLES = ("resource", "resource_version", "idx_token", "idx_reference")
JOINED = (
    "SELECT count(*) FROM idx_token t JOIN resource r ON r.tenant_id = $1 AND r.rid = t.rid AND NOT r.deleted "
    "WHERE t.tenant_id = $1"
)


@pytest.fixture(scope="module")
def cluster(data_root: Path) -> Iterator[tuple[Settings, Cluster]]:
    """Of its own: what the planner knows is the test's subject."""
    with clusters.own(data_root / "lookups") as found:
        yield found


def drafts(first: int, count: int) -> list[Draft]:
    return [
        Draft(
            local=f"{n}:patient",
            type="Patient",
            body={"identifier": [{"system": SYSTEM, "value": f"{n}"}], "name": [{"family": f"Silva {n}"}]},
            keys=(Key(SYSTEM, f"{n}"),),
        )
        for n in range(first, first + count)
    ]


async def work(world: World, tenant: Tenant, found: list[Draft]) -> int:
    """Settle and save as a wave does; returns how many rows its statements read.

    The server counts for a connection and passes its counts on now and then only: what stood there before is not ours.
    """
    async with world.transaction(tenant, wide=True) as tx:
        before = await read(tx)
        settled = await settle(tx, found)
        assert not settled.problems and len(settled.writes) == len(found)
        await save(tx, settled.writes, Origin(actor="hl7", now=world.now(), zone=tenant.zone))
        return await read(tx) - before


async def read(tx: Transaction) -> int:
    return int(
        await tx.value(
            "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_xact_user_tables "
            "WHERE relname = ANY($2::text[]) AND $1::uuid IS NOT NULL",
            list(TABLES),
        )
    )


async def frozen(cluster: Cluster) -> None:
    """Statistics of now, and no others later: as a planner sees a hospital that has just begun to send."""
    url = cluster.superuser_url.rpartition("/")[0] + "/ponte"
    connection = await asyncpg.connect(url)
    try:
        for table in TABLES:
            await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def test_a_wave_reads_what_it_names(world: World, tenant: Tenant, cluster: tuple[Settings, Cluster]) -> None:
    await work(world, tenant, drafts(0, 5))
    await frozen(cluster[1])
    for first in range(5, GROWN, 500):
        await work(world, tenant, drafts(first, 500))
    fresh = await work(world, tenant, drafts(GROWN + 500, WAVE))
    known = await work(world, tenant, [*drafts(7, WAVE)])
    assert fresh < 5 * WAVE, f"{fresh} rows read for {WAVE} new patients"
    assert known < 40 * WAVE, f"{known} rows read for {WAVE} known patients"


@pytest.mark.parametrize("wide", [True, False])
async def test_a_new_tenant_beside_a_known_one_is_joined_by_keys(
    world: World, tenant: Tenant, other_tenant: Tenant, cluster: tuple[Settings, Cluster], wide: bool
) -> None:
    """Statistics know the first tenant only; the records of the second are not held each against each."""
    await work(world, tenant, drafts(0, WAVE))
    await frozen(cluster[1])
    await work(world, other_tenant, drafts(0, 3 * WAVE))
    async with world.transaction(other_tenant, wide=wide) as tx:
        before = await read(tx)
        found = await tx.value(JOINED)
        rows = await read(tx) - before
    assert found >= 3 * WAVE
    assert rows < 20 * found, f"{rows} rows read for {found} entries"
