"""The look of every minute: what stands is kept, and whoever is to know hears what began, worsened or ended.

An alarm that is seen no more ends after QUIET: what comes and goes is one alarm, not a storm of them.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from hub.exchange.handlers import job
from hub.store.database import Transaction
from hub.watch import readings, tell
from hub.watch.alarms import Known, Standing, is_due, of_row, recorded, standing
from hub.watch.tell import News
from hub.world import Tenant, World

QUIET = datetime.timedelta(seconds=150)
REMEMBERED = datetime.timedelta(days=90)
_KEEP = """
INSERT INTO alarm AS a (tenant_id, rule, place, level, severity, value, since, seen_at, told_level, acknowledged_by)
SELECT $1, x.rule, x.place, x.level, x.severity, x.value, x.since, $2, x.told, ''
FROM unnest($3::text[], $4::text[], $5::int[], $6::text[], $7::bigint[], $8::timestamptz[], $9::int[])
  AS x(rule, place, level, severity, value, since, told)
ON CONFLICT (tenant_id, rule, place) DO UPDATE SET
  level = excluded.level, severity = excluded.severity, value = excluded.value, since = excluded.since,
  seen_at = excluded.seen_at, told_level = excluded.told_level, cleared_at = NULL,
  acknowledged_at = CASE WHEN a.cleared_at IS NULL AND excluded.level <= a.level THEN a.acknowledged_at END,
  acknowledged_by = CASE WHEN a.cleared_at IS NULL AND excluded.level <= a.level THEN a.acknowledged_by ELSE '' END
"""
_END = (
    "UPDATE alarm SET cleared_at = $2 WHERE tenant_id = $1 AND cleared_at IS NULL AND (seen_at <= $3 OR seen_at >= $4)"
)
_FORGET = "DELETE FROM alarm WHERE tenant_id = $1 AND cleared_at < $2"


@job("watch.judge")
async def look(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """The job of the schedule `watch`."""
    changes = await judge(world, tenant)
    return json.dumps({"begun": len(changes.begun), "worse": len(changes.worse), "ended": len(changes.ended)})


async def judge(world: World, tenant: Tenant) -> News:
    """Look once: keep what stands, queue what is to be told, and return what changed."""
    now = world.now()
    taken = await readings.of_tenant(world, tenant)
    async with world.transaction(tenant) as tx:
        known = await recorded(tx, lock=True)
        stands = standing(tenant, taken, known, now)
        changes = _compared(stands, known, now)
        await _keep(tx, stands, known, now)
        if changes.any:
            await tell.enqueue(tx, tenant, changes, now)
    return changes


def _compared(stands: Standing, known: Known, now: datetime.datetime) -> News:
    due = [alarm for alarm, rule in stands if is_due(alarm, rule, now)]
    told = {key: int(row["told_level"]) for key, row in known.items()}
    here = {(alarm.rule, alarm.place) for alarm, _ in stands}
    # Seen long after now: the clock was set back since, and nobody knows how long it has not been seen.
    gone = [row for key, row in known.items() if key not in here and abs(now - row["seen_at"]) >= QUIET]
    return News(
        begun=tuple(alarm for alarm in due if not told.get((alarm.rule, alarm.place))),
        worse=tuple(alarm for alarm in due if 0 < told.get((alarm.rule, alarm.place), 0) < alarm.level),
        ended=tuple(of_row(row) for row in gone if row["told_level"]),
    )


async def _keep(tx: Transaction, stands: Standing, known: Known, now: datetime.datetime) -> None:
    told = [
        max(
            alarm.level if is_due(alarm, rule, now) else 0,
            known[key]["told_level"] if (key := (alarm.rule, alarm.place)) in known else 0,
        )
        for alarm, rule in stands
    ]
    alarms = [alarm for alarm, _ in stands]
    await tx.run(
        _KEEP,
        now,
        [alarm.rule for alarm in alarms],
        [alarm.place for alarm in alarms],
        [alarm.level for alarm in alarms],
        [alarm.severity for alarm in alarms],
        [alarm.value for alarm in alarms],
        [alarm.since for alarm in alarms],
        told,
    )
    await tx.run(_END, now, now - QUIET, now + QUIET)
    await tx.run(_FORGET, now - REMEMBERED)
