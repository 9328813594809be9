"""One message through every room: MLLP in, kept, acknowledged, worked in its lane, read back over FHIR."""

from __future__ import annotations

import asyncio

import httpx

from api.doors.mllp import Listener
from api.http.app import create_app
from hl7.mllp import frame
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.work import inbound
from hub.guard import audit, tokens
from hub.world import Tenant, World

ADT = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122080000||ADT^A01^ADT_A01|{control}|P|2.5||||||UNICODE UTF-8\r"
    "EVN|A01|20261122080000\r"
    "PID|1||{mrn}^^^HOSP^MR||Conceição^Ana^Maria||19800229|F|||Rua Ação 1^^São Paulo^SP^01000-000^BRA\r"
    "PV1|1|I|UTI^1^2||||1234^Souza^José^^^^^^CRM||||||||||||V{mrn}^^^HOSP|||||||||||||||||||||||||202611220800\r"
)


async def send(port: int, *messages: str) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for message in messages:
        writer.write(frame(message.encode()))
        await writer.drain()
        answers.append(await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 60))
    writer.close()
    return answers


async def work_all(world: World, tenant: Tenant) -> int:
    total = 0
    while done := await inbound.work(world, tenant):
        total += done
    return total


async def test_one_message_through_every_room(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    keeper = Keeper(world.database)
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    listener = Listener(channel, keeper, 1_000_000)
    port = await listener.start("127.0.0.1", 0)
    try:
        answers = await send(port, ADT.format(control="c1", mrn="77"), ADT.format(control="c1", mrn="77"))
    finally:
        await listener.stop()
    assert b"MSA|AA|c1" in answers[0] and b"MSA|AA|c1" in answers[1]
    assert await work_all(world, tenant) == 1
    async with world.transaction(tenant) as tx:
        message = await tx.row("SELECT status, receipts, segments FROM message WHERE tenant_id = $1")
        patient = await tx.value("SELECT id FROM patient WHERE tenant_id = $1 AND birth_date = '1980-02-29'")
        assert message is not None and (message["status"], message["receipts"]) == ("TRANSFORMED", 2)
        assert await audit.seal(tx) == 6, "two channels made, and what the message wrote"
        assert await audit.seal(tx) == 0
        assert await audit.broken_seal(tx) is None
    await _read_back(world, tenant, other_tenant, keeper, patient)


async def _read_back(world: World, tenant: Tenant, other: Tenant, keeper: Keeper, patient: str) -> None:
    transport = httpx.ASGITransport(app=create_app(world, keeper))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        ours = await tokens.issue(world, tenant, "test", roles=[], scopes=["system/*.*"])
        theirs = await tokens.issue(world, other, "test", roles=[], scopes=["system/*.*"])
        found = await client.get(f"/fhir/Patient/{patient}", headers={"authorization": f"Bearer {ours}"})
        assert found.status_code == 200 and found.json()["name"][0]["family"] == "Conceição"
        assert found.headers["etag"] == 'W/"1"'
        foreign = await client.get(f"/fhir/Patient/{patient}", headers={"authorization": f"Bearer {theirs}"})
        assert foreign.status_code == 404
        assert (await client.get(f"/fhir/Patient/{patient}")).status_code == 401
