"""FHIR read: over HTTP beside a bare route that reads by primary key, and in process beside asyncpg itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench import http_load
from bench.fhir_data import body, load
from bench.fhir_server import FLOOR, FLOOR_DAY, FLOOR_SQL, add_floor_rows, bare_pool, serving
from bench.measure import Measure, middle
from hub.guard import tokens
from hub.records.requests import read
from hub.world import Tenant, World

RECORDS = 1000
SECONDS = 3.0
ROUNDS = 3
CONNECTIONS = 16


async def measure(world: World, tenant: Tenant) -> list[Measure]:
    """Reads per second of one worker; floor and product take turns, the median of the rounds counts."""
    await load(world, tenant, RECORDS, 0)
    await add_floor_rows(world, RECORDS, body())
    token = await tokens.issue(world, tenant, "bench", roles=[], scopes=["system/*.read"])
    ours = [http_load.get(f"/fhir/Patient/p{n}", token) for n in range(RECORDS)]
    bare = [http_load.get(f"/floor/{n}", token) for n in range(1, RECORDS + 1)]
    rounds: list[tuple[http_load.Load, http_load.Load]] = []
    async with serving(world) as port:
        await http_load.run(port, ours, seconds=0.5)
        await http_load.run(port, bare, seconds=0.5)
        for _ in range(ROUNDS):
            floor = await http_load.run(port, bare, connections=CONNECTIONS, seconds=SECONDS)
            load_ = await http_load.run(port, ours, connections=CONNECTIONS, seconds=SECONDS)
            rounds.append((load_, floor))
    inner = await _in_process(world, tenant)
    bare_route = "a bare route of the same server that reads 3 KB by primary key with asyncpg"
    return [
        *http_load.figures("fhir-read", rounds, unit="reads/s", floor_name=bare_route),
        Measure(
            name="fhir-read-store", value=inner[0], unit="reads/s", floor=inner[1],
            floor_name="asyncpg primary-key read of 3 KB in the same process",
        ),
    ]  # fmt: skip


async def _in_process(world: World, tenant: Tenant) -> tuple[float, float]:
    async def ours(number: int) -> None:
        await read.current(world, tenant, "Patient", f"p{number % RECORDS}")

    async with bare_pool(world.settings) as pool:

        async def bare(number: int) -> None:
            await pool.fetch(FLOOR_SQL, FLOOR, str(1 + number % RECORDS), FLOOR_DAY)

        rates = [(await rate(ours), await rate(bare)) for _ in range(ROUNDS)]
    return middle(rates, lambda pair: pair[0] / pair[1])


async def rate(call: Callable[[int], Awaitable[None]], seconds: float = 2.0) -> float:
    """Calls per second, eight at a time."""
    done = 0
    end = time.perf_counter() + seconds

    async def caller(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await call(number)
            number += 1
            done += 1

    start = time.perf_counter()
    await asyncio.gather(*(caller(n * 100) for n in range(8)))
    return done / (time.perf_counter() - start)
