"""Ports: which MLLP channel answers where, among the channels of all tenants. Who stood there first keeps the place."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from canonical.errors import Conflict
from hub.channels.document import Document
from hub.exchange.channels import Channel, all_channels
from hub.settings import Settings
from hub.world import Tenant, World

_EARLIEST = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a door listens."""

    host: str
    port: int


def place_of(document: Document, settings: Settings) -> Place:
    """Where a channel wants to listen; without a port of its own at the hub's."""
    return Place(document.host or settings.host, document.port or settings.mllp_port)


def placed(channels: Iterable[Channel], settings: Settings) -> dict[UUID, tuple[Place, Channel]]:
    """The MLLP channels that have a place. Of several that want one it is the first that wanted it.

    Otherwise a tenant could take another's senders to itself by a channel that names their port, or none.
    """
    found: dict[UUID, tuple[Place, Channel]] = {}
    taken: set[Place] = set()
    waiting = [channel for channel in channels if channel.door == "mllp"]
    for channel in sorted(waiting, key=lambda one: (one.placed_at or _EARLIEST, one.id)):
        place = place_of(channel.document, settings)
        if place.port and place not in taken:
            taken.add(place)
            found[channel.id] = (place, channel)
    return found


async def refuse_taken(world: World, tenant: Tenant, document: Document) -> None:
    """Raise Conflict when another channel stands where this one would listen. Whose it is is not told."""
    if document.door != "mllp":
        return
    wanted = place_of(document, world.settings)
    for place, channel in placed(await all_channels(world), world.settings).values():
        if place == wanted and (channel.tenant.id, channel.name) != (tenant.id, document.name):
            raise Conflict("the port is taken by another channel of this hub; name one of its own", code="channel.port")
