"""The page of billing: a faturista closes, sends, takes statements in and appeals without a program."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import httpx
import pytest
from billing_day import CONSULTATION, DIPYRONE, EXAM, GLUCOSE, JACARANDA, Visit, happen, many, partner_row, register
from payer_server import payer_server, settle

from canonical.identity import new_id
from canonical.problem import Problem
from hub.billing import jobs as billing_jobs
from hub.exchange import handlers
from hub.exchange.work import jobs
from hub.guard import tokens
from hub.world import Tenant, World
from tests.api.console.test_console_access import browser, enter
from tests.api.console.test_console_browser import CONTRAST, address, chromium

__all__ = ["address", "browser", "chromium"]  # fixtures
PAGE = "/console/billing"
FORM = re.compile(r'action="(/console/billing/(?:batches|appeals)/[0-9a-f\-]+/[a-z]+)')


def acts(page: str, what: str) -> list[str]:
    return [found for found in FORM.findall(page) if found.endswith(what)]


async def sheets_of_what_is_shown(browser: httpx.AsyncClient) -> None:
    """Every sheet the two pages offer opens in Excel as it is: mark, semicolons, titles, decimal commas."""
    pages = [(await browser.get(f"{page}?lang=pt")).text for page in (PAGE, "/console/denials")]
    offered = [html.unescape(found) for page in pages for found in re.findall(r'href="([^"]+\.csv[^"]*)"', page)]
    assert len(offered) == len(set(offered)) and {one.partition("?")[0].rpartition("/")[2] for one in offered} == {
        "batches.csv", "denials.csv", "statement-lines.csv",
    }  # fmt: skip
    for one in (*offered, "/console/billing/lists/submissions.csv?settled=true"):
        answer = await browser.get(one)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8" and answer.content.startswith(
            b"\xef\xbb\xbf"
        )
        titles, *lines = answer.content.decode("utf-8-sig").split("\r\n")
        assert titles.count(";") > 5 and len(lines) > 1 and re.search(r";[0-9]+,[0-9]{2};", lines[0]), one
    denied = (await browser.get("/console/billing/lists/denials.csv?lang=en")).text
    assert "Appeal until" in denied


async def test_a_month_from_charges_to_a_decided_appeal(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    handlers.load()
    await enter(browser, world, tenant, "console/read", "tiss/write")
    empty = await browser.get(f"{PAGE}?lang=pt")
    assert empty.status_code == 200 and "Nenhum lote ainda" in empty.text and "Nenhuma guia espera reparo" in empty.text
    async with payer_server() as server:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        await happen(world, tenant, many(Visit(payer=JACARANDA, charges=(CONSULTATION, EXAM, DIPYRONE, GLUCOSE)), 6))
        assert "foi para a fila" in (await browser.post(f"{PAGE}/close?lang=pt")).text
        assert await jobs.work(world, tenant) == 1
        await settle(world, tenant)
        shown = (await browser.get(PAGE)).text
        assert shown.count(">recebido<") == 4 and acts(shown, "resend") == []
        download = re.search(r"/console/billing/batches/[0-9a-f\-]+(?=\")", shown)
        assert download
        file = await browser.get(download[0])
        assert file.headers["content-type"] == "application/xml" and b"ENVIO_LOTE_GUIAS" in file.content
        assert re.search(r'filename="0{19}[0-9]_[0-9A-F]{32}\.xml"', file.headers["content-disposition"])
        await billing_jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        await sheets_of_what_is_shown(browser)
        for wrong in ("2026-", ">crm-", "</span>,00", ">sp-sadt<", ">internacao "):
            assert wrong not in (await browser.get("/console/denials?lang=pt")).text, wrong
        assert ">sp-sadt" not in (await browser.get("/?lang=pt")).text
        due = re.search(r'name="protocol" value="(\w+)"', (await browser.get(PAGE)).text)
        assert due
        form = {"payer": JACARANDA, "protocol": due[1]}
        drafted = await browser.post(f"{PAGE}/appeals?lang=pt", data=form)
        assert "Rascunho preparado" in drafted.text and "rascunho" in drafted.text
        assert (await browser.post(f"{PAGE}/appeals", data=form)).status_code == 404  # nothing more to appeal there
        (discard,) = acts(drafted.text, "discard")
        assert "abertas de novo" in (await browser.post(f"{discard}?lang=pt")).text
        again = await browser.post(f"{PAGE}/appeals?lang=pt", data=form)
        (send,) = acts(again.text, "send")
        assert (await browser.post(send)).status_code == 200
        await settle(world, tenant)
        assert (await browser.post(send)).status_code == 409
        assert (await server.received())[JACARANDA]["appeals"]


async def test_a_statement_from_a_portal_is_taken_in_and_what_is_none_is_told(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await enter(browser, world, tenant, "console/read", "tiss/write")
    wrong = await browser.post(f"{PAGE}/statements?lang=pt", files={"file": ("d.xml", b"<html>login</html>")})
    assert wrong.status_code == 422 and ">Não foi feito</h2>" in wrong.text
    empty = await browser.post(f"{PAGE}/statements?lang=pt", files={"file": ("d.xml", b"")})
    assert empty.status_code == 422 and "O arquivo está vazio." in empty.text
    assert (await browser.post(f"{PAGE}/statements", content=b"x")).status_code == 400


async def test_a_guide_that_lacks_something_says_what(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(JACARANDA)])
    await happen(world, tenant, [Visit(payer=JACARANDA, charges=(CONSULTATION,), doctor=False)])
    await billing_jobs.close_batches(world, tenant, {})
    async with world.transaction(tenant) as tx:  # a stay whose authorisation nobody asked for
        told = Problem("guide.missing", "guia/dadosAutorizacao/senha", args=(("field", "senha"), ("source", "x")))
        await tx.run(
            "INSERT INTO guide (tenant_id, id, payer_id, kind, number, status, tiss_version, patient_id, encounter_id, competence, executed_on, total_cents, tree, "
            "problems) SELECT tenant_id, $2, payer_id, 'internacao', 999, status, tiss_version, patient_id, encounter_id, competence, executed_on, total_cents, tree, $3 "
            "FROM guide WHERE tenant_id = $1 LIMIT 1",
            new_id(),
            json.dumps([told.as_json()]),
        )
    await enter(browser, world, tenant)
    page = (await browser.get(f"{PAGE}?lang=pt")).text
    assert "Falta na guia: senha." in page and "monte as guias de novo" in page, "what, and what to do"
    about = re.findall(r'name="about" value="(Encounter/[^"]+)"', page)
    assert len(about) == 1, "the way to ask for it, only where that is what it lacks"
    asked = await browser.post("/console/requests/choose?lang=pt", data={"about": about[0]})
    assert asked.status_code == 200 and "Pedir à operadora" in asked.text
    assert "The guide lacks" in (await browser.get(f"{PAGE}?lang=en")).text
    await enter(browser, world, tenant, "console/read")
    page = (await browser.get(f"{PAGE}?lang=pt")).text
    assert "Falta na guia: …" in page and 'name="about"' not in page, "in general for who does not read billing"


@pytest.mark.parametrize("scopes", [("console/read",), ("console/read", "tiss/read")])
async def test_who_may_not_write_looks_only(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, scopes: tuple[str, ...]
) -> None:
    assert (await browser.get(PAGE)).status_code == 401
    await enter(browser, world, tenant, *scopes)
    shown = await browser.get(PAGE)
    assert shown.status_code == 200 and f'action="{PAGE}' not in shown.text
    for path in ("close", "appeals", f"batches/{tenant.id}/resend", f"appeals/{tenant.id}/send"):
        assert (await browser.post(f"{PAGE}/{path}")).status_code == 403, path
    assert (await browser.post(f"{PAGE}/statements", files={"file": ("d.xml", b"x")})).status_code == 403
    assert (await browser.get(f"{PAGE}/batches/{tenant.id}")).status_code == (404 if "tiss/read" in scopes else 403)
    for path, status in (
        ("guides.csv", 200),
        ("guides.csv?status=pendente", 200),
        ("x.csv", 404),
        ("guides.csv?x=1", 422),
    ):
        assert (await browser.get(f"{PAGE}/lists/{path}")).status_code == (status if "tiss/read" in scopes else 403), (
            path
        )
    assert [(await browser.get(f"/console/denials.csv?by={by}")).status_code for by in ("month", "x")] == [200, 422]


async def test_rows_of_others_are_not_there(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    await register(world, other_tenant, [partner_row(JACARANDA)])
    await happen(world, other_tenant, many(Visit(payer=JACARANDA, charges=(CONSULTATION,)), 1))
    await billing_jobs.close_batches(world, other_tenant, {})
    async with world.transaction(other_tenant) as tx:
        theirs = await tx.value("SELECT id FROM batch WHERE tenant_id = $1")
    await enter(browser, world, tenant)
    assert "Nenhum lote ainda" in (await browser.get(f"{PAGE}?lang=pt")).text
    assert (await browser.get(f"{PAGE}/batches/{theirs}")).status_code == 404
    assert len((await browser.get(f"{PAGE}/lists/batches.csv")).text.splitlines()) == 1, "titles, and nothing else"
    assert (await browser.post(f"{PAGE}/batches/{theirs}/reopen")).status_code == 404


@pytest.mark.browser
async def test_in_a_browser(chromium: Any, address: str, world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(JACARANDA)])
    await happen(world, tenant, [Visit(payer=JACARANDA, charges=(CONSULTATION,)) for _ in range(2)])
    await billing_jobs.close_batches(world, tenant, {})
    page = await chromium.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    await page.goto(f"{address}/console/login?lang=pt")
    await page.click("summary")
    await page.fill("#token", await tokens.issue(world, tenant, "operator", roles=[], scopes=["admin/*"]))
    await page.click("form:has(#token) button")
    await page.goto(f"{address}{PAGE}?lang=pt")
    assert await page.title() == "Faturamento · Ponte"
    await page.click("[aria-labelledby=close] button")
    assert "foi para a fila" in await page.locator("[aria-labelledby=told]").inner_text()
    assert await page.evaluate(CONTRAST) == []
    for width in (1280, 360):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
    assert errors == []
