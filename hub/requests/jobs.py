"""The jobs schedules name: what payers want to be asked by themselves, and asking about open requests."""

from __future__ import annotations

from typing import Any

from hub.exchange.handlers import job
from hub.requests import collecting, polling, standing
from hub.requests.standing import Done
from hub.world import Tenant, World


@job("poll-requests")
async def poll_requests(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Ask where authorisations and annexes stand; requests of unknown outcome go out again."""
    done = await polling.poll(world, tenant)
    told = f"{done.asked} pedidos consultados; {done.resent} reenviados"
    return f"{told}; {done.broken} operadoras com configuração incompleta" if done.broken else told


@job("check-eligibility")
async def check_eligibility(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Ask about the memberships of today's visits, of payers that want it; `days` in the arguments looks back."""
    days = int(arguments.get("days", 0))
    return _told("elegibilidades pedidas", await standing.check_eligibility(world, tenant, days))


@job("request-authorisations")
async def request_authorisations(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Ask for the authorisations a payer's contract wants."""
    return _told("autorizações pedidas", await standing.request_authorisations(world, tenant))


@job("announce-stays")
async def announce_stays(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Tell payers that want it of admissions and discharges."""
    return _told("comunicações enviadas", await standing.announce_stays(world, tenant))


@job("collect-returns")
async def collect_returns(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Take what payers without web service have put into their return folders."""
    done = await collecting.collect(world, tenant)
    return f"{done.files} arquivos recolhidos; {done.failed} sem destino; {done.broken} pastas inacessíveis"


def _told(what: str, done: Done) -> str:
    return f"{done.asked} {what}; {done.blocked} bloqueadas"
