"""Our own SOAP door: a payer calls back with what it decided meanwhile; login, version, schema, hash and sender judged."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from billing_day import EXAM, IPE, JACARANDA, Visit, happen, order, partner_row, put_records, register
from lxml import etree
from payer_server import payer_server, settle

from api.http.app import create_app
from api.simulators import payer_decisions
from api.simulators.payer_replies import Replies
from hub.exchange.door.keep import Keeper
from hub.guard import vault
from hub.requests import authorisation, sending
from hub.requests.authorisation import Wish
from hub.requests.matter import Named
from hub.world import Tenant, World
from tiss.wire import build, soap

LOGIN, PASSWORD = "operadora", "senha-de-volta"
ROOT = etree.fromstring(
    b'<x xmlns="http://www.ans.gov.br/padroes/tiss/schemas"><cabecalho><identificacaoTransacao><sequencialTransacao>7'
    b"</sequencialTransacao></identificacaoTransacao><origem><identificacaoPrestador><codigoPrestadorNaOperadora>HOSP0001"
    b"</codigoPrestadorNaOperadora></identificacaoPrestador></origem></cabecalho></x>"
)


@contextlib.asynccontextmanager
async def door(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(world, Keeper(world.database)))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


def calling(payer: str, url: str = "") -> Any:
    partner = partner_row(payer, url)
    partner.settings["secrets"] = {**partner.settings["secrets"], "callback": "payer-callback"}
    return partner


async def known(world: World, tenant: Tenant, payer: str, url: str = "") -> None:
    await register(world, tenant, [calling(payer, url)])
    async with world.transaction(tenant) as tx:
        await vault.put(tx, world.settings, "payer-callback", {"login": LOGIN, "password": PASSWORD}, kind="login")


def basic(login: str = LOGIN, password: str = PASSWORD) -> dict[str, str]:
    return {
        "authorization": "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode(),
        "content-type": "text/xml",
    }


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_a_decision_comes_unasked(world: World, tenant: Tenant, other_tenant: Tenant, payer: str) -> None:
    async with payer_server(delay_s=1000.0) as server, door(world) as client:
        await known(world, tenant, payer, server.url(payer))
        (patient,) = await happen(world, tenant, [Visit(payer=payer, charges=(), kind="IMP")])
        async with world.transaction(tenant) as tx:
            encounter = await tx.value("SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2", patient)
        (one,) = await put_records(world, tenant, order(patient, EXAM[1], encounter=encounter))
        async with world.transaction(tenant) as tx:
            put = await authorisation.ask(world, tenant, tx, Wish(named=Named(), orders=(one,)), "test")
        await settle(world, tenant)
        book = server.book(payer)
        (asked,) = book.decided.requests.values()
        book.clock = lambda: 1e9
        told = Replies(book, ROOT)
        body = {payer_decisions._KINDS[asked.kind]: payer_decisions._decision(book, told, asked)}
        raw = soap.envelope(told.message("situacaoAutorizacaoWS", "STATUS_AUTORIZACAO", "situacaoAutorizacao", body))
        await known(world, other_tenant, payer)
        for tenant_of, headers in (
            (other_tenant.slug, basic(password="x")),
            ("nobody", basic()),
            (tenant.slug, {}),
            (tenant.slug, basic("x")),
        ):
            refused = await client.post(f"/payers/{tenant_of}/{payer}", content=raw, headers=headers)
            assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Basic realm=")
            fault = soap.read(refused.content)
            assert isinstance(fault, soap.Fault) and fault.kind == "LoginInvalido"
        assert (await client.post(f"/payers/{tenant.slug}/{payer}", content=raw, headers=basic())).status_code == 200
        async with world.transaction(tenant) as tx:
            row = await sending.row_of(tx, put.id)
            kept = await tx.rows(
                "SELECT status, content, type FROM message WHERE tenant_id = $1 AND direction = 'in' AND partner_id IS NOT NULL AND type = 'STATUS_AUTORIZACAO'"
            )
        assert (row["status"], row["protocol"]) == ("autorizado", asked.password)
        assert [(k["status"], bytes(k["content"])) for k in kept] == [("TRANSFORMED", raw)]
        # the same numbers at another tenant lead to nothing of this one's
        assert (
            await client.post(f"/payers/{other_tenant.slug}/{payer}", content=raw, headers=basic())
        ).status_code == 200
        async with world.transaction(other_tenant) as tx:
            (foreign,) = await tx.rows(
                "SELECT status FROM message WHERE tenant_id = $1 AND type = 'STATUS_AUTORIZACAO'"
            )
        assert foreign["status"] == "ERROR"


async def test_what_may_not_come_in_is_a_fault(world: World, tenant: Tenant) -> None:
    async with payer_server() as server, door(world) as client:
        await known(world, tenant, JACARANDA, server.url(JACARANDA))
        told = Replies(server.book(JACARANDA), ROOT)
        good = told.error("situacaoAutorizacaoWS", "STATUS_AUTORIZACAO", "situacaoAutorizacao", "1801")
        other = Replies(server.book(IPE), ROOT).error(
            "situacaoAutorizacaoWS", "STATUS_AUTORIZACAO", "situacaoAutorizacao", "1801"
        )
        asked = build.build("solicitacaoStatusProtocoloWS", {"cabecalho": {}, "hash": ""}, "4.03.00", service=True)
        cases = [
            (b"", "SchemaInvalido"), (b"<html/>", "SchemaInvalido"), (b"\xff\xfe", "SchemaInvalido"), (asked, "SchemaInvalido"),
            (other, "VersaoInvalida"), (good.replace(b"999814", b"999806", 1), "RemetenteInvalido"),
            (good.replace(b"1801<", b"1802<"), "HashInvalido"), (good.replace(b"1801<", b"xxxx<"), "SchemaInvalido"),
            (good.replace(b"<ans:hash>", b"<ans:strange/><ans:hash>"), "SchemaInvalido"),
        ]  # fmt: skip
        for raw, fault in cases:
            answer = await client.post(f"/payers/{tenant.slug}/{JACARANDA}", content=raw, headers=basic())
            found = soap.read(answer.content)
            assert answer.status_code == 500 and isinstance(found, soap.Fault) and found.kind == fault, (
                fault,
                answer.text,
            )
        bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
        assert (
            await client.post(f"/payers/{tenant.slug}/{JACARANDA}", content=bomb, headers=basic())
        ).status_code == 500
        answer = await client.post(f"/payers/{tenant.slug}/{JACARANDA}", content=good, headers=basic())
        assert answer.status_code == 200 and b"Body/>" in answer.content
