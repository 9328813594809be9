"""The lab over real sockets: an order from HL7 or FHIR reaches it once, its results meet the order, faults are met."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.doors.mllp import Listener
from api.simulators import lab, serve
from api.simulators.lab import Lab
from hl7.mllp import frame
from hub.exchange import partners
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.out import delivery
from hub.exchange.partners import Partner
from hub.exchange.work import inbound
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.seed import Simulators, trial_lab
from hub.world import Tenant, World

OML = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122080000||OML^O21^OML_O21|{control}|P|2.5.1||||||UNICODE UTF-8\r"
    "PID|1||77^^^HOSP^MR||Conceição^Ana||19800229|F\rPV1|1|I|||||||||||||||||V77^^^HOSP\r"
    "ORC|{code}|{number}^HIS\rOBR|1|{number}^HIS||718-7^Hemoglobina^LN\r"
)


@dataclass
class House:
    """A tenant with its lab, and both its MLLP channels open."""

    world: World
    tenant: Tenant
    lab: Lab
    ports: dict[str, int]

    async def send(self, control: str, number: str, code: str = "NW", channel: str = "his-mllp") -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[channel])
        writer.write(frame(OML.format(control=control, code=code, number=number).encode()))
        assert b"MSA|AA" in await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 60)
        writer.close()

    async def work(self) -> None:
        while await inbound.work(self.world, self.tenant) + await delivery.work(self.world, self.tenant):
            pass

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.world.transaction(self.tenant) as tx:
            return [tuple(row.values()) for row in await tx.rows(query)]

    async def until(self, query: str, wanted: list[tuple[Any, ...]], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while (found := await self.rows(query)) != wanted:
                await self.work()
                await asyncio.sleep(0.05)
        assert found == wanted


@contextlib.asynccontextmanager
async def house(world: World, tenant: Tenant, **config: Any) -> AsyncIterator[House]:
    await trial_lab(world, tenant, Simulators(http="", lab_host="127.0.0.1", lab_port=1, results_port=0))
    keeper = Keeper(world.database)
    listeners: dict[str, Listener] = {}
    ports: dict[str, int] = {}
    for channel in await channels_of(world, tenant):
        if channel.door == "mllp":
            listeners[channel.name] = Listener(channel, keeper, 10_000_000)
            ports[channel.name] = await listeners[channel.name].start("127.0.0.1", 0)
    values = {"delay_s": 0.05, "retry_s": 0.1, **config}
    simulated = Lab(lab.Config(results_port=ports["lab-mllp"], **values))
    await simulated.start()
    await trial_lab(
        world,
        tenant,
        Simulators(http="", lab_host="127.0.0.1", lab_port=simulated.port, results_port=ports["lab-mllp"]),
    )
    async with world.transaction(tenant) as tx:
        found = (await partners.partners_of(tx, "lab"))[0]
        own = {"transport": {"host": "127.0.0.1", "port": simulated.port, "timeout_s": 0.5}, "allow_private": True}
        own["retry"] = {"first_s": 0.05, "most_s": 0.1}
        quick = Partner(
            id=found.id, kind="lab", code=found.code, name=found.name, adapter="demo_lab", active=True, settings=own
        )
        await partners.save_partner(tx, quick)
    try:
        yield House(world, tenant, simulated, ports)
    finally:
        await simulated.stop()
        for listener in listeners.values():
            await listener.stop()


SENT = "SELECT operation, status FROM delivery WHERE tenant_id = $1 ORDER BY seq"
RESULTS = "SELECT count(*) FROM result WHERE tenant_id = $1"
ORDERS = "SELECT placer_number, filler_number FROM service_order WHERE tenant_id = $1 ORDER BY placer_number"


async def test_an_order_goes_out_once_and_its_result_meets_it(world: World, tenant: Tenant) -> None:
    async with house(world, tenant) as own:
        await own.send("c1", "P1")
        await own.send("c2", "P1")  # the same order told again
        await own.until(RESULTS, [(6,)])
        assert await own.rows(SENT) == [("lab-order", "SENT")]
        assert await own.rows(ORDERS) == [("P1", "L000001")], "the result met its order and brought the lab's number"
        assert own.lab.report()["orders"] == len(own.lab.sent) == 1
        kinds = await own.rows("SELECT type, count(*) FROM resource WHERE tenant_id = $1 GROUP BY 1 ORDER BY 1")
        assert dict(kinds)["Patient"] == dict(kinds)["Encounter"] == dict(kinds)["ServiceRequest"] == 1
        assert dict(kinds)["DocumentReference"] == 1, "the embedded PDF"
        out = await own.rows("SELECT content FROM message WHERE tenant_id = $1 AND direction = 'out'")
        assert "Conceição^Ana".encode() in out[0][0]


async def test_a_cancelled_order(world: World, tenant: Tenant) -> None:
    async with house(world, tenant, delay_s=3.0) as own:
        await own.send("c1", "P1")
        await own.until(SENT, [("lab-order", "SENT")])
        await own.send("c2", "P1", "DC")
        await own.until(SENT, [("lab-order", "SENT"), ("lab-order-cancel", "SENT")])
        async with asyncio.timeout(60):
            while own.lab.waiting:
                await asyncio.sleep(0.05)
        assert own.lab.report()["cancelled"] == 1 and own.lab.sent == []


async def test_what_the_lab_sends_is_not_sent_back(world: World, tenant: Tenant) -> None:
    async with house(world, tenant) as own:
        await own.send("x1", "L-OWN", channel="lab-mllp")
        await own.work()
        assert await own.rows("SELECT count(*) FROM service_order WHERE tenant_id = $1") == [(1,)]
        assert await own.rows(SENT) == []


async def test_a_lab_added_later_gets_no_old_orders(world: World, tenant: Tenant) -> None:
    async with house(world, tenant) as own:
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE partner SET active = false WHERE tenant_id = $1")
        await own.send("c1", "P1")
        await own.work()
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE partner SET active = true, since = now() WHERE tenant_id = $1")
        record = (await own.rows("SELECT id, body FROM resource WHERE tenant_id = $1 AND type = 'ServiceRequest'"))[0]
        await _change(own, record[0], {"note": [{"text": "alterado"}]})
        assert await own.rows(SENT) == []


async def _change(own: House, record_id: str, more: dict[str, Any]) -> None:
    from fhir import jsontext

    async with own.world.transaction(own.tenant) as tx:
        text = await tx.value("SELECT body FROM resource WHERE tenant_id = $1 AND id = $2", record_id)
        body = {**jsontext.parse(text.encode()), **more}
        await save(
            tx,
            [Write(type="ServiceRequest", id=record_id, body=body)],
            Origin(actor="t", now=own.world.now(), zone="UTC"),
        )


async def test_an_order_from_fhir_and_one_that_is_incomplete(world: World, tenant: Tenant) -> None:
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "https://saude.gov.br/fhir/sid/cpf", "value": "52998224725"}],
        "name": [{"family": "Silva", "given": ["Ana"]}],
    }
    order = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "identifier": [{"system": "https://clinica.example.org/pedidos", "value": "42"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
    }
    async with house(world, tenant) as own:
        async with world.transaction(tenant) as tx:
            writes = [
                Write(type="Patient", id="p1", body=patient),
                Write(type="ServiceRequest", id="s1", body=order),
                Write(type="ServiceRequest", id="s2", body={k: v for k, v in order.items() if k != "identifier"}),
            ]
            await save(tx, writes, Origin(actor="fhir", now=world.now(), zone="UTC"))
        await own.until(RESULTS, [(6,)])
        rows = await own.rows("SELECT subject, status, last_error FROM delivery WHERE tenant_id = $1 ORDER BY seq")
        assert rows == [
            ("ServiceRequest/s1", "SENT", None),
            ("ServiceRequest/s2", "ERROR", "order.incomplete"),
        ]
        reports = await own.rows("SELECT body FROM resource WHERE tenant_id = $1 AND type = 'DiagnosticReport'")
        assert '"ServiceRequest/s1"' in reports[0][0] and '"Patient/p1"' in reports[0][0]


@pytest.mark.parametrize("fault", ["AR", "wrong-id", "silent", "close", "garbage"])
async def test_faults_delay_but_lose_and_repeat_nothing(world: World, tenant: Tenant, fault: str) -> None:
    async with house(world, tenant) as own:
        own.lab.set_fault(fault, 2)
        await own.send("c1", "P1")
        await own.until(RESULTS, [(6,)], 20)
        await own.until(SENT, [("lab-order", "SENT")])
        report = own.lab.report()
        assert report["orders"] == len(report["sent"]) == 1
        assert set(report["received"].values()) == {1 if fault == "AR" else 3}, "the same message, sent again"


async def test_a_refusal_is_final_and_visible(world: World, tenant: Tenant) -> None:
    async with house(world, tenant) as own:
        own.lab.set_fault("AE", 1)
        await own.send("c1", "P1")
        await own.send("c2", "P2")
        await own.until(SENT, [("lab-order", "ERROR"), ("lab-order", "SENT")])
        assert await own.rows("SELECT last_error FROM delivery WHERE tenant_id = $1 AND status = 'ERROR'") == [
            ("ack.ae",)
        ]


async def test_results_wait_for_a_hub_that_is_away(world: World, tenant: Tenant) -> None:
    async with house(world, tenant) as own:
        channel = next(c for c in await channels_of(world, tenant) if c.name == "lab-mllp")
        own.lab.config = lab.Config(results_port=own.ports["lab-mllp"], delay_s=0.05, retry_s=0.05)
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE channel SET settings = settings WHERE tenant_id = $1")
        assert channel.document.partner == "demo-lab"
        for number in range(5):
            await own.send(f"c{number}", f"P{number}")
        await own.until(RESULTS, [(30,)], 20)
        assert len(own.lab.sent) == len(set(own.lab.sent)) == 5


async def test_the_control_tells_and_switches(world: World, tenant: Tenant) -> None:
    simulated = Lab(lab.Config())
    transport = httpx.ASGITransport(app=serve.create_app(simulated))
    async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
        assert (await client.get("/lab/control")).json()["orders"] == 0
        assert (await client.post("/lab/control/fault", json={"fault": "slow", "times": 1})).status_code == 200
        assert simulated.fault == "slow" and uuid.uuid4()
        for bad in ({"fault": "explode"}, {}, [1]):
            assert (await client.post("/lab/control/fault", json=bad)).status_code == 422
        assert (await client.post("/lab/control/fault", content=b"\xff")).status_code == 422
        assert (await client.get("/control/received")).status_code == 200
