"""What payers want to be asked by themselves: memberships of today's visits, orders and stays, news; each once."""

from __future__ import annotations

import datetime
import json
from typing import Any

from billing_day import EXAM, IPE, JACARANDA, Visit, happen, order, partner_row, put_records, register
from payer_server import payer_server, settle

from hub.billing.guide import guides
from hub.billing.writing import stored
from hub.records.write import Write
from hub.requests import jobs
from hub.world import Tenant, World

WANTS = {"check_eligibility": True, "authorise": ["4030"], "authorise_stays": True, "announce_stays": True}
NOTHING = {"check_eligibility": False, "authorise": [], "authorise_stays": False, "announce_stays": False}


async def visit(world: World, tenant: Tenant, payer: str, kind: str, **changed: Any) -> tuple[str, str]:
    """A visit that began an hour ago."""
    now = world.now()
    (patient,) = await happen(
        world, tenant, [Visit(payer=payer, charges=changed.pop("charges", ()), kind=kind, on=now.date())]
    )
    async with world.transaction(tenant) as tx:
        encounter = await tx.value("SELECT id FROM encounter WHERE tenant_id = $1 AND patient_id = $2", patient)
        body = (await stored(tx, "Encounter", [encounter]))[encounter]
    start = (now - datetime.timedelta(minutes=1)).isoformat()
    body |= {"status": "in-progress", "period": {"start": start}, **changed}
    await put_records(world, tenant, Write(type="Encounter", id=encounter, body=body))
    return patient, encounter


async def test_each_is_asked_once(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        wanting = partner_row(JACARANDA, server.url(JACARANDA), billing=WANTS)
        await register(world, tenant, [wanting, partner_row(IPE, server.url(IPE), billing=NOTHING)])
        patient, encounter = await visit(world, tenant, JACARANDA, "IMP")
        outpatient, seen = await visit(world, tenant, JACARANDA, "AMB")
        await visit(world, tenant, IPE, "IMP")
        await put_records(
            world, tenant,
            order(patient, "31003079", encounter=encounter), order(outpatient, EXAM[1], encounter=seen), order(outpatient, "40901122"),
        )  # fmt: skip
        assert await jobs.check_eligibility(world, tenant, {}) == "2 elegibilidades pedidas; 0 bloqueadas"
        assert await jobs.request_authorisations(world, tenant, {}) == "2 autorizações pedidas; 0 bloqueadas"
        assert await jobs.announce_stays(world, tenant, {}) == "1 comunicações enviadas; 0 bloqueadas"
        await settle(world, tenant)
        for again in (jobs.check_eligibility, jobs.request_authorisations, jobs.announce_stays):
            assert (await again(world, tenant, {})).startswith("0 ")
        async with world.transaction(tenant) as tx:
            found = await tx.rows(
                "SELECT kind, detail, status FROM payer_request WHERE tenant_id = $1 ORDER BY kind, detail"
            )
        assert [tuple(row.values()) for row in found] == [
            ("autorizacao", "internacao", "autorizado"), ("autorizacao", "sp-sadt", "autorizado"), ("comunicacao", "I", "aceito"),
            ("elegibilidade", "", "elegivel"), ("elegibilidade", "", "elegivel"),
        ]  # fmt: skip
        assert (await server.received())[IPE]["requests"] == {}


async def test_what_was_blocked_is_tried_when_its_record_changes(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(JACARANDA, billing=WANTS)])
    patient, encounter = await visit(world, tenant, JACARANDA, "IMP")
    assert await jobs.announce_stays(world, tenant, {}) == "0 comunicações enviadas; 1 bloqueadas"
    assert await jobs.announce_stays(world, tenant, {}) == "0 comunicações enviadas; 0 bloqueadas"
    await put_records(world, tenant, order(patient, "31003079", encounter=encounter))
    async with world.transaction(tenant) as tx:
        body = (await stored(tx, "Encounter", [encounter]))[encounter]
    await put_records(world, tenant, Write(type="Encounter", id=encounter, body={**body, "priority": {"text": "x"}}))
    assert await jobs.announce_stays(world, tenant, {}) == "1 comunicações enviadas; 0 bloqueadas"


async def test_the_guide_of_a_stay_stands_on_the_stays_authorisation(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, server.url(IPE), billing=WANTS)])
        patient, encounter = await visit(world, tenant, IPE, "IMP", charges=(EXAM,))
        await put_records(world, tenant, order(patient, "31003079", encounter=encounter))
        await jobs.request_authorisations(world, tenant, {})
        await settle(world, tenant)
        async with world.transaction(tenant) as tx:
            body = (await stored(tx, "Encounter", [encounter]))[encounter]
            senha = await tx.value("SELECT protocol FROM payer_request WHERE tenant_id = $1")
        period = {**body["period"], "end": world.now().isoformat()}
        left = {"hospitalization": {"dischargeDisposition": {"coding": [{"code": "01"}]}}}
        await put_records(
            world,
            tenant,
            Write(type="Encounter", id=encounter, body={**body, "status": "finished", "period": period, **left}),
        )
        await guides.build_guides(world, tenant)
        async with world.transaction(tenant) as tx:
            (guide,) = await tx.rows("SELECT kind, tree FROM guide WHERE tenant_id = $1")
        tree = json.loads(guide["tree"])
        assert guide["kind"] == "internacao" and senha and tree["dadosAutorizacao"]["senha"] == senha
