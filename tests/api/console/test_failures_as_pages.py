"""What fails while somebody looks at a page is told as a page, in their language; a program gets its document."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from api.console import routes
from hub.world import Tenant, World
from tests.api.console.test_console_access import browser, enter

__all__ = ["browser"]
HTML = {"accept": "text/html,application/xhtml+xml", "accept-language": "pt-BR"}


async def test_an_address_that_is_not_there_is_a_page(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await enter(browser, world, tenant, "console/read")
    for path, status in (("/console/nothing", 404), ("/console/messages/x", 400), ("/console/denials.csv?by=x", 422)):
        shown = await browser.get(path, headers=HTML)
        assert shown.status_code == status and shown.headers["content-type"].startswith("text/html"), path
        assert "Visão geral" in shown.text and "default-src 'none'" in shown.headers["content-security-policy"]
        told = await browser.get(path, headers={"accept": "*/*"})
        assert told.status_code == status and told.headers["content-type"] == "application/problem+json", path


async def test_a_fault_of_ours_is_a_page_without_its_text(
    app: FastAPI, world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise ValueError("Ana Conceição")

    monkeypatch.setattr(routes.denial_board, "shown", fails)
    transport = httpx.ASGITransport(app=app, client=("10.1.2.3", 5000), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub.example") as browser:
        await enter(browser, world, tenant, "console/read")
        shown = await browser.get("/console/denials?lang=pt", headers=HTML)
        assert shown.status_code == 500 and "A operação falhou." in shown.text and "Conceição" not in shown.text
        assert '<html lang="en">' in (await browser.get("/console/denials?lang=en", headers=HTML)).text
