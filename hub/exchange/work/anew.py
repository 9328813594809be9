"""Received messages worked once more: their kept bytes go through their lane again, as the channel says today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from canonical.errors import Conflict
from hub.exchange.work import lanes
from hub.guard import audit
from hub.store.database import Row, Transaction

FINISHED = ("ERROR", "TRANSFORMED", "FILTERED")
_QUEUE = (
    "UPDATE message SET status = 'RECEIVED', finished_at = NULL, attempt = 0, channel_version = coalesce("
    "(SELECT c.version FROM channel c WHERE c.tenant_id = $1 AND c.id = message.channel_id), channel_version) "
    "WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND status = ANY($3::text[]) RETURNING id"
)


async def queue(tx: Transaction, actor: str, rows: Sequence[Row]) -> None:
    """Queue the finished messages of these rows (`id`, `lane_id`) in their lanes, each audited as a replay by `actor`.

    Raises Conflict where one of them is queued by somebody else at this moment: then none is.
    """
    if not rows:
        return
    counts = Counter(row["lane_id"] for row in rows)
    await lanes.touch(tx, "inbound", [(lane, "hl7", count) for lane, count in counts.items()])
    queued = await tx.rows(_QUEUE, [row["id"] for row in rows], list(FINISHED))
    if len(queued) != len(rows):
        raise Conflict("the same messages are being replayed at this moment; nothing more was changed")
    await audit.note_all(tx, [(actor, "replay", f"Message/{row['id']}", "success") for row in rows])
