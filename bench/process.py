"""Received ADT and ORU messages worked to queryable resources, per second of one worker and of two.

Without a bell a worker looks for new tenants every five seconds: each tenant is known to all before it is measured.

Workers are processes of their own, as `ponte up` runs them; the order of each patient's messages is checked first.

The floor takes the rows that this work wrote (records, versions, search index, projections, audit) and inserts the
same rows for another tenant, in bulk, in transactions of the same size, with nothing else to do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Table

from bench import traffic
from bench.crew import Crew, crew, finished
from bench.measure import Measure
from hub import seed
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.work.worker import TENANTS_FRESH_SECONDS
from hub.store import bulk
from hub.store.schema import guard, projections, records
from hub.world import Tenant, World

Template = Callable[[str, str], bytes]
WARM_UP, ADMISSIONS, REPORTS, ORDERED = 200, 2000, 300, 400
WORKERS = (1, 2)


async def measure(world: World, tenant: Tenant) -> list[Measure]:
    """ADT and ORU by one and by two workers, each on a tenant of its own, beside the bulk insert of its own rows."""
    await _order(world)
    found = []
    for workers in WORKERS:
        with crew(world.settings, workers) as hands:
            await _warm(world, tenant, hands)
            for name, template, count in (("ADT", traffic.admission, ADMISSIONS), ("ORU", traffic.laboratory, REPORTS)):
                own = await seed.demo_tenant(world, f"bench-{name.lower()}-{workers}", "Hospital de Medida")
                await _work(world, own, hands, template, workers)
                await asyncio.sleep(TENANTS_FRESH_SECONDS + 1)  # by then every worker knows the new tenant
                known = await _count(world, own)
                seconds = await _work(world, own, hands, template, count)
                resources = await _count(world, own) - known
                hands.hold()
                floor = await _floor(world, own, f"floor-{name.lower()}-{workers}", resources, workers)
                hands.go()
                size = len(template("0" * 8, "0" * 8))
                crowd = "" if workers == 1 else f", {workers} workers"
                found.append(
                    Measure(
                        name=f"process {name} ({size} B{crowd}, {count / seconds:.0f} messages/s)",
                        value=resources / seconds,
                        unit="resources/s",
                        floor=floor,
                        floor_name="bulk insert of the same rows" + (crowd and f" by {workers} connections"),
                    )
                )
    return found


async def _warm(world: World, tenant: Tenant, hands: Crew) -> None:
    """The first messages load tables and statements in every worker."""
    for _ in range(3):
        await _work(world, tenant, hands, traffic.admission, WARM_UP)
        await _work(world, tenant, hands, traffic.laboratory, WARM_UP // 10)


async def _work(world: World, tenant: Tenant, hands: Crew, template: Template, count: int) -> float:
    """Keep `count` messages of as many patients, then let them be worked; returns the seconds of the work alone."""
    hands.hold()
    async with world.transaction(tenant) as tx:
        before = int(await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1"))
    await _keep(world, tenant, [template(f"C{n:07d}", f"{n + 1:08d}") for n in range(before, before + count)])
    start = time.perf_counter()
    hands.go()
    await finished(world, tenant, before + count)
    return time.perf_counter() - start


async def _keep(world: World, tenant: Tenant, payloads: Sequence[bytes]) -> None:
    keeper = Keeper(world.database)
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    waiting = iter(payloads)

    async def sender() -> None:
        for payload in waiting:
            await receive(keeper, channel, payload)

    await asyncio.gather(*(sender() for _ in range(1 if len(payloads) == ORDERED else 32)))


async def _order(world: World) -> None:
    """A patient who moves from bed to bed, and many others meanwhile: every version follows the messages' order."""
    own = await seed.demo_tenant(world, "bench-order", "Hospital de Medida")
    with crew(world.settings, max(WORKERS)) as hands:
        hands.hold()
        beds = [(n % (ORDERED // 10), n // (ORDERED // 10)) for n in range(ORDERED)]
        payloads = [traffic.moved(f"M{n:07d}", f"{patient + 1:08d}", bed) for n, (patient, bed) in enumerate(beds)]
        await _keep(world, own, payloads)
        hands.go()
        await finished(world, own, ORDERED)
    async with world.transaction(own) as tx:
        late = await tx.value(_BACKWARD)
        versions = await tx.value("SELECT max(version) FROM resource WHERE tenant_id = $1 AND type = 'Encounter'")
    if late or versions < 10:
        raise AssertionError(f"order lost: {late} versions before their time, {versions} versions at most")


_BACKWARD = """
SELECT count(*) FROM resource_version a JOIN resource_version b
 ON b.tenant_id = $1 AND b.type = a.type AND b.id = a.id AND b.version = a.version + 1
JOIN message ma ON ma.tenant_id = $1 AND ma.id = a.message_id
JOIN message mb ON mb.tenant_id = $1 AND mb.id = b.message_id
WHERE a.tenant_id = $1 AND a.type IN ('Patient', 'Encounter') AND mb.seq < ma.seq
"""


async def _count(world: World, tenant: Tenant) -> int:
    async with world.transaction(tenant) as tx:
        return int(await tx.value("SELECT count(*) FROM resource WHERE tenant_id = $1 AND NOT deleted"))


async def _floor(world: World, tenant: Tenant, slug: str, resources: int, connections: int) -> float:
    """Resources per second when their rows are only inserted, by as many connections as there were workers."""
    other = await seed.demo_tenant(world, slug, "Hospital de Medida")
    rows = {table: await _rows(world, tenant, table) for table in _written()}
    steps = max(connections, max(len(found) for found in rows.values()) // 2000)
    todo = iter(range(steps))

    async def insert() -> None:
        for step in todo:
            async with world.transaction(other) as tx:
                for table, found in rows.items():
                    part = found[len(found) * step // steps : len(found) * (step + 1) // steps]
                    await bulk.insert(tx, table, _columns(table), part)

    start = time.perf_counter()
    await asyncio.gather(*(insert() for _ in range(connections)))
    return resources / (time.perf_counter() - start)


def _written() -> list[Table]:
    """The tables that work on records writes: records, versions, index, projections, audit."""
    own = [t for module in (records, projections) for t in vars(module).values() if isinstance(t, Table)]
    return [*dict.fromkeys(own), guard.audit_event]


def _columns(table: Table) -> tuple[str, ...]:
    """All columns but the tenant; numbers the database gives are inserted as they were."""
    return tuple(column.name for column in table.columns if column.name != "tenant_id")


async def _rows(world: World, tenant: Tenant, table: Table) -> Sequence[Sequence[Any]]:
    columns = _columns(table)
    key = ", ".join(f'"{column}"' for column in columns)
    async with world.transaction(tenant) as tx:
        found = await tx.rows(f"SELECT {key} FROM {table.name} WHERE tenant_id = $1")
    return [tuple(row.values()) for row in found]
