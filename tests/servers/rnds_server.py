"""The simulated RNDS on real TLS sockets, a tenant that is set up for it, and its records stored."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rnds_records as records
from tls_keys import Authority

from api.simulators.rnds.network import Config, Network
from hub.exchange import handlers
from hub.exchange.out import delivery
from hub.exchange.work import jobs
from hub.guard import vault
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.rnds import desk, rows
from hub.rnds.rows import Document
from hub.world import Tenant, World

handlers.load()
KINDS = ("REL", "RIA", "RAC", "SA", "RIRA")


@dataclass
class Server:
    network: Network
    authority: Authority
    auth_port: int
    ehr_port: int

    def settings(self, **more: Any) -> dict[str, Any]:
        own = records.SETTINGS
        return {
            "environment": "homologacao", "uf": "SP", "requester": "9999", "cnes": records.CNES, "certificate": "rnds-cert",
            "trust": "rnds-trust", "auth_url": f"https://localhost:{self.auth_port}/api", "url": f"https://localhost:{self.ehr_port}/api",
            "allow_private": True, "codes": records.LISTS, "professional": {"cns": records.DOCTOR_CNS, "cbo": "225125"},
            "documents": {kind: {"active": True, "settings": own.get(kind, {})} for kind in KINDS}, **more,
        }  # fmt: skip

    async def join(self, world: World, tenant: Tenant, **more: Any) -> None:
        """The certificate and the issuers in the vault, and the settings."""
        async with world.transaction(tenant) as tx:
            await vault.put_certificate(tx, world.settings, "rnds-cert", self.authority.p12("hospital"), "x")
            await vault.put_issuers(tx, world.settings, "rnds-trust", self.authority.pem.encode())
        await desk.configure(world, tenant, self.settings(**more), "test", by_operator=True)
        async with world.transaction(tenant) as tx:  # retries wait hundredths of a second, not minutes
            await tx.run(
                "UPDATE partner SET settings = jsonb_set(settings::jsonb, '{retry}', "
                '\'{"attempts": 6, "first_s": 0.02, "most_s": 0.05}\')::text WHERE tenant_id = $1 AND kind = \'network\''
            )


@contextlib.asynccontextmanager
async def rnds_server(folder: Path, **config: Any) -> AsyncIterator[Server]:
    authority = Authority()
    network = Network(Config(cnes=frozenset((records.CNES,)), **config))
    auth, ehr = await network.start(authority.server(folder, clients=True), authority.server(folder, clients=False))
    try:
        yield Server(network, authority, auth, ehr)
    finally:
        await network.stop()


async def store(world: World, tenant: Tenant, *bodies: dict[str, Any]) -> None:
    """Save records as any door would."""
    writes = [Write(type=body["resourceType"], id=body["id"], body=copy.deepcopy(body)) for body in bodies]
    async with world.transaction(tenant) as tx:
        await save(tx, writes, Origin(actor="test", now=world.now(), zone=tenant.zone))


async def settle(world: World, tenant: Tenant, seconds: float = 30) -> list[Document]:
    """Work jobs and deliveries until nothing is due; the documents then."""
    async with asyncio.timeout(seconds):
        while True:
            done = await jobs.work(world, tenant) + await delivery.work(world, tenant)
            async with world.transaction(tenant) as tx:
                left = await tx.value(
                    "SELECT (SELECT count(*) FROM job WHERE tenant_id = $1 AND status = 'QUEUED') + (SELECT count(*) FROM delivery d "
                    "JOIN lane l ON l.tenant_id = $1 AND l.id = d.lane_id WHERE d.tenant_id = $1 AND d.status = 'QUEUED' AND NOT l.paused)"
                )
            if not left and not done:
                break
            await asyncio.sleep(0.01)
    return await documents(world, tenant)


async def documents(world: World, tenant: Tenant) -> list[Document]:
    async with world.transaction(tenant) as tx:
        return await rows.listed(tx)


def states(found: Sequence[Document]) -> dict[str, tuple[str, str]]:
    return {one.kind: (one.status, one.code) for one in found}
