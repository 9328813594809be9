"""Signing in by the house's own service, tried against a small provider with faults: what holds, and what does not."""

from __future__ import annotations

import asyncio
import dataclasses
import html
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI
from identity_server import Provider

from api.console.federated import COOKIE as KEPT
from api.console.session import COOKIE
from api.http.app import create_app
from canonical.errors import Refused
from hub.exchange.door.keep import Keeper
from hub.guard import tokens, vault
from hub.users import accounts, federation, rules, sessions
from hub.world import Tenant, World
from tests.api.console.test_console_browser import chromium

__all__ = ["chromium"]  # a fixture
pytestmark = pytest.mark.usefixtures("light_hashes")


@pytest.fixture
def service() -> Iterator[Provider]:
    found = Provider()
    yield found
    found.close()


@pytest.fixture
def open_world(world: World) -> World:
    """The operator allows private addresses, or no test could have a provider."""
    return dataclasses.replace(world, settings=dataclasses.replace(world.settings, allow_private_targets=True))


@pytest.fixture
def app(open_world: World) -> FastAPI:
    return create_app(open_world, Keeper(open_world.database))


@pytest_asyncio.fixture
async def browser(app: FastAPI, open_world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, client=("10.1.2.3", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=open_world.settings.base_url) as found:
        yield found


async def trust(world: World, tenant: Tenant, service: Provider, **said: Any) -> None:
    document = {
        "title": "Entra", "issuer": service.issuer, "client_id": "ponte", "roles": {"ti": "operator", "chefia": "administrator"}, **said,
    }  # fmt: skip
    await federation.decide(world, tenant, federation.checked(world, document), actor="test")


async def way(browser: httpx.AsyncClient, tenant: Tenant, to: str = "") -> str:
    """The address back to us, as the service sends the browser there."""
    there = await browser.post("/console/login/oidc?lang=pt", data={"house": tenant.slug, "to": to})
    assert there.status_code == 200, there.text
    found = re.search(r'content="0; url=([^"]+)"', there.text)
    assert found
    async with httpx.AsyncClient(trust_env=False) as outside:
        return (await outside.get(html.unescape(found[1]))).headers["location"]


async def come(browser: httpx.AsyncClient, tenant: Tenant, to: str = "") -> httpx.Response:
    return await browser.get(await way(browser, tenant, to))


async def reasons(world: World, tenant: Tenant) -> list[str]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT detail::jsonb ->> 'reason' AS reason FROM audit_event WHERE tenant_id = $1 AND action = 'console-login' "
            "AND outcome = 'failure' ORDER BY seq"
        )
    return [row["reason"] for row in rows]


@pytest.mark.parametrize("secret", ["", "s3cr:t %&é"])
async def test_a_person_comes_by_the_houses_service(
    open_world: World, tenant: Tenant, browser: httpx.AsyncClient, service: Provider, secret: str
) -> None:
    service.secret = secret
    if secret:
        async with open_world.transaction(tenant) as tx:
            await vault.put_sign_in(tx, open_world.settings, "entra", (service.issuer, "ponte"), secret)
    await trust(open_world, tenant, service, credential="entra" if secret else "")
    await rules.decide(open_world, tenant, rules.House(second_factor=True, idle_minutes=30, hours=12), actor="test")
    arrived = await come(browser, tenant, "/console/messages?lang=pt")
    assert arrived.status_code == 200 and 'url=/console/messages?lang=pt"' in arrived.text
    cookies = {part.partition("=")[0]: part for part in arrived.headers.get_list("set-cookie")}
    assert "SameSite=strict" in cookies[COOKIE] and "Max-Age=0" in cookies[KEPT] and "SameSite=lax" in cookies[KEPT]
    page = await browser.get("/console/account?lang=pt")
    assert "Ana Teste" in page.text and "ana.teste@hospital.example" in page.text and "Operação" in page.text
    assert (await browser.get("/console/messages")).status_code == 200, "the service's own factors count"
    service.person |= {"name": "Ana Lima", "preferred_username": "outro", "groups": ["ti", "chefia"]}
    await come(browser, tenant)
    async with open_world.transaction(tenant) as tx:
        (one,) = await accounts.listed(tx)
    assert (one.login, one.name, one.federated, one.password) == ("ana.teste@hospital.example", "Ana Lima", True, False)
    assert one.roles == ("administrator", "operator"), "the groups of today"
    with pytest.raises(Refused):
        await accounts.reset(open_world, tenant, one.login, actor="test")
    await accounts.close(open_world, tenant, one.login, actor="test")
    assert (await browser.get("/console/account")).status_code == 401
    assert (await come(browser, tenant)).status_code == 403
    assert await reasons(open_world, tenant) == ["user.oidc-closed"]


async def test_an_administrator_sets_it_on_the_page(
    open_world: World, tenant: Tenant, app: FastAPI, browser: httpx.AsyncClient, service: Provider
) -> None:
    service.secret = "s3cr:t %&é"
    transport = httpx.ASGITransport(app=app, client=("10.1.2.4", 5000))
    token = await tokens.issue(open_world, tenant, "chefe", roles=[], scopes=["console/read", "admin/*"])
    weak = await tokens.issue(open_world, tenant, "rui", roles=[], scopes=["console/read", "users/write"])
    form = {
        "title": "Entra",
        "issuer": service.issuer,
        "client_id": "ponte",
        "secret": service.secret,
        "groups": " ti = operator\n",
    }
    async with httpx.AsyncClient(transport=transport, base_url=open_world.settings.base_url) as admin:
        await admin.post("/console/login", data={"token": weak})
        assert (await admin.post("/console/users/oidc?lang=pt", data=form)).status_code == 403
        await admin.post("/console/login", data={"token": token})
        assert (await admin.post("/console/users/oidc/try?lang=pt")).status_code == 404
        for wrong, status in (
            ({"groups": "ti"}, 422), ({"groups": "ti = rei"}, 422), ({"groups": ""}, 422), ({"issuer": "ftp://x"}, 422), ({"client_id": ""}, 422),
        ):  # fmt: skip
            answer = await admin.post("/console/users/oidc?lang=pt", data=form | wrong)
            assert answer.status_code == status and 'role="alert"' in answer.text, wrong
        kept = await admin.post("/console/users/oidc?lang=pt", data=form)
        assert kept.status_code == 200 and "Login da instituição gravado" in kept.text and "s3cr" not in kept.text
        assert "O serviço responde" in (await admin.post("/console/users/oidc/try?lang=pt")).text
        again = await admin.post("/console/users/oidc?lang=pt", data=form | {"secret": "", "title": "Entra ID"})
        assert "Login da instituição gravado" in again.text, "an empty field leaves the secret"
        moved = await admin.post(
            "/console/users/oidc?lang=pt", data=form | {"secret": "", "issuer": "https://outro.example"}
        )
        assert moved.status_code == 422, "a secret is not told to another service"
        arrived = await come(browser, tenant)
        assert arrived.status_code == 200 and COOKIE in browser.cookies
        service.close()
        assert "não responde" in (await admin.post("/console/users/oidc/try?lang=pt")).text
        gone = await admin.post("/console/users/oidc/off?lang=pt")
        assert gone.status_code == 200 and federation.service_of(await open_world.tenant(tenant.slug)) is None


NOW = int(time.time())
FAULTS: dict[str, tuple[dict[str, Any], str, int]] = {
    "issuer": ({"claims": {"iss": "https://mau.example"}}, "issuer", 401),
    "answered-issuer": ({"answered": "https://mau.example"}, "issuer", 401),
    "audience": ({"claims": {"aud": "other"}}, "audience", 401),
    "many-audiences": ({"claims": {"aud": ["ponte", "other"]}}, "audience", 401),
    "party": ({"claims": {"azp": "other"}}, "audience", 401),
    "nonce": ({"claims": {"nonce": "another"}}, "nonce", 401),
    "no-nonce": ({"claims": {"nonce": None}}, "nonce", 401),
    "expired": ({"claims": {"exp": NOW - 3600}}, "expired", 401),
    "not-yet": ({"claims": {"iat": NOW + 3600}}, "expired", 401),
    "never-expires": ({"claims": {"exp": None}}, "claims", 401),
    "strange-time": ({"claims": {"exp": "soon"}}, "claims", 401),
    "no-subject": ({"claims": {"sub": ""}}, "subject", 401),
    "long-subject": ({"claims": {"sub": "x" * 300}}, "subject", 401),
    "no-key": ({"header": {"kid": "nowhere"}}, "key", 401),
    "key-for-encryption": ({"header": {"kid": "for-encryption"}}, "key", 401),
    "critical": ({"header": {"crit": ["b64"]}}, "form", 401),
    "alg-none": ({"fault": "none"}, "algorithm", 401),
    "alg-hs256": ({"fault": "hs256"}, "algorithm", 401),
    "strange-key": ({"fault": "strange-key"}, "signature", 401),
    "html": ({"fault": "html"}, "token", 401),
    "redirect": ({"fault": "redirect"}, "transport.document", 403),
    "refused": ({"fault": "refuse"}, "refused", 401),
    "no-role": ({"claims": {"groups": ["cozinha"]}}, "user.oidc-role", 403),
    "no-groups": ({"claims": {"groups": None}}, "user.oidc-role", 403),
    "no-login": ({"claims": {"preferred_username": None}}, "user.login", 403),
}


async def test_what_does_not_hold(
    open_world: World, tenant: Tenant, browser: httpx.AsyncClient, service: Provider
) -> None:
    await trust(open_world, tenant, service)
    for name, (said, _, status) in FAULTS.items():
        service.fault, service.said = said.get("fault", ""), said
        answer = await come(browser, tenant)
        assert answer.status_code == status and 'role="alert"' in answer.text, name
        assert COOKIE not in answer.headers["set-cookie"] and "Ana Teste" not in answer.text, name
    assert await reasons(open_world, tenant) == [reason for _, reason, _ in FAULTS.values()]
    async with open_world.transaction(tenant) as tx:
        assert await accounts.listed(tx) == []


async def test_a_key_that_was_rotated(
    open_world: World, tenant: Tenant, app: FastAPI, browser: httpx.AsyncClient, service: Provider, monkeypatch: Any
) -> None:
    await trust(open_world, tenant, service)
    assert (await come(browser, tenant)).status_code == 200
    service.rotate("second")
    assert (await come(browser, tenant)).status_code == 401, "asked again after half a minute at the soonest"
    monkeypatch.setattr("hub.guard.keys.AGAIN_SECONDS", 0.0)
    assert (await come(browser, tenant)).status_code == 200
    service.fault = "retired-key"
    assert (await come(browser, tenant)).status_code == 401
    assert await reasons(open_world, tenant) == ["key", "key"]


async def test_the_way_back_is_of_the_browser_that_began(
    open_world: World, tenant: Tenant, other_tenant: Tenant, browser: httpx.AsyncClient, app: FastAPI, service: Provider
) -> None:
    await trust(open_world, tenant, service)
    place = await way(browser, tenant)
    transport = httpx.ASGITransport(app=app, client=("10.1.2.4", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=open_world.settings.base_url) as thief:
        assert (await thief.get(place)).status_code == 401, "a link somebody else was given"
        await way(thief, tenant)
        assert (await thief.get(place)).status_code == 401, "another state"
    query = dict(parse_qsl(urlsplit(place).query))
    for wrong in ({"state": "x"}, {"state": ""}, {"code": ""}, {"code": "x"}):
        await way(browser, tenant)
        answer = await browser.get(federation.BACK, params=query | wrong)
        assert answer.status_code in (401, 403), wrong
    again = await way(browser, tenant)
    assert (await browser.get(again)).status_code == 200
    assert (await browser.get(again)).status_code == 401, "a code and its state hold once"
    for house in (other_tenant.slug, "nowhere-at-all"):
        answer = await browser.post("/console/login/oidc", data={"house": house})
        assert answer.status_code == 404 and KEPT not in answer.headers.get("set-cookie", "")


async def test_a_login_that_is_somebodys_stays_theirs(
    open_world: World, tenant: Tenant, browser: httpx.AsyncClient, service: Provider
) -> None:
    person = accounts.checked("ana.teste@hospital.example", "Another Ana", ["administrator"])
    await accounts.add(open_world, tenant, person, actor="test")
    await trust(open_world, tenant, service)
    assert (await come(browser, tenant)).status_code == 403
    assert await reasons(open_world, tenant) == ["user.oidc-taken"]


async def test_private_addresses_are_not_asked(
    world: World, open_world: World, tenant: Tenant, service: Provider
) -> None:
    with pytest.raises(Refused):
        await trust(world, tenant, service)  # plain http
    await trust(open_world, tenant, service, issuer="https://127.0.0.1:1/realm")
    closed = create_app(world, Keeper(world.database))
    transport = httpx.ASGITransport(app=closed, client=("10.1.2.3", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="https://hub.example") as browser:
        answer = await browser.post("/console/login/oidc?lang=pt", data={"house": tenant.slug})
    assert answer.status_code == 502 and service.asked == []


async def test_the_service_must_be_the_issuer_it_says(
    open_world: World, tenant: Tenant, browser: httpx.AsyncClient, service: Provider
) -> None:
    await trust(open_world, tenant, service)
    service.said = {"discovered": "https://mau.example"}
    assert (await browser.post("/console/login/oidc", data={"house": tenant.slug})).status_code == 401


async def test_a_service_that_is_none(open_world: World, tenant: Tenant, service: Provider) -> None:
    faults: list[dict[str, Any]] = [
        {"issuer": "ftp://x"}, {"roles": {}}, {"roles": {"ti": "king"}}, {"roles": {"t\ni": "viewer"}}, {"roles": {"": "viewer"}}, {"roles": []}, {"unknown": "1"}, {"scopes": "profile"},
        {"title": "x" * 99}, {"groups_claim": "a b"}, {"client_id": "a\nb"},
    ]  # fmt: skip
    for wrong in faults:
        with pytest.raises(Refused):
            await trust(open_world, tenant, service, **wrong)


async def test_groups_within_objects(
    open_world: World, tenant: Tenant, browser: httpx.AsyncClient, service: Provider
) -> None:
    await trust(open_world, tenant, service, groups_claim="realm_access.roles")
    service.person |= {"groups": [], "realm_access": {"roles": ["chefia", 7]}}
    assert (await come(browser, tenant)).status_code == 200
    found = await sessions.find(open_world, browser.cookies[COOKIE])
    assert found and found.roles == ("administrator",)


@pytest.mark.browser
async def test_in_a_browser(world: World, tenant: Tenant, service: Provider, chromium: Any) -> None:
    """There and back over two sites: a strict cookie is not sent on a way that another site began."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        own = dataclasses.replace(
            world.settings, allow_private_targets=True, http_port=held.getsockname()[1], public_url=""
        )
        here = dataclasses.replace(world, settings=own)
        await trust(here, tenant, service)
        config = uvicorn.Config(create_app(here, Keeper(here.database)), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        running = asyncio.create_task(server.serve(sockets=[held]))
        try:
            page = await chromium.new_page(locale="pt-BR")
            await page.goto(f"http://127.0.0.1:{own.http_port}/console/files")
            await page.fill("#house", tenant.slug)
            await page.get_by_role("button", name="Conta da instituição").click()
            await page.wait_for_selector("#files")
            assert await page.locator(".who").inner_text() == "Ana Teste"
            service.fault = "none"
            await page.get_by_role("button", name="Sair").click()
            await page.goto(f"http://127.0.0.1:{own.http_port}/console/login?lang=pt")
            await page.get_by_role("button", name="Conta da instituição").focus()
            await page.keyboard.press("Enter")
            await page.wait_for_selector("[role=alert]")
            assert "não foi aceito" in await page.locator("[role=alert]").inner_text()
        finally:
            server.should_exit = True
            await running
