"""A secret serves whom it was given for: a sign-in service gets no other entry of the vault, nobody else gets its own;
and what was turned stays turned."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from canonical.errors import Misconfigured, Refused
from hub.guard import clients, registration, vault
from hub.guard.clients import InvalidClient
from hub.guard.registration import Proof
from hub.users import federation
from hub.users.federation import Service
from hub.world import Tenant, World

ISSUER = "https://login.hospital.example/realms/house"
SERVICE = Service(title="Casa", issuer=ISSUER, client_id="ponte", credential="entrada", roles={"ti": "operator"})


async def test_a_sign_in_service_gets_its_own_secret_only(world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:
        login = {"login": "ponte", "password": "a payer's", "issuer": ISSUER}
        await vault.put(tx, world.settings, "payer-login", login, kind="login")
        await vault.put_sign_in(tx, world.settings, "entrada", (ISSUER, "ponte"), "ours")
    await federation.decide(world, tenant, SERVICE, actor="test")
    for changed in ({"credential": "payer-login"}, {"issuer": "https://evil.example"}, {"client_id": "other"}):
        with pytest.raises(Refused) as refused:
            await federation.decide(world, tenant, dataclasses.replace(SERVICE, **changed), actor="test")
        assert refused.value.code == "user.oidc-credential", changed
    async with world.transaction(tenant) as tx:
        assert await federation.secret_of(tx, world, SERVICE) == "ours"
        assert await federation.secret_of(tx, world, dataclasses.replace(SERVICE, credential="payer-login")) is None
        assert await vault.reveal(tx, world.settings, "entrada") is None, "a partner's document cannot name it"
        assert await vault.reveal(tx, world.settings, "payer-login") == login
    later = dataclasses.replace(SERVICE, credential="later")
    await federation.decide(world, tenant, later, actor="test")  # what is not there yet is kept afterwards
    async with world.transaction(tenant) as tx:
        await vault.put(tx, world.settings, "later", {"login": "ponte", "password": "x"}, kind="login")
    with pytest.raises(Misconfigured):
        await federation._secret(world, tenant, later)


async def test_a_start_leaves_a_turned_secret_alone(world: World, tenant: Tenant, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    here = dataclasses.replace(world, settings=dataclasses.replace(world.settings, data=tmp_path))
    await clients.ensure_trial(here, tenant)
    first = (tmp_path / "secrets" / clients.TRIAL_FILE).read_text()
    identity = f"{tenant.slug}.trial"
    assert (await clients.authenticate(here, identity, first)).client_id == identity
    turned = await registration.prove(here, tenant, "trial", Proof(secret=True), actor="test")
    await clients.ensure_trial(here, tenant)
    assert (await clients.authenticate(here, identity, turned)).client_id == identity
    with pytest.raises(InvalidClient):
        await clients.authenticate(here, identity, first)
    async with here.transaction(tenant) as tx:
        assert not await clients.holds(tx, identity, first) and await clients.holds(tx, identity, turned)
    (tmp_path / "secrets" / clients.TRIAL_FILE).unlink()  # a new folder beside an old database
    await clients.ensure_trial(here, tenant)
    fresh = (tmp_path / "secrets" / clients.TRIAL_FILE).read_text()
    assert (await clients.authenticate(here, identity, fresh)).client_id == identity
    async with here.transaction(tenant) as tx:
        await tx.run("UPDATE client SET secret_hash = NULL, jwks = '{}' WHERE tenant_id = $1 AND name = 'trial'")
    await clients.ensure_trial(here, tenant)
    async with here.transaction(tenant) as tx:
        assert await tx.value("SELECT secret_hash FROM client WHERE tenant_id = $1 AND name = 'trial'") is None
