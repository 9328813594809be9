"""FHIR search by each kind of indexed parameter, over HTTP, beside a bare route that reads one row by primary key."""

from __future__ import annotations

from bench import http_load
from bench.fhir_data import body, load, multiply
from bench.fhir_server import add_floor_rows, serving
from bench.measure import Measure
from hub.guard import tokens
from hub.world import Tenant, World

PATIENTS = 2000
OBSERVATIONS = 8000
MESSAGES = PATIENTS + OBSERVATIONS  # records; `--messages` asks for more
SECONDS = 2.0
ROUNDS = 3
CONNECTIONS = 16
FLOOR_NAME = "a bare route of the same server that reads 3 KB by primary key with asyncpg"
SEARCHES = {
    "token": "/fhir/Patient?identifier=urn:ponte:bench:mr|{n:08d}",
    "string": "/fhir/Patient?family=brandao{n}&_count=5",
    "date": "/fhir/Patient?birthdate=1950-03-{d:02d}&_count=5",
    "number": "/fhir/Observation?value-quantity={n}&_count=5",
    "reference": "/fhir/Observation?patient=p{n}&_count=5",
    "two": "/fhir/Observation?patient=p{n}&code=http://loinc.org|{c}&_count=5",
    "chain": "/fhir/Observation?patient.identifier=urn:ponte:bench:mr|{n:08d}&_count=5",
    "include": "/fhir/Observation?patient=p{n}&_include=Observation:patient&_count=5",
    "sorted": "/fhir/Observation?_sort=-_lastUpdated&_count=5",
    "sorted-by-parameter": "/fhir/Observation?_sort=-date&_count=5",
    "composite": "/fhir/Observation?code-value-quantity=http://loinc.org|{c}${n}&_count=5",
    "unit": "/fhir/Observation?value-quantity={n}|http://unitsofmeasure.org|mg/dL&_count=5",
    "chain-to-few": "/fhir/Observation?patient.family=brandao{n}&_count=5",
    "has": "/fhir/Patient?_has:Observation:patient:code-value-quantity={c}${n}&_count=5",
    "not": "/fhir/Patient?gender:not=male,female&_count=5",
    "missing": "/fhir/Patient?birthdate:missing=true&_count=5",
    "any-of": "/fhir/Patient?gender=male,female&_count=5",
    "words": "/fhir/Patient?_content=brandao{n}&_count=5",
    "compartment": "/fhir/Patient/p{n}/Observation?_count=5",
}


async def measure(world: World, tenant: Tenant, records: int = MESSAGES) -> list[Measure]:
    """Searches per second of one worker among `records`; each kind takes turns with the floor.

    Beyond the first ten thousand they are copies with values of their own, so that each search finds what it found.
    """
    await load(world, tenant, PATIENTS, OBSERVATIONS)
    await multiply(world, tenant, 1, records // MESSAGES - 1)
    await add_floor_rows(world, 1000, body())
    token = await tokens.issue(world, tenant, "bench", roles=[], scopes=["system/*.read"])
    bare = [http_load.get(f"/floor/{n}", token) for n in range(1, 1000)]
    found = []
    async with serving(world) as port:
        await http_load.run(port, bare, seconds=0.5)
        for kind, path in SEARCHES.items():
            requests = [http_load.get(filled(path, n), token) for n in range(500)]
            await http_load.run(port, requests, seconds=0.5)
            rounds = []
            for _ in range(ROUNDS):
                floor = await http_load.run(port, bare, connections=CONNECTIONS, seconds=SECONDS / 2)
                load_ = await http_load.run(port, requests, connections=CONNECTIONS, seconds=SECONDS)
                rounds.append((load_, floor))
            found += http_load.figures(f"fhir-search-{kind}", rounds, unit="searches/s", floor_name=FLOOR_NAME)
    return found


def filled(path: str, number: int) -> str:
    """The address of search `number`."""
    code = f"{1000 + number % 200}-{number % 9}"
    return path.format(n=number, d=1 + number % 28, c=code).replace("|", "%7C").replace("$", "%24")
