"""What doors ask for about the settings: store them with their schedule, and show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.rnds import errors
from hub.exchange.work import usual
from hub.guard import audit, vault
from hub.rnds import rows, settings
from hub.rnds.settings import Faulty, Settings
from hub.world import Tenant, World


async def configure(
    world: World, tenant: Tenant, document: Mapping[str, Any], actor: str, *, by_operator: bool = False
) -> Settings:
    """Store a tenant's RNDS settings; raises Faulty. The vault must hold the certificate they name. Addresses of a
    private network are the operator's to allow."""
    async with world.transaction(tenant) as tx:
        found = settings.read(document)
        if not (by_operator or world.settings.allow_private_targets):
            settings.check_private(found, await settings.stored(tx))
        held = {entry.name for entry in await vault.entries(tx)}
        wanted = {"certificate": found.certificate, **({"trust": found.trust} if found.trust else {})}
        missing = [settings.fault(key, "vault", name=name) for key, name in wanted.items() if name not in held]
        if missing:
            raise Faulty(missing)
        await settings.put(tx, tenant, document)
        await audit.note(tx, actor, "rnds-settings", "partner/network/rnds")
    await usual.seed(world, tenant, usual.NETWORK)
    return found


async def people(world: World, tenant: Tenant) -> list[dict[str, Any]]:
    """Patients whose documents wait for a number, or whose national registration has to be mended; nobody is named."""
    async with world.transaction(tenant) as tx:
        return await rows.people(tx, errors.about_persons())
