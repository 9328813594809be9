"""The first page: who sees what, in which language, and never a word of a patient's."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
import string
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.console import pages, words
from api.console.doors import Door
from api.console.session import COOKIE
from api.console.words import Words, language_of, texts
from canonical.identity import first_id, new_id
from hub import console
from hub.console import Overview, Waiting
from hub.exchange.out import outbox
from hub.exchange.partners import Partner, save_partner
from hub.guard import audit, clients, tokens
from hub.world import Tenant, World

NOW = datetime.datetime(2026, 11, 3, 12, 0, tzinfo=datetime.UTC)
CANARIES = ("CANARIO", "52998224725", "898001160660761", "Maria das Dores")


async def enter(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    token = await tokens.issue(world, tenant, "operator", roles=["ADMIN"], scopes=["admin/*"])
    answer = await browser.post("/console/login", data={"token": token})
    assert answer.status_code == 303


async def put_message(world: World, tenant: Tenant, **given: Any) -> None:
    row = {
        "direction": "in", "format": "hl7", "type": "ADT^A01", "status": "TRANSFORMED", "problems": "[]",
        "control_id": "CANARIO", "received_at": datetime.datetime.now(datetime.UTC), **given,
    }  # fmt: skip
    place = row.pop("channel", "his-mllp")
    content = row.pop("content", b"MSH|^~\\&|CANARIO\rPID|1||CANARIO||Maria das Dores")
    names = list(row)
    async with world.transaction(tenant) as tx:
        channel = await tx.value("SELECT id FROM channel WHERE tenant_id = $1 AND name = $2", place)
        await tx.run(
            f"INSERT INTO message (tenant_id, id, channel_id, content, {', '.join(names)}) VALUES ($1, $2, $3, $4, "
            + ", ".join(f"${n}" for n in range(5, 5 + len(names)))
            + ")",
            new_id(),
            channel,
            content,
            *row.values(),
        )


async def busy_tenant(world: World, tenant: Tenant) -> None:
    """Everything the page can show, with a patient's data wherever a partner or message could put some."""
    for kind in ("ADT^A01", "ADT^A01", "CANARIO^52998224725", "Maria das Dores"):
        await put_message(world, tenant, type=kind)
    finding = {"code": "identifier.cpf", "severity": "error", "where": "PID-3", "text": "CANARIO", "remedy": ""}
    strange = {"code": "Maria das Dores", "severity": "error", "where": "", "text": "", "remedy": ""}
    for problems in ([finding], [finding], [strange], []):
        await put_message(world, tenant, status="ERROR", problems=json.dumps(problems))
    old = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=7)
    await put_message(world, tenant, status="RECEIVED", received_at=old, lane_id=1)
    partner = Partner(
        id=new_id(),
        kind="payer",
        code="exemplo",
        name="Operadora <b>Exemplo</b>",
        adapter="x",
        active=True,
        settings={},
    )
    async with world.transaction(tenant) as tx:
        await save_partner(tx, partner)
        out = outbox.Outgoing(operation="lote", format="tiss", type="loteGuiasWS", content=b"CANARIO")
        first = await outbox.enqueue(tx, partner, out)
        await outbox.enqueue(tx, partner, out)
        await tx.run(
            "UPDATE delivery SET status = 'DEAD', last_error = 'transport.timeout' WHERE id = $2 AND tenant_id = $1",
            first,
        )
        await tx.run("UPDATE lane SET paused = true WHERE tenant_id = $1 AND kind = 'outbound'")
        await tx.run(
            "INSERT INTO lane (tenant_id, id, kind, name, pending, attempt) VALUES ($1, 1, 'inbound', 'hl7', 1, 2)"
        )
        for number, protocol in ((1, "PROT-2026-77"), (2, "Maria das Dores")):
            batch = new_id()
            await tx.run(
                "INSERT INTO batch (tenant_id, id, payer_id, number, kind, status, tiss_version, guides, total_cents, reason) "
                "VALUES ($1, $2, $3, $4, 'consulta', 'recebido', '4.03.00', 12, 123456789, 'CANARIO')",
                batch, partner.id, number,
            )  # fmt: skip
            await tx.run(
                "INSERT INTO submission (tenant_id, id, payer_id, batch_id, protocol, status, settled) "
                "VALUES ($1, $2, $3, $4, $5, 'recebido', false)",
                new_id(), partner.id, batch, protocol,
            )  # fmt: skip
        for kind, status, settled in (
            ("autorizacao", "em analise", False), ("autorizacao", "em analise", False),
            ("elegibilidade", "autorizado", True), ("elegibilidade", "bloqueado", True),
        ):  # fmt: skip
            await tx.run(
                "INSERT INTO payer_request (tenant_id, id, payer_id, kind, status, settled, tiss_version, patient_id, "
                "reason) VALUES ($1, $2, $3, $4, $5, $6, '4.03.00', 'CANARIO', 'CANARIO')",
                new_id(), partner.id, kind, status, settled,
            )  # fmt: skip
        await audit.note(tx, "CANARIO", "read", "Patient/CANARIO")
    async with world.transaction(tenant) as tx:
        await audit.seal(tx)


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


# --- who sees what ----------------------------------------------------------------------------------------------------


async def test_a_stranger_sees_the_way_in_and_nothing_else(
    stranger: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await busy_tenant(world, tenant)
    answer = await stranger.get("/")
    assert answer.status_code == 401
    assert "<form" in answer.text
    for word in ("his-mllp", "ADT^A01", "Exemplo", tenant.name, tenant.slug, *CANARIES):
        assert word not in answer.text


@pytest.mark.parametrize(
    ("client", "host", "headers"),
    [
        ("127.0.0.1", "hub.example", {}),
        ("127.0.0.1", "127.0.0.1", {"x-forwarded-for": "10.0.0.1"}),
        ("127.0.0.1", "127.0.0.1", {"forwarded": "for=10.0.0.1"}),
        ("10.0.0.9", "127.0.0.1", {}),
        ("unknown", "localhost", {}),
    ],
)
async def test_only_this_machine_itself_counts_as_local(
    app: FastAPI, client: str, host: str, headers: dict[str, str]
) -> None:
    transport = httpx.ASGITransport(app=app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers) as found:
        assert (await found.get("/")).status_code == 401


async def test_at_this_machine_the_sums_are_nameless(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await busy_tenant(world, tenant)
    answer = await browser.get("/")
    assert answer.status_code == 200
    assert "ADT^A01" in answer.text
    for word in ("his-mllp", "Exemplo", "PROT-2026-77", tenant.name, tenant.slug, *CANARIES):
        assert word not in answer.text


async def test_an_operator_sees_the_own_tenant(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    await busy_tenant(world, tenant)
    await put_message(world, other_tenant, type="SIU^S12")
    await enter(browser, world, tenant)
    answer = await browser.get("/")
    text = plain(answer.text)
    for words_ in (
        "Hospital de Teste", "his-mllp", "entrada ADT^A01 7", "entrada outro 2", "Operadora &lt;b&gt;Exemplo&lt;/b&gt;",
        "PROT-2026-77", "1.234.567,89", "Lacre nº 1", "identifier.cpf", "transport.timeout", "há 7 min",
        "Autorização Operadora &lt;b&gt;Exemplo&lt;/b&gt; em análise 2", "Elegibilidade Operadora", "bloqueado 1",
        "esperam uma decisão: 1.", "Filas pausadas: 1.", "Porta fechada: MLLP", "Precisa de atenção",
    ):  # fmt: skip
        assert words_ in text, words_
    assert "<b>Exemplo" not in answer.text and "autorizado" not in text
    assert "SIU^S12" not in answer.text
    for canary in CANARIES:
        assert canary not in answer.text
    await enter(browser, world, other_tenant)
    other = await browser.get("/")
    assert "SIU^S12" in other.text
    assert "PROT-2026-77" not in other.text


async def test_the_remedy_stands_beside_the_cause(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await busy_tenant(world, tenant)
    await enter(browser, world, tenant)
    text, remedy = pages.cause("identifier.cpf", Words(language="pt", zone="UTC", at=NOW))
    page = (await browser.get("/")).text
    assert remedy
    assert text in page
    assert remedy in page
    assert pages.cause("code.unmapped", Words(language="en", zone="UTC", at=NOW))[0] == "The code … is not in table …."


# --- the way in -------------------------------------------------------------------------------------------------------


async def test_a_session_can_see_this_page_and_nothing_else(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    client_id, secret = await clients.create(world, tenant, "console", scopes=["console/read"])
    answer = await browser.post("/console/login", data={"client_id": client_id, "client_secret": secret})
    cookie = answer.headers["set-cookie"]
    for flag in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"):
        assert flag in cookie
    assert "Secure" not in cookie
    session = browser.cookies[COOKIE]
    assert (await browser.get("/")).text.count("Hospital de Teste") == 1
    assert secret not in answer.text
    read = await browser.get("/fhir/Patient", headers={"authorization": f"Bearer {session}"})
    assert read.status_code == 401
    assert (await browser.get("/fhir/Patient")).status_code == 401, "the cookie opens no other door"
    assert (await browser.post("/console/logout")).status_code == 303
    assert COOKIE not in browser.cookies
    again = await browser.get("/", headers={"cookie": f"{COOKIE}={session}"})
    assert "Hospital de Teste" not in again.text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 401),
        ({"client_id": "x", "client_secret": "y"}, 401),
        ({"token": "not.a.token"}, 401),
        ({"token": "ç" * 100}, 401),
        ({"client_id": "a\0b", "client_secret": "y"}, 401),
        ({"token": "x" * 100_000}, 401),
    ],
)
async def test_who_proves_nothing_stays_out(browser: httpx.AsyncClient, form: dict[str, str], status: int) -> None:
    answer = await browser.post("/console/login", data=form)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_scope_is_needed(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    token = await tokens.issue(world, tenant, "partner", roles=[], scopes=["system/*.*"])
    assert (await browser.post("/console/login", data={"token": token})).status_code == 403
    answer = await browser.get("/", headers={"cookie": f"{COOKIE}={token}"})
    assert "Hospital de Teste" not in answer.text


@pytest.mark.parametrize("address", ["/console/login", "/console/logout"])
@pytest.mark.parametrize(
    "header", [("origin", "https://mau.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
)
async def test_forms_of_other_sites_are_refused(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, address: str, header: tuple[str, str]
) -> None:
    token = await tokens.issue(world, tenant, "operator", roles=[], scopes=["admin/*"])
    answer = await browser.post(address, data={"token": token}, headers=dict([header]))
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_over_tls_the_cookie_stays_on_tls(app: FastAPI, world: World, tenant: Tenant) -> None:
    token = await tokens.issue(world, tenant, "operator", roles=[], scopes=["admin/*"])
    transport = httpx.ASGITransport(app=app, client=("10.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://hub.example") as found:
        assert "Secure" in (await found.post("/console/login", data={"token": token})).headers["set-cookie"]


# --- form -------------------------------------------------------------------------------------------------------------


async def test_headers_let_nothing_foreign_in(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", answer.text)
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    sheet = await browser.get("/console/console.css")
    assert sheet.headers["content-type"].startswith("text/css")
    assert "url(" not in sheet.text
    assert "@import" not in sheet.text
    assert (await browser.get("/console/icon.svg")).headers["content-type"] == "image/svg+xml"
    for name in ("texts.csv", "..%2Ftexts.csv", "%2e%2e%2fwords.py"):
        assert (await browser.get(f"/console/{name}")).status_code == 404


@pytest.mark.parametrize(
    ("query", "accept", "tag"),
    [
        ("", "", "pt-BR"),
        ("", "en-US,en;q=0.9", "en"),
        ("", "fr,pt;q=0.8,en;q=0.5", "pt-BR"),
        ("?lang=en", "pt-BR", "en"),
        ("?lang=pt", "en", "pt-BR"),
        ("?lang=%3Cscript%3E", "", "pt-BR"),
    ],
)
async def test_languages(browser: httpx.AsyncClient, query: str, accept: str, tag: str) -> None:
    answer = await browser.get("/" + query, headers={"accept-language": accept})
    assert answer.headers["content-language"] == tag
    assert f'<html lang="{tag}">' in answer.text
    assert ("O que flui" in answer.text) == (tag == "pt-BR")
    assert "&lt;script" not in answer.text


async def test_refreshing_can_be_paused(browser: httpx.AsyncClient) -> None:
    assert 'http-equiv="refresh" content="5; url=/?lang=pt&amp;auto=1"' in (await browser.get("/")).text
    assert "http-equiv" not in (await browser.get("/?pause=1")).text
    assert "http-equiv" not in (await browser.get("/console/login")).text
    assert (await browser.head("/")).status_code == 200


async def test_without_a_database_the_page_says_so(
    browser: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from canonical.errors import TryLater

    async def down(*_: object) -> Overview:
        raise TryLater("the database does not answer", code="store.down")

    monkeypatch.setattr(console, "hub_overview", down)
    answer = await browser.get("/")
    assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
    assert texts()["alarm.database"]["pt"] in answer.text


def test_texts_are_complete() -> None:
    fields = string.Formatter()
    for key, found in texts().items():
        assert all(found.values()), key
        places = [{name for _, name, _, _ in fields.parse(text) if name} for text in found.values()]
        assert places[0] == places[1], key
    used = set()
    for path in (words.HERE / "templates").glob("*.html"):
        used |= set(re.findall(r'say\("([a-z.\-]+[a-z])"', path.read_text(encoding="utf-8")))
    assert used <= set(texts())


def test_figures() -> None:
    pt, en = (Words(language=name, zone="America/Sao_Paulo", at=NOW) for name in ("pt", "en"))
    assert (pt.count(1234567), en.count(1234567)) == ("1.234.567", "1,234,567")
    assert (pt.money(-123456), en.money(5)) == ("-1.234,56", "0.05")
    assert pt.clock(NOW) == "09:00:00"
    assert Words(language="pt", zone="../etc", at=NOW).clock(NOW) == "12:00:00"
    ages = [(1, "há 1 s"), (119, "há 119 s"), (180, "há 3 min"), (7200, "há 2 h"), (200_000, "há 2 d"), (-5, "há 0 s")]
    for seconds, text in ages:
        assert pt.ago(NOW - datetime.timedelta(seconds=seconds)) == text
    assert language_of("xx", "*") == "pt"


def test_alarms() -> None:
    pt = Words(language="pt", zone="UTC", at=NOW)
    good = Overview(at=NOW, waiting=(Waiting(kind="inbound", pending=3, oldest=NOW, paused=0, failing=0),))
    assert pages.alarms(good, [Door(key="http", open=True)], pt) == []
    late = NOW - datetime.timedelta(minutes=5)
    bad = Overview(at=NOW, dead=2, waiting=(Waiting(kind="inbound", pending=3, oldest=late, paused=1, failing=4),))
    assert len(pages.alarms(bad, [Door(key="mllp", channel="x", open=False)], pt)) == 5
    assert pages.alarms(None, [], pt) == [texts()["alarm.database"]["pt"]]


async def test_many_looks_are_one_question(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    real = console.overview

    async def counted(*given: Any) -> Overview:
        nonlocal asked
        asked += 1
        return await real(*given)

    monkeypatch.setattr(console, "overview", counted)
    views = console.Views(world)
    found = await asyncio.gather(*(views.tenant(tenant) for _ in range(20)))
    assert (asked, len({id(one) for one in found})) == (1, 1)


async def test_the_hour_is_found_by_the_primary_key(world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:
        # without a sort only an index in the order of the number answers, whatever the statistics say of a small table
        await tx.connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        plan = await tx.rows("EXPLAIN " + console._FLOWS, first_id(NOW), 100)
        assert any("message_pk" in row[0] for row in plan)
