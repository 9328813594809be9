"""/api/v1/tiss over HTTP: scopes, lists with a cursor, the cycle by buttons, bad input, and the wall between tenants."""

from __future__ import annotations

import contextlib
import io
import uuid
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from billing_day import EXAM, GLUCOSE, IPE, JACARANDA, Visit, happen, many, partner_row, register
from lxml import etree
from payer_server import payer_server, settle

from api.http.app import create_app
from api.simulators.payer_replies import Replies
from hub.billing import jobs
from hub.exchange.door.keep import Keeper
from hub.guard import tokens
from hub.world import Tenant, World

BASE = "/api/v1/tiss"


@contextlib.asynccontextmanager
async def calling(world: World, tenant: Tenant, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    token = await tokens.issue(world, tenant, "biller", roles=[], scopes=scopes or ("tiss/write",))
    transport = httpx.ASGITransport(app=create_app(world, Keeper(world.database)))
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers) as client:
        yield client


async def items(client: httpx.AsyncClient, kind: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"{BASE}/{kind}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]  # type: ignore[no-any-return]


async def test_the_cycle_by_buttons(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    async with payer_server() as server, calling(world, tenant) as client:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        await happen(world, tenant, many(Visit(payer=JACARANDA, charges=(EXAM, GLUCOSE)), 5))
        closed = (await client.post(f"{BASE}/batches/close", json={"payer": JACARANDA})).json()["items"]
        assert [(c["guides"], c["status"]) for c in closed] == [(5, "enviando")]
        await settle(world, tenant)
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        (batch,) = await items(client, "batches", status="glosa", payer=JACARANDA)
        (submission,) = await items(client, "submissions", batch_id=batch["id"])
        document = await client.get(f"{BASE}/batches/{batch['id']}/document")
        assert document.headers["content-type"] == "application/xml" and b"loteGuiasWS" in document.content
        checked = await client.post(f"{BASE}/files", content=document.content)
        assert checked.json()["files"][0]["ok"] and checked.json()["files"][0]["guides"] == 5
        denials = await items(client, "denials", status="aberta")
        assert denials and all(d["amount_cents"] > 0 and d["appeal_until"] for d in denials)
        assert {d["protocol"] for d in denials} == {submission["protocol"]}
        assert await items(client, "denials", protocol=submission["protocol"], code=denials[0]["code"])
        assert await items(client, "denials", protocol="1") == []
        wish = {
            "payer": JACARANDA,
            "protocol": submission["protocol"],
            "texts": {denials[0]["id"]: "Consta “laudo”\x00"},
        }
        draft = await client.post(f"{BASE}/appeals", json=wish)
        assert draft.status_code == 201 and draft.json()["status"] == "rascunho", draft.text
        sent = await client.post(f"{BASE}/appeals/{draft.json()['id']}/send")
        assert (sent.status_code, sent.json()["status"]) == (202, "enviando"), sent.text
        assert (await client.delete(f"{BASE}/appeals/{draft.json()['id']}")).status_code == 409
        await settle(world, tenant)
        (appeal,) = await items(client, "appeals")
        assert appeal["status"] == "recebido" and appeal["protocol"]
        message = await client.get(f"{BASE}/appeals/{appeal['id']}/document")
        assert message.status_code == 200 and b"guiaRecursoGlosa" in message.content
        again = await client.post(f"{BASE}/appeals/{appeal['id']}/resend")
        assert (again.status_code, again.json()["problems"][0]["code"]) == (409, "appeal.answered")
        for kind, row in (("batches", batch), ("submissions", submission), ("appeals", appeal)):
            assert (await client.get(f"{BASE}/{kind}/{row['id']}")).json()["id"] == row["id"]
        (statement,) = await items(client, "statements", protocol=submission["protocol"])
        assert (await client.get(f"{BASE}/statements/{statement['id']}")).json() == statement
        assert submission["payer_status_name"] and {d["glosa_name"] for d in denials} - {""}
        assert await items(client, "batches", number=str(batch["number"]))
        figures = (await client.get(f"{BASE}/reconciliation/{JACARANDA}/{submission['protocol']}")).json()
        assert figures["billed"] == figures["paid"] + figures["denied"] + figures["open"] == batch["total_cents"]
        assert (await client.post(f"{BASE}/batches/{batch['id']}/resend")).status_code == 409
        await _foreign(world, other_tenant, batch, appeal, submission)
        async with calling(world, other_tenant) as stranger:
            assert (await stranger.get(f"{BASE}/statements/{statement['id']}")).status_code == 404


async def _foreign(world: World, other: Tenant, batch: Any, appeal: Any, submission: Any) -> None:
    async with calling(world, other) as client:
        for kind, row in (("batches", batch), ("submissions", submission), ("appeals", appeal)):
            assert (await client.get(f"{BASE}/{kind}/{row['id']}")).status_code == 404
        assert (await client.get(f"{BASE}/appeals/{appeal['id']}/document")).status_code == 404
        assert (await client.post(f"{BASE}/appeals/{appeal['id']}/resend")).status_code == 404
        for kind in ("guides", "batches", "submissions", "statements", "statement-lines", "denials", "appeals"):
            assert await items(client, kind) == []
        assert (await client.get(f"{BASE}/batches/{batch['id']}/document")).status_code == 404
        assert (await client.post(f"{BASE}/batches/{batch['id']}/resend")).status_code == 404
        assert (await client.post(f"{BASE}/batches/{batch['id']}/reopen")).status_code == 404
        assert (await client.post(f"{BASE}/appeals/{appeal['id']}/send")).status_code == 404
        entered = await client.post(f"{BASE}/submissions/{submission['id']}/protocol", json={"protocol": "1"})
        assert entered.status_code == 404
        assert (await client.get(f"{BASE}/reconciliation/{JACARANDA}/{submission['protocol']}")).status_code == 404


async def test_pages_follow_a_cursor(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 7))
    await happen(world, tenant, [Visit(payer="000001", charges=(EXAM, GLUCOSE))])
    async with calling(world, tenant) as client:
        assert (await client.post(f"{BASE}/guides/build")).json() == {
            "ready": 7, "pending": 0, "without_payer": 2, "in_stay": 0, "in_treatment": 0,
        }  # fmt: skip
        seen: list[str] = []
        after = ""
        while True:
            page = (await client.get(f"{BASE}/guides", params={"after": after, "limit": 3})).json()
            seen += [guide["number"] for guide in page["items"]]
            if page["next"] is None:
                break
            after = page["next"]
        assert sorted(seen, key=int) == [str(n) for n in range(1, 8)]
        (guide,) = await items(client, "guides", number="3")
        whole = (await client.get(f"{BASE}/guides/{guide['id']}")).json()
        assert whole["tree"]["valorTotal"]["valorTotalGeral"] == "25.40" and len(whole["items"]) == 1
        assert "tree" not in guide


async def test_scopes_decide(world: World, tenant: Tenant) -> None:
    async with calling(world, tenant, "tiss/read") as client:
        assert (await client.get(f"{BASE}/guides")).status_code == 200
        for path in ("/batches/close", "/guides/build", f"/appeals/{uuid.uuid4()}/send"):
            answer = await client.post(f"{BASE}{path}")
            assert answer.status_code == 403 and answer.headers["content-type"] == "application/problem+json"
    async with calling(world, tenant, "system/*.read") as client:
        assert (await client.get(f"{BASE}/guides")).status_code == 403
    async with calling(world, tenant, "tiss/*") as client:  # the whole door, as `./ponte token` gives it
        assert (await client.get(f"{BASE}/guides")).status_code == 200
        assert (await client.post(f"{BASE}/guides/build")).status_code == 200
    transport = httpx.ASGITransport(app=create_app(world, Keeper(world.database)))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        assert (await client.get(f"{BASE}/guides")).status_code == 401


NOBODY = "3f0d2c1e-52b0-4a3e-9d0a-7a1f6f3c9e10"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/guides?colour=red", None, 422),
        ("GET", "/guides?status=%00", None, 422),
        ("GET", "/guides?after=abc", None, 404),
        ("GET", "/guides?limit=0", None, 400),
        ("GET", "/guides/not-an-id", None, 400),
        ("GET", f"/guides/{NOBODY}", None, 404),
        ("GET", "/reconciliation/999806/%00", None, 404),
        ("POST", "/batches/close", {"payer": "abc"}, 400),
        ("POST", "/batches/close", {"other": 1}, 400),
        ("POST", "/appeals", {"payer": "999806", "protocol": "1\x00"}, 400),
        ("POST", "/appeals", {"payer": "999806", "protocol": "1"}, 404),
        ("POST", f"/submissions/{NOBODY}/protocol", {"protocol": "1"}, 404),
        ("DELETE", f"/appeals/{NOBODY}", None, 404),
    ],
)
async def test_bad_requests_get_clear_answers(
    world: World, tenant: Tenant, method: str, path: str, body: Any, status: int
) -> None:
    async with calling(world, tenant) as client:
        answer = await client.request(method, BASE + path, json=body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] and answer.json()["problems"]


async def test_uploaded_files_get_findings_and_never_a_crash(world: World, tenant: Tenant) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.xml", "<x/>")
        made.writestr("b.xml", b"")
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    async with calling(world, tenant, "tiss/read") as client:
        for content in (b"", b"hello", b"\x00" * 50, bomb.encode(), b"<a>" * 5000, b"PK\x03\x04rubbish"):
            answer = await client.post(f"{BASE}/files", content=content)
            assert answer.status_code == 200, answer.text
            assert not answer.json()["files"][0]["ok"] and answer.json()["files"][0]["problems"]
        found = (await client.post(f"{BASE}/files?name=lote.zip", content=archive.getvalue())).json()["files"]
        assert [f["file"] for f in found] == ["lote.zip/a.xml", "lote.zip/b.xml"]


async def test_an_uploaded_file_is_judged_by_what_its_payer_agreed(
    world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    async with calling(world, tenant) as client, calling(world, other_tenant) as stranger:
        await client.post(f"{BASE}/batches/close")
        raw = (await _document(client)).content
        assert (await client.post(f"{BASE}/files", content=raw)).json()["files"][0]["ok"]
        told = (await stranger.post(f"{BASE}/files", content=raw)).json()["files"][0]["problems"]
        assert [p["code"] for p in told if p["severity"] != "information"] == ["table.operator"]


async def test_a_statement_comes_as_a_file(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    async with payer_server() as server, calling(world, tenant) as client:
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 4))
        await client.post(f"{BASE}/batches/close")
        await settle(world, tenant)
        book = server.book(IPE)
        root = etree.fromstring((await _document(client)).content)
        raw = Replies(book, root).statement(list(book.batches.values()))
        first = await client.post(f"{BASE}/statements", content=raw)
        assert (first.status_code, first.json()["protocols"], first.json()["new"]) == (201, 1, 1), first.text
        again = await client.post(f"{BASE}/statements", content=raw)
        assert again.json()["new"] == 0
        lines = await items(client, "statement-lines")
        assert len(lines) == 4 and sum(line["denied_cents"] for line in lines) == book.report()["denied_cents"] > 0
        for bad in (b"", b"<a/>", b"rubbish", (await _document(client)).content):
            answer = await client.post(f"{BASE}/statements", content=bad)
            assert answer.status_code == 422 and answer.json()["title"], answer.text
        huge = raw.replace(b"<ans:sequencialItem>1<", b"<ans:sequencialItem>99999999999<")
        answer = await client.post(f"{BASE}/statements", content=huge)
        assert (answer.status_code, answer.json()["problems"][0]["code"]) == (422, "statement.range")
        async with calling(world, other_tenant) as stranger:
            answer = await stranger.post(f"{BASE}/statements", content=raw)
            assert answer.json()["problems"][0]["code"] == "statement.unknown-payer"
            assert await items(stranger, "statement-lines") == []
        async with world.transaction(tenant) as tx:
            kept = await tx.value(
                "SELECT count(*) FROM message WHERE tenant_id = $1 AND format = 'tiss' AND direction = 'in'"
            )
        assert kept == 7


async def _document(client: httpx.AsyncClient) -> httpx.Response:
    (batch,) = await items(client, "batches")
    return await client.get(f"{BASE}/batches/{batch['id']}/document")


async def test_the_description_has_examples(world: World) -> None:
    document = create_app(world, Keeper(world.database)).openapi()
    ours = {path: methods for path, methods in document["paths"].items() if path.startswith(BASE)}
    assert len(ours) >= 14
    assert all(method["summary"] and method["description"] for methods in ours.values() for method in methods.values())
    listed = ours[f"{BASE}/{{kind}}"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    assert listed["items"] and "next" in listed
    assert "examples" in document["components"]["schemas"]["AppealWish"]["properties"]["payer"]


async def test_terms_are_found_by_words_code_and_day(world: World, tenant: Tenant) -> None:
    async with calling(world, tenant, "tiss/read") as client:
        found = await items(client, "terms", words="RADIOGRAFIA periapical", table="22")
        assert {"table": "22", "code": "81000421", "name": "Radiografia periapical"}.items() <= found[0].items()
        assert await items(client, "terms", words="81000421", on="1999-01-01") == []
        glosas = await items(client, "terms", words="1705", table="38")
        assert [term["code"] for term in glosas] == ["1705"] and "MAIOR" in glosas[0]["name"]
        assert (await client.get(f"{BASE}/terms")).json()["problems"][0]["where"] == "query/words"
    async with calling(world, tenant, "hl7/write") as client:
        assert (await client.get(f"{BASE}/terms", params={"words": "x"})).status_code == 403
