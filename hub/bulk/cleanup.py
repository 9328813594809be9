"""Clean-up of bulk jobs: what was cancelled or has expired is removed, and jobs that nobody runs are queued again."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from hub.bulk import desk
from hub.exchange import handlers
from hub.store.database import Transaction
from hub.world import Tenant, World

_PIECES, _MEMBERS = 200, 50_000


@handlers.job(desk.CLEANUP)
async def job(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Remove what is over; doing it twice changes nothing."""
    async with world.transaction(tenant) as tx:
        over = await tx.rows(
            "SELECT id FROM bulk_job WHERE tenant_id = $1 AND expires_at <= $2 ORDER BY expires_at LIMIT 1000",
            world.now(),
        )
        again = await _resumed(tx)
    for row in over:
        await _remove(world, tenant, row["id"])
    return json.dumps({"removed": len(over), "resumed": again})


async def _resumed(tx: Transaction) -> int:
    """Queue the jobs that are under way but wait in no lane (their queue gave up while the store was away)."""
    rows = await tx.rows("SELECT id, kind FROM bulk_job WHERE tenant_id = $1 AND status IN ('QUEUED', 'RUNNING')")
    waiting = {
        (row["name"], row["arguments"])
        for row in await tx.rows(
            "SELECT name, arguments FROM job WHERE tenant_id = $1 AND status = 'QUEUED' AND name IN ($2, $3)",
            desk.EXPORT,
            desk.IMPORT,
        )
    }
    lost = [row for row in rows if (row["kind"], json.dumps({"id": str(row["id"])})) not in waiting]
    for row in lost:
        await desk.start(tx, row["kind"], row["id"])
    return len(lost)


async def _remove(world: World, tenant: Tenant, identity: UUID) -> None:
    """Remove a job with all it wrote, in small transactions."""
    async with world.transaction(tenant) as tx:  # shuts a worker out that still runs it
        await tx.run(
            "UPDATE bulk_job SET step = step + 1, status = 'CANCELLED' WHERE tenant_id = $1 AND id = $2", identity
        )
    for table, key, most in (("bulk_piece", "number, position", _PIECES), ("bulk_member", "type, rid", _MEMBERS)):
        while True:
            async with world.transaction(tenant) as tx:
                tag = await tx.run(
                    f"DELETE FROM {table} WHERE tenant_id = $1 AND job_id = $2 AND ({key}) IN "
                    f"(SELECT {key} FROM {table} WHERE tenant_id = $1 AND job_id = $2 LIMIT {most})",
                    identity,
                )
            if int(tag.rpartition(" ")[2]) < most:
                break
    async with world.transaction(tenant) as tx:
        for table in ("bulk_file", "bulk_piece", "bulk_member"):
            await tx.run(f"DELETE FROM {table} WHERE tenant_id = $1 AND job_id = $2", identity)
        await tx.run("DELETE FROM bulk_job WHERE tenant_id = $1 AND id = $2", identity)
