"""Elegibilidade over a real socket: asked from the patient's records, answered as FHIR, faults told apart."""

from __future__ import annotations

from typing import Any

import pytest
from billing_day import IPE, JACARANDA, Visit, happen, partner_row, register
from payer_server import payer_server, settle

from canonical.errors import NotFound, Refused
from fhir.validation.validator import validate
from hub.billing.writing import stored
from hub.requests import eligibility, sending
from hub.requests.matter import Named
from hub.store.database import Row
from hub.world import Tenant, World
from tiss.wire import message, soap


async def ask(world: World, tenant: Tenant, patient: str, **named: str) -> sending.Put:
    async with world.transaction(tenant) as tx:
        wish = eligibility.Wish(named=Named(patient=patient, **named))
        return await eligibility.ask(world, tenant, tx, wish, "test")


async def row(world: World, tenant: Tenant, put: sending.Put) -> Row:
    async with world.transaction(tenant) as tx:
        return await sending.row_of(tx, put.id)


async def record(world: World, tenant: Tenant, kind: str, put: sending.Put) -> dict[str, Any]:
    async with world.transaction(tenant) as tx:
        return (await stored(tx, kind, [str(put.id)]))[str(put.id)]


@pytest.mark.parametrize("payer", [IPE, JACARANDA])
@pytest.mark.parametrize(
    ("member", "status", "inforce"),
    [("00123456789012345", "elegivel", True), ("00123456789010000", "nao elegivel", False)],
)
async def test_a_membership_is_asked_about(
    world: World, tenant: Tenant, payer: str, member: str, status: str, inforce: bool
) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(payer, server.url(payer))])
        (patient,) = await happen(world, tenant, [Visit(payer=payer, charges=(), member=member)])
        put = await ask(world, tenant, patient)
        assert put.status == "enviando" and put.problems == ()
        asked = await record(world, tenant, "CoverageEligibilityRequest", put)
        assert validate(asked) == [] and asked["patient"] == {"reference": f"Patient/{patient}"}
        await settle(world, tenant)
        found = await row(world, tenant, put)
        assert (found["status"], found["settled"]) == (status, True)
        answer = await record(world, tenant, "CoverageEligibilityResponse", put)
        assert validate(answer) == [] and answer["outcome"] == "complete"
        assert answer["insurance"][0]["inforce"] is inforce
        assert [e["code"]["coding"][0]["code"] for e in answer.get("error", ())] == ([] if inforce else ["1001"])
        assert answer["request"]["reference"] == f"CoverageEligibilityRequest/{put.id}"
        book = (await server.received())[payer]
        assert book["requests"] == {"pedidoElegibilidadeWS": 1} and book["refused"] == {}


async def test_the_exact_bytes_are_kept(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=())])
    put = await ask(world, tenant, patient)
    async with world.transaction(tenant) as tx:
        kept = bytes(await tx.value("SELECT content FROM message WHERE tenant_id = $1 AND id = $2", put.message_id))
        events = await tx.rows(
            "SELECT action FROM audit_event WHERE tenant_id = $1 AND entity = $2", f"payer_request/{put.id}"
        )
    body = soap.read(kept)
    assert isinstance(body, soap.Body)
    read = message.read(body.content)
    assert isinstance(read, message.Tiss) and read.text("hash") == (await row(world, tenant, put))["hash"]
    assert [e["action"] for e in events] == ["ask-elegibilidade"]


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("refuse", "rejeitado", "LoginInvalido"),
        ("fault", "incerto", "ErroInesperadoServidor"),
        ("error", "rejeitado", "1801"),
    ],
)
async def test_a_no_of_the_payer_is_kept_verbatim(
    world: World, tenant: Tenant, kind: str, status: str, reason: str
) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(JACARANDA, server.url(JACARANDA))])
        (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=())])
        await server.control(ans=JACARANDA, kind=kind, times=1)
        put = await ask(world, tenant, patient)
        await settle(world, tenant)
        found = await row(world, tenant, put)
        assert found["status"] == status and reason in found["reason"]
        async with world.transaction(tenant) as tx:
            await sending.resend(tx, put.id, "test")
        await settle(world, tenant)
        assert (await row(world, tenant, put))["status"] == "elegivel"


@pytest.mark.parametrize("kind", ["lost", "503", "garbage", "html"])
async def test_what_broke_on_the_way_is_asked_again(world: World, tenant: Tenant, kind: str) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=())])
        await server.control(ans=IPE, kind=kind, times=1)
        put = await ask(world, tenant, patient)
        await settle(world, tenant)
        found = await row(world, tenant, put)
        if kind == "garbage":  # an envelope nobody can read: kept, and open until it is asked again
            assert found["status"] == "incerto"
        else:
            assert found["status"] == "elegivel"


async def test_what_is_not_there_is_said(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (stranger,) = await happen(world, tenant, [Visit(payer="000001", charges=())])
    with pytest.raises(Refused) as caught:
        await ask(world, tenant, stranger)
    assert caught.value.code == "request.no-coverage"
    for patient in ("never", stranger):
        with pytest.raises(NotFound):
            await ask(world, other_tenant, patient)


async def test_a_card_that_is_missing_blocks_the_request(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=(), member="")])
    put = await ask(world, tenant, patient)
    assert put.status == "bloqueado" and [p.code for p in put.problems] == ["request.missing"]
    assert "carteira" in put.problems[0].text() and (await row(world, tenant, put))["delivery_id"] is None
    assert (await record(world, tenant, "CoverageEligibilityRequest", put))["status"] == "draft"
    with pytest.raises(Exception, match="can be sent again"):
        async with world.transaction(tenant) as tx:
            await sending.resend(tx, put.id, "test")
