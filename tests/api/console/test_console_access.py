"""The page of a tenant's clients and policies: who sees it, who changes, by which forms, in both languages."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from hub.guard import clients, policies, tokens
from hub.world import Tenant, World
from tests.api.console.test_console_browser import CONTRAST, address, chromium

__all__ = ["address", "chromium"]  # fixtures
PAGE = "/console/access"


@pytest_asyncio.fixture
async def browser(app: FastAPI) -> Any:
    transport = httpx.ASGITransport(app=app, client=("10.1.2.3", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub.example") as found:
        yield found


async def enter(browser: httpx.AsyncClient, world: World, tenant: Tenant, *scopes: str) -> str:
    token = await tokens.issue(world, tenant, "operator", roles=[], scopes=scopes or ["admin/*"])
    assert (await browser.post("/console/login", data={"token": token})).status_code == 303
    return token


async def test_an_administrator_keeps_clients(world: World, tenant: Tenant, browser: httpx.AsyncClient) -> None:
    assert (await browser.get(PAGE)).status_code == 401
    await enter(browser, world, tenant)
    page = await browser.get(f"{PAGE}?lang=pt")
    assert (
        page.status_code == 200 and "Nenhum cliente ainda" in page.text and page.headers["cache-control"] == "no-store"
    )
    made = await browser.post(
        f"{PAGE}/clients?lang=pt", data={"name": "lab", "scopes": "system/Patient.rs hl7/write", "rate": "30"}
    )
    secret = re.search(r'class="secret"><code>([\w-]+)<', made.text)
    assert made.status_code == 200 and secret and f"{tenant.slug}.lab" in made.text
    assert secret[1] not in (await browser.get(PAGE)).text
    form = {"grant_type": "client_credentials", "client_id": f"{tenant.slug}.lab", "client_secret": secret[1]}
    token = (await browser.post("/oauth/token", data=form)).json()["access_token"]
    again = await browser.post(f"{PAGE}/clients/lab/secret?lang=en", data={})
    assert "shown again" in again.text and (await browser.post("/oauth/token", data=form)).status_code == 401
    assert "500" in (await browser.post(f"{PAGE}/clients/lab/rate", data={"rate": "500"})).text
    keyed = {"name": "app", "scopes": "system/*.rs", "jwks_url": "https://partner.example/jwks.json"}
    assert "partner.example" in (await browser.post(f"{PAGE}/clients", data=keyed)).text
    revoked = await browser.post(f"{PAGE}/clients/lab/revoke?lang=pt", data={})
    assert "revogado" in revoked.text
    assert (await browser.get("/fhir/Patient", headers={"authorization": f"Bearer {token}"})).status_code == 401
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT actor, action FROM audit_event WHERE tenant_id = $1 AND action LIKE 'client-%'")
    assert {row["actor"] for row in rows} == {"operator"} and len(rows) == 5


@pytest.mark.parametrize(
    ("form", "status", "word"),
    [
        ({"name": "Lab", "scopes": "system/*.rs"}, 422, "minúsculas"),
        ({"name": "x", "scopes": "everything"}, 422, "escopo"),
        ({"name": "x", "scopes": "system/*.rs", "rate": "many"}, 422, "número"),
        ({"name": "x", "scopes": "system/*.rs", "jwks_url": "http://10.0.0.1/"}, 422, "endereço"),
        ({"name": "taken", "scopes": "system/*.rs"}, 409, "nome"),
        ({}, 422, "minúsculas"),
    ],
)
async def test_what_is_wrong_is_told(
    world: World, tenant: Tenant, browser: httpx.AsyncClient, form: dict[str, str], status: int, word: str
) -> None:
    await clients.create(world, tenant, "taken", scopes=[])
    await enter(browser, world, tenant)
    answer = await browser.post(f"{PAGE}/clients?lang=pt", data=form)
    assert answer.status_code == status and word in answer.text and 'role="alert"' in answer.text


async def test_policies(world: World, tenant: Tenant, browser: httpx.AsyncClient) -> None:
    await world.database.global_rows(
        "UPDATE tenant SET settings = $2 WHERE id = $1", tenant.id, json.dumps({"tiss": {"keep": 1}})
    )
    await enter(browser, world, tenant)
    form = {"require_match": "1", "delete_most": "5", "algorithm-ES384": "1", "client_requests_per_minute": "600"}
    form["origins"] = "https://app.example.org\r\nhttp://localhost:3000 "
    assert "Políticas gravadas" in (await browser.post(f"{PAGE}/policies?lang=pt", data=form)).text
    now = await world.tenant(tenant.slug)
    held = policies.policies_of(now)
    assert held.require_match and not held.update_create and held.delete_most == 5 and held.algorithms == ("ES384",)
    assert held.limits["client_requests_per_minute"] == 600 and now.settings["tiss"] == {"keep": 1}
    assert held.origins == ("http://localhost:3000", "https://app.example.org")
    for wrong in (
        {**form, "origins": "app.example.org"},
        {**form, "delete_most": "0"},
        {"delete_most": "1"},
        {**form, "requests_per_minute": "x"},
    ):
        assert (await browser.post(f"{PAGE}/policies", data=wrong)).status_code == 422
    assert policies.policies_of(await world.tenant(tenant.slug)) == held
    async with world.transaction(tenant) as tx:
        told = await tx.rows("SELECT actor FROM audit_event WHERE tenant_id = $1 AND action = 'policy-change'")
    assert [row["actor"] for row in told] == ["operator"]


async def test_who_only_looks_changes_nothing(
    world: World, tenant: Tenant, other_tenant: Tenant, browser: httpx.AsyncClient
) -> None:
    await clients.create(world, tenant, "lab", scopes=["system/*.rs"])
    await clients.create(world, other_tenant, "theirs", scopes=["system/*.rs"])
    await enter(browser, world, tenant, "console/read")
    page = await browser.get(PAGE)
    assert ".lab" in page.text and "theirs" not in page.text and "/revoke" not in page.text
    posts = {
        "clients": {"name": "x", "scopes": "admin/*"},
        "clients/lab/revoke": {},
        "clients/lab/secret": {},
        "policies": {"delete_most": "9"},
    }
    for path, form in posts.items():
        assert (await browser.post(f"{PAGE}/{path}", data=form)).status_code == 403, path
    await enter(browser, world, tenant)
    for path, form in posts.items():  # a form of another site, should a browser ever send the cookie with it
        answer = await browser.post(f"{PAGE}/{path}", data=form, headers={"origin": "https://evil.example"})
        assert answer.status_code == 403, path
    assert (await browser.post(f"{PAGE}/clients/theirs/revoke", data={})).status_code == 404
    assert (await browser.post(f"{PAGE}/clients/lab/nothing", data={})).status_code == 404
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT active FROM client WHERE tenant_id = $1 AND name = 'lab'")
    cookie = browser.cookies["ponte_console"]
    for path in ("/api/v1/clients", "/fhir/Patient", "/api/v1/channels"):  # a session is for the pages only
        assert (await browser.get(path, headers={"authorization": f"Bearer {cookie}"})).status_code == 401, path


@pytest.mark.browser
async def test_in_a_browser(world: World, tenant: Tenant, address: str, chromium: Any, tmp_path: Any) -> None:
    token = await tokens.issue(world, tenant, "operator", roles=[], scopes=["admin/*"])
    page = await chromium.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    await page.goto(f"{address}/console/login?lang=pt")
    await page.click("summary")
    await page.fill("#token", token)
    await page.click("form:has(#token) button")
    await page.goto(f"{address}{PAGE}?lang=pt")
    await page.fill("#name", "lab-app")
    await page.fill("#scopes", "system/Patient.rs system/Observation.rs?category=laboratory")
    await page.click("form:has(#name) button")
    assert await page.locator(".secret code").inner_text()
    assert await page.evaluate(CONTRAST) == []
    await page.screenshot(path=str(tmp_path / "access.png"), full_page=True)
    for width in (1280, 360):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
    unnamed = "[...document.querySelectorAll('input')].filter(e => !e.labels.length && !e.ariaLabel).length"
    assert await page.evaluate(unnamed) == 0
    assert errors == []
