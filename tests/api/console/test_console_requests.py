"""The page of what is asked of payers: asked, answered, sent again, and only the house's own."""

from __future__ import annotations

import re

import httpx
import pytest
from billing_day import EXAM, JACARANDA, Visit, happen, order, partner_row, put_records, register
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
    monkeypatch.setattr(requests_page, "ANSWER_SECONDS", 0)
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


async def test_an_authorisation_is_chosen_asked_and_answered(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests_page, "ANSWER_SECONDS", 0)
    await enter(browser, world, tenant, "console/read", "tiss/write")
    async with payer_server() as server:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=())])
        number = [{"system": "urn:pedidos", "value": "PED-77"}]
        ids = await put_records(world, tenant, order(patient, EXAM[1], identifier=number), order(patient, "40302040"))
        for about, count in (("PED-77", 1), (f"ServiceRequest/{ids[1]}", 1), (f"Patient/{patient}", 2)):
            page = await browser.post(f"{PAGE}/choose?lang=pt", data={"about": about})
            assert page.status_code == 200 and page.text.count('type="checkbox" name="order"') == count, about
            assert about not in str(page.url) and ("TUSS " in page.text)
            assert (" checked" in page.text) is (count == 1), "what is meant for sure is ticked"
        for form, status, told in (
            ({}, 422, "Nada foi escolhido"),
            ({"order": ids[0], "days": "muitas"}, 422, "forma esperada"),
            ({"order": "nobody"}, 404, 'role="alert"'),
            ({"order": ids[0], "payer": "000000"}, 422, 'role="alert"'),
        ):
            answer = await browser.post(
                f"{PAGE}/authorisation", data={"about": f"Patient/{patient}", "note": "urgente", **form}
            )
            assert answer.status_code == status and told in answer.text and 'value="urgente"' in answer.text, form
        wish = {"about": "PED-77", "order": ids, "indication": "Dor torácica", "detail": "sp-sadt"}
        asked = await browser.post(f"{PAGE}/authorisation?lang=pt", data=wish)
        assert asked.status_code == 200 and "ainda não respondeu" in asked.text
        place = re.search(r'href="(/console/requests/[0-9a-f\-]{36})', asked.text)
        assert place is not None
        await settle(world, tenant)
        shown = (await browser.get(place[1])).text
        assert (
            ">autorizado<" in shown
            and re.search(r"Senha ou protocolo</dt><dd><strong>S\w+", shown)
            and EXAM[1] in shown
        )
        again = await browser.post(f"{PAGE}/authorisation", data=wish)
        assert again.status_code == 409 and "já pedido" in again.text and again.text.count(" disabled") == 1
    await enter(browser, world, other_tenant, "console/read", "tiss/write")
    assert (await browser.get(place[1])).status_code == 404
    for about in ("PED-77", f"ServiceRequest/{ids[0]}", f"Patient/{patient}", "Encounter/x"):
        assert (await browser.post(f"{PAGE}/choose", data={"about": about})).status_code == 404, about
    await enter(browser, world, tenant, "console/read")
    page = await browser.get(place[1])
    assert page.status_code == 200 and EXAM[1] not in page.text, "items are for who reads billing"
    for what in ("choose", "authorisation"):
        assert (await browser.post(f"{PAGE}/{what}", data={"about": "PED-77", "order": ids})).status_code == 403
