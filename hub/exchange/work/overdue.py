"""Parts of messages that wait in vain: after the channel's deadline they stand among the errors.

They stay open: a part that comes later completes them. The clock of a sender's parts starts again with each new one.
"""

from __future__ import annotations

import json
from typing import Any

from canonical.problem import Problem
from hub.exchange.channels import channels_of
from hub.exchange.handlers import job
from hub.store.database import Transaction
from hub.world import Tenant, World

JOB = "fragments.overdue"
_OVERDUE = """
SELECT f.message_id, f.follows IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM fragment b WHERE b.tenant_id = $1 AND b.leads = f.follows AND b.state = 'open') AS first
FROM fragment f JOIN message m ON m.tenant_id = $1 AND m.id = f.message_id
WHERE f.tenant_id = $1 AND f.channel_id = $2 AND f.state = 'open' AND m.status = 'PENDING'
AND f.sender_key = ANY (ARRAY(
  SELECT o.sender_key FROM fragment o JOIN message p ON p.tenant_id = $1 AND p.id = o.message_id
  WHERE o.tenant_id = $1 AND o.channel_id = $2 AND o.state = 'open'
  GROUP BY o.sender_key HAVING max(p.received_at) < now() - $3::text::interval))
ORDER BY f.message_id FOR UPDATE OF m SKIP LOCKED
"""


@job(JOB)
async def overdue(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Give up, for now, the parts whose others have not come in time; says how many."""
    count = 0
    for channel in await channels_of(world, tenant):
        async with world.transaction(tenant) as tx:
            count += await _channel(tx, channel.id, channel.document.fragments.wait_s)
    return json.dumps({"overdue": count})


async def _channel(tx: Transaction, channel: object, seconds: float) -> int:
    rows = await tx.rows(_OVERDUE, channel, f"{seconds} seconds")
    for missing, where in ((True, "MSH-14"), (False, "DSC-1")):
        problem = Problem("er7.fragment-missing", where, args=(("seconds", f"{seconds:g}"),))
        await tx.run(
            "UPDATE message SET status = 'ERROR', finished_at = now(), problems = $3 "
            "WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND status = 'PENDING'",
            [row["message_id"] for row in rows if row["first"] is missing],
            json.dumps([problem.as_json()], ensure_ascii=False),
        )
    return len(rows)
