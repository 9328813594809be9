"""FHIR transactions of 50, 150 and 300 linked entries over HTTP, beside a bare route that stores the same entries."""

from __future__ import annotations

import itertools

from bench import http_load
from bench.fhir_bundles import bundle
from bench.fhir_create import beside
from bench.fhir_server import serving
from bench.measure import Measure
from hub.guard import tokens
from hub.world import Tenant, World

SIZES = (50, 150, 300)
BUNDLES = 12


async def measure(world: World, tenant: Tenant) -> list[Measure]:
    """Resources per second of one worker, by size of the Bundle."""
    token = await tokens.issue(world, tenant, "bench", roles=[], scopes=["system/*.cruds"])
    numbers = itertools.count(1)
    found = []
    async with serving(world) as port:
        for size in SIZES:
            bodies = [bundle(next(numbers), size) for _ in range(BUNDLES)]
            ours = [http_load.post("/fhir", token, body) for body in bodies]
            bare = [http_load.post("/floor", token, body) for body in bodies]
            name = f"fhir-transaction-{size}"
            found += await beside(port, name, (ours, bare), per_request=size, unit="resources/s")
    return found
