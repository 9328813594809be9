"""Signing in with a real browser: by keyboard alone, on a narrow screen, in both languages, with errors that help."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from hub.users import accounts, codes
from hub.world import Tenant, World
from tests.api.console.test_console_browser import CONTRAST, OUTSIDE, address, chromium

__all__ = ["address", "chromium"]  # fixtures
# Tables scroll within their card; what stands outside of them does not.
WITHOUT_TABLES = OUTSIDE.replace("e => e.getB", "e => !e.closest('.scroll') && e.getB")
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("light_hashes")]


async def looks_well(page: Any, name: str) -> None:
    folder = os.environ.get("PONTE_SCREENSHOTS")
    unnamed = "[...document.querySelectorAll('input:not([type=hidden])')].filter(e => !e.labels.length && !e.ariaLabel).length"
    assert await page.evaluate(unnamed) == 0, name
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await page.evaluate(CONTRAST) == [], (name, scheme)
        for width in (320, 1280):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            assert await page.evaluate(WITHOUT_TABLES) == [], (name, width)
            if folder:
                await page.screenshot(path=f"{folder}/people-{name}-{scheme}-{width}.png", full_page=True)


async def typed(page: Any, *texts: str) -> None:
    """Each text into the next field, then Enter: no mouse."""
    for number, text in enumerate(texts):
        if number:
            await page.keyboard.press("Tab")
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")


async def test_by_keyboard_alone(chromium: Any, address: str, world: World, tenant: Tenant) -> None:
    person = accounts.checked("ana", "Ana Teste", ["administrator"])
    first = await accounts.add(world, tenant, person, actor="test")
    page = await chromium.new_page(locale="pt-BR")
    errors: list[str] = []
    page.on(
        "console",
        lambda told: errors.append(told.text) if told.type == "error" and "status of" not in told.text else None,
    )
    await page.goto(f"{address}/console/messages")
    await looks_well(page, "login")
    await page.focus("#house")
    await typed(page, tenant.slug, "ana", "errada")
    await page.wait_for_selector("[role=alert]")
    assert "confira a instituição" in await page.locator("[role=alert]").inner_text()
    assert await page.evaluate("document.activeElement.id") == "password", "what was right is still there"
    await looks_well(page, "wrong")
    await page.focus("#password")
    await typed(page, first)
    await page.wait_for_selector("#current")
    assert await page.locator("nav a").count() == 2, "one page only, until there is a password of one's own"
    await page.focus("#current")
    await typed(page, first, "senha123 senha", "senha123 senha")
    await page.wait_for_selector("[role=alert]")
    await looks_well(page, "first-password")
    await page.focus("#current")
    await typed(page, first, "vento lento 3", "vento lento 3")
    await page.wait_for_selector("#sessions")
    await looks_well(page, "account")
    await page.focus("#current2")
    await typed(page, "vento lento 3")
    await page.wait_for_selector("#enrol")
    key = (await page.locator(".secret code").inner_text()).replace(" ", "")
    await looks_well(page, "enrol")
    await page.focus("#code")
    await typed(page, codes.code(key, codes.step_of(world.now())))
    await page.wait_for_selector(".paper")
    paper = (await page.locator(".paper code").all_inner_texts())[0]

    await page.get_by_role("link", name="English").click()
    await page.get_by_role("link", name="People", exact=True).click()
    await page.fill("#name", "Bia Lima")
    await page.fill("#login", "bia")
    await page.locator("section:has(#new) input[value=viewer]").check()
    await page.get_by_role("button", name="Make the account").click()
    assert re.fullmatch(r"[a-z0-9]{4}(-[a-z0-9]{4}){3}", await page.locator(".secret code").inner_text())
    await page.locator("summary").first.focus()
    await page.keyboard.press("Enter")
    await looks_well(page, "people")

    await page.get_by_role("button", name="Sign out").click()
    await page.goto(f"{address}/console/login?lang=en")
    assert await page.input_value("#house") == tenant.slug, "the browser remembers the house"
    await page.focus("#login")
    await typed(page, "ana", "vento lento 3")
    await page.wait_for_selector("#code")
    assert await page.evaluate("document.activeElement.id") == "code"
    await looks_well(page, "code")
    await page.focus("#code")
    await typed(page, paper)
    await page.wait_for_selector("#doors")
    assert errors == []
