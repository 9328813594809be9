"""People sign in under their own names: what the pages let them do, what ends a session, and who is named afterwards."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from api.console.session import COOKIE
from hub.users import accounts, codes, roles
from hub.world import Tenant, World

pytestmark = pytest.mark.usefixtures("light_hashes")
OWN = "vento lento 3"
Browser = Callable[[], Awaitable[httpx.AsyncClient]]


@pytest_asyncio.fixture
async def another(app: FastAPI) -> AsyncIterator[Browser]:
    """Makes browsers."""
    opened: list[httpx.AsyncClient] = []

    async def make() -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app, client=("10.1.2.3", 5000))
        opened.append(httpx.AsyncClient(transport=transport, base_url="https://hub.example"))
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()


async def add(world: World, tenant: Tenant, login: str, *titles: str, password: str = OWN) -> str:
    person = accounts.checked(login, f"Pessoa {login.title()}", titles)
    return await accounts.add(world, tenant, person, actor="test", password=password)


async def enter(browser: httpx.AsyncClient, tenant: Tenant, login: str, password: str = OWN) -> httpx.Response:
    form = {"house": tenant.slug, "login": login, "password": password}
    return await browser.post("/console/login?lang=pt", data=form)


async def trail(world: World, tenant: Tenant) -> list[tuple[str, str, str, str]]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT actor, action, entity, outcome FROM audit_event WHERE tenant_id = $1 ORDER BY seq")
    return [tuple(row.values()) for row in rows]


async def test_a_first_password_opens_one_page_only(world: World, tenant: Tenant, another: Browser) -> None:
    browser, first = await another(), await add(world, tenant, "ana", "administrator", password="")
    answer = await enter(browser, tenant, "ana", first)
    assert answer.status_code == 303 and first not in answer.text
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith(COOKIE))
    for flag in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200", "Secure"):
        assert flag in cookie
    for page in ("/", "/console/messages", "/console/users", "/console/access", "/console/files", "/console/denials"):
        turned = await browser.get(page)
        assert turned.status_code == 303 and turned.headers["location"].startswith("/console/account"), page
    assert (await browser.post("/console/users", data={"login": "eve"})).status_code == 303
    page = await browser.get("/console/account?lang=pt")
    assert "escolha a sua própria senha" in page.text and "Mensagens" not in page.text
    form = {"current": first, "new": OWN, "again": OWN}
    for wrong, status in (({"again": "x"}, 422), ({"current": "x"}, 422), ({"new": "123", "again": "123"}, 422)):
        answer = await browser.post("/console/account/password?lang=pt", data=form | wrong)
        assert answer.status_code == status and 'role="alert"' in answer.text, wrong
    assert "Senha alterada" in (await browser.post("/console/account/password?lang=pt", data=form)).text
    assert tenant.name in (await browser.get("/")).text
    assert (await enter(browser, tenant, "ana", first)).status_code == 401


async def test_what_is_wrong_is_not_told(world: World, tenant: Tenant, other_tenant: Tenant, another: Browser) -> None:
    await add(world, tenant, "ana", "viewer")
    await add(world, tenant, "gone", "viewer")
    await accounts.close(world, tenant, "gone", actor="test")
    browser, said = await another(), set()
    for house, login, password in (
        (tenant.slug, "ana", "wrong"), (tenant.slug, "bea", OWN), (tenant.slug, "gone", OWN), (other_tenant.slug, "ana", OWN),
        ("nowhere-at-all", "ana", OWN), ("", "ana", OWN), (tenant.slug, "", ""), (tenant.slug, "a\0b", OWN), (tenant.slug, "á" * 90, "x" * 900),
    ):  # fmt: skip
        form = {"house": house, "login": login, "password": password}
        answer = await browser.post("/console/login?lang=pt", data=form)
        assert answer.status_code == 401 and COOKIE not in answer.headers.get("set-cookie", "")
        said.add(re.sub(r'value="[^"]*"| autofocus', "", answer.text))
    assert len(said) == 1, "the answers differ in what was typed only"
    events = await trail(world, tenant)
    assert ("user:ana", "console-login", "user/ana", "failure") in events
    assert ("console", "console-login", "console", "failure") in events
    assert not [event for event in events if "bea" in str(event)], "what was typed may be a password in the wrong field"


async def test_the_sixth_guess_waits(world: World, tenant: Tenant, another: Browser) -> None:
    await add(world, tenant, "ana", "viewer")
    for login in ("ana", "nobody"):
        browser = await another()
        answers = [await enter(browser, tenant, login, f"guess {n}") for n in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) <= 61 and "Tente de novo em 1 min" in answers[-1].text
    assert (await enter(await another(), tenant, "ana")).status_code == 429, "nor is the right one looked at"


# What each role may do, by the answer to an act that changes nothing more (an alarm that is over, a replay without a
# choice, a faulty client, a faulty account), and by what is shown.
ACTS: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "alarm": ("/console/alarms", {"rule": "x"}, {"administrator", "operator"}),
    "replay": ("/console/messages/replay", {}, {"administrator", "operator"}),
    "client": ("/console/access/clients", {"name": "X"}, {"administrator"}),
    "policy": ("/console/access/policies", {}, {"administrator"}),
    "retention": ("/console/retention/holds", {}, {"administrator", "privacy"}),
    "block": ("/console/persons/block", {"person": "Patient/none"}, {"administrator", "privacy"}),
    "copy": ("/console/persons/export", {"person": "Patient/none"}, {"administrator", "privacy"}),
    "accesses": ("/console/persons/look", {"person": "Patient/none"}, {"administrator", "auditor", "privacy"}),
    "trail": ("/console/trail", {"person": "Patient/none"}, {"administrator", "auditor", "privacy"}),
    "partner": ("/console/partners", {"document": "="}, {"administrator", "operator"}),
    "schedule": ("/console/partners/schedules/none/pause", {}, {"administrator", "operator"}),
    "person": ("/console/users", {"login": "X"}, {"administrator"}),
    "rules": ("/console/users/rules", {}, {"administrator"}),
    "reset": ("/console/users/zoe/nothing", {}, {"administrator"}),
}


@pytest.mark.parametrize("role", list(roles.roles()))
async def test_roles(world: World, tenant: Tenant, another: Browser, role: str) -> None:
    await add(world, tenant, "ana", role)
    browser = await another()
    assert (await enter(browser, tenant, "ana")).status_code == 303
    for name, (place, form, allowed) in ACTS.items():
        answer = await browser.post(place, data=form)
        assert (answer.status_code != 403) == (role in allowed), (name, answer.status_code)
    for place in (
        "/",
        "/console/messages",
        "/console/denials",
        "/console/network",
        "/console/files",
        "/console/access",
    ):
        assert (await browser.get(place)).status_code == 200, place
    users = await browser.get("/console/users?lang=pt")
    assert (users.status_code == 200) == (role in ("administrator", "auditor"))
    assert ("Nova conta" in users.text) == (role == "administrator")
    bearer = {"authorization": f"Bearer {browser.cookies[COOKIE]}"}
    assert (await browser.get("/fhir/Patient", headers=bearer)).status_code == 401, "a session is for the pages"


async def test_an_administrator_keeps_people(
    world: World, tenant: Tenant, other_tenant: Tenant, another: Browser
) -> None:
    await add(world, tenant, "ana", "administrator")
    await add(world, other_tenant, "theirs", "viewer")
    browser, hers = await another(), await another()
    await enter(browser, tenant, "ana")
    form = {"login": "Bia@Hospital.example", "name": " Bia  <b>Lima</b> ", "role": "billing"}
    made = await browser.post("/console/users?lang=pt", data=form)
    first = re.search(r'class="secret"><code>([\w-]+)<', made.text)
    assert (
        made.status_code == 200 and first and "Bia &lt;b&gt;Lima&lt;/b&gt;" in made.text and "theirs" not in made.text
    )
    assert first[1] not in (await browser.get("/console/users")).text
    place = "/console/users/bia%40hospital.example"
    await enter(hers, tenant, "bia@hospital.example", first[1])
    await hers.post("/console/account/password", data={"current": first[1], "new": OWN, "again": OWN})
    assert (await hers.get("/console/denials")).status_code == 200
    change = await browser.post(f"{place}/change?lang=pt", data={"name": "Bia Lima", "role": ["viewer", "auditor"]})
    assert "Conta alterada" in change.text and (await hers.get("/console/users")).status_code == 200
    again = await browser.post(f"{place}/reset?lang=pt", data={})
    assert "Nova primeira senha" in again.text and (await hers.get("/console/denials")).status_code == 401
    assert (await enter(hers, tenant, "bia@hospital.example")).status_code == 401
    second = re.search(r'class="secret"><code>([\w-]+)<', again.text)
    assert second and (await enter(hers, tenant, "bia@hospital.example", second[1])).status_code == 303
    assert (await browser.post(f"{place}/close", data={})).status_code == 200
    assert (await hers.get("/console/account")).status_code == 401, "closed is closed at once"
    assert (await browser.post(f"{place}/open", data={})).status_code == 200
    for path, data, status in (
        (f"{place}/change", {}, 422), ("/console/users/theirs/close", {}, 404), ("/console/users/ana/close", {}, 409),
        ("/console/users", form, 409), ("/console/users", {"login": "c c", "name": "x", "role": "viewer"}, 422),
        ("/console/users", {"login": "carla", "name": "x", "role": "king"}, 422), ("/console/users/rules", {"hours": "99"}, 422),
    ):  # fmt: skip
        answer = await browser.post(f"{path}?lang=pt", data=data)
        assert answer.status_code == status and 'role="alert"' in answer.text, path
    who = {(actor, action) for actor, action, *_ in await trail(world, tenant) if action.startswith("user-")}
    assert {("user:ana", f"user-{act}") for act in ("create", "change", "reset", "close", "open")} < who
    assert ("user:bia@hospital.example", "user-password") in who


async def test_sessions_are_seen_and_ended(world: World, tenant: Tenant, another: Browser) -> None:
    await add(world, tenant, "ana", "viewer")
    await add(world, tenant, "bia", "viewer")
    one, two, three, other = [await another() for _ in range(4)]
    for browser in (one, two, three):
        browser.headers["user-agent"] = f"Navegador/{id(browser)}"
        await enter(browser, tenant, "ana")
    await enter(other, tenant, "bia")
    page = (await one.get("/console/account")).text
    ids = re.findall(r'name="session" value="([^"]+)"', page)
    assert len(ids) == 2 and str(id(two)) in page
    for which in (ids[0], "x", "a\0b"):
        assert (await other.post("/console/account/end", data={"session": which})).status_code == 404
    assert (await one.post("/console/account/end", data={"session": ids[0]})).status_code == 200
    alive = [(await browser.get("/console/account")).status_code for browser in (one, two, three)]
    assert sorted(alive) == [200, 200, 401] and alive[0] == 200
    changed = await one.post(
        "/console/account/password", data={"current": OWN, "new": "rua larga 8", "again": "rua larga 8"}
    )
    assert changed.status_code == 200
    alive = [(await browser.get("/console/account")).status_code for browser in (one, two, three, other)]
    assert alive == [200, 401, 401, 200], "another password ends the others of that person"
    word = one.cookies[COOKIE]
    assert (await one.post("/console/logout")).status_code == 303
    assert (await one.get("/console/account", headers={"cookie": f"{COOKIE}={word}"})).status_code == 401


async def test_a_second_factor_by_the_pages(world: World, tenant: Tenant, another: Browser) -> None:
    await add(world, tenant, "ana", "viewer")
    browser = await another()
    await enter(browser, tenant, "ana")
    offered = (await browser.post("/console/account/begin?lang=pt", data={"current": OWN})).text
    secret = re.search(r'class="secret"><code>([A-Z2-7 ]+)<', offered)
    ticket = re.search(r'name="ticket" value="([^"]+)"', offered)
    assert secret and ticket and "otpauth://totp/" in offered
    key = secret[1].replace(" ", "")
    wrong = await browser.post("/console/account/enrol", data={"ticket": ticket[1], "code": "000"})
    assert 'role="alert"' in wrong.text and secret[1] in wrong.text, "the same key is still there"
    code = codes.code(key, codes.step_of(world.now()))
    kept = await browser.post("/console/account/enrol", data={"ticket": ticket[1], "code": code})
    paper = re.findall(r"<li><code>([a-z0-9-]+)</code>", kept.text)
    assert len(paper) == 10
    fresh = await another()
    asked = await enter(fresh, tenant, "ana")
    assert (
        asked.status_code == 200 and "set-cookie" not in asked.headers and 'autocomplete="one-time-code"' in asked.text
    )
    half = re.search(r'name="ticket" value="([^"]+)"', asked.text)
    assert half
    failed = await fresh.post("/console/login/code?lang=pt", data={"ticket": half[1], "code": "1"})
    assert failed.status_code == 401 and half[1] in failed.text
    assert (await fresh.post("/console/login/code", data={"ticket": "x", "code": paper[0]})).status_code == 401
    assert (await fresh.post("/console/login/code", data={"ticket": half[1], "code": paper[0]})).status_code == 303
    assert "código de recuperação" in (await fresh.get("/console/account?lang=pt")).text
    assert (await fresh.post("/console/account/forget", data={"current": "x"})).status_code == 422
    assert (await fresh.post("/console/account/forget", data={"current": OWN})).status_code == 200
    assert (await enter(await another(), tenant, "ana")).status_code == 303


def posting(app: FastAPI) -> list[str]:
    """The address of every form of the console."""
    contexts = iter_route_contexts(app.routes)
    found = [c.path for c in contexts if isinstance(c.original_route, APIRoute) and "POST" in (c.methods or ())]
    return [path for path in found if path.startswith("/console")]


FOREIGN = ({"origin": "https://mau.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"})


async def test_no_form_of_another_site_does_anything(
    world: World, tenant: Tenant, app: FastAPI, another: Browser
) -> None:
    await add(world, tenant, "ana", "administrator")
    browser = await another()
    await enter(browser, tenant, "ana")
    before = await trail(world, tenant)
    places = posting(app)
    assert len(places) >= 15
    for place, header in ((place, header) for place in places for header in FOREIGN):
        path = re.sub(r"\{[a-z_]+\}", "end", place)
        answer = await browser.post(path, data={"current": OWN}, headers=header)
        assert answer.status_code == 403 and "set-cookie" not in answer.headers, (place, header)
    assert await trail(world, tenant) == before


PLACES = {
    "/console/messages?lang=pt&status=ERROR": "/console/messages?lang=pt&status=ERROR",
    **dict.fromkeys(
        ("//mau.example/", "https://mau.example", "/\\mau.example", "/console/logout", "/fhir/Patient", "/console/x\r\nset-cookie: a=b"),
        "/?lang=pt",
    ),
}  # fmt: skip


async def test_one_comes_to_the_page_one_wanted(world: World, tenant: Tenant, another: Browser) -> None:
    await add(world, tenant, "ana", "viewer")
    browser = await another()
    for to, place in PLACES.items():
        form = {"house": tenant.slug, "login": "ana", "password": OWN, "to": to}
        answer = await browser.post("/console/login?lang=pt", data=form)
        assert answer.headers["location"] == place, to
    await browser.post("/console/logout")
    wanted = next(iter(PLACES))
    asked = await browser.get(wanted)
    assert asked.status_code == 401 and f'name="to" value="{wanted.replace("&", "&amp;")}"' in asked.text
    assert f'id="house" name="house" value="{tenant.slug}"' in asked.text, "the browser remembers the house"
    assert "A sessão terminou" not in asked.text, "nobody was in"


async def test_a_session_that_ended_is_told_and_leads_back(world: World, tenant: Tenant, another: Browser) -> None:
    await add(world, tenant, "ana", "billing")
    browser = await another()
    await enter(browser, tenant, "ana")
    async with world.transaction(tenant) as tx:
        await tx.run("DELETE FROM console_session WHERE tenant_id = $1")
    looked = await browser.get("/console/billing?lang=pt")
    assert looked.status_code == 401 and "A sessão terminou, por tempo sem uso" in looked.text
    for path, page in (("/console/billing/close", "/console/billing"), ("/console/alarms", "/")):
        sent = await browser.post(f"{path}?lang=pt", data={"rule": "x"})
        assert sent.status_code == 401 and "nada foi feito" in sent.text
        assert f'name="to" value="{page}"' in sent.text


async def test_the_trail_names_the_person(
    world: World, tenant: Tenant, another: Browser, client_for: Callable[..., Awaitable[httpx.AsyncClient]]
) -> None:
    from tests.api.console.test_console import put_message

    await add(world, tenant, "ana", "operator")
    browser = await another()
    await enter(browser, tenant, "ana")
    await put_message(world, tenant, status="ERROR", lane_id=1, control_id="A1")
    answer = await browser.post("/console/messages/replay?lang=pt", data={"status": "ERROR"})
    assert answer.status_code == 200
    client = await client_for(tenant, ["system/AuditEvent.rs"])
    found = (await client.get("/fhir/AuditEvent?altid=user:ana&subtype=replay")).json()["entry"]
    agent: dict[str, Any] = found[0]["resource"]["agent"][0]
    assert agent["altId"] == "user:ana" and agent["name"] == "Pessoa Ana" and agent["who"]["display"] == "Pessoa Ana"
    named = (await client.get("/fhir/AuditEvent?agent-name=Pessoa")).json()
    assert {e["resource"]["agent"][0]["altId"] for e in named["entry"]} == {"user:ana"}
