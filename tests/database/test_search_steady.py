"""What used to grow with the data costs the same with ten times as many records: pages read are counted, not seconds.

Negations nobody meets, missing values, reverse chains over a rare code, sorting and composites, among records that
all look alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import clusters
import pytest

from hub.find.ahead import narrow
from hub.find.search import search
from hub.find.sight import everything
from hub.find.statement import Statement
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.servers.postgres import Cluster
from hub.settings import Settings
from hub.store.database import Row, as_asked
from hub.store.schema.records import INDEX_TABLES
from hub.world import Tenant, World
from tests.database.test_search_plans import query_of

pytestmark = pytest.mark.slow
SMALL, LARGE = 1000, 8000
SEARCHES = (
    "Patient?gender:not=male", "Patient?birthdate:missing=true", "Patient?gender:not=male&birthdate:missing=true",
    "Patient?_has:Observation:patient:code=rare", "Patient?_has:Observation:patient:code=none", "Observation?code-value-quantity=common$7.5",
    "Observation?patient.family=rare", "Patient?_sort=family", "Patient?_sort=-birthdate", "Patient?family=rare&_sort=-birthdate",
    "Patient?gender=male,female", "Observation?code=common", "Observation?code=urn:x|common,urn:x|rare", "Observation?code=urn:x|",
    "Observation?value-quantity=7.5", "Patient?_list=l1", "Patient?gender:not=female", "Patient?telecom:missing=true&_sort=family",
)  # fmt: skip


@pytest.fixture(scope="module")
def cluster(data_root: Path) -> Iterator[tuple[Settings, Cluster]]:
    """Of its own: pages read follow the statistics of all tenants together."""
    with clusters.own(data_root / "steady") as found:
        yield found


def patient(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Patient", "gender": "male", "birthDate": f"{1950 + number % 50}-01-01",
        "name": [{"family": "Rare" if number == 7 else f"Silva {number}"}],
    }  # fmt: skip


def observation(number: int) -> dict[str, Any]:
    code = "rare" if number == 5 else "common"
    return {
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "urn:x", "code": code}]},
        "subject": {"reference": f"Patient/p{number}"}, "valueQuantity": {"value": 7.5 if number == 3 else 9},
    }  # fmt: skip


async def load(world: World, tenant: Tenant, start: int, end: int) -> None:
    origin = Origin(actor="test", now=world.now(), zone=tenant.zone)
    for first in range(start, end, 500):
        writes = [Write(type="Patient", id=f"p{n}", body=patient(n)) for n in range(first, first + 500)]
        writes += [Write(type="Observation", id=f"o{n}", body=observation(n)) for n in range(first, first + 500)]
        async with world.transaction(tenant) as tx:
            await save(tx, writes, origin)


class Counted:
    """Runs each statement under EXPLAIN and adds up the pages it touches."""

    def __init__(self, world: World, tenant: Tenant) -> None:
        self.world, self.tenant, self.pages = world, tenant, 0

    def statement(self, *, planned: bool = False) -> Statement:
        return Statement("c.tenant", planned=planned)

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        whole = as_asked(sql)
        async with self.world.transaction(self.tenant) as tx:
            text = await tx.connection.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {whole}", str(self.tenant.id), *statement.arguments
            )
        plan = json.loads(text)[0]["Plan"]
        self.pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return await self.world.database.ask(self.tenant.id, sql, *statement.arguments, planned=statement.planned)


async def pages(world: World, tenant: Tenant) -> dict[str, int]:
    found = {}
    for url in SEARCHES:
        counted = Counted(world, tenant)
        await search(counted, query_of(url), everything)
        found[url] = counted.pages
    return found


async def test_cost_does_not_follow_the_data(
    world: World, tenant: Tenant, cluster: tuple[Settings, Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrow, "WIDE_FROM", 200)
    await load(world, tenant, 0, SMALL)
    async with world.transaction(tenant) as tx:
        listed = {
            "resourceType": "List",
            "status": "current",
            "mode": "working",
            "entry": [{"item": {"reference": "Patient/p9"}}],
        }
        await save(
            tx, [Write(type="List", id="l1", body=listed)], Origin(actor="test", now=world.now(), zone=tenant.zone)
        )
    await analyse(cluster[1])
    before = await pages(world, tenant)
    await load(world, tenant, SMALL, LARGE)
    await analyse(cluster[1])
    after = await pages(world, tenant)
    grown = {url: (before[url], after[url]) for url in SEARCHES if after[url] > 3 * before[url] + 200}
    assert not grown, re.sub(r"\s+", " ", str(grown))


async def analyse(cluster: Cluster) -> None:
    owner = await asyncpg.connect(cluster.owner_url)
    try:
        await owner.execute("ANALYZE resource; " + "; ".join(f"ANALYZE {t.name}" for t in INDEX_TABLES.values()))
    finally:
        await owner.close()
