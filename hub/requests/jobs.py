"""The jobs schedules name: asking payers about open requests."""

from __future__ import annotations

from typing import Any

from hub.exchange.handlers import job
from hub.requests import polling
from hub.world import Tenant, World


@job("poll-requests")
async def poll_requests(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Ask where authorisations and annexes stand; requests of unknown outcome go out again."""
    done = await polling.poll(world, tenant)
    told = f"{done.asked} pedidos consultados; {done.resent} reenviados"
    return f"{told}; {done.broken} operadoras com configuração incompleta" if done.broken else told
