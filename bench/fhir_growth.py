"""What searches cost as data grows: the pages each kind touches among ten thousand records and among more of them.

Pages are counted instead of seconds, which tell of the machine. A statement whose plan is kept runs here with the plan
for any values, as it does in a hub that has been up for a while. The ratio is how much it has grown: 1 is flat.
"""

from __future__ import annotations

import datetime
import json
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from bench.fhir_data import load, multiply
from bench.fhir_search import MESSAGES as FEW
from bench.fhir_search import OBSERVATIONS, PATIENTS, SEARCHES, filled
from bench.measure import Measure
from canonical.errors import Misconfigured
from fhir.search.conditions import Inside, Setting
from fhir.search.query import Query, parse
from hub.find.search import search
from hub.find.sight import everything, members
from hub.find.statement import Statement
from hub.store.database import Row, as_asked
from hub.world import Tenant, World

MESSAGES = 10 * FEW
TRIED = (7, 77, 123, 211, 350, 499)


async def measure(world: World, tenant: Tenant, records: int = MESSAGES) -> list[Measure]:
    """Pages of one search of each kind, the mean of a few values, at each tenfold number of records up to `records`.

    Raises Misconfigured for so few records that there is nothing to compare.
    """
    if records < 2 * FEW:
        raise Misconfigured(f"growth is measured from {FEW} records on: give --messages {2 * FEW} or more")
    await load(world, tenant, PATIENTS, OBSERVATIONS)
    first = await _pages(world, tenant)
    found, held = [], FEW
    while held < records:
        more = min(10 * held, records)
        await multiply(world, tenant, held // FEW, more // FEW - 1)
        held = more
        for kind, pages in (await _pages(world, tenant)).items():
            floor = f"pages among {FEW} records"
            name = f"fhir-growth-{kind}-{held}"
            found.append(Measure(name=name, value=pages, unit="pages", floor=first[kind], floor_name=floor))
    return found


async def _pages(world: World, tenant: Tenant) -> dict[str, float]:
    found = {}
    for kind, path in SEARCHES.items():
        counted = _Counted(world, tenant)
        for number in TRIED:
            await search(counted, _query(filled(path, number)), everything)
        found[kind] = counted.pages / len(TRIED)
    return found


def _query(address: str) -> Query:
    path, _, text = address.removeprefix("/fhir/").partition("?")
    parts = path.split("/")
    inside = Inside(parts[2], parts[0], parts[1], members(parts[0])[parts[2]]) if len(parts) == 3 else None
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    setting = Setting(zone=ZoneInfo("America/Sao_Paulo"), now=now, base="http://hub/fhir")
    return parse(parts[-1], parse_qsl(text), setting, inside)


class _Counted:
    """Runs each statement and adds up the pages it touches."""

    def __init__(self, world: World, tenant: Tenant) -> None:
        self.world, self.tenant, self.pages = world, tenant, 0

    def statement(self, *, planned: bool = False) -> Statement:
        """The tenant comes from the wrapping row."""
        return Statement("c.tenant", planned=planned)

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        """Its rows."""
        kept = "force_custom_plan" if statement.planned else "force_generic_plan"
        given = ", ".join(_literal(value) for value in (str(self.tenant.id), *statement.arguments))
        async with self.world.transaction(self.tenant) as tx:
            await tx.connection.execute(f"SET LOCAL plan_cache_mode = {kept}; PREPARE counted AS {as_asked(sql)}")
            text = await tx.connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE counted({given})")
            await tx.connection.execute("DEALLOCATE counted")
        plan = json.loads(text)[0]["Plan"]
        self.pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return await self.world.database.ask(self.tenant.id, sql, *statement.arguments, planned=statement.planned)


def _literal(value: Any) -> str:
    """An argument as SQL text; these are the benchmark's own values."""
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(_literal(each) for each in value)}]" if value else "'{}'"
    return repr(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
