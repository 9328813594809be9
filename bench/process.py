"""Received ADT and ORU messages worked to queryable resources, per second of one worker.

The floor takes the rows that this work wrote (records, versions, search index, projections, audit) and inserts the
same rows for another tenant, in bulk, in transactions of the same size, with nothing else to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Table

from bench import traffic
from bench.measure import Measure
from hub import seed
from hub.exchange import inbound
from hub.exchange.channels import channels_of
from hub.exchange.keep import Keeper
from hub.exchange.receive import receive
from hub.store import bulk
from hub.store.schema import METADATA
from hub.world import Tenant, World

Template = Callable[[str, str], bytes]
LEFT_OUT = frozenset(("message", "lane", "delivery", "job", "schedule", "channel", "partner", "audit_seal"))
WARM_UP, ADMISSIONS, REPORTS = 200, 2000, 300


async def measure(world: World, tenant: Tenant) -> list[Measure]:
    """ADT and ORU, each on a tenant of its own, each beside the bulk insert of its own rows."""
    await _work(world, tenant, traffic.admission, WARM_UP)
    await _work(world, tenant, traffic.laboratory, WARM_UP // 10)
    found = []
    for name, template, count in (("ADT", traffic.admission, ADMISSIONS), ("ORU", traffic.laboratory, REPORTS)):
        own = await seed.demo_tenant(world, f"bench-{name.lower()}", "Hospital de Medida")
        seconds = await _work(world, own, template, count)
        resources = await _count(world, own)
        floor = await _floor(world, own, f"floor-{name.lower()}", resources)
        size = len(template("0" * 8, "0" * 8))
        found.append(
            Measure(
                name=f"process {name} ({size} B, {count / seconds:.0f} messages/s)",
                value=resources / seconds,
                unit="resources/s",
                floor=floor,
                floor_name="bulk insert of the same rows",
            )
        )
    return found


async def _work(world: World, tenant: Tenant, template: Template, count: int) -> float:
    """Keep `count` messages of as many patients, then work them; returns the seconds of the work alone."""
    keeper = Keeper(world.database)
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    for number in range(count):
        await receive(keeper, channel, template(f"C{number:07d}", f"{number:08d}"))
    start = time.perf_counter()
    while await inbound.work(world, tenant):
        pass
    seconds = time.perf_counter() - start
    async with world.transaction(tenant) as tx:
        worked = await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1 AND status = 'TRANSFORMED'")
    if worked < count:
        raise AssertionError(f"{worked} of {count} messages were worked")
    return seconds


async def _count(world: World, tenant: Tenant) -> int:
    async with world.transaction(tenant) as tx:
        return int(await tx.value("SELECT count(*) FROM resource WHERE tenant_id = $1 AND NOT deleted"))


async def _floor(world: World, tenant: Tenant, slug: str, resources: int) -> float:
    """Resources per second when their rows are only inserted."""
    other = await seed.demo_tenant(world, slug, "Hospital de Medida")
    tables = [table for name, table in METADATA.tables.items() if "tenant_id" in table.c and name not in LEFT_OUT]
    rows = {table: await _rows(world, tenant, table) for table in tables}
    largest = max(len(found) for found in rows.values())
    steps = max(1, largest // 2000)
    start = time.perf_counter()
    for step in range(steps):
        async with world.transaction(other) as tx:
            for table, found in rows.items():
                part = found[len(found) * step // steps : len(found) * (step + 1) // steps]
                await bulk.insert(tx, table, _columns(table), part)
    seconds = time.perf_counter() - start
    return resources / seconds


def _columns(table: Table) -> tuple[str, ...]:
    """All columns but the tenant; numbers the database gives are inserted as they were."""
    return tuple(column.name for column in table.columns if column.name != "tenant_id")


async def _rows(world: World, tenant: Tenant, table: Table) -> Sequence[Sequence[Any]]:
    columns = _columns(table)
    key = ", ".join(f'"{column}"' for column in columns)
    async with world.transaction(tenant) as tx:
        found = await tx.rows(f"SELECT {key} FROM {table.name} WHERE tenant_id = $1")
    return [tuple(row.values()) for row in found]
