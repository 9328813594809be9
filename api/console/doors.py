"""Which doors are open: asked by knocking, not by believing a setting."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from hub import console
from hub.exchange import ports
from hub.exchange.channels import Channel, all_channels, channels_of
from hub.exchange.ports import Place
from hub.world import Tenant, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A door: the key of its name, the channel behind it (empty for the hub's own), and whether it answers."""

    key: str
    channel: str = ""
    open: bool


async def doors(world: World, tenant: Tenant | None, *, database: bool) -> list[Door]:
    """The hub's doors, and for a tenant those of its MLLP channels; `database`: whether it has just answered."""
    found = [Door(key="http", open=True), Door(key="database", open=database)]
    redis = urlsplit(world.settings.redis_url)
    if redis.hostname:
        found.append(Door(key="redis", open=await console.reachable(redis.hostname, redis.port or 6379)))
    own = await channels_of(world, tenant) if tenant is not None and database else []
    listening = [channel for channel in own if channel.door == "mllp"]
    if not listening:
        return [*found, Door(key="mllp", open=await _knock(world.settings.host, world.settings.mllp_port))]
    places = ports.placed(await all_channels(world), world.settings)
    answers = await asyncio.gather(*(_answers(places, channel) for channel in listening))
    doors = zip(listening, answers, strict=True)
    return [*found, *(Door(key="mllp", channel=channel.name, open=answer) for channel, answer in doors)]


async def _answers(places: dict[UUID, tuple[Place, Channel]], channel: Channel) -> bool:
    """A channel without a place of its own is closed, whoever answers where it wanted to listen."""
    if channel.id not in places:
        return False
    place, _ = places[channel.id]
    return await _knock(place.host, place.port)


async def _knock(host: str, port: int) -> bool:
    return await console.reachable("127.0.0.1" if host in ("0.0.0.0", "::", "") else host, port)  # noqa: S104
