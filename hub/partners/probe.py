"""A partner tried by hand: its secrets are in the vault, its address answers, its TLS holds. Nothing is handed over."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from adapters.transports import Reachable, Reached
from canonical.errors import Misconfigured, PonteError
from canonical.problem import Problem
from hub.exchange.out.connections import Connections
from hub.exchange.partners import Partner, partners_called
from hub.guard import audit, vault
from hub.partners import desk, document
from hub.world import Tenant, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What was found: the places that answered, the days each secret still holds, and what is wrong."""

    reached: list[Reached]
    days: Mapping[str, int]
    problems: list[Problem]

    def as_json(self, language: str = "pt") -> dict[str, Any]:
        """One JSON object."""
        return {
            "ok": not any(problem.blocks for problem in self.problems),
            "reached": [{"place": one.place, "said": one.said} for one in self.reached],
            "days": dict(self.days),
            "problems": [problem.as_json(language) for problem in self.problems],
        }


async def tried(world: World, tenant: Tenant, actor: str, kind: str, code: str) -> Tried:
    """Try a partner, also one that is switched off; raises NotFound, Misconfigured for a kind that cannot be tried."""
    async with world.transaction(tenant) as tx:
        await desk.one(tx, kind, code)
        found = (await partners_called(tx, [f"{kind}/{code}"]))[f"{kind}/{code}"]
        wanted = document.secrets(found.settings)
        problems = await desk.lacking(tx, wanted)
        now = world.now()
        held = {entry.name: entry for entry in await vault.entries(tx)}
        days = {
            key: (end - now).days for key, name in wanted.items() if name in held and (end := held[name].expires_at)
        }
        await audit.note(tx, actor, "partner-test", f"Partner/{kind}/{code}")
    problems += [Problem("partner.expired", key, args=(("key", key),)) for key, left in days.items() if left < 0]
    reached, failed = await _reached(world, tenant, found)
    return Tried(reached=reached, days=days, problems=problems + failed)


async def _reached(world: World, tenant: Tenant, partner: Partner) -> tuple[list[Reached], list[Problem]]:
    connections, found = Connections(world), list[Reached]()
    try:
        transport = await connections.apart(tenant, partner)
    except Misconfigured as error:
        return [], [_failed(error)]
    if not hasattr(transport, "reach"):
        await transport.close()
        raise Misconfigured("a partner of this kind is tried by what it is sent", code="partner.untried")
    try:
        async with aclosing(cast("Any", cast("Reachable", transport).reach())) as places:
            async for place in places:
                found.append(place)
    except PonteError as error:
        return found, [_failed(error)]
    finally:
        await transport.close()
    return found, []


def _failed(error: PonteError) -> Problem:
    return Problem(error.code, "transport", level="error")
