"""Tenants: made, listed, changed, closed and opened again by the operator of the hub.

A client belongs to one tenant, so no HTTP caller stands above tenants; who may run a command on the hub's own database
may (decision 36). What is done to a tenant stands in that tenant's audit trail.
"""

from __future__ import annotations

import datetime
import re
import uuid
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canonical.errors import Conflict, NotFound, Refused
from hub.channels import versions
from hub.channels.document import Document
from hub.exchange import ports
from hub.exchange.work import usual
from hub.guard import audit, tokens
from hub.guard.policies import settings_of
from hub.store.database import Transaction
from hub.world import Tenant, World, tenant_from

ZONE = "America/Sao_Paulo"
LONGEST_NAME = 200
ERASING = "erasing"
"""The setting of a tenant whose erasure has begun: it is never opened again."""
_SLUG = re.compile(r"[a-z][a-z0-9\-]{1,38}[a-z0-9]\Z")
_COUNTS = """
SELECT (SELECT count(*) FROM channel WHERE tenant_id = $1 AND active) AS channels,
       (SELECT count(*) FROM client WHERE tenant_id = $1 AND active) AS clients,
       (SELECT coalesce(sum(pending), 0)::bigint FROM lane WHERE tenant_id = $1) AS waiting
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A tenant as the operator sees it: how many channels and clients are active, how much work waits."""

    tenant: Tenant
    made_at: datetime.datetime
    channels: int
    clients: int
    waiting: int

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "tenant": self.tenant.slug,
            "id": str(self.tenant.id),
            "name": self.tenant.name,
            "zone": self.tenant.zone,
            "active": self.tenant.active,
            "made_at": self.made_at.isoformat(timespec="seconds"),
            "channels": self.channels,
            "clients": self.clients,
            "waiting": self.waiting,
        }


async def add(
    world: World, slug: str, name: str, *, zone: str = ZONE, channels: Sequence[Document] = (), actor: str
) -> Tenant:
    """A new tenant with its channels and upkeep, whole or not at all.

    Raises Refused (slug, name or zone), Conflict (the slug or a port is taken) and Faulty (a channel's document).
    """
    if not _SLUG.match(slug):
        raise Refused("a tenant's short name is 3 to 40 lower-case letters, digits and hyphens", code="tenant.slug")
    made = Tenant(id=uuid.uuid4(), slug=slug, name=_named(name), zone=_placed(zone), active=True)
    for channel in channels:
        await ports.refuse_taken(world, made, channel)
    await tokens.ensure_key(world)
    async with world.transaction(made) as tx:
        await _insert(tx, made)
        await audit.note(tx, actor, "tenant-create", f"tenant/{slug}")
        for channel in channels:
            await versions.put(tx, made, channel, actor=actor)
        await usual.give(tx, made, world.now(), usual.UPKEEP)
    return made


async def _insert(tx: Transaction, made: Tenant) -> None:
    tag = await tx.run(
        "INSERT INTO tenant (id, slug, name, zone) VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING",
        made.slug,
        made.name,
        made.zone,
    )
    if tag.endswith(" 0"):
        raise Conflict("there is a tenant of this short name already", code="tenant.exists")


async def listed(world: World) -> list[Standing]:
    """Every tenant, active ones first, by short name."""
    rows = await world.database.global_rows(
        "SELECT id, slug, name, zone, active, settings, created_at FROM tenant ORDER BY active DESC, slug"
    )
    found = []
    for row in rows:
        tenant = tenant_from(row)
        async with world.transaction(tenant) as tx:
            counts = await tx.row(_COUNTS)
        found.append(Standing(tenant=tenant, made_at=row["created_at"], **dict(counts or {})))
    return found


async def any_tenant(world: World, slug: str) -> Tenant:
    """The tenant called `slug`, closed or not; raises NotFound."""
    rows = await world.database.global_rows(
        "SELECT id, slug, name, zone, active, settings FROM tenant WHERE slug = $1", slug
    )
    if not rows:
        raise NotFound("there is no such tenant; ./ponte tenant list shows them")
    return tenant_from(rows[0])


async def change(world: World, slug: str, *, name: str = "", zone: str = "", actor: str) -> None:
    """Another name or zone; what was stored under the old zone stays as it was read. Raises NotFound, Refused."""
    tenant = await any_tenant(world, slug)
    wanted = (_named(name) if name else tenant.name, _placed(zone) if zone else tenant.zone)
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE tenant SET name = $2, zone = $3 WHERE id = $1", *wanted)
        await audit.note(tx, actor, "tenant-change", f"tenant/{slug}")


async def close(world: World, slug: str, *, actor: str) -> None:
    """Its doors close, its tokens are refused and its work waits; nothing of it is removed. Raises NotFound."""
    await _switch(world, slug, "tenant-close", actor, active=False)


async def reopen(world: World, slug: str, *, actor: str) -> None:
    """Its doors open and its work goes on where it stood.

    Raises NotFound, and Conflict when a port was given away or its erasure has begun.
    """
    tenant = await any_tenant(world, slug)
    async with world.transaction(tenant) as tx:
        documents = [found.document for found in await versions.listed(tx) if found.active]
    for document in documents:
        await ports.refuse_taken(world, tenant, document)
    await _switch(world, slug, "tenant-open", actor, active=True)


async def _switch(world: World, slug: str, action: str, actor: str, *, active: bool) -> None:
    tenant = await any_tenant(world, slug)
    async with world.transaction(tenant) as tx:
        if ERASING in await settings_of(tx):
            raise Conflict("its erasure has begun; only ./ponte tenant erase goes on with it", code="tenant.erasing")
        await tx.run("UPDATE tenant SET active = $2 WHERE id = $1", active)
        await audit.note(tx, actor, action, f"tenant/{slug}")
        tx.announced = tx.rearranged = True


def _named(name: str) -> str:
    said = " ".join(name.split())
    if not said or len(said) > LONGEST_NAME or not said.isprintable():
        raise Refused(f"a tenant's name is 1 to {LONGEST_NAME} printable characters", code="tenant.name")
    return said


def _placed(zone: str) -> str:
    try:
        zoneinfo.ZoneInfo(zone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise Refused("a zone is a name of the IANA time zone database", code="tenant.zone") from None
    return zone
