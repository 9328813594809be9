"""Statements in bad company: replaced, with a stranger's item, with unknown glosas, with sums that do not hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from billing_day import EXAM, IPE, Visit, happen, many, partner_row, register, rows
from payer_server import again, judged, payer_server, settle

from canonical.errors import Conflict, NotFound
from hub.billing import listing
from hub.billing.appeal import appeals
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.profiles import payer
from hub.billing.returns import reconciliation, statements
from hub.billing.writing import origin
from hub.world import Tenant, World
from tiss.answers import values as answers


async def test_the_same_statement_twice_changes_nothing_and_a_new_one_replaces(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        submission = await judged(world, tenant, server)
        before = await rows(world, tenant, "SELECT id FROM statement_line WHERE tenant_id = $1 ORDER BY id")
        await again(world, tenant)
        assert before == await rows(world, tenant, "SELECT id FROM statement_line WHERE tenant_id = $1 ORDER BY id")
        denied = await rows(world, tenant, "SELECT * FROM denial WHERE tenant_id = $1")
        assert len(denied) == 2 and {d["status"] for d in denied} == {"aberta"}
        await server.control(ans=IPE, revise=submission["protocol"])
        await again(world, tenant)
        found = await rows(
            world,
            tenant,
            "SELECT replaced, count(*) AS n FROM statement_line WHERE tenant_id = $1 GROUP BY replaced ORDER BY replaced",
        )
        assert [(r["replaced"], r["n"]) for r in found] == [(False, 8), (True, 8)]
        assert {d["status"] for d in await rows(world, tenant, "SELECT status FROM denial WHERE tenant_id = $1")} == {
            "substituida"
        }
        assert {g["status"] for g in await rows(world, tenant, "SELECT status FROM guide WHERE tenant_id = $1")} == {
            "paga"
        }
        assert (await rows(world, tenant, "SELECT status FROM batch WHERE tenant_id = $1"))[0]["status"] == "pago"
        async with world.transaction(tenant) as tx:
            figures = await reconciliation.of_protocol(tx, submission["protocol"], submission["payer_id"])
        assert (figures["billed"], figures["denied"], figures["open"]) == (figures["paid"], 0, 0)


async def test_a_strangers_item_is_an_orphan_and_unknown_glosas_stay_verbatim(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await server.control(ans=IPE, foreign=True, glosa="9876")
        submission = await judged(world, tenant, server)
        orphans = await rows(world, tenant, "SELECT * FROM statement_line WHERE tenant_id = $1 AND orphan <> ''")
        assert [(o["guide_number"], o["guide_id"], o["paid_cents"]) for o in orphans] == [("GUIA-DE-OUTRO", None, 1000)]
        assert {d["glosa_code"] for d in await rows(world, tenant, "SELECT * FROM denial WHERE tenant_id = $1")} == {
            "9876"
        }
        (statement,) = await rows(world, tenant, "SELECT * FROM statement WHERE tenant_id = $1")
        assert [p["code"] for p in json.loads(statement["problems"])] == ["statement.orphan"]
        async with world.transaction(tenant) as tx:
            figures = await reconciliation.of_protocol(tx, submission["protocol"], submission["payer_id"])
        book = (await server.received())[IPE]
        assert (figures["billed"], figures["paid"], figures["denied"], figures["open"]) == (
            book["billed_cents"], book["paid_cents"], book["denied_cents"], 0,
        )  # fmt: skip
        assert len(figures["orphans"]) == 1
        for guide in figures["guides"]:
            assert guide["billed"] == guide["paid"] + guide["denied"] + guide["open"]


async def test_an_appealed_denial_survives_a_new_statement(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        submission = await judged(world, tenant, server)
        async with world.transaction(tenant) as tx:
            wish = appeals.Wish(payer_id=submission["payer_id"], protocol=submission["protocol"])
            appeal = await appeals.draft(tx, wish, origin(world, tenant, "test"))
            await appeals.send(world, tenant, tx, appeal, "test")
        await settle(world, tenant)
        await server.control(ans=IPE, foreign=True)  # the same judgement with one more line
        await again(world, tenant)
        found = await rows(
            world,
            tenant,
            "SELECT d.status, d.granted_cents, l.replaced FROM denial d JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id WHERE d.tenant_id = $1 ORDER BY l.replaced, d.status",
        )
        assert {d["status"] for d in found if d["replaced"]} == {"substituida"}
        assert {d["status"] for d in found if not d["replaced"]} == {"revertida", "mantida"}
        (done,) = await rows(world, tenant, "SELECT status, granted_cents FROM appeal WHERE tenant_id = $1")
        assert done["status"] == "respondido"
        assert done["granted_cents"] == sum(d["granted_cents"] for d in found if not d["replaced"])


def item(sequence: int, billed: int, paid: int, *glosas: tuple[str, int]) -> answers.StatementItem:
    return answers.StatementItem(
        sequence=sequence, on="2026-11-20", table="22", code="40304361", quantity="1", participation="",
        billed_cents=billed, processed_cents=billed, paid_cents=paid, where="/x",
        glosas=tuple(answers.Glosa(code=code, cents=cents) for code, cents in glosas),
    )  # fmt: skip


def statement(protocol: str, guide: str, items: tuple[answers.StatementItem, ...], **changed: Any) -> answers.Statement:
    billed, paid = sum(i.billed_cents for i in items), sum(i.paid_cents for i in items)
    values = {
        "provider_number": guide, "operator_number": "", "authorization": "", "status": "3", "items": items,
        "glosas": (), "billed_cents": billed, "processed_cents": billed, "paid_cents": paid, "glosa_cents": None,
        "note": "", "where": "/g", **changed,
    }  # fmt: skip
    one = answers.StatementGuide(**values)
    inner = answers.StatementProtocol(
        number=protocol, batch="1", on="2026-11-21", status="3", guides=(one,), glosas=(),
        billed_cents=one.billed_cents, processed_cents=billed, paid_cents=one.paid_cents, glosa_cents=None, where="/p",
    )  # fmt: skip
    return answers.Statement(
        number="1", operator=IPE, operator_cnpj="", issued_on="2026-11-21", protocols=(inner,),
        billed_cents=billed, processed_cents=billed, paid_cents=paid, glosa_cents=None, where="/s",
    )  # fmt: skip


async def test_partial_open_mismatch_and_whole_guide_denials(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 4))
    await guides.build_guides(world, tenant)
    await batches.close_batches(world, tenant)
    async with world.transaction(tenant) as tx:
        payer_id = await listing.payer_id(tx, IPE)
        await tx.run("UPDATE submission SET protocol = '777' WHERE tenant_id = $1")
        source = statements.Source(profile=await payer(tx, payer_id), by=origin(world, tenant, "test"))
        await statements.take_in(tx, source, statement("777", "1", (item(1, 2540, 1000, ("1705", 540)),)))
    async with world.transaction(tenant) as tx:
        figures = await reconciliation.of_protocol(tx, "777", payer_id)
        first = figures["guides"][0]
        assert (first["paid"], first["denied"], first["open"]) == (1000, 540, 1000)
        await statements.take_in(tx, source, statement("777", "1", (item(1, 2500, 2600),)))
    (found,) = await rows(world, tenant, "SELECT problems FROM statement WHERE tenant_id = $1 AND NOT replaced")
    assert sorted(p["code"] for p in json.loads(found["problems"])) == ["statement.billed", "statement.sum"]
    async with world.transaction(tenant) as tx:
        whole = statement(
            "777", "2", (), billed_cents=2540, paid_cents=0, glosas=(answers.Glosa(code="1001", text="CARTEIRA"),)
        )
        await statements.take_in(tx, source, whole)
    async with world.transaction(tenant) as tx:
        figures = await reconciliation.of_protocol(tx, "777", payer_id)
        assert (figures["guides"][1]["denied"], figures["guides"][1]["open"]) == (2540, 0)
        appeal = await appeals.draft(tx, appeals.Wish(payer_id=payer_id, protocol="777"), origin(world, tenant, "test"))
        assert await appeals.send(world, tenant, tx, appeal, "test") == "enviando"
        row = await tx.row("SELECT claimed_cents, message_id FROM appeal WHERE tenant_id = $1 AND id = $2", appeal)
        sent = bytes(await tx.value("SELECT content FROM message WHERE tenant_id = $1 AND id = $2", row["message_id"]))
    assert row["claimed_cents"] == 2540 and b"recursoGuiaCompleta" in sent


async def test_a_protocol_denied_as_a_whole_is_appealed_as_a_whole(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 2))
    await guides.build_guides(world, tenant)
    await batches.close_batches(world, tenant)
    inner = answers.StatementProtocol(
        number="778", batch="1", on="2026-11-21", status="4", guides=(), billed_cents=5080, processed_cents=0,
        paid_cents=0, glosa_cents=5080, glosas=(answers.Glosa(code="1101", text="PROTOCOLO"),), where="/p",
    )  # fmt: skip
    told = answers.Statement(
        number="1", operator=IPE, operator_cnpj="", issued_on="", protocols=(inner,), billed_cents=5080,
        processed_cents=0, paid_cents=0, glosa_cents=5080, where="/s",
    )  # fmt: skip
    async with world.transaction(tenant) as tx:
        payer_id = await listing.payer_id(tx, IPE)
        await tx.run("UPDATE submission SET protocol = '778' WHERE tenant_id = $1")
        source = statements.Source(profile=await payer(tx, payer_id), by=origin(world, tenant, "test"))
        assert await statements.take_in(tx, source, told) == 1
    async with world.transaction(tenant) as tx:
        figures = await reconciliation.of_protocol(tx, "778", payer_id)
        assert (figures["billed"], figures["denied"], figures["open"], figures["orphans"]) == (5080, 5080, 0, [])
        appeal = await appeals.draft(tx, appeals.Wish(payer_id=payer_id, protocol="778"), origin(world, tenant, "test"))
        assert await appeals.send(world, tenant, tx, appeal, "test") == "enviando"
        sent = await tx.value(
            "SELECT m.content FROM appeal a JOIN message m ON m.tenant_id = $1 AND m.id = a.message_id WHERE a.tenant_id = $1"
        )
    assert b"recursoProtocolo" in bytes(sent) and b"<ans:objetoRecurso>1<" in bytes(sent)


async def test_a_deadline_and_a_draft_hold(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        submission = await judged(world, tenant, server)
        wish = appeals.Wish(payer_id=submission["payer_id"], protocol=submission["protocol"])
        async with world.transaction(tenant) as tx:
            appeal = await appeals.draft(tx, wish, origin(world, tenant, "test"))
            with pytest.raises(NotFound):
                await appeals.draft(tx, wish, origin(world, tenant, "test"))
            await appeals.discard(tx, appeal, origin(world, tenant, "test"))
            again_ = await appeals.draft(tx, wish, origin(world, tenant, "test"))
            await tx.run("UPDATE appeal SET appeal_until = '2020-01-01' WHERE tenant_id = $1 AND id = $2", again_)
            with pytest.raises(Conflict, match="deadline"):
                await appeals.send(world, tenant, tx, again_, "test")
            await tx.run("UPDATE appeal SET appeal_until = '2100-01-01' WHERE tenant_id = $1")
            await tx.run("DELETE FROM credential WHERE tenant_id = $1 AND kind = 'login'")
            assert await appeals.send(world, tenant, tx, again_, "test") == "bloqueado"
            told = await tx.value("SELECT problems FROM appeal WHERE tenant_id = $1 AND id = $2", again_)
            assert [p["code"] for p in json.loads(told)] == ["batch.no-login"]


@pytest.mark.parametrize(("resend", "status"), [("same-bytes", "recebido"), ("hold", "incerto")])
async def test_an_appeal_whose_reply_is_lost(world: World, tenant: Tenant, resend: str, status: str) -> None:
    async with payer_server() as server:
        submission = await judged(world, tenant, server)
        await register(world, tenant, [partner_row(IPE, server.url(IPE), billing={"resend": resend})])
        await server.control(ans=IPE, kind="lost", times=1, root="loteRecursoGlosaWS")
        async with world.transaction(tenant) as tx:
            wish = appeals.Wish(payer_id=submission["payer_id"], protocol=submission["protocol"])
            await appeals.send(world, tenant, tx, await appeals.draft(tx, wish, origin(world, tenant, "test")), "test")
        await settle(world, tenant)
        (appeal,) = await rows(world, tenant, "SELECT * FROM appeal WHERE tenant_id = $1")
        book = (await server.received())[IPE]
        assert appeal["status"] == status
        assert [a["resent"] for a in book["appeals"]] == [1 if resend == "same-bytes" else 0]
