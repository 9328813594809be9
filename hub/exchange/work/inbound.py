"""Works received HL7 messages: lanes in parallel, each lane in order, one commit for a wave of messages."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from canonical.errors import Conflict, PonteError, TryAgain, TryLater
from canonical.problem import Problem, blocking
from hub.channels.document import Poison
from hub.exchange.channels import channels_at
from hub.exchange.out import forward
from hub.exchange.work import awaited, lanes, poison, reading
from hub.exchange.work.item import Channels, Work, arrived
from hub.exchange.work.lanes import Lease, LeaseLost, Shift
from hub.exchange.work.pace import LEAST, SHARES, Pace, longest
from hub.records import merges
from hub.records.drafts.following.snapshot import Stated, withdrawn
from hub.records.drafts.settle import settle
from hub.records.saved import Origin
from hub.records.write import Invalid, save
from hub.store.database import Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.inbound")
PER_LANE = 20
GROUP_ATTEMPTS = 3
LARGE = 256 * 1024
"""Bytes of a message that is mapped aside."""
MOST_BYTES = 64 * 1024 * 1024
"""How much of waiting messages a worker takes into memory at once."""
_WAITING = """
SELECT * FROM (
 SELECT m.id, m.lane_id, m.seq, m.channel_id, m.channel_version, m.content, m.problems, m.type, m.attempt,
  sum(octet_length(m.content)) OVER (ORDER BY m.seq) AS bytes, row_number() OVER (ORDER BY m.seq) AS place
 FROM unnest($2::bigint[]) AS x(lane) CROSS JOIN LATERAL (SELECT * FROM message
  WHERE tenant_id = $1 AND lane_id = x.lane AND status = 'RECEIVED' ORDER BY seq LIMIT $3) m) w
WHERE w.bytes <= $4 OR w.place = 1 ORDER BY w.seq
"""


async def work(world: World, tenant: Tenant, pace: Pace | None = None, shift: Shift | None = None) -> int:
    """Process what waits in as many lanes of a tenant as `pace` takes, until `shift` is over; returns the number of
    messages finished."""
    pace = pace or Pace()
    async with world.transaction(tenant, wide=True) as tx:
        leases = await lanes.lease_part(tx, "inbound", pace.lanes(tenant.id), SHARES, LEAST)
        waiting = await _waiting(tx, leases) if leases else {}
        for empty in [held for held in leases if held.lane_id not in waiting]:  # a wrong count is not asked for ever
            await lanes.recount(tx, empty, "message")
        over = list(waiting)[pace.fit([len(queue[0].row["content"]) for queue in waiting.values()]) :]
        if over:
            await lanes.release(tx, [waiting.pop(lane)[0].lease for lane in over])
            leases = [held for held in leases if held.lane_id not in over]
    if not leases:
        return 0
    channels = await channels_at(world, tenant, {item.under for queue in waiting.values() for item in queue})
    finished, until = 0, asyncio.get_running_loop().time() + lanes.LEASE.total_seconds()
    settled: set[int] = set()  # lanes that stopped or were given back
    heads = [waiting.pop(held.lane_id)[0] for held in leases if held.abandoned and held.lane_id in waiting]
    try:
        for position in range(PER_LANE):
            wave = [q[position] for lane, q in waiting.items() if len(q) > position and lane not in settled]
            if not wave or (shift and shift.over):
                break
            until = await _held(world, tenant, [each for each in leases if each.lane_id not in settled], wave, until)
            finished += await _wave(world, tenant, channels, wave)
            pace.begun(tenant.id)
            settled.update(item.lease.lane_id for item in wave if item.stopped or item.released)
        if heads:
            sound = [held for held in leases if not held.abandoned]
            await _give_back(world, tenant, sound, settled)
            settled.update(held.lane_id for held in sound)
            finished += await _one_by_one(world, tenant, channels, heads, settled, shift)
    except LeaseLost:
        await _give_back(world, tenant, leases, settled)
        return finished
    except (Exception, asyncio.CancelledError):  # whatever it was, the lanes need not wait until the lease runs out
        with contextlib.suppress(PonteError):
            await _give_back(world, tenant, leases, settled)
        raise
    await _give_back(world, tenant, leases, settled)
    return finished


async def _one_by_one(
    world: World, tenant: Tenant, channels: Channels, heads: Sequence[Work], settled: set[int], shift: Shift | None
) -> int:
    """The first messages of lanes that were not given back, each by itself, those least often begun first."""
    for finished, item in enumerate(sorted(heads, key=lambda each: each.row["attempt"])):
        if shift and shift.over:
            return finished
        if item.row["attempt"] >= poison.MOST_BEGUN:
            log.error("message %s: given up, its worker ended over it %d times", item.id, item.row["attempt"])
            item.channel, item.problems = channels.get(item.under), [Problem(lanes.ABANDONED, "MSH")]
            await _give_up(world, tenant, item)
        else:
            length = max(lanes.LEASE, datetime.timedelta(seconds=2 * longest([item.row["content"]])))
            async with world.transaction(tenant) as tx:
                await poison.begun(tx, item.id)
                await lanes.hold(tx, [item.lease], length)
            await _wave(world, tenant, channels, [item])
        if item.stopped or item.released:
            settled.add(item.lease.lane_id)
    return len(heads)


async def _held(world: World, tenant: Tenant, leases: Sequence[Lease], wave: Sequence[Work], until: float) -> float:
    """Renew the leases, which last until `until` by the loop's clock, where this wave may outlast them; their new end.

    Were a lease to run out over a message, another worker would begin it anew, and both would lose it for ever.
    """
    needed = longest([item.row["content"] for item in wave])
    now = asyncio.get_running_loop().time()
    if until - now >= needed:
        return until
    length = max(lanes.LEASE, datetime.timedelta(seconds=2 * needed))
    async with world.transaction(tenant) as tx:
        await lanes.hold(tx, leases, length)
    return now + length.total_seconds()


async def _give_back(world: World, tenant: Tenant, leases: Sequence[Lease], settled: Collection[int]) -> None:
    """Let others, or the next wave, have the lanes that are still held; a lane that was lost stays where it is."""
    if held := [held for held in leases if held.lane_id not in settled]:
        async with world.transaction(tenant) as tx:
            await lanes.release(tx, held)


async def _waiting(tx: Transaction, leases: Sequence[Lease]) -> dict[int, list[Work]]:
    """The messages of each lane, as many as MOST_BYTES hold; one at least, so that the largest has its turn."""
    rows = await tx.rows(_WAITING, [held.lane_id for held in leases], PER_LANE, MOST_BYTES)
    by_lane = {held.lane_id: held for held in leases}
    waiting: dict[int, list[Work]] = defaultdict(list)
    for row in rows:
        waiting[row["lane_id"]].append(Work(by_lane[row["lane_id"]], row))
    for queue in waiting.values():
        queue[-1].last = True
    return waiting


async def _wave(world: World, tenant: Tenant, channels: Channels, wave: list[Work]) -> int:
    """One message of each lane together; when the group fails each is tried alone."""
    sound = []
    for number, item in enumerate(wave):
        await asyncio.sleep(0)  # the worker's other wave may have its answer
        try:
            item.prefix = f"{number}:"
            if len(item.row["content"]) > LARGE:  # the worker's deliveries and jobs go on meanwhile
                await asyncio.to_thread(_translate, item, channels)
            else:
                _translate(item, channels)
            sound.append(item)
        except Exception as error:  # a defect of a mapping: this message is set aside, the others go on
            _set_aside(item, error)
            await _give_up(world, tenant, item)
    together = [item for item in sound if not item.merges]
    if together and not await _group(world, tenant, together):
        for item in together:
            await _alone(world, tenant, item)
    for item in sound:
        if item.merges:
            await _alone(world, tenant, item)
    return len(wave)


async def _group(world: World, tenant: Tenant, together: list[Work]) -> bool:
    """Commit messages together; False when they must be tried one by one. A race with another worker is run again."""
    for _ in range(GROUP_ATTEMPTS):
        try:
            await _commit(world, tenant, together)
            return True
        except (Conflict, TryAgain):
            continue
        except (LeaseLost, TryLater):
            raise
        except Exception:
            return False
    return False


def _set_aside(item: Work, error: Exception) -> None:
    """Give a message up with a finding; the log names the defect's place, never the data."""
    log.error("message %s: %s at %s", item.id, type(error).__name__, lanes.place_of(error))
    item.translation = None
    item.problems = [*item.problems, reading.defect(error)]


async def _give_up(world: World, tenant: Tenant, item: Work) -> None:
    """Try a message with a defect again later, or leave it among the errors, as its channel says."""
    policy = item.channel.document.poison if item.channel else Poison()
    async with world.transaction(tenant) as tx:
        ended = any(problem.code == lanes.ABANDONED for problem in item.problems)
        outcome = await (poison.given_up if ended else poison.met)(tx, item.lease, item.id, policy, item.problems)
        item.stopped = outcome != "goes-on"
        if outcome != "again" and item.message is not None:
            await forward.follow(world, tenant, tx, [arrived(item, True)])


async def _alone(world: World, tenant: Tenant, item: Work) -> None:
    """A message by itself: what does not validate goes to the errors, what was raced is tried again."""
    for attempt in (1, 2, 3):
        try:
            await (_merge(world, tenant, item) if item.merges else _commit(world, tenant, [item]))
            return
        except _Refusal as refusal:
            item.problems += [_local(problem) for problem in refusal.problems]
            await _fail(world, tenant, item)
            return
        except Invalid as error:
            item.problems += [problem for found in error.findings.values() for problem in found]
            await _fail(world, tenant, item)
            return
        except (Conflict, TryAgain):
            if attempt == 3:
                raise
        except (LeaseLost, TryLater):
            raise
        except Exception as error:
            _set_aside(item, error)
            await _give_up(world, tenant, item)
            return


def _translate(item: Work, channels: Channels) -> None:
    item.channel = channels.get(item.under)
    found = reading.read(bytes(item.row["content"]), item.row["problems"], item.channel, item.prefix)
    item.message, item.translation, item.filtered = found.message, found.translation, found.filtered
    item.problems = found.problems
    for draft in item.translation.drafts if item.translation is not None else ():
        draft.message_id = item.id


async def _commit(world: World, tenant: Tenant, wave: list[Work]) -> None:
    good = [item for item in wave if item.translation is not None and not blocking(item.problems)]
    found: dict[UUID, list[Problem]] = {}
    async with world.transaction(tenant, wide=True) as tx:
        drafts = [draft for item in good if item.translation for draft in item.translation.drafts]
        settled = await settle(tx, drafts)
        came = await awaited.follow(tx, drafts, settled)
        _assign([*settled.problems, *came.problems], good, found)
        origin = Origin(actor="hl7", now=world.now(), zone=tenant.zone)
        gone = await withdrawn(tx, [stated for item in good if (stated := _stated(item))], settled)
        await save(tx, [*settled.writes, *gone], origin)
        await _record(world, tenant, tx, wave, found)
        await awaited.again(tx, came.messages)
    for item in wave:
        item.released = item.last


def _stated(item: Work) -> Stated | None:
    """What a message of a channel with snapshots states; None for all others."""
    if item.channel is None or item.translation is None or not item.channel.site.modes:
        return None
    drafts = item.translation.drafts
    return Stated(drafts=drafts, channel=item.channel.id, site=item.channel.site, message=item.id)


async def _merge(world: World, tenant: Tenant, item: Work) -> None:
    """A message that merges or moves records, by itself: all its groups are carried out, or none."""
    async with world.transaction(tenant) as tx:
        origin = Origin(actor="hl7", now=world.now(), zone=tenant.zone, message_id=item.id)
        problems = await merges.apply(tx, item.translation.drafts if item.translation else [], origin)
        if blocking(problems):
            raise _Refusal(problems)
        await _record(world, tenant, tx, [item], {item.id: [_local(problem) for problem in problems]})
    item.released = item.last


class _Refusal(Exception):
    """A merge that may not be: the transaction is rolled back."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("refused")
        self.problems = problems


def _assign(problems: list[Problem], good: list[Work], found: dict[UUID, list[Problem]]) -> None:
    """Findings of settling go to the message whose draft they name (`3:encounter`)."""
    by_prefix = {item.prefix: item for item in good}
    for problem in problems:
        item = by_prefix.get(problem.where.partition(":")[0] + ":")
        if item is not None:
            found.setdefault(item.id, []).append(_local(problem))


def _local(problem: Problem) -> Problem:
    """A finding's place without the name of its message."""
    return dataclasses.replace(problem, where=problem.where.partition(":")[2] or problem.where)


_RECORD = """
UPDATE message SET status = ($3::text[])[array_position($2::uuid[], id)], finished_at = now(),
 problems = ($4::text[])[array_position($2::uuid[], id)], segments = ($5::text[])[array_position($2::uuid[], id)]
WHERE tenant_id = (SELECT $1::uuid) AND id = ANY (ARRAY(
 SELECT m.id FROM unnest($2::uuid[]) AS given(id) CROSS JOIN LATERAL (SELECT id FROM message
  WHERE tenant_id = (SELECT $1::uuid) AND id = given.id AND coalesce(status, '') = 'RECEIVED' OFFSET 0) m))
"""
"""Each by a look-up of its own: joined, all that wait are held against all of the wave while a tenant is new."""


async def _record(
    world: World, tenant: Tenant, tx: Transaction, wave: list[Work], found: dict[UUID, list[Problem]]
) -> None:
    """Statuses and findings: those of reading, and of this attempt, which a retry would find again; what goes on."""
    await lanes.acknowledge(tx, [(item.lease, 1) for item in wave], [item.lease.lane_id for item in wave if item.last])
    told = [[*item.problems, *found.get(item.id, ())] for item in wave]
    failed = [item.translation is None or bool(blocking(problems)) for item, problems in zip(wave, told, strict=True)]
    ended = [arrived(i, bad) for i, bad in zip(wave, failed, strict=True) if i.message and not i.filtered]
    lost = await forward.follow(world, tenant, tx, ended)
    told = [[*problems, *lost.get(item.id, ())] for item, problems in zip(wave, told, strict=True)]
    await tx.run(
        _RECORD,
        [item.id for item in wave],
        ["ERROR" if bad else "FILTERED" if i.filtered else "TRANSFORMED" for i, bad in zip(wave, failed, strict=True)],
        [item.told(problems) for item, problems in zip(wave, told, strict=True)],
        [json.dumps(item.translation.account.counts()) if item.translation else "" for item in wave],
    )


async def _fail(world: World, tenant: Tenant, item: Work) -> None:
    """Keep the findings and let the lane go on."""
    async with world.transaction(tenant) as tx:
        await lanes.acknowledge(tx, [(item.lease, 1)])
        if item.message is not None:
            lost = await forward.follow(world, tenant, tx, [arrived(item, True)])
            item.problems += lost.get(item.id, ())
        await tx.run(
            "UPDATE message SET status = 'ERROR', problems = $3, finished_at = now() WHERE tenant_id = $1 AND id = $2",
            item.id,
            item.told(item.problems),
        )
