"""The simulated payers on a real socket, and a worker that goes on until nothing is due."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from billing_day import (
    CNPJ,
    EXAM,
    GLUCOSE,
    IPE,
    JACARANDA,
    LOGIN,
    PASSWORD,
    Visit,
    happen,
    many,
    partner_row,
    register,
    rows,
)

from api.simulators import payer
from api.simulators.payer_book import Book, Side
from hub.billing import jobs
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.exchange import handlers
from hub.exchange.out import delivery
from hub.servers.process import free_port
from hub.store.database import Row
from hub.world import Tenant, World

handlers.load()
MD5 = hashlib.md5(PASSWORD.encode("iso-8859-1"), usedforsecurity=False).hexdigest()


def sides(**changed: Any) -> tuple[Side, ...]:
    values = {"delay_s": 0.0, "deny_every": 4, **changed}
    return (
        Side(ans=IPE, version="4.02.00", name="Ipê", cnpj="11444777000161", logins=((LOGIN, MD5),), signed=True, **values),
        Side(
            ans=JACARANDA, version="4.03.00", name="Jacarandá", cnpj=CNPJ, logins=((LOGIN, PASSWORD),),
            already="3268", unknown="3291", **values,
        ),
    )  # fmt: skip


@dataclass
class Server:
    base: str
    payers: payer.Payers

    def url(self, ans: str) -> str:
        return f"{self.base}/payer/{ans}"

    def book(self, ans: str) -> Book:
        return self.payers.books[ans]

    async def control(self, **wanted: Any) -> Any:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.base}/control/fault", json=wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def received(self) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.base}/control/received")
        return {one["ans"]: one for one in answer.json()["payers"]}


@contextlib.asynccontextmanager
async def payer_server(**changed: Any) -> AsyncIterator[Server]:
    app = payer.create_app(payer.Config(sides=sides(**changed)))
    port = free_port()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="critical", access_log=False, lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Server(f"http://127.0.0.1:{port}", app.state.payers)
    finally:
        server.should_exit = True
        await task


async def settle(world: World, tenant: Tenant, rounds: int = 40) -> None:
    """Deliver until no delivery is queued any more (retries included)."""
    for _ in range(rounds):
        await delivery.work(world, tenant)
        async with world.transaction(tenant) as tx:
            left = await tx.value(
                "SELECT count(*) FROM delivery d JOIN lane l ON l.tenant_id = $1 AND l.id = d.lane_id "
                "WHERE d.tenant_id = $1 AND d.status = 'QUEUED' AND NOT l.paused"
            )
        if not left:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("deliveries are still waiting")


async def judged(
    world: World,
    tenant: Tenant,
    server: Server,
    code: str = IPE,
    charges: Sequence[tuple[str, str, str, str]] = (EXAM, GLUCOSE),
) -> Row:
    """The submission of a batch of four visits, which the payer has judged."""
    await register(world, tenant, [partner_row(code, server.url(code))])
    await happen(world, tenant, many(Visit(payer=code, charges=tuple(charges)), 4))
    await guides.build_guides(world, tenant)
    await batches.close_batches(world, tenant)
    await settle(world, tenant)
    await again(world, tenant)
    (found,) = await rows(world, tenant, "SELECT * FROM submission WHERE tenant_id = $1")
    return found


async def again(world: World, tenant: Tenant) -> None:
    """Ask once more for the statements of all that was sent."""
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE submission SET settled = false WHERE tenant_id = $1")
    await jobs.poll_protocols(world, tenant, {})
    await settle(world, tenant)
