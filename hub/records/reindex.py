"""Indexing records anew: after a change of a tenant's own search parameters, or of what the index holds.

Whoever changes what the index holds of the same record raises EDITION: each tenant then has its records indexed anew
by a job, once, after the upgrade. Until it ends a search may miss what only the new index tells.

Records are taken in order of their numbers, in small transactions, so writers wait little and the work can be done
while the hub runs. Doing it twice changes nothing.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Sequence
from typing import Any

from canonical.errors import TryLater
from fhir import jsontext
from fhir.definitions.table import resource_types
from hub.exchange import handlers
from hub.exchange.work import jobs
from hub.guard import policies
from hub.records import custom, index, words
from hub.records.saved import Saved
from hub.store import bulk, older
from hub.store.database import Transaction
from hub.world import Tenant, World

BATCH = 200
NAME = "fhir.reindex"
EDITION = 6
"""Of what the index holds; a tenant's settings say by which its records were indexed."""
_SPECIAL = r"[a-zA-Z]{1,2}Cel|[a-zA-Z]{0,2}(Np|B(\[[^\"]*)?)|bit_s|%\[slope\]|\[(degRe|pH|hp|p|m)[^\"]*"
_OWN = "EXISTS (SELECT 1 FROM resource s WHERE s.tenant_id = $1 AND s.type = 'SearchParameter' AND NOT s.deleted)"
CHANGED = {6: f'(body ~ \'"code"\\s*:\\s*"({_SPECIAL})"\' OR {_OWN})'}
"""The records of which an edition holds more than the one before (6: units that are functions, and modifiers of a
tenant's own parameters); where it is not here, all."""
SETTING = "index"
_SKEW = datetime.timedelta(seconds=0.5)
"""Between the clocks of the hub's processes."""
_LONGEST = datetime.timedelta(minutes=10)
"""A record bears the moment its writer began; no writer takes as long."""
_PATIENCE_SECONDS = 60.0
_WAITS = "SELECT EXISTS (SELECT 1 FROM job WHERE tenant_id = $1 AND name = $2 AND status = 'QUEUED')"


@handlers.job(NAME)
async def job(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Index the records of `types` anew, or all."""
    types = [name for name in arguments.get("types", ()) if name in resource_types()] or list(resource_types())
    custom.forget(tenant.id)
    done = await reindex(world, tenant, types, CHANGED.get(arguments.get("edition", 0), "true"))
    if arguments.get("adopted"):
        await _meanwhile(world, tenant, types, datetime.datetime.fromisoformat(arguments["adopted"]))
    if not arguments.get("types"):
        await settle(world, tenant)
    return f"{done} records indexed"


async def _meanwhile(world: World, tenant: Tenant, types: Sequence[str], adopted: datetime.datetime) -> None:
    """Index again what was written by a process that did not know yet of parameters adopted at that moment.

    Each remembers what it read for `custom.SECONDS`; what it began to write by then knows as little. Raises TryLater
    while such a transaction is still open.
    """
    known = adopted + datetime.timedelta(seconds=custom.SECONDS) + _SKEW
    await asyncio.sleep(max(0.0, (known - world.now()).total_seconds()))
    if not await older.ended(world.database, tenant.id, known, _PATIENCE_SECONDS):
        raise TryLater("older transactions are still open", code="store.busy")
    since = (adopted - _LONGEST).isoformat()
    await reindex(world, tenant, types, f"updated_at >= timestamptz '{since}'")


def _outdated(former: Any) -> dict[str, Any]:
    """What a job has to index anew after the edition `former`: what changed since, or, of old, all."""
    return {"edition": EDITION} if former == EDITION - 1 and EDITION in CHANGED else {}


async def after_upgrade(world: World, tenant: Tenant) -> bool:
    """Queue a job that indexes a tenant's records anew where they were indexed by another edition; whether it did."""
    former = policies.part_of(tenant.settings, SETTING).get("edition")
    if former == EDITION:
        return False
    async with world.transaction(tenant) as tx:
        await policies.settings_of(tx)  # locked: of two processes that start together one queues
        if await tx.value(_WAITS, NAME):
            return False
        if not await tx.value("SELECT EXISTS (SELECT 1 FROM resource WHERE tenant_id = $1)"):
            await _kept(tx)
            return False
        await jobs.enqueue(tx, NAME, _outdated(former))
    return True


async def settle(world: World, tenant: Tenant) -> None:
    """Note that all records of a tenant are indexed by this edition."""
    async with world.transaction(tenant) as tx:
        await _kept(tx)


async def _kept(tx: Transaction) -> None:
    settings = await policies.settings_of(tx)
    settings[SETTING] = policies.part_of(settings, SETTING) | {"edition": EDITION}
    await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))


async def reindex(world: World, tenant: Tenant, types: Sequence[str], which: str = "true") -> int:
    """The number of records of `types` indexed anew: all, or those that meet `which`."""
    done = 0
    for kind in types:
        last = -(2**62)
        while True:
            count, last = await _batch(world, tenant, kind, which, last)
            done += count
            if count < BATCH:
                break
    return done


async def _batch(world: World, tenant: Tenant, kind: str, which: str, after: int) -> tuple[int, int]:
    async with world.transaction(tenant, wide=True) as tx:
        rows = await tx.rows(
            "SELECT rid, id, updated_at, body, version FROM resource WHERE tenant_id = $1 AND type = $2 AND rid > $3 "
            f"AND NOT deleted AND {which} ORDER BY rid LIMIT $4 FOR UPDATE",
            kind,
            after,
            BATCH,
        )
        saved = [_saved(kind, row) for row in rows]
        if saved:
            together = bulk.Together()
            rids = {(kind, row["id"]): row["rid"] for row in rows}
            await index.replace(tx, saved, rids, tenant.zone, together)
            await together.run(tx)
            await words.again(tx, kind, list(rids.values()))
    return len(rows), rows[-1]["rid"] if rows else after


def _saved(kind: str, row: Any) -> Saved:
    """The record as the write path hands it to the index; never a first version, so that old entries go."""
    return Saved(
        type=kind,
        id=row["id"],
        version=max(row["version"], 2),
        updated_at=row["updated_at"],
        text=row["body"],
        body=jsontext.stored(row["body"]),
        created=False,
        changed=True,
    )
