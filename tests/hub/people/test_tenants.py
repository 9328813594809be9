"""Tenants: made whole or not at all, closed without losing anything, and never at a place where another one listens."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import pytest
from channel_feed import channel, put, send
from hl7_feed import adt, records

from api.console.doors import doors
from canonical.errors import Conflict, NotFound, Refused
from hub import tenants
from hub.channels import reading, versions
from hub.channels.reading import Faulty
from hub.exchange import ports
from hub.exchange.channels import all_channels
from hub.exchange.work import usual
from hub.guard import tokens
from hub.guard.tokens import InvalidToken, Verifier
from hub.world import Tenant, World

HTTP = reading.from_json({"name": "his-http", "door": "http"})


def mllp(port: int, name: str = "his") -> str:
    return f'name = "{name}"\ndoor = "mllp"\nport = {port}\n'


_PORTS = itertools.count(64_000)


def some_port() -> int:
    """A port no other tenant of this cluster has: no two calls give the same, and other files' are below 64,000."""
    return next(_PORTS)


async def added(world: World, *channels: Any, slug: str = "") -> Tenant:
    slug = slug or f"h{uuid.uuid4().hex[:12]}"
    return await tenants.add(world, slug, "Hospital Novo", channels=channels or (HTTP,), actor="ana")


async def standing(world: World, tenant: Tenant) -> tenants.Standing:
    return next(one for one in await tenants.listed(world) if one.tenant.slug == tenant.slug)


async def test_a_new_tenant_works_messages_and_has_its_upkeep(world: World, tenant: Tenant) -> None:
    made = await added(world)
    [answer] = await send(world, made, await channel(world, made, "his-http"), adt("A01", "N1", "V1", "20261122080000"))
    assert answer.code == "AA"
    [patient] = await records(world, made, "Patient")
    assert not await records(world, tenant, "Patient") and patient["resourceType"] == "Patient"
    async with world.transaction(made) as tx:
        names = {row["name"] for row in await tx.rows("SELECT name FROM schedule WHERE tenant_id = $1")}
        trail = [row["action"] for row in await tx.rows("SELECT action FROM audit_event WHERE tenant_id = $1")]
    assert names >= {one.name for one in usual.kit(usual.UPKEEP)} and "tenant-create" in trail
    told = await standing(world, made)
    assert (told.channels, told.clients, told.waiting, told.tenant.active) == (1, 0, 0, True)


@pytest.mark.parametrize(
    ("slug", "name", "zone", "code"),
    [
        ("ab", "x", "America/Bahia", "tenant.slug"),
        ("Hospital", "x", "America/Bahia", "tenant.slug"),
        ("a.b.c", "x", "America/Bahia", "tenant.slug"),
        ("../etc", "x", "America/Bahia", "tenant.slug"),
        ("hosp-", "x", "America/Bahia", "tenant.slug"),
        ("h" * 41, "x", "America/Bahia", "tenant.slug"),
        ("hospital\n", "x", "America/Bahia", "tenant.slug"),
        ("hosp", "  ", "America/Bahia", "tenant.name"),
        ("hosp", "a\x00b", "America/Bahia", "tenant.name"),
        ("hosp", "x" * 201, "America/Bahia", "tenant.name"),
        ("hosp", "x", "Mars/Base", "tenant.zone"),
        ("hosp", "x", "../../etc/passwd", "tenant.zone"),
    ],
)
async def test_what_cannot_be_a_tenant(world: World, slug: str, name: str, zone: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        await tenants.add(world, slug, name, zone=zone, actor="ana")
    assert refused.value.code == code


async def test_a_tenant_is_made_whole_or_not_at_all(world: World, tenant: Tenant) -> None:
    with pytest.raises(Conflict) as known:
        await added(world, slug=tenant.slug)
    assert known.value.code == "tenant.exists"
    slug = f"h{uuid.uuid4().hex[:12]}"
    with pytest.raises(Faulty):
        await added(world, HTTP, reading.from_json({"name": "x", "door": "http", "overlay": "no-such"}), slug=slug)
    with pytest.raises(NotFound):
        await tenants.any_tenant(world, slug)


async def test_a_closed_tenant_is_reached_by_nobody_and_goes_on_where_it_stood(world: World) -> None:
    made = await added(world)
    own = await channel(world, made, "his-http")
    token = await tokens.issue(world, made, "ana", roles=[], scopes=["admin/*"])
    await Verifier(world).verify(token)
    await send(world, made, own, adt("A01", "N1", "V1", "20261122080000"), work=False)
    await tenants.close(world, made.slug, actor="ana")
    with pytest.raises(InvalidToken):
        await Verifier(world).verify(token)
    with pytest.raises(NotFound):
        await world.tenant(made.slug)
    assert all(found.tenant.id != made.id for found in await all_channels(world))
    told = await standing(world, made)
    assert (told.tenant.active, told.waiting) == (False, 1)
    await tenants.reopen(world, made.slug, actor="ana")
    await send(world, made, own)
    assert len(await records(world, made, "Patient")) == 1
    assert (await standing(world, made)).waiting == 0


async def test_another_name_and_zone(world: World) -> None:
    made = await added(world)
    await tenants.change(world, made.slug, name="Hospital  São José", actor="ana")
    await tenants.change(world, made.slug, zone="America/Manaus", actor="ana")
    found = await world.tenant(made.slug)
    assert (found.name, found.zone) == ("Hospital São José", "America/Manaus")
    with pytest.raises(Refused):
        await tenants.change(world, made.slug, zone="Manaus", actor="ana")


async def places(world: World) -> dict[Any, Any]:
    return ports.placed(await all_channels(world), world.settings)


async def test_who_stood_at_a_port_first_keeps_it(world: World, tenant: Tenant) -> None:
    """Whatever the later one is called, and whatever becomes of its own channel."""
    port, other = some_port(), some_port()
    early = await added(world, slug=f"z{uuid.uuid4().hex[:12]}")
    first = await put(world, early, mllp(port))
    late = await added(world, slug=f"a{uuid.uuid4().hex[:12]}")
    thief = await put(world, late, mllp(port))  # past the look that API and command take
    assert first.id in await places(world) and thief.id not in await places(world)
    await put(world, early, mllp(port) + 'charset = "8859/1"\n')
    assert first.id in await places(world), "another version at the same place keeps it"
    async with world.transaction(early) as tx:
        await versions.deactivate(tx, "his", actor="ana")
    assert thief.id in await places(world)
    async with world.transaction(early) as tx:
        await versions.activate(tx, "his", 1, actor="ana")
    assert first.id not in await places(world), "who left has lost it"
    await put(world, early, mllp(other))
    await put(world, early, mllp(port))
    assert first.id not in await places(world), "an old channel brings no old right to a new place"


async def test_a_taken_port_is_refused_without_saying_whose_it_is(world: World, tenant: Tenant) -> None:
    port = some_port()
    made = await added(world, reading.from_toml(mllp(port)))
    with pytest.raises(Conflict) as taken:
        await ports.refuse_taken(world, tenant, reading.from_toml(mllp(port)))
    assert taken.value.code == "channel.port" and made.slug not in taken.value.text
    await ports.refuse_taken(world, made, reading.from_toml(mllp(port) + 'charset = "8859/1"\n'))
    with pytest.raises(Conflict):
        await ports.refuse_taken(world, made, reading.from_toml(mllp(port, "second")))
    with pytest.raises(Conflict):
        await added(world, reading.from_toml(mllp(port)))
    await tenants.close(world, made.slug, actor="ana")
    await added(world, reading.from_toml(mllp(port)))
    with pytest.raises(Conflict):
        await tenants.reopen(world, made.slug, actor="ana")


async def test_a_door_without_a_place_is_shown_closed(world: World, tenant: Tenant) -> None:
    port = some_port()
    await added(world, reading.from_toml(mllp(port)))
    await put(world, tenant, mllp(port, "mine"))
    [mine] = [door for door in await doors(world, tenant, database=True) if door.channel == "mine"]
    assert not mine.open
