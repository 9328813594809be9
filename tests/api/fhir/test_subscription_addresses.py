"""Subscriptions: an endpoint in a private range is refused when it is stored, or gets nothing when its name leads there."""

from __future__ import annotations

import json

import httpx
import peers
import pytest
from fastapi import FastAPI

from api.http.app import create_app
from hub.exchange.door.keep import Keeper
from hub.world import Tenant, World
from tests.api.conftest import NewClient
from tests.api.fhir.test_subscriptions import app, observed, open_world, sent, subscribe, subscription, taken

__all__ = ["app", "open_world"]  # fixtures


async def test_a_private_address_gets_nothing(fhir: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    async with peers.http(taken) as peer:
        made = await subscribe(fhir, subscription(peer.port, "Observation"))
        await observed(fhir, "a", "1")
        await sent(world, tenant)
        assert peer.received == []
        status = (await fhir.get(f"/fhir/Subscription/{made['id']}/$status")).json()
        assert "transport.private" in json.dumps(status)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "[::1]", "2130706433", "127.1", "localhost"])
async def test_an_address_that_is_private_by_itself_is_refused_at_once(
    world: World, tenant: Tenant, client_for: NewClient, app: FastAPI, host: str
) -> None:
    closed = create_app(world, Keeper(world.database))
    token = (await client_for(tenant)).headers["authorization"]
    transport = httpx.ASGITransport(app=closed)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub.example") as client:
        wanted = subscription(1, "Observation", endpoint=f"https://{host}/avisos")
        answer = await client.post("/fhir/Subscription", json=wanted, headers={"authorization": token})
        assert answer.status_code == 422 and "fhir.subscription.private" in answer.text
        wanted["channel"]["endpoint"] = "https://10.example.org/avisos"  # a name, judged when it is resolved
        answer = await client.post("/fhir/Subscription", json=wanted, headers={"authorization": token})
        assert answer.status_code == 201
