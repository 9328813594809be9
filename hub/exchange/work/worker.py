"""The worker: works the lanes of all tenants, woken by the bell, else by the time the next work falls due.

Any number may run. One question tells which tenants have work (`ponte_due`); received messages are processed in two
waves at once, deliveries and jobs run side by side with a bound, so that a slow partner holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import PonteError
from hub.exchange import handlers
from hub.exchange.out import delivery
from hub.exchange.work import inbound, jobs, lanes, memory
from hub.exchange.work.lanes import Lease, Shift
from hub.exchange.work.pace import Pace
from hub.world import Tenant, World

log = logging.getLogger("ponte.worker")
LOOK_SECONDS = 0.25
"""The longest wait for work without a bell; with one, only a lost ring waits as long as LOOK_HEARING_SECONDS."""
LOOK_HEARING_SECONDS = 2.0
REST_SECONDS = 1.0
TENANTS_FRESH_SECONDS = 5.0
WAVES = 2
"""Waves of received messages at once: one is read and mapped while the database writes the other."""
ROOM = {"outbound": 128, "job": 8}
PER_TENANT = {"outbound": 32, "job": 2}


@dataclass(frozen=True, slots=True)
class _Due:
    tenant: Tenant
    kind: str


class Crew:
    """The tasks of one worker: what runs, for whom, and how much more may start."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shift = Shift()
        self._courier = delivery.Courier(world, self._shift)
        self._pace = Pace(wary=True)
        self._tasks: set[asyncio.Task[int]] = set()
        self._running: Counter[tuple[str, UUID, str]] = Counter()
        self._rest: dict[tuple[str, UUID], float] = {}
        self.ended = asyncio.Event()
        self.done = 0

    async def start(self, due: list[_Due]) -> int:
        """Start tasks for what is due, as far as there is room; returns how many were started."""
        started = 0
        for item in due:
            if self._rest.get((item.kind, item.tenant.id), 0.0) > asyncio.get_running_loop().time():
                continue
            try:
                started += await self._start(item)
            except PonteError as error:
                log.warning("%s of %s: %s", item.kind, item.tenant.slug, error.code)
        return started

    async def _start(self, item: _Due) -> int:
        tenant, kind = item.tenant, item.kind
        if kind == "inbound":
            if self._count("inbound") >= WAVES:
                return 0
            self._spawn(inbound.work(self._world, tenant, self._pace, self._shift), (kind, tenant.id, ""))
            return 1
        room = min(ROOM[kind] - self._count(kind), PER_TENANT[kind] - self._count(kind, tenant.id))
        if room <= 0:
            return 0
        busy = {n: c for (k, t, n), c in self._running.items() if k == kind and t == tenant.id and c > 0}
        each = delivery.LANES_PER_PARTNER if kind == "outbound" else 1
        async with self._world.transaction(tenant) as tx:
            leases = await lanes.lease_spread(tx, kind, room, busy, each)
        for held, name in leases:
            self._spawn(self._lane(tenant, held), (kind, tenant.id, name))
        return len(leases)

    async def _lane(self, tenant: Tenant, held: Lease) -> int:
        if held.kind == "outbound":
            return await self._courier.run(tenant, held)
        return await jobs.run(self._world, tenant, held, self._shift)

    def _count(self, kind: str, tenant: UUID | None = None) -> int:
        return sum(c for (k, t, _), c in self._running.items() if k == kind and tenant in (None, t))

    def _spawn(self, work: Coroutine[Any, Any, int], key: tuple[str, UUID, str]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        self._running[key] += 1
        task.add_done_callback(lambda ended: self._end(ended, key))

    def _end(self, task: asyncio.Task[int], key: tuple[str, UUID, str]) -> None:
        self._tasks.discard(task)
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
        self.ended.set()
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self.done += task.result()
            return
        code = error.code if isinstance(error, PonteError) else f"{type(error).__name__} at {lanes.place_of(error)}"
        log.error("%s stopped: %s", key[0], code)
        self._rest[key[:2]] = asyncio.get_running_loop().time() + REST_SECONDS

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return not self._tasks

    async def settle(self) -> None:
        """Wait until everything that was started has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self, seconds: float) -> None:
        """End behind what is under way. What has not ended within `seconds` is cancelled: its leases run out, and
        another worker goes on then."""
        self._shift.over = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._courier.close()


class Watch:
    """Looks for due work and waits for more."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tenants: dict[UUID, Tenant] = {}
        self._fresh_until = 0.0
        self._next: float | None = None
        self.woken = asyncio.Event()
        self.hearing = False

    def ring(self, tenant: UUID) -> None:
        """Someone announced work; for a tenant not known yet the list of tenants is read again."""
        if tenant not in self._tenants:
            self._fresh_until = 0.0
        self.woken.set()

    def heard(self, hearing: bool) -> None:
        """Whether rings can be heard now."""
        self.hearing = hearing
        self.woken.set()

    async def due(self) -> list[_Due]:
        """What is due now; remembers when the next work falls due."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._fresh_until:
            self._tenants = {tenant.id: tenant for tenant in await self._world.tenants()}
            self._fresh_until = loop.time() + TENANTS_FRESH_SECONDS
        rows = await self._world.database.call(
            "SELECT tenant, kind, due, now() AS at FROM ponte_due($1) WHERE kind <> 'schedule' ORDER BY due",
            list(self._tenants),
        )
        later = [row["due"] - row["at"] for row in rows if row["due"] > row["at"]]
        self._next = min(later).total_seconds() if later else None
        ready = [_Due(self._tenants[row["tenant"]], row["kind"]) for row in rows if row["due"] <= row["at"]]
        return [item for item in ready if item.kind in ("inbound", *ROOM)]

    def patience(self) -> float:
        """How long to wait when nobody rings, in seconds."""
        longest = LOOK_HEARING_SECONDS if self.hearing else LOOK_SECONDS
        return longest if self._next is None else min(longest, max(0.01, self._next))


async def run(world: World, stop: asyncio.Event) -> None:
    """Work until `stop` is set; a tenant's failure delays nobody else."""
    handlers.load()
    watch, crew = Watch(world), Crew(world)
    crew.ended = watch.woken
    listening = asyncio.create_task(world.bell.listen(watch.ring, watch.heard))
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            watch.woken.clear()
            started = await _look(watch, crew)
            if not started:
                if crew.idle:
                    memory.tidy()
                await _wait(watch.woken, stopping, watch.patience())
            else:
                await asyncio.sleep(0)
    finally:
        for task in (listening, stopping):
            task.cancel()
        await asyncio.gather(listening, stopping, return_exceptions=True)
        await crew.close(5.0)


async def _look(watch: Watch, crew: Crew) -> int:
    try:
        return await crew.start(await watch.due())
    except PonteError as error:
        log.warning("cannot look for work: %s", error.code)
    except Exception as error:  # a worker never ends by itself
        log.error("looking for work failed: %s at %s", type(error).__name__, lanes.place_of(error))
    return 0


async def _wait(woken: asyncio.Event, stopping: asyncio.Task[bool], seconds: float) -> None:
    waiting = asyncio.create_task(woken.wait())
    try:
        await asyncio.wait((waiting, stopping), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting


async def turn(world: World) -> int:
    """One round over all tenants and kinds of work, to its end; returns how much was done."""
    handlers.load()
    watch, crew = Watch(world), Crew(world)
    try:
        while await crew.start(await watch.due()):
            await crew.settle()
        return crew.done
    except PonteError as error:
        log.warning("cannot look for work: %s", error.code)
        return crew.done
    finally:
        await crew.close(0)
