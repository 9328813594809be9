"""FHIR create over HTTP, one record a request, beside a bare route that parses and stores the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench import http_load
from bench.fhir_data import observation, patient
from bench.fhir_server import serving
from bench.http_load import Load
from bench.measure import Measure
from hub.guard import tokens
from hub.world import Tenant, World

RECORDS = 500
SECONDS = 3.0
ROUNDS = 3
CONNECTIONS = 8
FLOOR_NAME = "a bare route of the same server that parses with orjson and inserts with asyncpg"


async def measure(world: World, tenant: Tenant) -> list[Measure]:
    """Creates per second of one worker, and how long single ones take."""
    token = await tokens.issue(world, tenant, "bench", roles=[], scopes=["system/*.cruds"])
    found = []
    async with serving(world) as port:
        for name, bodies in (
            ("observation", [json.dumps(observation(n, 100)).encode() for n in range(RECORDS)]),
            ("patient", [json.dumps(patient(n)).encode() for n in range(RECORDS)]),
        ):
            kind = name.capitalize()
            ours = [http_load.post(f"/fhir/{kind}", token, body) for body in bodies]
            bare = [http_load.post("/floor", token, body) for body in bodies]
            found += await beside(port, f"fhir-create-{name}", (ours, bare), per_request=1, unit="creates/s")
    return found


async def beside(
    port: int, name: str, requests: tuple[list[bytes], list[bytes]], *, per_request: int, unit: str
) -> list[Measure]:
    """Ours and the floor in turns; the round with the median ratio counts. Percentiles stand as 1000 / milliseconds,
    so that larger is faster for them too."""
    ours, bare = requests
    await http_load.run(port, ours, connections=CONNECTIONS, seconds=0.7)
    await http_load.run(port, bare, connections=CONNECTIONS, seconds=0.3)
    rounds = []
    for _ in range(ROUNDS):
        floor = await http_load.run(port, bare, connections=CONNECTIONS, seconds=SECONDS / 2)
        rounds.append((await http_load.run(port, ours, connections=CONNECTIONS, seconds=SECONDS), floor))
    load, floor = sorted(rounds, key=lambda pair: pair[0].rate / pair[1].rate)[ROUNDS // 2]
    first = Measure(
        name=name, value=load.rate * per_request, unit=unit, floor=floor.rate * per_request, floor_name=FLOOR_NAME
    )
    return [first, *_percentiles(name, load, floor)]


def _percentiles(name: str, load: Load, floor: Load) -> Sequence[Measure]:
    parts = (("p50", load.p50, floor.p50), ("p95", load.p95, floor.p95), ("p99", load.p99, floor.p99))
    return [
        Measure(name=f"{name}-{part}", value=1000 / ours, unit="1000/ms", floor=1000 / bare, floor_name=FLOOR_NAME)
        for part, ours, bare in parts
    ]
