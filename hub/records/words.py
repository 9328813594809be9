"""The index of words is made after the write: a record stored is due, and a job indexes what is due.

Taking texts apart costs more than all other entries of a record together, so no write waits for it. Records of a type
are found by the index from the moment all of them are indexed or due (`word_state`); what is due is read by searches.
A due row names the version, so that a record written again meanwhile stays due.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from fhir.definitions.table import resource_types
from hub.exchange import handlers
from hub.find.conditions.scans import said
from hub.find.conditions.words import CODE, LONGEST, NO_WORD, SHORTEST
from hub.records.index import key_of
from hub.records.saved import Saved
from hub.store import bulk
from hub.store.database import Transaction
from hub.store.schema.records import idx_word, word_due
from hub.world import Tenant, World

NAME = "fhir.words"
BATCH = 200
SECONDS = 30.0  # of each minute at most: what is due later waits for the next run
_DUE = ("key", "rid", "version")


def due(together: bulk.Together, changed: Sequence[Saved], rids: dict[tuple[str, str], int]) -> None:
    """Adds `changed` to what is due; deleted ones too, whose words must go."""
    rows = [(str(key_of(s.type, CODE)), str(rids[(s.type, s.id)]), str(s.version)) for s in changed]
    together.insert(word_due, _DUE, rows, spelled=_DUE)


async def again(tx: Transaction, kind: str, rids: Sequence[int]) -> None:
    """Makes stored records of a type due."""
    await tx.run(
        "INSERT INTO word_due (tenant_id, key, rid, version) SELECT $1, $2, r.rid, r.version FROM resource r "
        "WHERE r.tenant_id = $1 AND r.rid = ANY($3::bigint[]) ON CONFLICT DO NOTHING",
        key_of(kind, CODE),
        list(rids),
    )


@handlers.job(NAME)
async def job(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Indexes what is due, for a while."""
    return json.dumps({"indexed": await indexed(world, tenant, SECONDS)})


async def indexed(world: World, tenant: Tenant, seconds: float | None = None) -> int:
    """The number of records whose words were indexed, until nothing is due or `seconds` are over."""
    await _begin(world, tenant)
    done, end = 0, time.monotonic() + seconds if seconds is not None else None
    while count := await _batch(world, tenant):
        done += count
        if end is not None and time.monotonic() > end:
            break
    return done


async def _begin(world: World, tenant: Tenant) -> None:
    """Makes the records of types that the index does not hold due, all of a type at once."""
    keys = {key_of(kind, CODE): kind for kind in resource_types()}
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT k.key FROM unnest($2::bigint[], $3::text[]) AS k(key, type) WHERE EXISTS "
            "(SELECT 1 FROM resource r WHERE r.tenant_id = $1 AND r.type = k.type) AND NOT EXISTS "
            "(SELECT 1 FROM word_state s WHERE s.tenant_id = $1 AND s.key = k.key)",
            list(keys),
            list(keys.values()),
        )
    for row in rows:
        async with world.transaction(tenant, wide=True) as tx:
            await tx.run(
                "INSERT INTO word_due (tenant_id, key, rid, version) SELECT $1, $2, r.rid, r.version FROM resource r "
                "WHERE r.tenant_id = $1 AND r.type = $3 AND NOT r.deleted ON CONFLICT DO NOTHING",
                row["key"],
                keys[row["key"]],
            )
            await tx.run(
                "INSERT INTO word_state (tenant_id, key) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                row["key"],
            )


_READ = f"""
SELECT d.key, d.rid, t.version, CASE WHEN t.deleted THEN NULL ELSE ARRAY(
    SELECT l.word FROM unnest(tsvector_to_array({said()})) AS l(word)
    WHERE char_length(l.word) BETWEEN {SHORTEST} AND {LONGEST} AND l.word !~ '{NO_WORD}') END AS words
FROM (SELECT DISTINCT e.key, e.rid FROM (
    SELECT key, rid FROM word_due WHERE tenant_id = $1 ORDER BY key, rid LIMIT {BATCH}) e) d
JOIN resource t ON t.tenant_id = $1 AND t.rid = d.rid
"""


async def _batch(world: World, tenant: Tenant) -> int:
    """The number of records of one transaction; one at a time for a tenant."""
    async with world.transaction(tenant, wide=True) as tx:
        if not await tx.value("SELECT pg_try_advisory_xact_lock(hashtextextended('words ' || ($1::uuid)::text, 0))"):
            return 0
        rows = await tx.rows(_READ)
        if not rows:
            return 0
        rids = [row["rid"] for row in rows]
        await tx.run("DELETE FROM idx_word WHERE tenant_id = $1 AND rid = ANY($2::bigint[])", rids)
        found = [(row["key"], word, row["rid"]) for row in rows for word in row["words"] or ()]
        await bulk.insert(tx, idx_word, ("key", "word", "rid"), sorted(found))
        await tx.run(
            "DELETE FROM word_due d USING unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS x(key, rid, version) "
            "WHERE d.tenant_id = $1 AND d.key = x.key AND d.rid = x.rid AND d.version <= x.version",
            [row["key"] for row in rows],
            rids,
            [row["version"] for row in rows],
        )
    return len(rows)
