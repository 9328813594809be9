"""FHIR create over HTTP, one record a request, beside a bare route that parses and stores the same bytes."""

from __future__ import annotations

import json

from bench import http_load
from bench.fhir_data import observation, patient
from bench.fhir_server import serving
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
    """Ours and the floor in turns; the round with the median ratio counts."""
    ours, bare = requests
    await http_load.run(port, ours, connections=CONNECTIONS, seconds=0.7)
    await http_load.run(port, bare, connections=CONNECTIONS, seconds=0.3)
    rounds = []
    for _ in range(ROUNDS):
        floor = await http_load.run(port, bare, connections=CONNECTIONS, seconds=SECONDS / 2)
        rounds.append((await http_load.run(port, ours, connections=CONNECTIONS, seconds=SECONDS), floor))
    return http_load.figures(name, rounds, unit=unit, floor_name=FLOOR_NAME, per_request=per_request)
