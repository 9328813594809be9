"""What is measured of a tenant: one number for each rule and place.

Counts and ages only; places are names an operator gave.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable
from dataclasses import dataclass

from canonical.errors import Misconfigured
from canonical.identity import first_id
from hub.billing import profiles
from hub.exchange import guests
from hub.exchange.partners import partners_of
from hub.exchange.work import usual
from hub.store.database import Transaction
from hub.watch import machine
from hub.watch.rules import rule_of
from hub.world import Tenant, World
from schemas_xsd.catalogue import schema_sets

MOST_COUNTED = 50_000
NIGHTLY = "audit-verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measure: the rule it is held against, where it was taken (a channel, a partner, a job …), and its value."""

    rule: str
    place: str
    value: int


# Each gives place and value; those about what waits look at MOST_COUNTED rows at most, by the index of what waits.
_STATEMENTS = {
    "inbound.age": """
SELECT coalesce(c.name, '') AS place, extract(epoch FROM now() - min(m.received_at))::bigint AS value
FROM (SELECT channel_id, received_at FROM message WHERE tenant_id = $1 AND status = 'RECEIVED' LIMIT $2) m
LEFT JOIN channel c ON c.tenant_id = $1 AND c.id = m.channel_id GROUP BY 1
""",
    "outbound.depth": """
SELECT p.kind || '/' || p.code AS place, count(*) AS value
FROM (SELECT partner_id FROM delivery WHERE tenant_id = $1 AND status = 'QUEUED' LIMIT $2) d
JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id GROUP BY 1
""",
    "outbound.age": """
SELECT p.kind || '/' || p.code AS place, extract(epoch FROM now() - min(d.created_at))::bigint AS value
FROM (SELECT partner_id, created_at FROM delivery WHERE tenant_id = $1 AND status = 'QUEUED' LIMIT $2) d
JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id GROUP BY 1
""",
    "outbound.dead": """
SELECT p.kind || '/' || p.code AS place, count(*) AS value
FROM (SELECT partner_id FROM delivery WHERE tenant_id = $1 AND status = 'DEAD' LIMIT $2) d
JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id GROUP BY 1
""",
    "outbound.refused": """
SELECT p.kind || '/' || p.code AS place, count(*) AS value
FROM (SELECT partner_id, message_id FROM delivery WHERE tenant_id = $1 AND status = 'ERROR'
      AND created_at > now() - interval '8 days' AND finished_at > now() - interval '1 day' LIMIT $2) d
JOIN message m ON m.tenant_id = $1 AND m.id = d.message_id AND m.format = 'hl7'
JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id GROUP BY 1
""",
    "outbound.attempts": """
SELECT name AS place, max(attempt)::bigint AS value
FROM (SELECT name, attempt FROM lane WHERE tenant_id = $1 AND ready AND kind = 'outbound' AND attempt > 0 LIMIT $2) l
GROUP BY 1
""",
    "lane.paused": """
SELECT name AS place, count(*) AS value
FROM (SELECT name FROM lane WHERE tenant_id = $1 AND paused LIMIT $2) l GROUP BY 1
""",
    "job.age": """
SELECT name AS place, extract(epoch FROM now() - min(created_at))::bigint AS value
FROM (SELECT name, created_at FROM job WHERE tenant_id = $1 AND status = 'QUEUED' LIMIT $2) j GROUP BY 1
""",
    "job.dead": """
SELECT name AS place, count(*) AS value
FROM (SELECT name FROM job WHERE tenant_id = $1 AND status = 'DEAD' AND created_at > now() - interval '1 day'
      LIMIT $2) j GROUP BY 1
""",
    "channel.errors": """
SELECT coalesce(c.name, '') AS place, count(*) AS value
FROM (SELECT channel_id FROM message WHERE tenant_id = $1 AND status = 'ERROR' AND direction = 'in'
      AND received_at > now() - interval '1 hour' LIMIT $2) m
LEFT JOIN channel c ON c.tenant_id = $1 AND c.id = m.channel_id GROUP BY 1
""",
    "channel.conflict": """
SELECT coalesce(c.name, '') AS place, count(*) AS value
FROM (SELECT channel_id FROM message WHERE tenant_id = $1 AND conflict
      AND received_at > now() - interval '1 day' LIMIT $2) m
LEFT JOIN channel c ON c.tenant_id = $1 AND c.id = m.channel_id GROUP BY 1
""",
    "schedule.late": """
SELECT name AS place, extract(epoch FROM now() - next_fire_at)::bigint AS value
FROM schedule WHERE tenant_id = $1 AND active AND next_fire_at < now() ORDER BY next_fire_at LIMIT $2
""",
    "certificate.days": """
SELECT name AS place, floor(extract(epoch FROM expires_at - now()) / 86400)::bigint AS value
FROM credential WHERE tenant_id = $1 AND expires_at IS NOT NULL ORDER BY expires_at LIMIT $2
""",
}
_VERIFIED = (
    "SELECT outcome FROM job WHERE tenant_id = $1 AND schedule_id = $2 AND status = 'DONE' "
    "ORDER BY fire_time DESC LIMIT 1"
)
_CLOCK = "SELECT extract(epoch FROM clock_timestamp() - $2) WHERE $1::uuid IS NOT NULL"
_LAST = (
    "SELECT received_at FROM message WHERE tenant_id = $1 AND id > $2 AND direction = 'in' AND channel_id = $3 "
    "ORDER BY id DESC LIMIT 1"
)


async def of_tenant(world: World, tenant: Tenant) -> list[Reading]:
    """All measures of a tenant now, those of this machine and its clock included; raises TryLater."""
    async with world.transaction(tenant) as tx:
        found = [
            Reading(rule=rule, place=row["place"], value=int(row["value"]))
            for rule, statement in _STATEMENTS.items()
            for row in await tx.rows(statement, MOST_COUNTED)
        ]
        found += await _silent(tx, tenant, world.now())
        found += await _broken(tx, tenant)
        found += await _versions(tx, world.now().date())
        ahead = abs(await tx.value(_CLOCK, world.now()))
    found += [Reading(rule=rule, place=name, value=n) for rule, name, n in await guests.troubles(world, tenant)]
    found.append(Reading(rule="clock.skew", place="", value=int(ahead)))
    return found + of_machine(world)


def of_machine(world: World) -> list[Reading]:
    """What is measured of the machine the caller runs on, whoever its tenants are."""
    now = world.now().timestamp()
    disks = [Reading(rule="disk.free", place=name, value=free) for name, free in machine.disks(world.settings)]
    hours = machine.hours_since_backup(world.settings, now)
    return disks if hours is None else [*disks, Reading(rule="backup.age", place="", value=hours)]


async def _silent(tx: Transaction, tenant: Tenant, now: datetime.datetime) -> Iterable[Reading]:
    """How long each channel with a limit has been silent; looked at back to its last limit only."""
    found = []
    for row in await tx.rows("SELECT id, name FROM channel WHERE tenant_id = $1 AND active ORDER BY name LIMIT 500"):
        rule = rule_of(tenant, "channel.silent", row["name"], now)
        if steps := (*rule.warning, *rule.critical):
            since = now - datetime.timedelta(seconds=steps[-1])
            last = await tx.value(_LAST, first_id(since), row["id"])
            seconds = int((now - last).total_seconds()) if last is not None else steps[-1]
            heard_s = rule.opened_s(tenant.zone, now) or 0  # silence before its hours is nobody's loss
            found.append(Reading(rule="channel.silent", place=row["name"], value=max(0, min(seconds, heard_s))))
    return found


async def _broken(tx: Transaction, tenant: Tenant) -> Iterable[Reading]:
    """What the last nightly look at the audit chain found."""
    outcome = await tx.value(_VERIFIED, usual.schedule_id(tenant, NIGHTLY))
    broken = json.loads(outcome).get("broken") if outcome else None
    return [Reading(rule="audit.broken", place="", value=int(broken))] if broken is not None else []


async def _versions(tx: Transaction, today: datetime.date) -> Iterable[Reading]:
    """Days until the TISS version of each payer ends, where the payer or the catalogue says so."""
    ends = {version: known.accepted_until for version, known in schema_sets().items()}
    found = []
    for partner in await partners_of(tx, "payer"):
        try:
            payer = profiles.profile_of(partner)
        except Misconfigured:  # whoever bills says so; every minute here would only fill the log
            continue
        until = payer.contract.until.get(payer.version) or ends.get(payer.version, "")
        if until:
            days = (datetime.date.fromisoformat(str(until)) - today).days
            found.append(Reading(rule="tiss.version", place=f"payer/{payer.ans} {payer.version}", value=max(0, days)))
    return found
