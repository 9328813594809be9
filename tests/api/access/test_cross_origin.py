"""Pages of other sites: preflights for the origins tenants list, answers for those of the token's own tenant."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from canonical.errors import Refused
from hub.guard import policies, tokens
from hub.world import Tenant, World

OURS, THEIRS = "https://app.example.org", "https://other.example.org"
ALLOW = "access-control-allow-origin"


async def listed(world: World, tenant: Tenant, *origins: str) -> None:
    settings = json.dumps({"cors": {"origins": list(origins)}})
    await world.database.global_rows("UPDATE tenant SET settings = $2 WHERE id = $1", tenant.id, settings)


async def caller(world: World, tenant: Tenant, app: FastAPI) -> httpx.AsyncClient:
    token = await tokens.issue(world, tenant, "page", roles=[], scopes=["system/*.rs"])
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub", headers=headers)


async def test_each_tenant_allows_its_own(world: World, tenant: Tenant, other_tenant: Tenant, app: FastAPI) -> None:
    await listed(world, tenant, OURS)
    await listed(world, other_tenant, THEIRS)
    asks = {"access-control-request-method": "PUT", "access-control-request-headers": "authorization,if-match"}
    async with await caller(world, tenant, app) as page:
        for origin, status in ((OURS, 204), (THEIRS, 204), ("https://evil.example", 403), ("null", 403)):
            answer = await page.request("OPTIONS", "/fhir/Patient/1", headers={"origin": origin, **asks})
            assert (answer.status_code, answer.headers.get(ALLOW)) == (status, origin if status == 204 else None)
        assert (
            "authorization"
            in (await page.request("OPTIONS", "/fhir/Patient", headers={"origin": OURS, **asks}))
            .headers["access-control-allow-headers"]
            .lower()
        )
        for path, status in (("/fhir/Patient", 200), ("/fhir/Patient/none", 404)):
            own = await page.get(path, headers={"origin": OURS})
            assert own.status_code == status and own.headers[ALLOW] == OURS and "Origin" in own.headers["vary"]
            assert "etag" in own.headers["access-control-expose-headers"].lower()
            assert "access-control-allow-credentials" not in own.headers
            assert ALLOW not in (await page.get(path, headers={"origin": THEIRS})).headers
            assert ALLOW not in (await page.get(path)).headers
        assert (await page.get("/fhir/metadata")).json()["rest"][0]["security"]["cors"] is True
        without = {"authorization": "", "origin": THEIRS}
        assert (await page.get("/fhir/Patient", headers=without)).headers[
            ALLOW
        ] == THEIRS  # so that a page sees the 401
        assert ALLOW not in (await page.get("/health/live", headers={"origin": OURS})).headers


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/.well-known/smart-configuration", "/.well-known/jwks.json"])
async def test_what_is_open_to_everyone_is_shown_to_every_page(fhir: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, {"authorization": ""}):
        answer = await fhir.get(path, headers={"origin": "https://any.example", **headers})
        assert answer.status_code == 200 and answer.headers[ALLOW] == "https://any.example"
    asks = {"origin": "https://any.example", "access-control-request-method": "GET"}
    assert (await fhir.request("OPTIONS", path, headers=asks)).status_code == 204


async def test_a_tenant_that_lists_nothing_allows_nobody(fhir: httpx.AsyncClient) -> None:
    assert ALLOW not in (await fhir.get("/fhir/Patient", headers={"origin": OURS})).headers
    assert (await fhir.get("/fhir/metadata")).json()["rest"][0]["security"]["cors"] is False


@pytest.mark.parametrize(
    "wrong", ["app.example.org", "https://a/b", "http://app.example.org", "https://", "https://a:b", "null"]
)
async def test_what_is_no_origin_is_refused(world: World, tenant: Tenant, wrong: str) -> None:
    held = policies.policies_of(tenant)
    with pytest.raises(Refused) as refused:
        await policies.change(world, tenant, replace(held, origins=(wrong,)), actor="a")
    assert refused.value.code == "policy.origin"
    good = ("*", "http://localhost:3000", "https://app.example.org:8443")
    now = await policies.change(world, tenant, replace(held, origins=good), actor="a")
    assert policies.origins_of(now) == frozenset(good)
