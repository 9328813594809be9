"""The page of partners and schedules: who sees it, who changes, by which forms, in both languages."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx
import peers
import pytest

from canonical.toml_text import text
from hub.exchange.work import usual
from hub.guard import tokens
from hub.operate import agenda
from hub.partners import desk
from hub.world import Tenant, World
from tests.api.console.test_console_access import browser, enter
from tests.api.console.test_console_browser import CONTRAST, address, chromium

__all__ = ["address", "browser", "chromium"]  # fixtures
PAGE = "/console/partners"
LAB: dict[str, Any] = {
    "kind": "lab",
    "code": "apoio",
    "name": 'Laboratório "Apoio" <b>',
    "speaks": "hl7 2.5.1",
    "allow_private": True,
    "transport": {"kind": "mllp", "host": "127.0.0.1", "port": 2575, "connect_timeout_s": 1},
}


@pytest.fixture
def world(world: World) -> World:
    """One whose operator allows the private network."""
    return dataclasses.replace(world, settings=dataclasses.replace(world.settings, allow_private_targets=True))


async def test_only_with_a_session_and_only_an_administrator_changes(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    assert (await browser.get(PAGE)).status_code == 401
    await enter(browser, world, tenant, "console/read")
    shown = await browser.get(PAGE)
    assert shown.status_code == 200 and "<textarea" not in shown.text
    refused = await browser.post(PAGE, data={"document": text(LAB)})
    assert refused.status_code == 403
    async with world.transaction(tenant) as tx:
        assert await desk.listed(tx) == []


async def test_a_laboratory_is_connected_tried_and_switched(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await enter(browser, world, tenant)
    async with peers.mllp() as peer:
        stated = {**LAB, "transport": {**LAB["transport"], "port": peer.port}}
        kept = await browser.post(PAGE, data={"document": text(stated)})
        assert (
            kept.status_code == 200 and "lab/apoio" in kept.text and "&lt;b&gt;" in kept.text and "<b>" not in kept.text
        )
        tried = await browser.post(f"{PAGE}/lab/apoio/test")
        assert "host responde" in tried.text
    tried = await browser.post(f"{PAGE}/lab/apoio/test?lang=en")
    assert tried.status_code == 200 and "connection" in tried.text
    assert "desligado" in (await browser.post(f"{PAGE}/lab/apoio/off")).text
    edited = await browser.get(f"{PAGE}?edit=lab/apoio")
    assert "connect_timeout_s = 1" in edited.text and "active = false" in edited.text
    assert (await browser.get(f"{PAGE}?edit=lab/nobody")).status_code == 404


@pytest.mark.parametrize(
    ("document", "told"),
    [("kind = lab", "TOML nem JSON"), ('kind = "lab"\ncode = "Apoio 1"', "nome curto"), ("{[1]}", "TOML nem JSON")],
)
async def test_what_is_wrong_is_told_and_the_text_stays(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, document: str, told: str
) -> None:
    await enter(browser, world, tenant)
    answer = await browser.post(PAGE, data={"document": document})
    assert answer.status_code == 422 and told in answer.text
    assert document.splitlines()[0].replace('"', "&#34;") in answer.text


async def test_schedules_are_changed_paused_and_started(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await usual.seed(world, tenant, usual.PAYER)
    await usual.seed(world, tenant, usual.UPKEEP)
    await enter(browser, world, tenant)
    at = f"{PAGE}/schedules"
    assert (await browser.post(f"{at}/close-batches/time", data={"cron": "30 19 * * 1-5"})).status_code == 200
    assert (await browser.post(f"{at}/close-batches/time", data={"cron": "99 * * * *"})).status_code == 422
    assert (await browser.post(f"{at}/close-batches/resume")).status_code == 200
    assert "na fila" in (await browser.post(f"{at}/close-batches/run")).text
    assert (await browser.post(f"{at}/seal-audit/pause")).status_code == 409
    assert (await browser.post(f"{at}/nobody/run")).status_code == 404
    assert (await browser.post(f"{at}/close-batches/remove")).status_code == 404
    async with world.transaction(tenant) as tx:
        found = await agenda.one(tx, "close-batches")
    assert (found.cron, found.active) == ("30 19 * * 1-5", True)


async def test_nobody_elses_site_changes_anything(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await enter(browser, world, tenant)
    headers = {"origin": "https://elsewhere.example"}
    assert (await browser.post(PAGE, data={"document": text(LAB)}, headers=headers)).status_code == 403


@pytest.mark.browser
async def test_in_a_browser(chromium: Any, address: str, world: World, tenant: Tenant) -> None:
    await usual.seed(world, tenant, usual.PAYER)
    page = await chromium.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    await page.goto(f"{address}/console/login?lang=pt")
    await page.click("summary")
    await page.fill("#token", await tokens.issue(world, tenant, "operator", roles=[], scopes=["admin/*"]))
    await page.click("form:has(#token) button")
    await page.goto(f"{address}{PAGE}?lang=pt")
    assert await page.title() == "Parceiros e agenda · Ponte"
    await page.fill("#text", text(LAB))
    await page.click("form:has(#text) button")
    assert "lab/apoio" in await page.locator("[aria-labelledby=told]").inner_text()
    assert await page.evaluate(CONTRAST) == []
    for width in (1280, 360):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
    unnamed = "[...document.querySelectorAll('input, textarea')].filter(e => !e.labels.length && !e.ariaLabel).length"
    assert await page.evaluate(unnamed) == 0
    assert errors == []
