"""A secret kept for one partner, or by the hub for one subscriber or receiver of alarms, is given to no other."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from canonical.errors import Misconfigured
from hub.exchange.out.connections import Connections
from hub.exchange.partners import Partner
from hub.guard import vault
from hub.world import Tenant, World

KEPT = {
    "payer-login": ("payer/326305", {"login": "hospital", "password": "s", "for": "payer/326305"}),
    "watch-turno": ("watch/turno", {"key": "k"}),
    "subscription/abc": ("webhook/abc", {"headers": "{}", "key": "k"}),
    "anyone": ("", {"login": "hospital", "password": "s"}),
}


@pytest.mark.parametrize("name", KEPT)
async def test_only_its_owner_has_it(world: World, tenant: Tenant, name: str) -> None:
    owner, content = KEPT[name]
    async with world.transaction(tenant) as tx:
        await vault.put(tx, world.settings, name, content, kind="login")
        assert await vault.reveal(tx, world.settings, name, owner=owner) == content
        for other in ("", "payer/999806", "payer/turno", "lab/326305", "channel/abc"):
            assert (await vault.reveal(tx, world.settings, name, owner=other) is None) is bool(owner), other
        assert all([await vault.opens(tx, world.settings, entry) for entry in await vault.entries(tx)])


@pytest.mark.parametrize(("code", "refused"), [("alheio", True), ("casa", False)])
async def test_a_partner_that_names_anothers_is_not_connected(
    world: World, tenant: Tenant, code: str, refused: bool
) -> None:
    content = {"login": "hospital", "password": "s", "for": "lab/casa"}
    async with world.transaction(tenant) as tx:
        await vault.put(tx, world.settings, "lab-login", content, kind="login")
    values: dict[str, Any] = {"kind": "sftp", "host": "sftp.example", "user": "u", "path": "in", "secret": "lab-login"}
    settings = {"transport": values, "allow_private": True}
    partner = Partner(id=uuid.uuid4(), kind="lab", code=code, name=code, adapter="", active=True, settings=settings)
    connections = Connections(world)
    if refused:
        with pytest.raises(Misconfigured) as failure:
            await connections.apart(tenant, partner)
        assert failure.value.code == "transport.certificate"
    else:
        await (await connections.apart(tenant, partner)).close()
