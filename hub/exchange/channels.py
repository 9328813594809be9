"""Channels: the doors of a tenant's senders. A channel says how its messages are read, answered and passed on.

A message belongs to the version of its channel it was received under, whatever is activated while it waits.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from hub.channels import reading
from hub.channels.document import Document
from hub.channels.reading import Faulty
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.tables.site import Site

log = logging.getLogger("ponte.channels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One version of a channel, ready for use; every setting is in `document`.

    `charset` fixes the character set, `fallback` serves where MSH-18 is silent, `zone` is never empty for a stored one.
    `placed_at` is since when it stands where it stands; only `all_channels` tells it.
    """

    id: UUID
    tenant: Tenant
    name: str
    door: str
    charset: str = ""
    fallback: str = "cp1252"
    zone: str = ""
    version: int = 1
    document: Document = field(default=Document(name="channel", door="mllp"))
    placed_at: datetime.datetime | None = None

    @property
    def site(self) -> Site:
        """What the channel changes in the mapping."""
        return site_of(self.document)


At = tuple[UUID, int | None]
_COLUMNS = "c.id, c.name, c.door, c.version, c.settings"


async def channels_of(world: World, tenant: Tenant) -> list[Channel]:
    """The active channels of a tenant, each in its active version, by name."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(f"SELECT {_COLUMNS} FROM channel c WHERE c.tenant_id = $1 AND c.active ORDER BY c.name")
    return _readable(rows, tenant)


async def known_channels(world: World, tenant: Tenant) -> list[Channel]:
    """All channels of a tenant, also closed ones, each in the version that serves or served last, by name.

    What came by a channel that is closed now is replayed and found like all else.
    """
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(f"SELECT {_COLUMNS} FROM channel c WHERE c.tenant_id = $1 ORDER BY c.name")
    return _readable(rows, tenant)


async def all_channels(world: World) -> list[Channel]:
    """The active channels of all active tenants in one trip, by tenant and name."""
    tenants = {tenant.id: tenant for tenant in await world.tenants()}
    rows = await world.database.call("SELECT * FROM ponte_channels($1) WHERE active", list(tenants))
    by_tenant: dict[UUID, list[Row]] = {identity: [] for identity in tenants}
    for row in rows:
        by_tenant[row["tenant"]].append(row)
    return [channel for identity, own in by_tenant.items() for channel in _readable(own, tenants[identity])]


async def channels_at(world: World, tenant: Tenant, wanted: Iterable[At]) -> dict[At, Channel]:
    """Channels at the versions messages were received under (None: the active one), active or not."""
    async with world.transaction(tenant) as tx:
        rows = await _rows_at(tx, wanted)
    return {at: found[0] for at, own in rows.items() if (found := _readable(own, tenant))}


async def of_partner(tx: Transaction, tenant: Tenant, code: str) -> list[Channel]:
    """The active channels whose document names a partner, by name."""
    rows = await tx.rows(f"SELECT {_COLUMNS} FROM channel c WHERE c.tenant_id = $1 AND c.active ORDER BY c.name")
    return [channel for channel in _readable(rows, tenant) if channel.document.partner == code]


async def serving(world: World, tenant: Tenant, name: str) -> Channel | None:
    """A channel in the version that serves, or served last; None where there is none of that name."""
    async with world.transaction(tenant) as tx:
        identity = await tx.value("SELECT id FROM channel WHERE tenant_id = $1 AND name = $2", name)
    return (await channels_at(world, tenant, [(identity, None)])).get((identity, None)) if identity else None


async def documents_at(tx: Transaction, wanted: Iterable[At]) -> dict[At, Document]:
    """The documents of channels at the versions messages were received under, for work inside a transaction."""
    rows = await _rows_at(tx, wanted)
    return {at: found[0] for at, own in rows.items() if (found := list(_documents(own)))}


async def _rows_at(tx: Transaction, wanted: Iterable[At]) -> dict[At, list[Row]]:
    """For each channel and version its row, and after it the present one, which serves where no other is kept."""
    pairs = {(identity, version) for identity, version in wanted if identity is not None}
    if not pairs:
        return {}
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM channel c WHERE c.tenant_id = $1 AND c.id = ANY($2::uuid[])",
        [identity for identity, _ in pairs],
    )
    now = {row["id"]: row for row in rows}
    old = [(i, v) for i, v in pairs if i in now and v not in (None, now[i]["version"])]
    rows = await tx.rows(
        "SELECT v.channel_id AS id, c.name, v.door, v.version, v.settings FROM channel_version v "
        "JOIN channel c ON c.tenant_id = $1 AND c.id = v.channel_id "
        "JOIN unnest($2::uuid[], $3::bigint[]) AS x(id, version) ON x.id = v.channel_id AND x.version = v.version "
        "WHERE v.tenant_id = $1",
        [identity for identity, _ in old],
        [version for _, version in old],
    )
    then = {(row["id"], row["version"]): row for row in rows}
    return {
        (i, v): [then[i, v], now[i]] if v is not None and (i, v) in then else [now[i]] for i, v in pairs if i in now
    }


def _readable(rows: Iterable[Row], tenant: Tenant) -> list[Channel]:
    """The channels of rows; one whose document no longer reads is left out and told, the others go on."""
    found = []
    for row in rows:
        try:
            found.append(channel_from(row, tenant))
        except Faulty as error:
            log.error("channel %s, version %s: %s", row["name"], row["version"], error.faults[0].key)
    return found


def _documents(rows: Iterable[Row]) -> Iterator[Document]:
    """The documents of rows, but for those that no longer read."""
    for row in rows:
        try:
            yield _document(row["name"], row["door"], row["settings"])
        except Faulty as error:
            log.error("channel %s, version %s: %s", row["name"], row["version"], error.faults[0].key)


def channel_from(row: Row | dict[str, Any], tenant: Tenant) -> Channel:
    """The channel of a row with id, name, door, version and settings."""
    document = _document(row["name"], row["door"], row["settings"])
    return Channel(
        id=row["id"],
        tenant=tenant,
        name=row["name"],
        door=row["door"],
        charset=document.charset,
        fallback=document.fallback,
        zone=document.zone or tenant.zone,
        version=row["version"],
        document=document,
        placed_at=row.get("placed_at"),
    )


@lru_cache(maxsize=4096)
def _document(name: str, door: str, settings: str) -> Document:
    return reading.stored(name, door, settings)


def site_of(document: Document) -> Site:
    """What a channel's document changes in the mapping."""
    return _site(document.overlay, tuple(document.plans.items()), tuple(document.segments.items()))


@lru_cache(maxsize=4096)
def _site(overlay: str, plans: tuple[tuple[str, str], ...], modes: tuple[tuple[str, str], ...]) -> Site:
    return Site(overlay=overlay, plans=plans, modes=modes)
