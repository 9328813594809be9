"""Stays, cancellations, documents and statement requests over a real socket, with what follows from their answers."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import pytest
from billing_day import (
    CONSULTATION,
    EXAM,
    IPE,
    JACARANDA,
    Visit,
    happen,
    order,
    partner_row,
    put_records,
    register,
    rows,
)
from payer_server import payer_server, settle

from canonical.errors import Conflict, NotFound, Refused
from fhir.validation.validator import validate
from hub.billing import jobs
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.writing import stored
from hub.records.write import Write
from hub.requests import authorisation, cancellation, documents, sending, statements, stays
from hub.requests.matter import Named
from hub.requests.sending import Put
from hub.store.database import Row
from hub.world import Tenant, World

PDF = b"%PDF-1.4 invented"
BOTH = pytest.mark.parametrize("payer", [IPE, JACARANDA])


async def row(world: World, tenant: Tenant, put: Put) -> Row:
    async with world.transaction(tenant) as tx:
        return await sending.row_of(tx, put.id)


async def record(world: World, tenant: Tenant, kind: str, identity: Any) -> dict[str, Any]:
    async with world.transaction(tenant) as tx:
        return (await stored(tx, kind, [str(identity)])).get(str(identity), {})


async def inpatient(world: World, tenant: Tenant, payer: str, **changed: Any) -> tuple[str, str]:
    """A patient in an inpatient's visit that began on 18 November."""
    (patient,) = await happen(
        world, tenant, [Visit(payer=payer, charges=(), kind="IMP", member=changed.pop("member", "00123456789012345"))]
    )
    (found,) = await rows(world, tenant, "SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2", patient)
    body = await record(world, tenant, "Encounter", found["id"])
    body |= {"status": "in-progress", "period": {"start": "2026-11-18T08:00:00-03:00"}, **changed}
    await put_records(world, tenant, Write(type="Encounter", id=found["id"], body=body))
    return patient, found["id"]


async def tell(world: World, tenant: Tenant, encounter: str, **more: Any) -> Put:
    async with world.transaction(tenant) as tx:
        return await stays.tell(world, tenant, tx, stays.Wish(named=Named(encounter=encounter), **more), "test")


@BOTH
async def test_admission_and_discharge_are_told(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(payer, server.url(payer))])
        patient, encounter = await inpatient(world, tenant, payer)
        blocked = await tell(world, tenant, encounter)
        assert blocked.status == "bloqueado"  # nothing tells the kind of the stay
        assert [problem.code for problem in blocked.problems] == ["request.missing"]
        assert "tipo de internação" in blocked.problems[0].text()
        await put_records(world, tenant, order(patient, "31309054", encounter=encounter))
        put = await tell(world, tenant, encounter)
        await settle(world, tenant)
        found = await row(world, tenant, put)
        assert (found["status"], found["detail"], found["payer_status"]) == ("aceito", "I", "S")
        assert json.loads(found["tree"])["dadosInternacao"] == {"tipoInternacao": "3"}
        news = await record(world, tenant, "Communication", put.id)
        assert validate(news) == [] and news["status"] == "completed" and news["received"]
        with pytest.raises(Conflict):
            await tell(world, tenant, encounter)
        body = await record(world, tenant, "Encounter", encounter)
        body |= {
            "status": "finished",
            "period": {"start": "2026-11-18T08:00:00-03:00", "end": "2026-11-20T17:00:00-03:00"},
            "hospitalization": {"dischargeDisposition": {"coding": [{"code": "01"}]}},
        }
        await put_records(world, tenant, Write(type="Encounter", id=encounter, body=body))
        left = await tell(world, tenant, encounter)
        await settle(world, tenant)
        assert json.loads((await row(world, tenant, left))["tree"])["dadosInternacao"] == {"motivoEncerramento": "12"}
        assert (await server.received())[payer]["stays"] == [
            {"event": "I", "on": "2026-11-18"}, {"event": "A", "on": "2026-11-20"},
        ]  # fmt: skip


async def test_news_a_payer_does_not_take_is_kept_with_its_reason(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        _, encounter = await inpatient(world, tenant, IPE, member="00123456789010000")
        put = await tell(world, tenant, encounter, stay_kind="1")
        await settle(world, tenant)
        found = await row(world, tenant, put)
        assert (found["status"], found["reason"]) == ("recusado", "1001")
        news = await record(world, tenant, "Communication", put.id)
        assert validate(news) == [] and news["status"] == "not-done"
        assert news["reasonCode"][0]["coding"][0]["code"] == "1001"
        (outpatient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
        (visit,) = await rows(
            world, tenant, "SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2", outpatient
        )
        with pytest.raises(Refused):
            await tell(world, tenant, visit["id"])


async def sent_batch(world: World, tenant: Tenant, payer: str) -> tuple[Row, list[Row]]:
    await happen(
        world, tenant, [Visit(payer=payer, charges=(EXAM,)), Visit(payer=payer, charges=(EXAM,), member="1" * 17)]
    )
    await jobs.close_batches(world, tenant, {})
    await settle(world, tenant)
    (batch,) = await rows(world, tenant, "SELECT * FROM batch WHERE tenant_id = $1")
    return batch, await rows(world, tenant, "SELECT * FROM guide WHERE tenant_id = $1 ORDER BY number")


async def cancel(world: World, tenant: Tenant, **what: Any) -> Put:
    async with world.transaction(tenant) as tx:
        return await cancellation.ask(world, tenant, tx, cancellation.Wish(**what), "test")


@BOTH
async def test_a_batch_is_taken_back_and_billed_again(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(delay_s=1000.0) as server:
        await register(world, tenant, [partner_row(payer, server.url(payer))])
        batch, _ = await sent_batch(world, tenant, payer)
        put = await cancel(world, tenant, batch=batch["id"], note="Lote trocado")
        task = await record(world, tenant, "Task", put.id)
        assert validate(task) == [] and task["status"] == "requested" and task["reasonCode"]["text"] == "Lote trocado"
        await settle(world, tenant)
        assert (await row(world, tenant, put))["status"] == "cancelado"
        task = await record(world, tenant, "Task", put.id)
        assert validate(task) == [] and task["status"] == "completed" and task["output"][0]["valueCode"] == "1"
        (again,) = await rows(world, tenant, "SELECT status FROM batch WHERE tenant_id = $1")
        assert again["status"] == "encerrado"
        await jobs.close_batches(world, tenant, {})
        made = await rows(world, tenant, "SELECT number, guides FROM batch WHERE tenant_id = $1 ORDER BY number")
        assert [(b["number"], b["guides"]) for b in made] == [(1, 2), (2, 2)]
        with pytest.raises(Conflict):
            await cancel(world, tenant, batch=batch["id"])


async def test_a_guide_is_taken_back_the_others_stay(world: World, tenant: Tenant) -> None:
    async with payer_server(delay_s=1000.0) as server:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        _, (first, second) = await sent_batch(world, tenant, JACARANDA)
        put = await cancel(world, tenant, guides=(first["id"],))
        await settle(world, tenant)
        assert (await row(world, tenant, put))["status"] == "cancelado"
        task = await record(world, tenant, "Task", put.id)
        assert validate(task) == [] and task["focus"] == {"reference": f"Claim/{first['id']}"}
        states = await rows(world, tenant, "SELECT id, status FROM guide WHERE tenant_id = $1")
        assert {s["id"]: s["status"] for s in states} == {first["id"]: "cancelada", second["id"]: "recebida"}
        assert (await record(world, tenant, "Claim", first["id"]))["status"] == "cancelled"
        assert (await guides.build_guides(world, tenant)).ready == 1  # its charges are open again
        server.book(JACARANDA).clock = lambda: 1e9  # judged meanwhile: too late
        late = await cancel(world, tenant, guides=(second["id"],))
        await settle(world, tenant)
        assert (await row(world, tenant, late))["status"] == "nao cancelado"
        assert (await record(world, tenant, "Task", late.id))["status"] == "rejected"
        with pytest.raises(NotFound):
            await cancel(world, tenant, guides=(uuid.uuid4(),))


async def authorised(world: World, tenant: Tenant, payer: str) -> Put:
    (patient,) = await happen(world, tenant, [Visit(payer=payer, charges=())])
    (one,) = await put_records(world, tenant, order(patient, EXAM[1]))
    async with world.transaction(tenant) as tx:
        wish = authorisation.Wish(named=Named(), orders=(one,))
        put = await authorisation.ask(world, tenant, tx, wish, "test")
    await settle(world, tenant)
    return put


async def test_a_cancelled_authorisation_counts_no_more(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        asked = await authorised(world, tenant, IPE)
        put = await cancel(world, tenant, requests=(asked.id,))
        await settle(world, tenant)
        assert (await row(world, tenant, put))["status"] == "cancelado"
        assert (await row(world, tenant, asked))["status"] == "cancelado"
        for kind in ("Claim", "ClaimResponse"):
            assert (await record(world, tenant, kind, asked.id))["status"] == "cancelled"
        assert (await server.received())[IPE]["authorisations"][0]["cancelled"] is True


@BOTH
async def test_a_document_goes_to_its_guide_or_request(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(delay_s=1000.0) as server:
        await register(world, tenant, [partner_row(payer, server.url(payer))])
        batch, (guide, _) = await sent_batch(world, tenant, payer)
        asked = await authorised(world, tenant, payer)
        made = []
        for about in ({"guide": guide["id"], "item": 1}, {"request": asked.id}):
            async with world.transaction(tenant) as tx:
                wish = documents.Wish(kind="02", content=PDF, content_type="application/pdf", note="Laudo", **about)
                made.append(await documents.send(world, tenant, tx, wish, "test"))
        assert [[p.code for p in put.problems if p.blocks] for put in made] == [[], []]
        await settle(world, tenant)
        for put, nature in zip(made, ("2", "1"), strict=True):
            found = await row(world, tenant, put)
            tree = json.loads(found["tree"])
            assert (found["status"], found["protocol"][0], tree["naturezaGuia"]) == ("recebido", "D", nature)
            assert "documento" not in tree
            news = await record(world, tenant, "Communication", put.id)
            assert validate(news) == [] and news["status"] == "completed"
            kept = await record(
                world,
                tenant,
                "DocumentReference",
                news["payload"][0]["contentReference"]["reference"].partition("/")[2],
            )
            assert validate(kept) == [] and kept["content"][0]["attachment"]["contentType"] == "application/pdf"
        assert json.loads((await row(world, tenant, made[0]))["tree"])["numeroLote"] == str(batch["number"])
        book = (await server.received())[payer]["documents"]
        assert {one["sha256"] for one in book} == {hashlib.sha256(PDF).hexdigest()} and len(book) == 2


async def test_a_document_that_cannot_be_sent_is_told(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        asked = await authorised(world, tenant, IPE)
        body = {
            "resourceType": "DocumentReference",
            "status": "current",
            "content": [{"attachment": {"url": "https://x/y"}}],
        }
        (empty,) = await put_records(world, tenant, Write(type="DocumentReference", id=uuid.uuid4().hex, body=body))
        for wish, code in (
            ({"document": empty}, "request.no-document"),
            ({"content": b"x" * (documents.LARGEST + 1)}, "request.document-size"),
        ):
            with pytest.raises(Refused) as caught:
                async with world.transaction(tenant) as tx:
                    await documents.send(world, tenant, tx, documents.Wish(kind="02", request=asked.id, **wish), "test")
            assert caught.value.code == code
        async with world.transaction(tenant) as tx:
            wish = documents.Wish(kind="02", request=asked.id, content=b"text", content_type="text/plain")
            put = await documents.send(world, tenant, tx, wish, "test")
        assert put.status == "bloqueado" and "formato" in put.problems[0].text()


@BOTH
async def test_statements_are_asked_for(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(delay_s=1000.0) as server:
        partner = partner_row(payer, server.url(payer))
        await register(world, tenant, [partner])
        await happen(world, tenant, [Visit(payer=payer, charges=(CONSULTATION,))])
        await batches.close_batches(world, tenant) if await guides.build_guides(world, tenant) else None
        await settle(world, tenant)
        (one,) = await rows(world, tenant, "SELECT payer_id, protocol FROM submission WHERE tenant_id = $1")
        from hub.requests import jobs as request_jobs

        async with world.transaction(tenant) as tx:
            wish = statements.Wish(payer_id=one["payer_id"], detail="analise", protocols=(one["protocol"],))
            (put,) = await statements.ask(world, tenant, tx, wish, "test")
        await settle(world, tenant)
        assert (await row(world, tenant, put))["status"] == "em analise"
        server.book(payer).clock = lambda: 1e9
        assert await request_jobs.poll_requests(world, tenant, {}) == "1 pedidos consultados; 0 reenviados"
        await settle(world, tenant)
        found = await row(world, tenant, put)
        assert (found["status"], found["reason"]) == ("recebido", "1 protocolos, 0 pagamentos")
        (line,) = await rows(world, tenant, "SELECT billed_cents FROM statement_line WHERE tenant_id = $1")
        assert line["billed_cents"] == 18000
        async with world.transaction(tenant) as tx:
            many = statements.Wish(
                payer_id=one["payer_id"], detail="analise", protocols=tuple(str(n) for n in range(1, 32))
            )
            assert len(await statements.ask(world, tenant, tx, many, "test")) == 2
