"""Subscriptions: heartbeats while nothing happens, and the events a narrow token may ask for again."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any

import httpx
import peers

from hub.subscriptions import heartbeats
from hub.world import Tenant, World
from tests.api.conftest import NewClient
from tests.api.fhir.test_subscriptions import (
    app,
    backport,
    kind,
    observed,
    open_world,
    sent,
    subscribe,
    subscription,
    taken,
)

__all__ = ["app", "open_world"]  # fixtures
HEARTBEAT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period"


def asking(port: int, period: int) -> dict[str, Any]:
    extension = [{"url": HEARTBEAT, "valueUnsignedInt": period}]
    return subscription(port, "Observation?status=final", **backport("id-only"), extension=extension)


def later(world: World, seconds: int) -> World:
    return dataclasses.replace(world, now=lambda: world.now() + datetime.timedelta(seconds=seconds))


async def test_who_asked_hears_while_nothing_happens(
    fhir: httpx.AsyncClient, open_world: World, tenant: Tenant
) -> None:
    async def looked(seconds: int) -> int:
        done = await heartbeats.heartbeats(later(open_world, seconds), tenant, {})
        return int(json.loads(done)["sent"])

    async with peers.http(taken) as peer:
        made = await subscribe(fhir, asking(peer.port, 5))
        assert made["channel"]["extension"] == [{"url": HEARTBEAT, "valueUnsignedInt": 60}]  # what is kept to
        await subscribe(
            fhir, subscription(peer.port, "Observation?status=amended", **backport("empty"))
        )  # asks for none
        assert await looked(100) == 0  # has not answered its handshake yet
        await sent(open_world, tenant)
        assert await looked(30) == 0
        assert await looked(100) == 1
        assert await looked(200) == 0  # the one before still waits
        await sent(open_world, tenant)
        assert await looked(110) == 0 and await looked(170) == 1
        await sent(open_world, tenant)
        assert await looked(70) == 1  # the clock was set back: told later than now says nothing
        await sent(open_world, tenant)
        peer.received.pop()
        found = [json.loads(body) for _, body in peer.received]
        assert [kind(one) for one in found] == ["handshake", "handshake", "heartbeat", "heartbeat"]
        parameters = {each["name"]: each for each in found[-1]["entry"][0]["resource"]["parameter"]}
        assert parameters["events-since-subscription-start"]["valueString"] == "0" and len(found[-1]["entry"]) == 1
        assert "notification-event" not in parameters and made["id"] in str(parameters["subscription"])


async def test_whoever_asks_for_none_or_in_another_form_gets_none(
    fhir: httpx.AsyncClient, open_world: World, tenant: Tenant
) -> None:
    async with peers.http(taken) as peer:
        none = await subscribe(fhir, asking(peer.port, 0))
        plain = subscription(peer.port, "Observation", extension=[{"url": HEARTBEAT, "valueUnsignedInt": 90}])
        bare = await subscribe(fhir, plain)
        assert "extension" not in none["channel"] and "extension" not in bare["channel"]
        await sent(open_world, tenant)
        assert json.loads(await heartbeats.heartbeats(later(open_world, 900), tenant, {})) == {"sent": 0}


async def test_a_narrow_token_asks_for_its_events(
    fhir: httpx.AsyncClient, client_for: NewClient, open_world: World, tenant: Tenant
) -> None:
    async with peers.http(taken) as peer:
        made = await subscribe(fhir, subscription(peer.port, "Observation?code=1", **backport("id-only")))
        await sent(open_world, tenant)
        for name, status in (("a", "final"), ("b", "preliminary"), ("a", "amended")):
            await observed(fhir, name, "1", status)
        await fhir.delete("/fhir/Observation/b")
        url = f"/fhir/Subscription/{made['id']}/$events?eventsSinceNumber=1&content=full-resource"
        for scope, seen in (
            ("system/Observation.r", ["1", "2", "3", "4"]),
            ("system/Observation.r?status=final", ["1"]),
            ("system/Observation.r?status=preliminary", ["2", "4"]),
        ):
            client = await client_for(tenant, ["system/Subscription.r", scope])
            parameters = (await client.get(url)).json()["entry"][0]["resource"]["parameter"]
            events = [each["part"] for each in parameters if each["name"] == "notification-event"]
            assert [part["valueString"] for parts in events for part in parts if part["name"] == "event-number"] == seen
        other = await client_for(tenant, ["system/Subscription.r", "system/Patient.r"])
        assert (await other.get(url)).status_code == 403


async def test_one_whose_end_has_come_is_turned_off(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant) -> None:
    """R4 `Subscription.end`; what happened before is still told, and another end makes it go on."""
    soon = (open_world.now() + datetime.timedelta(minutes=5)).isoformat()

    async def looked(seconds: int) -> str:
        await heartbeats.heartbeats(later(open_world, seconds), tenant, {})
        return str((await fhir.get(f"/fhir/Subscription/{made['id']}")).json()["status"])

    async with peers.http(taken) as peer:
        made = await subscribe(fhir, {**subscription(peer.port, "Observation"), "end": soon})
        assert made["status"] == "active" and await looked(60) == "active"
        await observed(fhir, "a", "1")
        assert await looked(400) == "off" and await looked(460) == "off"
        await sent(open_world, tenant)
        assert len(peer.received) == 1
        await looked(520)
        await observed(fhir, "b", "1")
        await sent(open_world, tenant)
        assert len(peer.received) == 1
        again = {**made, "status": "requested", "end": "2099-01-01T00:00:00Z"}
        assert (await fhir.put(f"/fhir/Subscription/{made['id']}", json=again)).json()["status"] == "active"
        await observed(fhir, "c", "1")
        await sent(open_world, tenant)
        assert len(peer.received) == 2 and await looked(580) == "active"


async def test_one_stored_after_its_end_is_off(fhir: httpx.AsyncClient, open_world: World, tenant: Tenant) -> None:
    async with peers.http(taken) as peer:
        made = await subscribe(fhir, {**subscription(peer.port, "Observation"), "end": "2020-01-01T00:00:00Z"})
        assert made["status"] == "off"
        await observed(fhir, "a", "1")
        await sent(open_world, tenant)
        assert peer.received == []
