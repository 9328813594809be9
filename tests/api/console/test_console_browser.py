"""The first page in a real browser: it opens, lets an operator in, reads well, and works by keyboard alone."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI

from hub.guard import tokens
from hub.world import Tenant, World
from tests.api.console.test_console import CANARIES, busy_tenant

pytestmark = pytest.mark.browser
PLACES = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")

# For each element with a text of its own: its colour against the nearest ground that is not transparent (WCAG 2.2).
CONTRAST = """
() => {
  const numbers = c => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  return [...document.querySelectorAll('body *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.className !== 'skip')
    .map(e => { const [a, b] = [light(numbers(getComputedStyle(e).color)), light(ground(e))];
      return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.tagName + ' ' + e.textContent.trim().slice(0, 30)]; })
    .filter(([ratio]) => ratio < 4.5);
}
"""
# Fields and buttons that stand out of their card.
OUTSIDE = """
() => [...document.querySelectorAll('.card input, .card button, .card fieldset')].filter(
  e => e.getBoundingClientRect().right > e.closest('.card').getBoundingClientRect().right).map(e => e.name || e.tagName)
"""


@pytest_asyncio.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """The application on a real socket."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


@pytest_asyncio.fixture
async def chromium() -> AsyncIterator[Any]:
    """A Chromium of the system; skips with the reason where there is none."""
    found = next((place for place in PLACES if Path(place).exists()), shutil.which("chromium"))
    if found is None:
        pytest.skip("no Chromium here (Debian package chromium)")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield started
        await started.close()


async def test_the_first_page(chromium: Any, address: str, world: World, tenant: Tenant) -> None:
    await busy_tenant(world, tenant)
    token = await tokens.issue(world, tenant, "operator", roles=["ADMIN"], scopes=["admin/*"])
    from playwright.async_api import expect

    page = await chromium.new_page(locale="pt-BR")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    await page.goto(address)
    await expect(page.locator("h1")).to_have_text("Precisa de atenção")
    # Nobody has said who he is: no batches. The page is loaded anew every five seconds, and while it is there are less.
    await expect(page.locator("table")).to_have_count(2)
    await page.get_by_role("link", name="Entrar").click()
    await page.locator("summary").click()
    await page.get_by_label("Token de acesso").fill(token)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#batches")
    assert "PROT-2026-77" in await page.locator("section:has(#batches)").inner_text()
    assert await page.locator(".whose").inner_text() == "Hospital de Teste"

    await page.get_by_role("link", name="Pausar atualização").click()
    await page.get_by_role("link", name="English").click()
    assert await page.locator("h1").inner_text() == "Needs attention"
    assert await page.evaluate("document.documentElement.lang") == "en"
    shown = await page.content()
    assert not [canary for canary in CANARIES if canary in shown]

    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await page.evaluate(CONTRAST) == [], f"too little contrast ({scheme})"
    folder = os.environ.get("PONTE_SCREENSHOTS")
    for width in (320, 768, 1440):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, (
            "the page itself never scrolls sideways"
        )
        if folder:
            await page.screenshot(path=f"{folder}/console-{width}.png", full_page=True)

    for name in ("Channels", "Denials", "Check files", "Access"):  # from page to page, each says where one is
        await page.get_by_role("link", name=name, exact=True).click()
        assert await page.locator("nav [aria-current]").inner_text() == name
        assert [await page.locator(mark).count() for mark in ("header", "nav", "main", "h1")] == [1, 1, 1, 1]
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await page.evaluate(CONTRAST) == [], f"too little contrast ({name}, {scheme})"
            for width in (320, 1440):
                await page.set_viewport_size({"width": width, "height": 900})
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, name
                assert await page.evaluate(OUTSIDE) == [], (name, width)
                if folder:
                    await page.screenshot(path=f"{folder}/{name}-{scheme}-{width}.png", full_page=True)

    await page.goto(f"{address}/?lang=en&pause=1")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**#content")
    landmarks = [await page.locator(name).count() for name in ("header", "nav", "main", "h1")]
    assert landmarks == [1, 1, 1, 1]

    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_selector("text=Sums over all institutions")
    assert await page.locator("#batches").count() == 0
    assert complaints == []
