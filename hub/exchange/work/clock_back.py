"""A clock that was set back: what waits for a moment that the old clock named waits no longer than it was meant to.

Leases, delays and fire times are moments. Set back by a day, the clock would leave lanes untouched and schedules silent
for that day, and no alarm would tell: nothing is late. Schedulers look when they start and whenever a clock, this
machine's or the database's, shows less than before.
"""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass

from canonical.errors import PonteError
from hub.exchange.work import cron, lanes
from hub.store.database import Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.scheduler")
SLACK = datetime.timedelta(seconds=1)
"""Less than this is no setting back: the clocks of several schedulers differ as much."""
AGAIN = datetime.timedelta(minutes=1)
"""After a setting back there is a second look: a transaction begun before it may have stored a moment since."""
LONGEST_LEASE = datetime.timedelta(minutes=15)
LONGEST_DELAY = datetime.timedelta(days=1)
"""What a look at the start lets stand, which does not know whether, and how far, the clock was set back."""
AT_ONCE = 5000
_LANES = """
UPDATE lane SET
  next_at = CASE WHEN lease_until IS NULL AND attempt = 0 THEN now() ELSE now() + $2 END,
  lease_until = CASE WHEN lease_until IS NULL THEN NULL ELSE now() + $2 END
WHERE tenant_id = $1 AND id = ANY (ARRAY(
  SELECT id FROM lane WHERE tenant_id = $1 AND next_at > now() AND CASE WHEN lease_until IS NOT NULL
  THEN next_at > now() + $3 ELSE attempt = 0 OR next_at > now() + $4 END ORDER BY id LIMIT $5 FOR UPDATE SKIP LOCKED))
"""


@dataclass(slots=True)
class Hands:
    """What the clocks of this machine and of the database showed last; one scheduler's."""

    ours: datetime.datetime | None = None
    theirs: datetime.datetime | None = None
    again: datetime.datetime | None = None

    def back(self, ours: datetime.datetime, theirs: datetime.datetime) -> datetime.timedelta | None:
        """By how much either clock was set back since it was last looked at; zero at the first look and at the
        second one after a setting back; None when there is nothing to do."""
        first = self.ours is None or self.theirs is None
        gone = max((self.ours or ours) - ours, (self.theirs or theirs) - theirs)
        self.ours, self.theirs = ours, theirs
        if gone > SLACK:
            self.again = ours + AGAIN
            return gone
        if self.again is not None and ours >= self.again:
            self.again = None
            return datetime.timedelta()
        return datetime.timedelta() if first else None


async def mend(world: World, tenant: Tenant, gone: datetime.timedelta) -> tuple[int, int]:
    """Bring a tenant's lanes and schedules to what the clock shows now; returns how many of each. Done twice, the
    second time changes nothing.

    `gone` is how far the clock was set back, zero when that is not known. A lane held by somebody who lives is held on:
    its lease is made as long as a new one, and its holder renews it.
    """
    many = 0
    while True:
        async with world.transaction(tenant) as tx:
            count = await _lanes(tx, gone)
        many += count
        if count < AT_ONCE:
            break
    async with world.transaction(tenant) as tx:
        planned = await _schedules(tx, world.now())
    if many or planned:
        log.warning("%s: a clock was set back; %s lanes and %s schedules go on by it", tenant.slug, many, planned)
    return many, planned


async def mend_all(world: World, tenants: list[Tenant], gone: datetime.timedelta) -> None:
    """The same for every tenant; one tenant's failure delays nobody else."""
    for tenant in tenants:
        try:
            await mend(world, tenant, gone)
        except PonteError as error:
            log.warning("clock of %s: %s", tenant.slug, error.code)


async def _lanes(tx: Transaction, gone: datetime.timedelta) -> int:
    """A delay that was longer than the setting back cannot be told from a later one: it is cut to a lease."""
    known = max(gone - 5 * SLACK, 2 * lanes.LEASE) if gone else None
    tag = await tx.run(_LANES, lanes.LEASE, known or LONGEST_LEASE, known or LONGEST_DELAY, AT_ONCE)
    count = int(tag.rpartition(" ")[2])
    tx.announced = tx.announced or count > 0
    return count


async def _schedules(tx: Transaction, now: datetime.datetime) -> int:
    """No schedule is ever due later than at its first moment after now. What had fired by the old clock does not
    fire again: each fire time has one job."""
    rows = await tx.rows(
        "SELECT id, cron, zone, next_fire_at FROM schedule WHERE tenant_id = $1 AND active AND next_fire_at > $2 "
        "ORDER BY id FOR UPDATE SKIP LOCKED",
        now,
    )
    count = 0
    for row in rows:
        first = cron.following(row["cron"], row["zone"], now)
        if first is not None and first < row["next_fire_at"]:
            await tx.run("UPDATE schedule SET next_fire_at = $3 WHERE tenant_id = $1 AND id = $2", row["id"], first)
            count += 1
    return count
