"""Bulk export: the job that writes the files, and a file read back, beside asyncpg reading the same records by key."""

from __future__ import annotations

import time
from uuid import UUID

from bench.fhir_data import load
from bench.measure import Measure, middle
from hub.bulk import desk, exports, pieces, run
from hub.bulk.wanted import Wanted
from hub.world import Tenant, World

PATIENTS = 4000
OBSERVATIONS = 16_000
ROUNDS = 3
_READ = "SELECT rid, body FROM resource WHERE tenant_id = $1 AND type = $2 AND rid > $3 ORDER BY rid LIMIT 5000"


async def measure(world: World, tenant: Tenant) -> list[Measure]:
    """Records per second of one job; floor and product take turns, the median ratio counts."""
    await load(world, tenant, PATIENTS, OBSERVATIONS)
    total = PATIENTS + OBSERVATIONS
    written, read = [], []
    for _ in range(ROUNDS):
        floor = await _floor(world, tenant)
        seconds, job = await _export(world, tenant)
        written.append((total / seconds, total / floor))
        read.append((total / await _read_back(world, tenant, job), total / floor))
    name = "asyncpg reads the same records by key in the same process"
    return [
        Measure(name=label, value=value, unit="records/s", floor=floor, floor_name=name)
        for label, (value, floor) in (
            ("fhir-export", middle(written, _ratio)),
            ("fhir-export-download", middle(read, _ratio)),
        )
    ]


def _ratio(pair: tuple[float, float]) -> float:
    return pair[0] / pair[1]


async def _floor(world: World, tenant: Tenant) -> float:
    """Seconds to read all records, 5000 at a time."""
    began = time.perf_counter()
    for kind in ("Patient", "Observation"):
        last = -(2**62)
        while True:
            async with world.transaction(tenant) as tx:
                rows = await tx.rows(_READ, kind, last)
            if not rows:
                break
            last = rows[-1]["rid"]
    return time.perf_counter() - began


async def _export(world: World, tenant: Tenant) -> tuple[float, UUID]:
    """Seconds a job takes, without the wait for older transactions, and the job."""
    what = Wanted(address="bench", level="system", types=("Patient", "Observation"), scopes=("system/*.rs",))
    async with world.transaction(tenant) as tx:
        job = await desk.begin(tx, world.settings, desk.EXPORT, "bench", what.as_json(), now=world.now())
        await desk.start(tx, desk.EXPORT, job)
    at = await run.taken(world, tenant, job)
    if at is None:
        raise LookupError("the job is not there")
    await run.settled(at)
    began = time.perf_counter()
    await exports.export(at)
    return time.perf_counter() - began, job


async def _read_back(world: World, tenant: Tenant, job: UUID) -> float:
    """Seconds to read the files as gzip."""
    async with world.transaction(tenant) as tx:
        files = await pieces.files(tx, job)
    began = time.perf_counter()
    for file in files:
        async for _ in pieces.packed(world, tenant, job, file):
            pass
    return time.perf_counter() - began
