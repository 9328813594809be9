"""The jobs schedules name: closing batches (guides first), and asking payers about open protocols and appeals."""

from __future__ import annotations

from typing import Any

from hub.billing import listing, polling
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.exchange.handlers import job
from hub.world import Tenant, World


@job("close-batches")
async def close_batches(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Build guides and close batches; `payer` in the arguments is the registro ANS of the one to close."""
    built = await guides.build_guides(world, tenant)
    payer = None
    if wanted := arguments.get("payer"):
        async with world.transaction(tenant) as tx:
            payer = await listing.payer_id(tx, str(wanted))
    closed = await batches.close_batches(world, tenant, payer)
    blocked = sum(one.status == batches.BLOCKED for one in closed)
    return f"{built.ready} guias prontas, {built.pending} pendentes; {len(closed)} lotes, {blocked} bloqueados"


@job("poll-protocols")
async def poll_protocols(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Ask where protocols and appeals stand; batches of unknown outcome go out again."""
    done = await polling.poll(world, tenant)
    told = f"{done.protocols} protocolos e {done.appeals} recursos consultados; {done.resent} lotes reenviados"
    return f"{told}; {done.broken} operadoras com configuração incompleta" if done.broken else told
