"""Indexing records anew: after a change of a tenant's own search parameters, or of what the index holds.

Records are taken in order of their numbers, in small transactions, so writers wait little and the work can be done
while the hub runs. Doing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir import jsontext
from fhir.definitions.table import resource_types
from hub.exchange import handlers
from hub.records import custom, index, words
from hub.records.write import Saved
from hub.store import bulk
from hub.world import Tenant, World

BATCH = 200
NAME = "fhir.reindex"


@handlers.job(NAME)
async def job(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Index the records of `types` anew, or all."""
    types = [name for name in arguments.get("types", ()) if name in resource_types()] or list(resource_types())
    custom.forget(tenant.id)
    return f"{await reindex(world, tenant, types)} records indexed"


async def reindex(world: World, tenant: Tenant, types: Sequence[str]) -> int:
    """The number of records of `types` indexed anew."""
    done = 0
    for kind in types:
        last = -(2**62)
        while True:
            count, last = await _batch(world, tenant, kind, last)
            done += count
            if count < BATCH:
                break
    return done


async def _batch(world: World, tenant: Tenant, kind: str, after: int) -> tuple[int, int]:
    async with world.transaction(tenant, wide=True) as tx:
        rows = await tx.rows(
            "SELECT rid, id, updated_at, body, version FROM resource WHERE tenant_id = $1 AND type = $2 AND rid > $3 "
            "AND NOT deleted ORDER BY rid LIMIT $4 FOR UPDATE",
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
    body = jsontext.parse(row["body"].encode())
    return Saved(
        type=kind,
        id=row["id"],
        version=max(row["version"], 2),
        updated_at=row["updated_at"],
        text=row["body"],
        body=body if isinstance(body, dict) else None,
        created=False,
        changed=True,
    )
