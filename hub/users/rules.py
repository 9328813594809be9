"""The rules of signing in: `rules.toml` for all, and what a house says for its people (`people` of its settings)."""

from __future__ import annotations

import datetime
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from canonical.errors import Refused
from hub.guard import audit, policies
from hub.world import Tenant, World

PART = "people"
LEAST_IDLE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How failures are answered: `free` of them in a row without a wait but for the last, then longer and longer."""

    free: int
    waits: tuple[datetime.timedelta, ...]
    forget: datetime.timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What a house decides: whether a second factor is demanded, after how long without a look a session ends, and
    after how long in any case."""

    second_factor: bool
    idle_minutes: int
    hours: int

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}


@cache
def rules() -> Mapping[str, Any]:
    """The rules for all houses."""
    return tomllib.loads((Path(__file__).resolve().parent / "rules.toml").read_text(encoding="utf-8"))


@cache
def waits(kind: str) -> Waits:
    """How failures of one `kind` (`login` or `address`) are answered."""
    found = rules()["guessing"][kind]
    return Waits(
        free=found["free"],
        waits=tuple(datetime.timedelta(minutes=each) for each in found["waits_minutes"]),
        forget=datetime.timedelta(hours=found["forget_hours"]),
    )


def house_of(tenant: Tenant) -> House:
    """What holds for a house; what it has not said is as the rules say, and never more than they allow."""
    said, most = policies.part_of(tenant.settings, PART), rules()["session"]
    return House(
        second_factor=said.get("second_factor") is True,
        idle_minutes=_within(said.get("idle_minutes"), LEAST_IDLE, most["idle_minutes"]),
        hours=_within(said.get("hours"), 1, most["hours"]),
    )


async def decide(world: World, tenant: Tenant, wanted: House, *, actor: str) -> Tenant:
    """Set what a house decides; returns the tenant as it is now. Raises Refused."""
    most = rules()["session"]
    if not (LEAST_IDLE <= wanted.idle_minutes <= most["idle_minutes"] and 1 <= wanted.hours <= most["hours"]):
        raise Refused("the ends of a session lie outside of what is allowed", code="user.session")
    async with world.transaction(tenant) as tx:
        settings = await policies.settings_of(tx)
        settings[PART] = policies.part_of(settings, PART) | wanted.as_json()
        await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))
        await audit.note(tx, actor, "policy-change", f"tenant/{tenant.slug}")
    return await world.tenant(tenant.slug)


def _within(value: Any, least: int, most: int) -> int:
    """A stated number between its bounds; without one the most."""
    stated = value if isinstance(value, int) and not isinstance(value, bool) else most
    return max(least, min(stated, most))
