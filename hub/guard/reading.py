"""The audit of reads: events are collected and written in batches a moment later, so that a read costs one trip.

What waits is bounded: a reader that would exceed the bound waits for the store. Events carry places, never values.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

import asyncpg

from canonical.errors import PonteError
from hub.guard import audit
from hub.world import Tenant, World

log = logging.getLogger("ponte.audit")
DELAY = 0.3
MOST_WAITING = 5000
_PAUSE = 0.5  # between attempts while the store does not answer

Event = tuple[str, str, str, str, str]  # actor, action, entity, outcome, detail


class ReadAudit:
    """Collects events of one process and flushes them within DELAY seconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: dict[UUID, list[Event]] = defaultdict(list)
        self._count = 0
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def note(
        self, tenant: Tenant, actor: str, action: str, entity: str, detail: Mapping[str, str] | None = None
    ) -> None:
        """Remember one event; waits for the store only when too many are waiting. `detail` holds names only."""
        self._waiting[tenant.id].append((actor, action, entity, "success", audit.detailed(detail)))
        self._count += 1
        if self._count >= MOST_WAITING:
            await self.flush()
        elif self._task is None:
            self._task = asyncio.create_task(self._later())

    async def flush(self) -> None:
        """Write what is waiting; raises TryLater when the store does not answer (then it goes on waiting)."""
        async with self._writing:
            waiting, self._waiting, self._count = self._waiting, defaultdict(list), 0
            while waiting:
                tenant, events = waiting.popitem()
                try:
                    async with self._world.database.transaction(tenant) as tx:
                        await audit.write(tx, events)
                except BaseException:
                    waiting[tenant] = events
                    self._put_back(waiting)
                    raise

    def _put_back(self, waiting: dict[UUID, list[Event]]) -> None:
        for tenant, events in waiting.items():
            self._waiting[tenant] = [*events, *self._waiting[tenant]]
            self._count += len(events)

    async def _later(self) -> None:
        await asyncio.sleep(DELAY)
        while self._waiting:
            self._task = None
            try:
                await self.flush()
                return
            except (PonteError, asyncpg.PostgresError) as error:
                log.warning("reads wait to be audited: %s", type(error).__name__)
                self._task = asyncio.current_task()
                await asyncio.sleep(_PAUSE)
        self._task = None
