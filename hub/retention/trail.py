"""Removes old events of the audit trail, whole seals at a time from its beginning; the seals stay and the chain holds.

The application may never delete an event, so this is done as the tables' owner, by a command. What was removed
stands in `audit_removal`, which the application cannot write either: a chain cut by anybody else still does not add up.
"""

from __future__ import annotations

import datetime
from uuid import UUID

from canonical.errors import Refused
from hub.guard import audit
from hub.retention import holds, rules
from hub.retention.messages import Removed
from hub.store.database import Transaction
from hub.store.owned import Owner
from hub.world import Tenant, World

AT_ONCE = 5000
_LAST = """
SELECT number, until_transaction, (SELECT coalesce(sum(events), 0)::bigint FROM audit_seal e WHERE e.tenant_id = $1
    AND e.number <= s.number AND e.number > $3) AS events
FROM audit_seal s WHERE s.tenant_id = $1 AND s.sealed_at < $2 AND s.number > $3 ORDER BY s.number DESC LIMIT 1
"""
_DELETE = """
WITH gone AS (DELETE FROM audit_event WHERE tenant_id = $1 AND seq IN (
    SELECT seq FROM audit_event WHERE tenant_id = $1 AND "transaction" < $2 ORDER BY seq LIMIT $3) RETURNING at)
SELECT count(*) AS count, min(at) AS first, max(at) AS last FROM gone
"""


async def removed(world: World, owner: Owner, tenant: Tenant, *, actor: str) -> Removed:
    """Remove the events of all seals older than the rule says; counts and range. Nothing while a hold stands.

    Raises Refused when the chain does not add up: what cannot be proved is not shortened.
    """
    days = rules.days_of(tenant, "audit")
    if days is None:
        return Removed()
    async with world.transaction(tenant, wide=True) as tx:
        if (broken := await audit.broken_seal(tx)) is not None:
            raise Refused(f"the audit trail does not add up from seal {broken} on", code="retention.broken")
    async with owner.transaction(tenant.id) as tx:
        if await holds.mark(tx):
            return Removed()
        until = await _marked(tx, world.now() - datetime.timedelta(days=days), actor)
    total = Removed()
    while until and (wave := await _wave(owner, tenant.id, until)).count:
        total.add(wave)
    return total


async def _marked(tx: Transaction, before: datetime.datetime, actor: str) -> int:
    """Say up to which seal events are removed, before the first of them is; the transaction number they end before."""
    known = await tx.row(
        "SELECT until_seal, until_transaction FROM audit_removal WHERE tenant_id = $1 ORDER BY until_seal DESC LIMIT 1"
    )
    last = await tx.row(_LAST, before, known["until_seal"] if known else 0)
    if last is None:
        return int(known["until_transaction"]) if known else 0
    await tx.run(
        "INSERT INTO audit_removal (tenant_id, until_seal, until_transaction, events, actor) "
        "VALUES ($1, $2, $3, $4, $5)",
        last["number"],
        last["until_transaction"],
        last["events"],
        actor,
    )
    await audit.note(
        tx, actor, "retention", "Retention/audit", detail={"seal": last["number"], "count": last["events"]}
    )
    return int(last["until_transaction"])


async def _wave(owner: Owner, tenant: UUID, until: int) -> Removed:
    async with owner.transaction(tenant) as tx:
        return Removed(**dict(await tx.row(_DELETE, until, AT_ONCE) or {}))
