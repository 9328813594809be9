"""Channels for tests: put by TOML, fed through the real receiver and worker."""

from __future__ import annotations

import uuid
from typing import Any

from hl7_feed import work_all

from hub.channels import reading, versions
from hub.exchange import partners
from hub.exchange.channels import Channel, channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import Answer, receive
from hub.exchange.out import delivery
from hub.exchange.partners import Partner
from hub.world import Tenant, World


async def put(world: World, tenant: Tenant, text: str) -> Channel:
    document = reading.from_toml(text)
    async with world.transaction(tenant) as tx:
        await versions.put(tx, tenant, document, actor="test")
    return await channel(world, tenant, document.name)


async def channel(world: World, tenant: Tenant, name: str) -> Channel:
    return next(c for c in await channels_of(world, tenant) if c.name == name)


async def partner(
    world: World, tenant: Tenant, code: str, port: int, *, kind: str = "subscriber", **settings: Any
) -> Partner:
    transport = {"kind": "mllp", "host": "127.0.0.1", "port": port, "timeout_s": 1, "connect_timeout_s": 1}
    found = Partner(
        id=uuid.uuid5(tenant.id, code),
        kind=kind,
        code=code,
        name=code,
        adapter="",
        active=True,
        settings={
            "transport": transport,
            "retry": {"attempts": 50, "first_s": 0.02, "most_s": 0.05},
            "allow_private": True,
            **settings,
        },
    )
    async with world.transaction(tenant) as tx:
        await partners.save_partner(tx, found)
    return found


async def send(world: World, tenant: Tenant, to: Channel, *messages: str | bytes, work: bool = True) -> list[Answer]:
    keeper = Keeper(world.database)
    raws = [m if isinstance(m, bytes) else m.encode() for m in messages]
    answers = [await receive(keeper, to, raw) for raw in raws]
    if work:
        await work_all(world, tenant)
    return answers


async def deliver(world: World, tenant: Tenant) -> int:
    done = 0
    while count := await delivery.work(world, tenant):
        done += count
    return done


async def queued(world: World, tenant: Tenant) -> list[dict[str, Any]]:
    """The deliveries in order: partner, status, operation, bytes."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT p.code, d.status, d.operation, d.subject, d.purpose, m.content, m.control_id FROM delivery d "
            "JOIN message m ON m.tenant_id = $1 AND m.id = d.message_id "
            "JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id WHERE d.tenant_id = $1 ORDER BY d.seq"
        )
    return [{**dict(row), "content": bytes(row["content"])} for row in rows]
