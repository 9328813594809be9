"""Heartbeats (R5 Subscriptions Backport for R4): a subscription that asked for them hears that it is still served.

Subscriptions are looked at once a minute, so a shorter period is raised to a minute when the record is stored. While
something waits to be delivered there is none: a heartbeat behind undelivered events would tell nothing. The same look
turns off those whose `end` has come.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from hub.exchange.handlers import job
from hub.exchange.out import outbox
from hub.exchange.partners import Partner, partners_of
from hub.store.database import Transaction
from hub.subscriptions import events, standing
from hub.world import Tenant, World

NAME = "subscriptions.heartbeats"
_SLACK = datetime.timedelta(seconds=5)  # a look that comes a little early counts


@job(NAME)
async def heartbeats(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Queue a heartbeat for each subscription that was told nothing for its period, and turn off those that ended."""
    now, sent = world.now(), 0
    async with world.transaction(tenant) as tx:
        for partner in await partners_of(tx, "webhook"):
            if standing.has_ended(partner.settings, now):
                await standing.ended(world, tenant, tx, partner)
                continue
            period = _period(partner)
            if period is not None and await _is_quiet(tx, partner, now - period + _SLACK, now):
                await events.heartbeat(tx, partner, now)
                sent += 1
    return json.dumps({"sent": sent})


def _period(partner: Partner) -> datetime.timedelta | None:
    """How long a subscriber may hear nothing; None for one that asked for no heartbeats, or is not served."""
    asked = partner.settings.get("subscription") or {}
    if not asked.get("heartbeat") or asked.get("awaits"):
        return None
    return datetime.timedelta(seconds=int(asked["heartbeat"]))


async def _is_quiet(tx: Transaction, partner: Partner, since: datetime.datetime, now: datetime.datetime) -> bool:
    """Whether a subscriber was told nothing since a moment, and nothing waits for it.

    What is told later than now was told before the clock was set back: it says nothing of the time since.
    """
    found = await tx.value(
        "SELECT NOT EXISTS (SELECT 1 FROM subscription s WHERE s.tenant_id = $1 AND s.id = $2 AND s.told_at > $3 "
        "AND s.told_at <= $5) "
        "AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.tenant_id = $1 AND d.lane_id = $4 AND d.status = 'QUEUED')",
        partner.code,
        since,
        outbox.lane_of(partner),
        now + _SLACK,
    )
    return bool(found)
