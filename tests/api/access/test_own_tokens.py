"""Tokens people make for programs of their own: what they may, who sees them, and what ends them."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi import FastAPI

from hub.users import accounts, own_tokens
from hub.users.own_tokens import Wish
from hub.world import Tenant, World
from tests.api.access.test_people import OWN, Browser, add, another, enter
from tests.api.conftest import NewClient

__all__ = ["another"]  # a fixture
pytestmark = pytest.mark.usefixtures("light_hashes")
FORM = {"current": OWN, "title": "Planilha  de alarmes", "minutes": "15", "scope": ["alarms/read", "channels/read"]}


async def made(browser: httpx.AsyncClient, **changed: object) -> httpx.Response:
    return await browser.post("/console/account/token?lang=pt", data=FORM | changed)


def token_of(page: httpx.Response) -> str:
    found = re.search(r'class="secret"><code>(eyJ[\w.-]+)<', page.text)
    assert found, page.text
    return found[1]


async def status(app: FastAPI, token: str, path: str = "/api/v1/alarms") -> int:
    """A call with the token, by a process that has not seen it yet."""
    app.state.ponte.verifier.forget(token)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
        return (await client.get(path, headers={"authorization": f"Bearer {token}"})).status_code


async def test_by_page(world: World, tenant: Tenant, app: FastAPI, another: Browser, client_for: NewClient) -> None:
    await add(world, tenant, "ana", "operator")
    browser = await another()
    await enter(browser, tenant, "ana")
    page = (await browser.get("/console/account?lang=pt")).text
    assert 'value="channels/write"' in page and 'value="admin/*"' not in page and 'value="console/read"' not in page
    for wrong, code in (
        ({"current": "x"}, 422), ({"title": " "}, 422), ({"minutes": "90000"}, 422), ({"scope": []}, 422), ({"scope": "x y"}, 422),
        ({"scope": "admin/*"}, 403), ({"scope": "system/Patient.rs"}, 403), ({"scope": "console/read"}, 403),
    ):  # fmt: skip
        refused = await made(browser, **wrong)
        assert refused.status_code == code and 'role="alert"' in refused.text and "eyJ" not in refused.text, wrong
    token = token_of(await made(browser))
    assert await status(app, token) == 200 and await status(app, token, "/api/v1/users") == 403
    assert (await (await another()).post("/console/login", data={"token": token})).status_code == 403, "no pages"
    page = (await browser.get("/console/account?lang=pt")).text
    assert "Planilha de alarmes" in page and token not in page
    admin, looks = await client_for(tenant, ["admin/*"]), await client_for(tenant, ["users/read"])
    (shown,) = (await looks.get("/api/v1/users/ana/tokens")).json()["tokens"]
    assert shown["title"] == "Planilha de alarmes" and shown["scopes"] == ["alarms/read", "channels/read"]
    other = token_of(await made(browser, title="outra"))
    place = f"/api/v1/users/ana/tokens/{shown['id']}"
    assert [(await client.delete(place)).status_code for client in (looks, admin, admin)] == [403, 204, 404]
    assert await status(app, token) == 401 and await status(app, other) == 200
    ending = re.findall(r'name="token" value="(\w+)"', (await browser.get("/console/account")).text)
    assert (
        "Token encerrado" in (await browser.post("/console/account/token-end?lang=pt", data={"token": ending[0]})).text
    )
    assert await status(app, other) == 401


async def token(world: World, tenant: Tenant, login: str, *scopes: str) -> str:
    held = frozenset(("admin/*", "console/read"))
    return await own_tokens.make(world, tenant, login, held, Wish(title="x", scopes=scopes, minutes=15))


async def test_what_ends_a_token(world: World, tenant: Tenant, other_tenant: Tenant, app: FastAPI) -> None:
    for login in ("ana", "bia"):
        await add(world, tenant, login, "administrator")
    await add(world, other_tenant, "ana", "administrator")
    other, theirs = (
        await token(world, tenant, "bia", "alarms/read"),
        await token(world, other_tenant, "ana", "alarms/read"),
    )

    async def change(*titles: str) -> None:
        await accounts.change(world, tenant, "ana", roles=titles, actor="test")

    acts = {
        "other roles": lambda: change("operator"),
        "another password": lambda: accounts.choose(world, tenant, "ana", "rua larga 8"),
        "a new first password": lambda: accounts.reset(world, tenant, "ana", actor="test"),
        "a closed account": lambda: accounts.close(world, tenant, "ana", actor="test"),
    }
    for name, act in acts.items():
        one = await token(world, tenant, "ana", "alarms/read")
        await accounts.change(world, tenant, "ana", name="Outro Nome", actor="test")
        assert await status(app, one) == 200, name
        await act()
        assert await status(app, one) == 401, name
    assert await status(app, other) == 200 and await status(app, theirs) == 200


def test_choices() -> None:
    assert {"admin/*", "users/write", "tiss/*"} <= set(own_tokens.choices(frozenset(("admin/*", "console/read"))))
    assert not [
        s for s in own_tokens.choices(frozenset(("admin/*",))) if s.startswith(("system/", "blocked/", "console/"))
    ]
    held = frozenset(("console/read", "system/AuditEvent.rs"))
    assert own_tokens.choices(held) == ["system/AuditEvent.rs"]
