"""The worker: goes round the tenants, works their lanes, sleeps when there is nothing. Any number may run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from canonical.errors import PonteError
from hub.exchange import inbound
from hub.world import Tenant, World

log = logging.getLogger("ponte.worker")
IDLE = 0.05
LONGEST_IDLE = 0.5

Source = Callable[[World, Tenant], Awaitable[int]]
SOURCES: tuple[Source, ...] = (inbound.work,)


async def run(world: World, stop: asyncio.Event) -> None:
    """Work until `stop` is set; a tenant's failure delays nobody else."""
    pause = IDLE
    while not stop.is_set():
        done = await turn(world)
        pause = IDLE if done else min(LONGEST_IDLE, pause * 1.5)
        if not done:
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue


async def turn(world: World) -> int:
    """One round over all tenants and kinds of work; returns how much was done."""
    done = 0
    try:
        tenants = await world.tenants()
    except PonteError as error:
        log.warning("cannot read tenants: %s", error.code)
        return 0
    for tenant in tenants:
        for source in SOURCES:
            try:
                done += await source(world, tenant)
            except PonteError as error:
                log.warning("work of %s stopped: %s", tenant.slug, error.code)
    return done
