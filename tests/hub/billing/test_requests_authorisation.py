"""Autorização over a real socket: from orders to senha and granted quantities, which the guide then stands on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from billing_day import EXAM, GLUCOSE, IPE, JACARANDA, Visit, happen, order, partner_row, put_records, register
from payer_server import payer_server, settle

from canonical.errors import Conflict
from fhir.validation.validator import validate
from hub.billing.guide import guides
from hub.billing.writing import origin, stored, today
from hub.requests import authorisation, decision, sending
from hub.requests.authorisation import Item, Wish
from hub.requests.matter import Named
from hub.store.database import Row
from hub.world import Tenant, World

APPENDIX = "31003079"  # a surgical code
OPME = {
    "kind": "opme",
    "justification": "Fixação de fratura",
    "items": [
        {"table": "19", "code": "100587585", "description": "Parafuso", "option": "1", "quantity": "4", "cents": 12000}
    ],
}
QUIMIO = {
    "kind": "quimio", "weight": "70.50", "height": "172", "surface": "1.82", "staging": "2", "purpose": "3", "ecog": "1",
    "tumour": "2", "node": "1", "metastasis": "2", "line": "1", "plan": "Protocolo inventado", "cycles": "6", "cycle": "1",
    "cycle_days": "21", "interval": "21", "diagnoses": ["C509"],
    "items": [{"table": "20", "code": "90055888", "description": "Droga", "on": "2026-12-01", "doses": "2", "unit": "001", "route": "01", "frequency": "1"}],
}  # fmt: skip
RADIO = {
    "kind": "radio", "staging": "2", "purpose": "1", "ecog": "0", "fields": "2", "field_dose": "200", "total_dose": "5000",
    "days": "25", "starts_on": "2026-12-01", "diagnoses": ["C509"],
}  # fmt: skip


async def ask(world: World, tenant: Tenant, wish: Wish) -> sending.Put:
    async with world.transaction(tenant) as tx:
        return await authorisation.ask(world, tenant, tx, wish, "test")


async def row(world: World, tenant: Tenant, put: sending.Put) -> Row:
    async with world.transaction(tenant) as tx:
        return await sending.row_of(tx, put.id)


async def record(world: World, tenant: Tenant, kind: str, put: sending.Put) -> dict[str, Any]:
    async with world.transaction(tenant) as tx:
        return (await stored(tx, kind, [str(put.id)])).get(str(put.id), {})


async def stay(world: World, tenant: Tenant, payer: str) -> tuple[str, str]:
    """A patient, born and of a sex, in an inpatient's visit."""
    (patient,) = await happen(world, tenant, [Visit(payer=payer, charges=(), kind="IMP")])
    async with world.transaction(tenant) as tx:
        (found,) = await tx.rows("SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2", patient)
        (body,) = (await stored(tx, "Patient", [patient])).values()
    from hub.records.write import Write

    body |= {"birthDate": "1980-05-06", "gender": "female"}
    await put_records(world, tenant, Write(type="Patient", id=patient, body=body))
    return patient, found["id"]


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_orders_are_authorised_and_the_guide_stands_on_it(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(most=1) as server:
        await register(world, tenant, [partner_row(payer, server.url(payer))])
        visit = Visit(payer=payer, charges=(EXAM, GLUCOSE), on=today(origin(world, tenant)))
        (patient,) = await happen(world, tenant, [visit])
        ids = await put_records(world, tenant, order(patient, EXAM[1], quantity="2"), order(patient, GLUCOSE[1]))
        put = await ask(world, tenant, Wish(named=Named(), orders=tuple(ids)))
        assert (put.status, [p.code for p in put.problems if p.blocks]) == ("enviando", [])
        await settle(world, tenant)
        found = await row(world, tenant, put)
        assert (found["status"], found["payer_status"], found["settled"]) == ("autorizado parcial", "7", True)
        claim, answer = [await record(world, tenant, kind, put) for kind in ("Claim", "ClaimResponse")]
        assert validate(claim) == [] and validate(answer) == []
        assert claim["use"] == answer["use"] == "preauthorization" and len(claim["item"]) == 2
        book = (await server.received())[payer]["authorisations"][0]
        assert (answer["preAuthRef"], book["number"]) == (book["password"], found["number"])
        assert answer["outcome"] == "partial" and answer["preAuthPeriod"]["end"] > answer["preAuthPeriod"]["start"]
        assert [i["adjudication"][0]["value"] for i in answer["item"]] == [1, 1]
        assert answer["item"][0]["adjudication"][1]["reason"]["coding"][0]["code"] == "1801"
        with pytest.raises(Conflict):
            await ask(world, tenant, Wish(named=Named(), orders=tuple(ids[:1])))
        await guides.build_guides(world, tenant)
        async with world.transaction(tenant) as tx:
            (guide,) = await tx.rows("SELECT tree, problems, status FROM guide WHERE tenant_id = $1")
        told = json.loads(guide["tree"])["dadosAutorizacao"]
        assert told["senha"] == answer["preAuthRef"] and told["numeroGuiaOperadora"] == answer["identifier"][0]["value"]
        beyond = [p for p in json.loads(guide["problems"]) if p["code"] == "guide.beyond-authorised"]
        assert len(beyond) == 1 and EXAM[1] in beyond[0]["text"] and guide["status"] == "pronta"


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_a_stay_is_analysed_then_granted_then_prolonged(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(delay_s=1000.0) as server:
        await register(world, tenant, [partner_row(payer, server.url(payer))])
        patient, encounter = await stay(world, tenant, payer)
        ids = await put_records(world, tenant, order(patient, APPENDIX, encounter=encounter))
        values = {"days": "3", "note": "Com anexos"}
        put = await ask(world, tenant, Wish(named=Named(), orders=tuple(ids), values=values, annexes=(OPME, RADIO)))
        assert [p.code for p in put.problems if p.blocks] == [], put.problems
        await settle(world, tenant)
        assert (await row(world, tenant, put))["status"] == "em analise"
        assert (await record(world, tenant, "ClaimResponse", put))["outcome"] == "queued"
        server.book(payer).clock = lambda: 1e9
        async with world.transaction(tenant) as tx:
            await decision.ask_status(world, tenant, tx, put.id)
        await settle(world, tenant)
        found = await row(world, tenant, put)
        assert (found["status"], found["detail"]) == ("autorizado", "internacao")
        book = (await server.received())[payer]["authorisations"][0]
        assert (
            book["annexes"] == ["solicitacaoRadioterapia", "solicitacaoOPME"] and found["protocol"] == book["password"]
        )
        claim = await record(world, tenant, "Claim", put)
        assert claim["diagnosis"][0]["diagnosisCodeableConcept"]["coding"][0]["code"] == "K358"
        more = Wish(named=Named(encounter=encounter), detail="prorrogacao", values={"days": "2", "indication": "Febre"})
        again = await ask(world, tenant, more)
        assert [p.code for p in again.problems if p.blocks] == [], again.problems
        await settle(world, tenant)
        kept = json.loads((await row(world, tenant, again))["tree"])["solicitacaoProrrogacao"]
        assert kept["nrGuiaReferenciada"] == found["number"]
        assert (await row(world, tenant, again))["payer_status"] in ("1", "2")


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_chemotherapy_and_teeth(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server(never=("81000065",)) as server:
        await register(world, tenant, [partner_row(payer, server.url(payer))])
        patient, encounter = await stay(world, tenant, payer)
        named = Named(encounter=encounter)
        people = {"indication": "Neoplasia"}
        (ordered,) = await put_records(world, tenant, order(patient, "20104294", quantity="6"))
        put = await ask(
            world, tenant, Wish(named=named, detail="sp-sadt", orders=(ordered,), annexes=(QUIMIO,), values=people)
        )
        teeth = {
            "kind": "situacao-inicial",
            "periodontal": "true",
            "soft_tissue": "false",
            "items": [{"tooth": "11", "condition": "C"}],
        }
        items = (
            Item(table="22", code="81000065", cents=5000, tooth="11", faces="V"),
            Item(table="22", code="81000030", cents=3000),
        )
        odonto = await ask(
            world, tenant, Wish(named=named, detail="odonto", items=items, annexes=(teeth,), values={"plan": "Dental"})
        )
        for one in (put, odonto):
            assert [(p.code, p.where) for p in one.problems if p.blocks] == [], one.problems
        await settle(world, tenant)
        assert (await row(world, tenant, put))["status"] == "autorizado"
        assert (await row(world, tenant, odonto))["status"] == "autorizado parcial"
        answer = await record(world, tenant, "ClaimResponse", odonto)
        assert validate(answer) == [] and [i["adjudication"][0]["value"] for i in answer["item"]] == [0, 1]
        claim = await record(world, tenant, "Claim", odonto)
        assert validate(claim) == [] and claim["item"][0]["bodySite"]["coding"][0]["code"] == "11"
        book = (await server.received())[payer]
        assert [a["annexes"] for a in book["authorisations"]] == [["solicitacaoQuimioterapia"], []]


async def test_what_is_missing_blocks_and_names_the_field(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(), doctor=False)])
    put = await ask(world, tenant, Wish(named=Named(patient=patient)))
    assert put.status == "bloqueado" and "request.no-items" in {p.code for p in put.problems}
    assert any("conselho" in p.text() for p in put.problems)
    assert (await record(world, tenant, "Claim", put))["status"] == "draft"
    local = order(patient, "X1")
    local.body["code"] = {"coding": [{"system": "urn:x", "code": "X1"}]}  # type: ignore[index]
    (one,) = await put_records(world, tenant, local)
    put = await ask(world, tenant, Wish(named=Named(), orders=(one,), annexes=({"kind": "situacao-inicial"},)))
    codes = [(p.code, p.text()) for p in put.problems if p.blocks]
    assert any("tabela do procedimento" in text for _, text in codes)
    assert "request.annex-kind" in {code for code, _ in codes}


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
async def test_a_lost_reply_is_found_by_asking(world: World, tenant: Tenant, payer: str) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(payer, server.url(payer), billing={"resend": "hold"})])
        (patient,) = await happen(world, tenant, [Visit(payer=payer, charges=())])
        (one,) = await put_records(world, tenant, order(patient, EXAM[1]))
        await server.control(ans=payer, kind="lost", times=1, root="solicitacaoProcedimentoWS")
        put = await ask(world, tenant, Wish(named=Named(), orders=(one,)))
        await settle(world, tenant)
        assert (await row(world, tenant, put))["status"] == "autorizado"
        book = (await server.received())[payer]
        assert book["requests"] == {"solicitacaoProcedimentoWS": 1, "solicitacaoStatusAutorizacaoWS": 1}
        assert [a["resent"] for a in book["authorisations"]] == [0]


async def test_a_request_the_payer_never_got_goes_out_once_more(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        unknown = {"resend": "hold", "unknown_request": ["3291"]}
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA), billing=unknown)])
        (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=())])
        (one,) = await put_records(world, tenant, order(patient, EXAM[1]))
        await server.control(ans=JACARANDA, kind="html", times=1)
        put = await ask(world, tenant, Wish(named=Named(), orders=(one,)))
        await settle(world, tenant)
        assert (await row(world, tenant, put))["status"] == "autorizado"
        book = (await server.received())[JACARANDA]
        assert book["requests"]["solicitacaoProcedimentoWS"] == 2 and len(book["authorisations"]) == 1


async def test_a_payer_that_may_have_it_waits_for_a_person(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        silent = {"resend": "hold", "unknown_request": []}  # it has no code for "never got it"
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA), billing=silent)])
        (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=())])
        (one,) = await put_records(world, tenant, order(patient, EXAM[1]))
        await server.control(ans=JACARANDA, kind="html", times=1)
        put = await ask(world, tenant, Wish(named=Named(), orders=(one,)))
        await settle(world, tenant)
        found = await row(world, tenant, put)
        assert (found["status"], found["reason"]) == ("incerto", "transport.no-answer")
        assert (await server.received())[JACARANDA]["requests"]["solicitacaoProcedimentoWS"] == 1
