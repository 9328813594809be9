"""/api/v1/tiss requests over HTTP: asked, waited for, listed, sent again; scopes, bad input, the wall between tenants."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from billing_day import IPE, JACARANDA, Visit, happen, partner_row, register
from payer_server import payer_server, settle

from api.app import create_app
from api.routes.tiss_requests import COLLECTIONS
from hub.exchange.keep import Keeper
from hub.guard import tokens
from hub.world import Tenant, World

BASE = "/api/v1/tiss"


@contextlib.asynccontextmanager
async def calling(world: World, tenant: Tenant, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    token = await tokens.issue(world, tenant, "biller", roles=[], scopes=scopes or ("tiss/write",))
    transport = httpx.ASGITransport(app=create_app(world, Keeper(world.database)))
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers) as client:
        yield client


async def test_eligibility_is_asked_and_read(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    async with payer_server() as server, calling(world, tenant) as client:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=())])
        asked = await client.post(f"{BASE}/eligibility", json={"patient": patient})
        assert (asked.status_code, asked.json()["status"]) == (202, "enviando"), asked.text
        await settle(world, tenant)
        found = (await client.get(f"{BASE}/eligibility/{asked.json()['id']}")).json()
        assert (found["status"], found["payer"], found["kind"]) == ("elegivel", JACARANDA, "elegibilidade")
        listed = (await client.get(f"{BASE}/eligibility", params={"patient_id": patient})).json()
        assert [one["id"] for one in listed["items"]] == [found["id"]]
        assert (await client.post(f"{BASE}/eligibility/{found['id']}/resend")).status_code == 409
        fhir = await client.get(f"/fhir/CoverageEligibilityResponse/{found['id']}")
        assert fhir.status_code == 403  # another scope
        await _walled(world, other_tenant, "eligibility", found["id"], {"patient": patient})


async def _walled(world: World, other: Tenant, collection: str, identity: str, wish: dict[str, Any]) -> None:
    """Another tenant neither sees the request nor can ask about the records."""
    never = str(uuid.uuid4())
    async with calling(world, other) as client:
        assert (await client.get(f"{BASE}/{collection}")).json()["items"] == []
        for one in (identity, never):
            assert (await client.get(f"{BASE}/{collection}/{one}")).status_code == 404
            assert (await client.post(f"{BASE}/{collection}/{one}/resend")).status_code == 404
        assert (await client.post(f"{BASE}/{collection}", json=wish)).status_code in (404, 422)


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_a_request_is_found_in_its_own_collection_only(world: World, tenant: Tenant, collection: str) -> None:
    async with calling(world, tenant, "tiss/read") as client:
        assert (await client.get(f"{BASE}/{collection}")).json() == {"items": [], "next": None}
        assert (await client.get(f"{BASE}/{collection}/{uuid.uuid4()}")).status_code == 404
        assert (await client.get(f"{BASE}/{collection}/x")).status_code == 400
        assert (await client.post(f"{BASE}/{collection}/{uuid.uuid4()}/resend")).status_code == 403
        assert (await client.post(f"{BASE}/{collection}", json={})).status_code in (400, 403)
    async with calling(world, tenant, "system/*.rs") as client:
        assert (await client.get(f"{BASE}/{collection}")).status_code == 403


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({}, 404, "request.no-patient"),
        ({"patient": "never"}, 404, "failure.not-found"),
        ({"patient": "a b"}, 400, "failure.request"),
        ({"patient": "x", "stranger": 1}, 400, "failure.request"),
        ({"patient": "x\x00"}, 400, "failure.request"),
    ],
)
async def test_bad_wishes_are_told(world: World, tenant: Tenant, wish: Any, status: int, code: str) -> None:
    await register(world, tenant, [partner_row(IPE)])
    async with calling(world, tenant) as client:
        answer = await client.post(f"{BASE}/eligibility", json=wish)
        assert (answer.status_code, answer.json()["problems"][0]["code"]) == (status, code), answer.text
