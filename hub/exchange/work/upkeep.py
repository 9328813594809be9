"""Upkeep: the jobs every tenant has whatever its business; `usual.csv` says when they run."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

from hub.exchange.handlers import job
from hub.guard import audit
from hub.retention import rules
from hub.world import Tenant, World

VERIFIED_SEALS = 20_000
"""How far back the nightly look at the audit chain goes (a seal a minute: two weeks); `db check` looks at all."""
REMOVED_AT_ONCE = 5000
_OVER = {
    "job": "finished_at < CASE status WHEN 'DONE' THEN $3::timestamptz ELSE $4::timestamptz END",
    "used_assertion": "expires_at < now() - interval '1 day'",
    "revoked_token": "expires_at < now() - interval '1 day'",
    "user_token": "ends_at < now() - interval '1 day'",
    "console_session": "ends_at < now() - interval '1 day'",
    "awaited": "since < now() - interval '90 days'",
    "sign_in_attempt": "greatest(last_at, until) < now() - interval '2 days'",
}


@job("seal-audit")
async def seal_audit(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Seal the audit events of finished transactions."""
    async with world.transaction(tenant) as tx:
        sealed = await audit.seal(tx)
    return json.dumps({"sealed": sealed})


@job("audit.verify")
async def verify_audit(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Compute the newest seals anew; `broken` is the first that does not fit, 0 when all do."""
    async with world.transaction(tenant, wide=True) as tx:
        broken = await audit.broken_seal(tx, newest=VERIFIED_SEALS)
    return json.dumps({"broken": broken or 0})


@job("upkeep.tidy")
async def tidy(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Remove jobs that ended before the days of their rule; tokens, assertions, sessions, attempts that are over."""
    terms = [rules.days_of(tenant, name) for name in ("jobs", "jobs-failed")]
    ended = [world.now() - datetime.timedelta(days=n) if n is not None else None for n in terms]
    removed = {}
    for table, expired in _OVER.items():
        removed[table] = 0
        while count := await _removed(world, tenant, table, expired, ended if table == "job" else []):
            removed[table] += count
    return json.dumps(removed)


async def _removed(world: World, tenant: Tenant, table: str, expired: str, moments: Sequence[Any]) -> int:
    """One small transaction, so that nobody waits for it."""
    statement = (
        f"WITH gone AS (DELETE FROM {table} WHERE tenant_id = $1 AND ctid = ANY (ARRAY("
        f"SELECT ctid FROM {table} WHERE tenant_id = $1 AND {expired} LIMIT $2)) RETURNING 1) SELECT count(*) FROM gone"
    )
    async with world.transaction(tenant) as tx:
        return int(await tx.value(statement, REMOVED_AT_ONCE, *moments))
