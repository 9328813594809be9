"""Records that a room of the hub writes by itself (guides, answers and statements of billing): others only read them.

Such a record names its room in `meta.source`. Merges of patients still move its references: they are the hub's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.records.trail import trail
from hub.records.write import Clash, Write
from hub.store.database import Transaction

BILLING = "urn:ponte:billing"
TYPES = frozenset(
    (
        "Claim",
        "ClaimResponse",
        "ExplanationOfBenefit",
        "PaymentReconciliation",
        "CoverageEligibilityRequest",
        "CoverageEligibilityResponse",
        "Communication",
        "Task",
    )
)
_CODE = "failure.conflict.billing"
_MARKED = (
    "SELECT r.* FROM unnest($2::text[], $3::text[]) AS x(type, id) CROSS JOIN LATERAL (SELECT type, id FROM resource "
    "WHERE tenant_id = $1 AND type = x.type AND id = x.id AND NOT deleted AND strpos(body, $4) > 0 OFFSET 0) r"
)
_MARK = f'"source":"{BILLING}"'  # as the store writes it; within a string the quotes would be escaped


async def refuse(tx: Transaction, writes: Sequence[Write]) -> None:
    """Raise Clash for the first write of a client that would change a record of billing or an event of the trail, or
    make one that looks so."""
    for position, write in enumerate(writes):
        if trail.is_ours(write.type, write.id):
            raise _clash(position, "failure.conflict.trail")
    asked = [(position, write) for position, write in enumerate(writes) if write.type in TYPES]
    if not asked:
        return
    rows = await tx.rows(_MARKED, [write.type for _, write in asked], [write.id for _, write in asked], _MARK)
    owned = {(row["type"], row["id"]) for row in rows}
    for position, write in asked:
        meta = write.body.get("meta") if write.body is not None else None
        claimed = isinstance(meta, dict) and meta.get("source") == BILLING  # the structure is looked at later
        if claimed or (write.type, write.id) in owned:
            raise _clash(position, _CODE)


def _clash(position: int, code: str) -> Clash:
    clash = Clash("the record belongs to the hub", code=code)
    clash.position = position
    return clash
