"""Open requests are asked about by schedule; what was in doubt goes out again as the same bytes, nothing as new."""

from __future__ import annotations

from typing import Any

from billing_day import EXAM, IPE, JACARANDA, Visit, happen, order, partner_row, put_records, register
from payer_server import payer_server, settle

from hub.requests import annexes, authorisation, jobs, sending
from hub.requests.authorisation import Wish
from hub.requests.matter import Named
from hub.world import Tenant, World

OPME = {
    "kind": "opme",
    "justification": "Texto",
    "items": [{"table": "19", "code": "100587585", "option": "1", "quantity": "1"}],
}


async def ask(world: World, tenant: Tenant, patient: str, **more: Any) -> sending.Put:
    async with world.transaction(tenant) as tx:
        return await authorisation.ask(world, tenant, tx, Wish(named=Named(patient=patient), **more), "test")


async def status(world: World, tenant: Tenant, put: sending.Put) -> str:
    async with world.transaction(tenant) as tx:
        return str((await sending.row_of(tx, put.id))["status"])


async def test_waiting_ones_are_asked_about(world: World, tenant: Tenant) -> None:
    async with payer_server(delay_s=1000.0) as server:
        await register(
            world,
            tenant,
            [partner_row(JACARANDA, server.url(JACARANDA)), partner_row(IPE, billing={"provider_key": "x"})],
        )
        (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=(), kind="IMP")])
        (one,) = await put_records(world, tenant, order(patient, EXAM[1]))
        stay = await ask(world, tenant, patient, detail="internacao", orders=(one,))
        async with world.transaction(tenant) as tx:
            encounter = await tx.value("SELECT id FROM encounter WHERE tenant_id = $1")
        assert stay.status == "bloqueado"  # the class AMB has no regime de internação: the visit was not named
        async with world.transaction(tenant) as tx:
            wish = Wish(named=Named(encounter=encounter), orders=(one,))
            stay = await authorisation.ask(world, tenant, tx, wish, "test")
        await settle(world, tenant)
        async with world.transaction(tenant) as tx:
            sent = await annexes.ask(world, tenant, tx, annexes.Wish(request=stay.id, annex=OPME, values={}), "test")
        assert [p.code for p in sent.problems if p.blocks] == []
        await settle(world, tenant)
        assert [await status(world, tenant, put) for put in (stay, sent)] == ["em analise", "recebido"]
        assert await jobs.poll_requests(world, tenant, {}) == "2 pedidos consultados; 0 reenviados"
        await settle(world, tenant)
        server.book(JACARANDA).clock = lambda: 1e9
        await jobs.poll_requests(world, tenant, {})
        await settle(world, tenant)
        assert [await status(world, tenant, put) for put in (stay, sent)] == ["autorizado", "recebido"]
        assert await jobs.poll_requests(world, tenant, {}) == "0 pedidos consultados; 0 reenviados"


async def test_what_was_in_doubt_goes_out_again(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=())])
        (one,) = await put_records(world, tenant, order(patient, EXAM[1]))
        await server.control(ans=IPE, kind="fault", times=1)
        put = await ask(world, tenant, patient, orders=(one,))
        await settle(world, tenant)
        assert await status(world, tenant, put) == "incerto"
        assert await jobs.poll_requests(world, tenant, {}) == "0 pedidos consultados; 1 reenviados"
        await settle(world, tenant)
        assert await status(world, tenant, put) == "autorizado"
        async with world.transaction(tenant) as tx:
            sent = await tx.rows(
                "SELECT DISTINCT content FROM message WHERE tenant_id = $1 AND direction = 'out' AND type = $2",
                authorisation.TRANSACTION,
            )
        assert len(sent) == 1


async def test_a_message_the_transport_turned_away_is_closed(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, f"{server.base}/control/received")])  # answers POST with 405
        (patient,) = await happen(world, tenant, [Visit(payer=IPE, charges=())])
        (one,) = await put_records(world, tenant, order(patient, EXAM[1]))
        put = await ask(world, tenant, patient, orders=(one,))
        await settle(world, tenant)
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE delivery SET status = 'ERROR', last_error = 'transport.http-422' WHERE tenant_id = $1")
        await jobs.poll_requests(world, tenant, {})
        async with world.transaction(tenant) as tx:
            row = await sending.row_of(tx, put.id)
        assert (row["status"], row["reason"], row["settled"]) == ("rejeitado", "transport.http-422", True)
