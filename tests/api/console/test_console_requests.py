"""The page of what is asked of payers: asked, answered, sent again, and only the house's own."""

from __future__ import annotations

import re

import httpx
import pytest
from billing_day import JACARANDA, Visit, happen, partner_row, register
from payer_server import payer_server, settle

from api.console import requests_page
from hub.requests import sending
from hub.world import Tenant, World
from tests.api.console.test_console_access import browser, enter

__all__ = ["browser"]  # a fixture
PAGE = "/console/requests"


async def test_eligibility_from_question_to_answer(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests_page, "SHOWN", 1)
    await enter(browser, world, tenant, "console/read", "tiss/write")
    assert "saem sozinhas pela agenda" in (await browser.get(f"{PAGE}?lang=pt")).text
    async with payer_server() as server:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=())])
        for form, status in (
            ({"person": "1"}, 404),
            ({"person": ""}, 404),
            ({"person": f"Patient/{patient}", "payer": "000000"}, 422),
        ):
            told = await browser.post(f"{PAGE}/eligibility?lang=pt", data=form)
            assert told.status_code == status and 'role="alert"' in told.text, form
        for _ in range(2):
            asked = await browser.post(f"{PAGE}/eligibility?lang=pt", data={"person": f"Patient/{patient}"})
            assert asked.status_code == 200 and "Pedido na fila" in asked.text and "enviando" in asked.text
        await settle(world, tenant)
        shown = (await browser.get(f"{PAGE}?lang=pt&status=elegivel")).text
        assert shown.count('class="badge">elegível<') == 1 and f'<span class="code">{JACARANDA}</span>' in shown
        assert re.search(r'<time datetime="[^"]+">\d\d/\d\d/\d{4} \d\d:\d\d</time>', shown), "in the tenant's zone"
        older = re.search(r'href="(/console/requests\?[^"]+before=[^"#]+)', shown)
        assert older
        page = (await browser.get(older[1].replace("&amp;", "&"))).text
        assert page.count('class="badge">elegível<') == 1 and "Mais antigos" not in page and "Mais novos" in page
    async with world.transaction(tenant) as tx:
        one = await tx.value("SELECT id FROM payer_request WHERE tenant_id = $1 LIMIT 1")
        await sending.set_state(tx, one, sending.UNKNOWN, reason="transport.no-answer")
    shown = (await browser.get(f"{PAGE}?lang=pt&status=incerto")).text
    assert f'action="{PAGE}/{one}/resend' in shown
    assert (await browser.post(f"{PAGE}/{one}/status")).status_code == 404, "an eligibility has no status to ask for"
    await enter(browser, world, other_tenant, "console/read", "tiss/write")
    assert JACARANDA not in (await browser.get(PAGE)).text
    assert (await browser.post(f"{PAGE}/{one}/resend")).status_code == 404
    await enter(browser, world, tenant, "console/read")
    assert f'action="{PAGE}/eligibility' not in (await browser.get(PAGE)).text
    assert (await browser.post(f"{PAGE}/{one}/resend")).status_code == 403
    await enter(browser, world, tenant, "console/read", "tiss/write")
    assert "reenviado" in (await browser.post(f"{PAGE}/{one}/resend?lang=pt")).text
    for odd in ("before=x", "payer=x", "kind=x", "number=%00"):
        assert (await browser.get(f"{PAGE}?{odd}")).status_code in (200, 404, 422), odd
