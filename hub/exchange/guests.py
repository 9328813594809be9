"""Who is connected to the doors and how pick-ups fare: what each leaves word of while it works. Valkey only."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from hub.world import Tenant, World

KEPT_SECONDS = 10


def key_of(tenant: UUID, channel: str, pid: int) -> str:
    """Under what a door's word is left."""
    return f"{_beginning(tenant)}{channel}:{pid}"


def _beginning(tenant: UUID) -> str:
    return f"ponte:guests:{tenant}:"


async def connected(world: World, tenant: Tenant, channel: str = "") -> list[dict[str, Any]] | None:
    """What the open doors of a tenant said within the last seconds, by channel; None when it cannot be asked."""
    notes = await world.bell.notes(_beginning(tenant.id))
    if notes is None:
        return None
    found = [json.loads(text) for text in notes]
    return sorted((one for one in found if channel in ("", one["channel"])), key=lambda one: str(one["channel"]))


async def troubles(world: World, tenant: Tenant) -> list[tuple[str, str, int]]:
    """For how many seconds pick-ups have failed (`pickup.failing`) and ports that should be open have been closed
    (`door.closed`), each with its channel; empty without Valkey."""
    found: dict[tuple[str, str], int] = {}
    for one in await connected(world, tenant) or []:
        for rule, said, seconds in (("pickup.failing", "code", "failing_s"), ("door.closed", "closed", "closed_s")):
            if one.get(said):
                place = (rule, str(one["channel"]))
                found[place] = max(found.get(place, 0), int(one[seconds]))
    return [(rule, channel, seconds) for (rule, channel), seconds in found.items()]
