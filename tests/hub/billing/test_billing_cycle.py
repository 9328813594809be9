"""The whole cycle against the simulated payers on a real socket: batch, protocol, statement, denial, appeal, to the cent."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from billing_day import (
    CONSULTATION,
    DIPYRONE,
    EXAM,
    GLUCOSE,
    IPE,
    JACARANDA,
    Visit,
    happen,
    many,
    partner_row,
    register,
    rows,
)
from payer_server import payer_server, settle

from hub.billing import jobs
from hub.billing.appeal import appeals
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.writing import origin
from hub.world import Tenant, World


@pytest.mark.parametrize("code", [IPE, JACARANDA])
async def test_from_charges_to_a_decided_appeal(world: World, tenant: Tenant, code: str) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(code, server.url(code))])
        await happen(world, tenant, many(Visit(payer=code, charges=(CONSULTATION, EXAM, DIPYRONE, GLUCOSE)), 6))
        told = await jobs.close_batches(world, tenant, {})
        assert told == "12 guias prontas, 0 pendentes; 2 lotes, 0 bloqueados", told
        await settle(world, tenant)
        found = await rows(world, tenant, "SELECT * FROM batch WHERE tenant_id = $1 ORDER BY number")
        assert [b["status"] for b in found] == ["recebido", "recebido"], [b["reason"] for b in found]
        await _same_as_received(world, tenant, server, code)
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        await _reconciles(world, tenant, server, code)
        await _appealed(world, tenant, server, code)


async def _same_as_received(world: World, tenant: Tenant, server: Any, code: str) -> None:
    book = (await server.received())[code]
    ours = await rows(
        world,
        tenant,
        "SELECT b.*, s.protocol FROM batch b JOIN submission s ON s.tenant_id = $1 AND s.batch_id = b.id WHERE b.tenant_id = $1",
    )
    assert {(str(b["number"]), b["protocol"], b["total_cents"], b["guides"]) for b in ours} == {
        (b["number"], b["protocol"], b["billed_cents"], b["guides"]) for b in book["batches"]
    }
    assert all(b["signed"] == (code == IPE) for b in book["batches"]) and book["refused"] == {}
    async with world.transaction(tenant) as tx:
        for one in ours:
            sent = await batches.document(tx, one["id"])
            assert hashlib.sha256(sent).hexdigest() in {b["sha256"] for b in book["batches"]}
            assert one["hash"].encode() in sent and one["rule_set"] and one["tables"]


async def _reconciles(world: World, tenant: Tenant, server: Any, code: str) -> None:
    book = (await server.received())[code]
    (sums,) = await rows(
        world,
        tenant,
        "SELECT sum(billed_cents) AS billed, sum(paid_cents) AS paid, sum(denied_cents) AS denied, count(*) AS lines, "
        "count(*) FILTER (WHERE orphan <> '') AS orphans FROM statement_line WHERE tenant_id = $1 AND NOT replaced",
    )
    assert (sums["billed"], sums["paid"], sums["denied"]) == (
        book["billed_cents"], book["paid_cents"], book["denied_cents"],
    )  # fmt: skip
    assert sums["billed"] == sums["paid"] + sums["denied"] and sums["denied"] > 0
    assert (sums["lines"], sums["orphans"]) == (24, 0)
    (total,) = await rows(world, tenant, "SELECT sum(total_cents) AS t FROM guide_item WHERE tenant_id = $1")
    assert total["t"] == sums["billed"]
    assert {
        json.dumps(json.loads(s["problems"]))
        for s in await rows(world, tenant, "SELECT problems FROM statement WHERE tenant_id = $1")
    } == {"[]"}
    status = await rows(world, tenant, "SELECT status, settled FROM submission WHERE tenant_id = $1")
    assert {(s["status"], s["settled"]) for s in status} == {("recebido", True)}


async def _appealed(world: World, tenant: Tenant, server: Any, code: str) -> None:
    denials = await rows(
        world, tenant,
        "SELECT d.*, l.protocol FROM denial d JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id WHERE d.tenant_id = $1",
    )  # fmt: skip
    assert {d["status"] for d in denials} == {"aberta"} and all(d["appeal_until"] for d in denials)
    for protocol in sorted({d["protocol"] for d in denials}):
        async with world.transaction(tenant) as tx:
            wish = appeals.Wish(payer_id=denials[0]["payer_id"], protocol=protocol, texts={"1705": "Tabela contratada"})
            appeal = await appeals.draft(tx, wish, origin(world, tenant, "test"))
        async with world.transaction(tenant) as tx:
            assert await appeals.send(world, tenant, tx, appeal, "test") == "enviando"
    await settle(world, tenant)
    await jobs.poll_protocols(world, tenant, {})
    await settle(world, tenant)
    book = (await server.received())[code]
    ours = await rows(world, tenant, "SELECT * FROM appeal WHERE tenant_id = $1")
    assert {a["status"] for a in ours} == {"respondido"}, [a["reason"] for a in ours]
    assert sum(a["claimed_cents"] for a in ours) == book["denied_cents"]
    assert sum(a["granted_cents"] for a in ours) == sum(a["granted_cents"] for a in book["appeals"])
    decided = await rows(
        world, tenant, "SELECT status, granted_cents, amount_cents, justification FROM denial WHERE tenant_id = $1"
    )
    assert {d["status"] for d in decided} <= {"revertida", "mantida"} and all(d["justification"] for d in decided)
    assert sum(d["granted_cents"] for d in decided) == sum(a["granted_cents"] for a in ours)


async def test_101_guides_become_100_and_1(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 101))
    assert (await guides.build_guides(world, tenant)).ready == 101
    closed = await batches.close_batches(world, tenant)
    assert [(c.guides, c.status) for c in closed] == [(100, "enviando"), (1, "enviando")]
    assert closed[0].number != closed[1].number


async def test_a_bad_guide_blocks_its_batch_before_sending(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        await happen(world, tenant, many(Visit(payer=JACARANDA, charges=(EXAM,)), 3))
        await guides.build_guides(world, tenant)
        async with world.transaction(tenant) as tx:
            await tx.run(
                'UPDATE guide SET tree = replace(tree, \'"valorTotalGeral": "25.40"\', '
                "'\"valorTotalGeral\": \"25.41\"') WHERE tenant_id = $1 AND number = '2'"
            )
        (closed,) = await batches.close_batches(world, tenant)
        await settle(world, tenant)
        assert closed.status == "bloqueado"
        (batch,) = await rows(world, tenant, "SELECT * FROM batch WHERE tenant_id = $1")
        problems = json.loads(batch["problems"])
        assert {p["code"].split(".")[0] for p in problems if p["severity"] == "error"} == {"sum"}, problems
        assert "[2]" in problems[0]["where"] and problems[0]["remedy"]
        assert (await server.received())[JACARANDA]["requests"] == {}
        assert await rows(world, tenant, "SELECT id FROM delivery WHERE tenant_id = $1") == []
        async with world.transaction(tenant) as tx:
            assert await batches.reopen(tx, batch["id"], origin(world, tenant, "test")) == 3
        (again,) = await batches.close_batches(world, tenant)
        assert (again.status, again.guides, again.number) == ("enviando", 3, batch["number"] + 1)


async def test_two_closers_never_share_a_guide(world: World, tenant: Tenant) -> None:
    import asyncio

    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, many(Visit(payer=IPE, charges=(GLUCOSE,)), 40))
    await asyncio.gather(*(guides.build_guides(world, tenant) for _ in range(3)))
    found = await rows(world, tenant, "SELECT count(*) AS n FROM guide WHERE tenant_id = $1")
    assert found[0]["n"] == 40
    closed = await asyncio.gather(*(batches.close_batches(world, tenant) for _ in range(3)))
    assert sum(one.guides for part in closed for one in part) == 40
