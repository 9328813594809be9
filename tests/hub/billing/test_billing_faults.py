"""Each fault of a payer switched on: nothing is lost, nothing is sent twice as new, every no is kept in its own words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from billing_day import (
    CONSULTATION,
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
from payer_server import Server, payer_server, settle

from canonical.errors import Conflict
from hub.billing import jobs
from hub.billing.batch import batches, submissions
from hub.billing.guide import guides
from hub.billing.writing import origin
from hub.exchange.out import delivery
from hub.guard import vault
from hub.world import Tenant, World
from signatures import demo_pki, keys


async def one(world: World, tenant: Tenant, table: str) -> Any:
    (row,) = await rows(world, tenant, f"SELECT * FROM {table} WHERE tenant_id = $1")
    return row


async def billed(
    world: World, tenant: Tenant, server: Server, count: int = 3, code: str = IPE, **settings: Any
) -> None:
    await register(world, tenant, [partner_row(code, server.url(code), **settings)])
    await happen(world, tenant, many(Visit(payer=code, charges=(EXAM, GLUCOSE)), count))
    await guides.build_guides(world, tenant)
    await batches.close_batches(world, tenant)


@pytest.mark.parametrize("kind", ["lost", "503", "html", "garbage"])
async def test_a_passing_fault_delays_and_never_doubles(world: World, tenant: Tenant, kind: str) -> None:
    async with payer_server() as server:
        await server.control(ans=IPE, kind=kind, times=2)
        await billed(world, tenant, server)
        await settle(world, tenant)
        if kind == "garbage":  # an envelope nobody can read: the outcome is open, the poll sends the same bytes again
            assert (await one(world, tenant, "submission"))["status"] == "incerto"
            for _ in range(2):
                await jobs.poll_protocols(world, tenant, {})
                await settle(world, tenant)
        book = (await server.received())[IPE]
        assert [(b["guides"], b["resent"]) for b in book["batches"]] == [(3, {"lost": 2}.get(kind, 0))]
        submission = await one(world, tenant, "submission")
        assert (submission["status"], submission["protocol"]) == ("recebido", book["batches"][0]["protocol"])
        assert (await one(world, tenant, "batch"))["total_cents"] == book["billed_cents"]


async def test_a_slow_payer_is_asked_again_with_the_same_bytes(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await server.control(ans=IPE, kind="slow", times=1, seconds=1.0)
        transport = {"kind": "soap", "url": server.url(IPE), "timeout_s": 0.3}
        await billed(world, tenant, server, transport=transport)
        await settle(world, tenant)
        assert len((await server.received())[IPE]["batches"]) == 1
        assert (await one(world, tenant, "submission"))["status"] == "recebido"


async def test_a_payer_that_stays_down_pauses_its_lane_and_comes_back(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await server.control(ans=IPE, kind="503")
        await billed(world, tenant, server)
        await settle(world, tenant)
        dead = await one(world, tenant, "delivery")
        assert (dead["status"], dead["last_error"]) == ("DEAD", "transport.http-503")
        await server.control(ans=IPE, kind="")
        async with world.transaction(tenant) as tx:
            await delivery.requeue(tx, dead["id"])
        await settle(world, tenant)
        assert (await one(world, tenant, "submission"))["status"] == "recebido"
        assert [b["resent"] for b in (await server.received())[IPE]["batches"]] == [0]


async def test_a_lost_reply_with_a_payer_that_does_not_recognise_batches_waits_for_a_person(
    world: World, tenant: Tenant
) -> None:
    async with payer_server() as server:
        await server.control(ans=IPE, kind="lost", times=1)
        await billed(world, tenant, server, billing={"resend": "hold"})
        await settle(world, tenant)
        book = (await server.received())[IPE]
        assert [b["resent"] for b in book["batches"]] == [0], "sent again although nobody knows the outcome"
        submission = await one(world, tenant, "submission")
        assert submission["status"] == "incerto"
        async with world.transaction(tenant) as tx:
            await submissions.enter_protocol(
                tx, submission["id"], book["batches"][0]["protocol"], origin(world, tenant, "test")
            )
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        book = (await server.received())[IPE]
        assert [b["resent"] for b in book["batches"]] == [0] and book["requests"]["solicitacaoStatusProtocoloWS"] == 1
        assert (await one(world, tenant, "submission"))["status"] == "recebido"


@pytest.mark.parametrize("code", [IPE, JACARANDA])
async def test_a_refusal_is_kept_in_the_payers_words(world: World, tenant: Tenant, code: str) -> None:
    async with payer_server() as server:
        await server.control(ans=code, kind="refuse", times=1)
        await billed(world, tenant, server, code=code)
        await settle(world, tenant)
        batch, submission = await one(world, tenant, "batch"), await one(world, tenant, "submission")
        assert batch["status"] == submission["status"] == "rejeitado"
        assert batch["reason"] == "LoginInvalido switched refusal"
        async with world.transaction(tenant) as tx:
            await batches.resend(tx, batch["id"], "test")
        await settle(world, tenant)
        found = await rows(world, tenant, "SELECT status FROM submission WHERE tenant_id = $1 ORDER BY id")
        assert [row["status"] for row in found] == ["substituido", "recebido"]
        sent = await rows(
            world, tenant, "SELECT content FROM message WHERE tenant_id = $1 AND type = 'ENVIO_LOTE_GUIAS' AND direction = 'out'"
        )  # fmt: skip
        assert len(sent) == 2 and sent[0]["content"] == sent[1]["content"]
        async with world.transaction(tenant) as tx:
            with pytest.raises(Conflict):
                await batches.resend(tx, batch["id"], "test")


async def test_a_server_error_of_the_payer_is_tried_again_by_the_poll(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await server.control(ans=IPE, kind="fault", times=1)
        await billed(world, tenant, server)
        await settle(world, tenant)
        assert (await one(world, tenant, "submission"))["reason"].startswith("ErroInesperadoServidor")
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        assert (await one(world, tenant, "batch"))["status"] == "recebido"
        assert len((await server.received())[IPE]["batches"]) == 1


async def test_a_wrong_login_and_a_missing_signature_are_told_apart(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await billed(world, tenant, server, signature="")
        await settle(world, tenant)
        assert (await one(world, tenant, "batch"))["reason"].startswith("3168 ")
        async with world.transaction(tenant) as tx:
            await vault.put(
                tx, world.settings, "payer-999806-login", {"login": "hospital", "password": "errada"}, kind="login"
            )
            await batches.reopen(tx, (await one(world, tenant, "batch"))["id"], origin(world, tenant, "test"))
        await batches.close_batches(world, tenant)
        await settle(world, tenant)
        last = await rows(world, tenant, "SELECT reason FROM batch WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1")
        assert last[0]["reason"].startswith("LoginInvalido")


async def test_a_missing_certificate_or_login_blocks_before_sending(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        async with world.transaction(tenant) as tx:
            await tx.run("DELETE FROM credential WHERE tenant_id = $1 AND kind = 'pkcs12'")
        await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
        await guides.build_guides(world, tenant)
        (closed,) = await batches.close_batches(world, tenant)
        batch = await one(world, tenant, "batch")
        assert closed.status == "bloqueado"
        assert [p["code"] for p in json.loads(batch["problems"])] == ["batch.no-certificate"]
        assert (await server.received())[IPE]["requests"] == {}


async def test_an_expired_certificate_blocks_and_says_so(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    subject = demo_pki.Subject(name="Hospital de Teste", cpf="12345678062", cnpj="HTESTE01000159", responsible="Ana")
    signer = demo_pki.make(world.now()).issue(subject, demo_pki.Use(starts=-9, ends=-1))
    content = {"pkcs12": keys.to_pkcs12(signer, "demo").hex(), "password": "demo"}
    async with world.transaction(tenant) as tx:
        await vault.put(tx, world.settings, "payer-999806-certificate", content, kind="pkcs12")
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    await guides.build_guides(world, tenant)
    (closed,) = await batches.close_batches(world, tenant)
    problems = json.loads((await one(world, tenant, "batch"))["problems"])
    assert closed.status == "bloqueado" and problems[0]["code"] == "signature.key.expired" and problems[0]["remedy"]


async def test_another_content_under_a_used_number_is_refused_as_known(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await billed(world, tenant, server)
        await settle(world, tenant)
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE payer_sequence SET last = last - 1 WHERE tenant_id = $1 AND name = 'lote'")
            await tx.run("UPDATE batch SET number = 99 WHERE tenant_id = $1")
        await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
        await guides.build_guides(world, tenant)
        await batches.close_batches(world, tenant)
        await settle(world, tenant)
        last = await rows(
            world, tenant, "SELECT status, reason FROM submission WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1"
        )
        assert last[0]["status"] == "enviado" and last[0]["reason"].startswith("5053 ")
        assert len((await server.received())[IPE]["batches"]) == 1


async def test_a_payer_set_up_wrongly_delays_no_other(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        broken = partner_row(IPE, server.url(IPE), provider={"cnes": "9999999", "name": "Hospital", "state": "SP"})
        await register(world, tenant, [broken, partner_row(JACARANDA, server.url(JACARANDA))])
        await happen(world, tenant, [Visit(payer=code, charges=(EXAM,)) for code in (IPE, JACARANDA)])
        told = await jobs.close_batches(world, tenant, {})
        assert told == "1 guias prontas, 1 pendentes; 1 lotes, 0 bloqueados"
        waiting = await rows(world, tenant, "SELECT problems FROM guide WHERE tenant_id = $1 AND status = 'pendente'")
        assert [p["code"] for p in json.loads(waiting[0]["problems"])] == ["guide.provider"]
        async with world.transaction(tenant) as tx:
            await tx.run(
                "UPDATE partner SET settings = jsonb_set(settings::jsonb, '{speaks}', '\"nothing\"')::text "
                "WHERE tenant_id = $1 AND code = $2",
                IPE,
            )
        await settle(world, tenant)
        assert (await jobs.poll_protocols(world, tenant, {})).startswith("1 protocolos")


async def test_a_batch_the_transport_refuses_is_rejected_at_the_next_poll(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await billed(world, tenant, server)
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE delivery SET status = 'ERROR', last_error = 'transport.http-400' WHERE tenant_id = $1")
        await jobs.poll_protocols(world, tenant, {})
        batch = await one(world, tenant, "batch")
        assert (batch["status"], batch["reason"]) == ("rejeitado", "transport.http-400")


@pytest.mark.parametrize(("status", "kept"), [("400", "ERROR"), ("403", "QUEUED"), ("html", "QUEUED")])
async def test_what_a_payer_says_that_is_no_answer_is_kept(
    world: World, tenant: Tenant, status: str, kept: str
) -> None:
    """Once, however often it is tried; of a delivery that is refused it is the reply."""
    async with payer_server() as server:
        await server.control(ans=IPE, kind=status, times=2)
        await billed(world, tenant, server, 1)
        for _ in range(2):
            await delivery.work(world, tenant)
            async with world.transaction(tenant) as tx:
                await tx.run("UPDATE lane SET next_at = now() WHERE tenant_id = $1 AND kind = 'outbound'")
        (sent,) = await rows(world, tenant, "SELECT status, reply_id FROM delivery WHERE tenant_id = $1")
        said = await rows(
            world, tenant, "SELECT id, type, status, content FROM message WHERE tenant_id = $1 AND format = 'http'"
        )
        (page,) = said
        wanted = "Portal em manutenção" if status == "html" else f"HTTP {status}"
        assert wanted in bytes(page["content"]).decode() and page["status"] == "TRANSFORMED"
        assert page["type"] == ("200" if status == "html" else status)
        assert sent["status"] == kept and sent["reply_id"] == (page["id"] if kept == "ERROR" else None)


async def test_a_protocol_of_another_batch_is_not_entered(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, [Visit(payer=IPE, charges=(CONSULTATION, EXAM))])
    await jobs.close_batches(world, tenant, {})
    async with world.transaction(tenant) as tx:
        first, second = await tx.rows("SELECT id FROM submission WHERE tenant_id = $1 ORDER BY id")
        by = origin(world, tenant, "test")
        await submissions.enter_protocol(tx, first["id"], "4711", by)
        with pytest.raises(Conflict) as refused:
            await submissions.enter_protocol(tx, second["id"], "4711", by)
        assert refused.value.code == "batch.protocol-taken"
        await submissions.enter_protocol(tx, second["id"], "4712", by)
