"""Seeds a tenant for trials: its channels and clients; running it again changes nothing."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from hub.billing.trial import trial_payers
from hub.channels import versions
from hub.channels.document import Document
from hub.exchange.partners import Partner, save_partner
from hub.exchange.work import usual
from hub.guard import clients, tokens
from hub.records import reindex
from hub.rnds.trial import trial_network
from hub.settings import Settings, secret_file
from hub.users import accounts, passwords
from hub.world import Tenant, World, opened

TRIAL_LOGIN, TRIAL_PASSWORD = "admin", "demo-user.password"
NAMESPACE = uuid.UUID("6f0d2c1e-52b0-5a3e-9d0a-7a1f6f3c9e10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulators:
    """Where the trial partners listen, the port on which the trial lab's results are awaited, and RNDS's TLS files."""

    http: str
    lab_host: str
    lab_port: int
    results_port: int
    rnds_auth: str = ""
    rnds_ehr: str = ""
    rnds_folder: str = ""


async def seed(settings: Settings, simulators: Simulators | None = None) -> None:
    """Everything a start needs: the token key, every tenant's upkeep, and unless the settings say otherwise the demo
    tenant with its simulated partners' addresses."""
    async with opened(settings, size=1) as world:
        await tokens.ensure_key(world)
        if settings.demo:
            await _demo(world, simulators)
        for each in await world.tenants():  # of an earlier version, which may not have all upkeep yet
            await usual.seed(world, each, usual.UPKEEP)
            await reindex.after_upgrade(world, each)


async def _demo(world: World, simulators: Simulators | None) -> None:
    tenant = await demo_tenant(world)
    await clients.ensure_trial(world, tenant)
    await trial_person(world, tenant)
    if simulators is not None:
        await trial_lab(world, tenant, simulators)
        await trial_payers(world, tenant, simulators.http)
        if simulators.rnds_folder:
            folder = Path(simulators.rnds_folder)
            await trial_network(world, tenant, simulators.rnds_auth, simulators.rnds_ehr, folder)


async def trial_person(world: World, tenant: Tenant) -> None:
    """The account for first looks at the console; its password is the one kept in the secrets folder."""
    async with world.transaction(tenant) as tx:
        known = await tx.value("SELECT 1 FROM user_account WHERE tenant_id = $1 AND login = $2", TRIAL_LOGIN)
    if known is None:
        password = secret_file(world.settings, TRIAL_PASSWORD)
        person = accounts.checked(TRIAL_LOGIN, "Pessoa de demonstração", ["administrator"])
        await accounts.add(world, tenant, person, actor="seed", password=password)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What opens the demonstration at this moment: the person's password and the client's secret; empty for what no
    longer does, since somebody changed or closed it."""

    password: str = ""
    secret: str = ""


async def trial_keys(settings: Settings) -> Keys:
    """The keys of the demonstration that hold."""
    password, secret = secret_file(settings, TRIAL_PASSWORD), secret_file(settings, clients.TRIAL_FILE)
    async with opened(settings, size=1) as world:
        tenant = await world.tenant("demo")
        async with world.transaction(tenant) as tx:
            person = await tx.row(
                "SELECT password_hash FROM user_account WHERE tenant_id = $1 AND login = $2 AND active", TRIAL_LOGIN
            )
            client = await clients.holds(tx, "demo.trial", secret)
    holds = person is not None and await passwords.verified(person["password_hash"], password)
    return Keys(password=password if holds else "", secret=secret if client else "")


async def trial_lab(world: World, tenant: Tenant, simulators: Simulators) -> None:
    """The simulated lab as a partner, and the channel its results come in by."""
    found = Partner(
        id=uuid.uuid5(tenant.id, "lab demo-lab"),
        kind="lab",
        code="demo-lab",
        name="Laboratório Demonstração",
        adapter="demo_lab",
        active=True,
        settings={
            "transport": {"host": simulators.lab_host, "port": simulators.lab_port},
            "allow_private": True,
            "orders": {"categories": ["LAB", "108252007"]},  # table 0074 and SNOMED CT; images stay in the house
        },
    )
    channel = Document(name="lab-mllp", door="mllp", port=simulators.results_port, partner=found.code)
    async with world.transaction(tenant) as tx:
        await save_partner(tx, found)
        await versions.put(tx, tenant, channel, actor="seed")


async def demo_tenant(world: World, slug: str = "demo", name: str = "Hospital Demonstração") -> Tenant:
    """The tenant `slug` with an MLLP and an HTTP channel."""
    identity = uuid.uuid5(NAMESPACE, slug)
    await world.database.global_rows(
        "INSERT INTO tenant (id, slug, name) VALUES ($1, $2, $3) ON CONFLICT (slug) DO NOTHING", identity, slug, name
    )
    tenant = await world.tenant(slug)
    async with world.transaction(tenant) as tx:
        present = {channel.channel for channel in await versions.listed(tx)}
        for channel in (Document(name="his-mllp", door="mllp"), Document(name="his-http", door="http")):
            if channel.name not in present:
                await versions.put(tx, tenant, channel, actor="seed")
    await usual.seed(world, tenant, usual.UPKEEP)
    return tenant
