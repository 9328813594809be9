"""A payer that answers one batch or appeal with what is another one's: nothing is recorded, and the finding says whose it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from billing_day import CONSULTATION, EXAM, GLUCOSE, JACARANDA, Visit, happen, many, partner_row, register, rows
from payer_server import payer_server, settle

from api.simulators.payer_book import Book
from api.simulators.payer_replies import Replies
from canonical.problem import catalogue
from hub.billing import jobs
from hub.billing.appeal import appeals
from hub.billing.batch import protocols, submissions
from hub.billing.writing import origin
from hub.requests import jobs as request_jobs
from hub.world import Tenant, World
from tests.hub.billing.test_requests_files import by_file, folders, put, received

TWO = [Visit(payer=JACARANDA, charges=(CONSULTATION, EXAM))]  # a consultation and an exam: two kinds, two batches


async def told(world: World, tenant: Tenant) -> list[dict[str, Any]]:
    kept = await rows(world, tenant, "SELECT problems FROM message WHERE tenant_id = $1 AND direction = 'in'")
    return [problem for row in kept for problem in json.loads(row["problems"])]


async def submitted(world: World, tenant: Tenant) -> list[Any]:
    return await rows(
        world, tenant,
        "SELECT s.*, b.number, b.status AS batch_status FROM submission s JOIN batch b ON b.tenant_id = $1 "
        "AND b.id = s.batch_id WHERE s.tenant_id = $1 ORDER BY b.number",
    )  # fmt: skip


async def test_a_protocol_given_twice_over_the_web_service(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Book, "next_protocol", lambda _: "4711")
    async with payer_server() as server:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        await happen(world, tenant, TWO)
        await jobs.close_batches(world, tenant, {})
        await settle(world, tenant)
        has, lacks = sorted(await submitted(world, tenant), key=lambda row: row["protocol"] is None)
        assert (has["status"], has["protocol"]) == ("recebido", "4711")
        assert (lacks["status"], lacks["batch_status"], lacks["protocol"]) == ("incerto", "incerto", None)
        assert lacks["reason"] == protocols.TAKEN
        (problem,) = await told(world, tenant)
        assert problem["code"] == protocols.TAKEN
        assert f"lote nº {lacks['number']} " in problem["text"] and f"lote nº {has['number']};" in problem["text"]
        before = (await server.received())[JACARANDA]["requests"]["loteGuiasWS"]
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        assert (await server.received())[JACARANDA]["requests"]["loteGuiasWS"] == before, (
            "sent again for the same answer"
        )
    async with world.transaction(tenant) as tx:  # a person learned the right one
        await submissions.enter_protocol(tx, lacks["id"], "4712", origin(world, tenant, "test"))
    assert {row["protocol"] for row in await submitted(world, tenant)} == {"4711", "4712"}


async def test_a_status_of_another_batch(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked where one protocol stands, the payer says where another one stands."""
    async with payer_server(delay_s=3600.0) as server:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        await happen(world, tenant, TWO)
        await jobs.close_batches(world, tenant, {})
        await settle(world, tenant)
        one, two = await submitted(world, tenant)
        real = Replies.status
        other = next(b for b in server.book(JACARANDA).batches.values() if b.protocol == two["protocol"])
        monkeypatch.setattr(Replies, "status", lambda self, _: real(self, other))
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
    after = await submitted(world, tenant)
    assert after[0]["payer_status"] is None and after[1]["payer_status"] is not None
    (problem,) = await told(world, tenant)
    assert problem["code"] == protocols.TAKEN
    assert f"lote nº {one['number']} " in problem["text"] and f"lote nº {two['number']};" in problem["text"]


async def test_a_protocol_given_twice_in_the_return_folder(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, sides_of: Book
) -> None:
    out, back = folders(world, tenant)
    await register(world, tenant, [by_file(JACARANDA)])
    await happen(world, tenant, TWO)
    await jobs.close_batches(world, tenant, {})
    await settle(world, tenant)
    monkeypatch.setattr(Book, "next_protocol", lambda _: "4711")
    for name, file in enumerate(sorted(out.iterdir())):
        known, replies = received(file.read_bytes(), sides_of)
        put(back, f"{name}.xml", replies.protocol(known))
        await request_jobs.collect_returns(world, tenant, {})
    first, second = await submitted(world, tenant)
    assert (first["status"], first["protocol"]) == ("recebido", "4711")
    assert (second["status"], second["protocol"]) == ("enviado", None), "the second waits for its own"
    assert _failed(back) == {"1.xml": protocols.TAKEN}
    put(back, "again.xml", replies.protocol(known))  # and again: nothing changes
    await request_jobs.collect_returns(world, tenant, {})
    assert (await submitted(world, tenant))[1]["protocol"] is None


def _failed(back: Path) -> dict[str, str]:
    told = sorted((back / "failed").glob("*.findings.json"))
    return {p.name.removesuffix(".findings.json"): json.loads(p.read_bytes())["findings"][0]["code"] for p in told}


@pytest.fixture
def sides_of() -> Book:
    from payer_server import sides

    return Book(next(side for side in sides() if side.ans == JACARANDA))


async def test_a_lote_that_is_none_of_ours_is_the_payers_own_numbering(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(JACARANDA)])
    await happen(world, tenant, TWO)
    await jobs.close_batches(world, tenant, {})
    one, two = await submitted(world, tenant)
    async with world.transaction(tenant) as tx:
        for number in ("", "99887766", str(one["number"]), f"000{one['number']}"):
            assert await protocols.astray(tx, one["batch_id"], "4711", number) is None
        strange = await protocols.astray(tx, one["batch_id"], "4711", f"0{two['number']}")
    assert strange is not None and strange.code == protocols.OTHER
    assert f"lote nº {one['number']} " in strange.text() and f"lote nº {two['number']};" in strange.text()


async def test_an_appeal_answered_with_another_ones_protocol(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with payer_server(deny_every=1) as server:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        visits = [
            Visit(payer=JACARANDA, charges=(CONSULTATION,)),
            *many(Visit(payer=JACARANDA, charges=(EXAM, GLUCOSE)), 1),
        ]
        await happen(world, tenant, visits)
        await jobs.close_batches(world, tenant, {})
        await settle(world, tenant)
        for _ in range(2):
            await jobs.poll_protocols(world, tenant, {})
            await settle(world, tenant)
        monkeypatch.setattr(Book, "next_protocol", lambda _: "R1")
        sent = [await _appeal(world, tenant, row) for row in await submitted(world, tenant)]
        await settle(world, tenant)
    kept = await rows(
        world, tenant, "SELECT id, number, status, protocol, reason FROM appeal WHERE tenant_id = $1 ORDER BY number"
    )
    assert [row["id"] for row in kept] == sent
    assert [(row["status"], row["protocol"]) for row in kept] == [("recebido", "R1"), ("incerto", None)]
    assert kept[1]["reason"] == protocols.APPEAL
    (problem,) = await told(world, tenant)
    assert problem["code"] == protocols.APPEAL and f"recurso nº {kept[0]['number']};" in problem["text"]


async def _appeal(world: World, tenant: Tenant, row: Any) -> UUID:
    async with world.transaction(tenant) as tx:
        wish = appeals.Wish(payer_id=row["payer_id"], protocol=row["protocol"])
        appeal: UUID = await appeals.draft(tx, wish, origin(world, tenant, "test"))
        await appeals.send(world, tenant, tx, appeal, "test")
    return appeal


def test_what_is_said_of_returns_has_words() -> None:
    for code in ("returned.fault", "returned.unknown", protocols.TAKEN, protocols.OTHER, protocols.APPEAL):
        assert code in catalogue(), code
