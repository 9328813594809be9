"""What a laboratory answers to an order beside its acknowledgement (ORL, ORR) reaches the order, by whatever way."""

from __future__ import annotations

from typing import Any

import peers
import pytest
from channel_feed import deliver, partner, put, queued, send
from hl7_feed import outcome, records, work_all

from hub.exchange.partners import Partner
from hub.world import Tenant, World

ORDER = (
    "MSH|^~\\&|HIS|HOSP|PONTE|PONTE|20261127120000-0300||OML^O21^OML_O21|C1|P|2.5.1||||||UNICODE UTF-8\r"
    "PID|1||4711^^^HOSP^MR||Conceição^Maria||19800102|F\r"
    "ORC|NW|ORD1^HIS\rOBR|1|ORD1^HIS||40304361^Hemograma completo^TUSS\r"
)
OWN = 'name = "apoio"\ndoor = "mllp"\npartner = "apoio"\n'
LAB: dict[str, Any] = {
    "plan": "out/order",
    "orders": {"message": "OML^O21^OML_O21", "application": "LAB", "facility": "APOIO"},
}


def said(message: bytes, code: str = "AA", control: str = "OK", kind: str = "ORL^O22^ORL_O22") -> bytes:
    """The laboratory's answer: the order as it was asked for, under its own number."""
    asked = next(line.split("|") for line in message.decode().split("\r") if line.startswith("ORC|"))
    detail = next(line.split("|") for line in message.decode().split("\r") if line.startswith("OBR|"))
    lines = [
        f"MSH|^~\\&|LAB|APOIO|PONTE|PONTE|20261127120100-0300||{kind}|R{peers.control_id(message)[:18]}|P|2.5.1",
        f"MSA|{code}|{peers.control_id(message)}",
        f"ORC|{control}|{asked[2]}|{'L77^LAB' if control == 'OK' else ''}",
        f"OBR|1|{asked[2]}|{'L77^LAB' if control == 'OK' else ''}|{detail[4]}",
    ]
    return "".join(f"{line}\r" for line in lines).encode()


async def connected(world: World, tenant: Tenant, port: int, own: str = OWN, **settings: Any) -> Partner:
    """The laboratory with a channel of its own, and an order queued for it."""
    lab = await partner(world, tenant, "apoio", port, kind="lab", **LAB, **settings)
    if own:
        await put(world, tenant, own)
    await send(world, tenant, await put(world, tenant, 'name = "his"\ndoor = "mllp"\n'), ORDER)
    return lab


async def the_order(world: World, tenant: Tenant) -> dict[str, Any]:
    (order,) = await records(world, tenant, "ServiceRequest")
    return order


async def kept(world: World, tenant: Tenant) -> list[dict[str, Any]]:
    """The answers that were kept: type, status, findings."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT id, type, status, problems FROM message WHERE tenant_id = $1 AND direction = 'in' "
            "AND control_id <> 'C1' ORDER BY seq"
        )
    return [dict(row) for row in rows]


async def test_the_number_of_the_laboratory_reaches_the_order(world: World, tenant: Tenant) -> None:
    async with peers.mllp(lambda n, m: peers.framed(said(m))) as peer:
        await connected(world, tenant, peer.port)
        await deliver(world, tenant)
        await work_all(world, tenant)
    numbers = {one["value"] for one in (await the_order(world, tenant))["identifier"]}
    assert numbers == {"ORD1", "L77"}
    (answer,) = await kept(world, tenant)
    assert (answer["type"], answer["status"]) == ("ORL^O22", "TRANSFORMED") and "no-channel" not in answer["problems"]
    assert [(one["status"], one["operation"]) for one in await queued(world, tenant)] == [("SENT", "lab-order")]


async def test_what_it_cannot_do_is_told_of_the_order(world: World, tenant: Tenant) -> None:
    async with peers.mllp(lambda n, m: peers.framed(said(m, "AE", "UA", "ORR^O02"))) as peer:
        await connected(world, tenant, peer.port)
        await deliver(world, tenant)
        await work_all(world, tenant)
    assert '"UA"' in str(await the_order(world, tenant)).replace("'", '"')
    assert [(one["status"]) for one in await queued(world, tenant)] == ["ERROR"]
    assert [one["status"] for one in await kept(world, tenant)] == ["TRANSFORMED"]


@pytest.mark.parametrize(
    "own", ["", OWN + "[[filters]]\ntypes = ['ORL^O22']\naction = 'skip'\n", OWN + "records = false\n"]
)
async def test_an_answer_no_channel_reads_is_told(world: World, tenant: Tenant, own: str) -> None:
    async with peers.mllp(lambda n, m: peers.framed(said(m))) as peer:
        await connected(world, tenant, peer.port, own)
        await deliver(world, tenant)
        await work_all(world, tenant)
    (answer,) = await kept(world, tenant)
    assert answer["status"] == "TRANSFORMED" and "answer.no-channel" in answer["problems"]
    assert len((await the_order(world, tenant))["identifier"]) == 1


async def test_the_applications_answer_of_enhanced_mode_says_it_too(world: World, tenant: Tenant) -> None:
    async with peers.mllp(lambda n, m: peers.framed(peers.ack(m, "CA")) + peers.framed(said(m))) as peer:
        await connected(world, tenant, peer.port, acknowledge={"mode": "enhanced"})
        await deliver(world, tenant)
        await work_all(world, tenant)
    assert {one["value"] for one in (await the_order(world, tenant))["identifier"]} == {"ORD1", "L77"}


async def test_it_may_come_by_the_laboratorys_channel(world: World, tenant: Tenant) -> None:
    async with peers.mllp(lambda n, m: peers.framed(peers.ack(m, "CA"))) as peer:
        await connected(world, tenant, peer.port, acknowledge={"mode": "enhanced", "application": "later"})
        await deliver(world, tenant)
    own = await put(world, tenant, OWN.replace("apoio", "apoio2", 1))
    (answer,) = await send(world, tenant, own, said(peer.received[0]))
    assert (await outcome(world, tenant, answer.message_id))["status"] == "TRANSFORMED"
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT application FROM delivery WHERE tenant_id = $1") == "AA", "nothing waits for it"
    assert {one["value"] for one in (await the_order(world, tenant))["identifier"]} == {"ORD1", "L77"}


async def test_it_may_come_unasked_on_the_connection(world: World, tenant: Tenant) -> None:
    """An answer to the first order comes between the acknowledgements of the second."""
    sent: list[bytes] = []

    def script(number: int, message: bytes) -> bytes:
        sent.append(message)
        before = peers.framed(said(sent[0])) if number == 2 else b""
        return before + peers.framed(peers.ack(message, "CA"))

    async with peers.mllp(script) as peer:
        await connected(world, tenant, peer.port, acknowledge={"mode": "enhanced", "application": "later"})
        second = ORDER.replace("ORD1", "ORD2").replace("|C1|", "|C2|")
        await send(world, tenant, await put(world, tenant, 'name = "his"\ndoor = "mllp"\n'), second)
        await deliver(world, tenant)
        await work_all(world, tenant)
    orders = await records(world, tenant, "ServiceRequest")
    assert sorted(len(order["identifier"]) for order in orders) == [1, 2]


async def test_an_answer_nobody_waits_for_says_it_too(world: World, tenant: Tenant) -> None:
    """The laboratory was asked for no application answer (MSH-16 NE) and gives one behind the next message."""
    sent: list[bytes] = []

    def script(number: int, message: bytes) -> bytes:
        sent.append(message)
        before = peers.framed(said(sent[0])) if number == 2 else b""
        return before + peers.framed(peers.ack(message, "CA"))

    async with peers.mllp(script) as peer:
        await connected(world, tenant, peer.port, acknowledge={"mode": "enhanced", "application": "none"})
        await deliver(world, tenant)
        second = ORDER.replace("ORD1", "ORD2").replace("|C1|", "|C2|")
        await send(world, tenant, await put(world, tenant, 'name = "his"\ndoor = "mllp"\n'), second)
        await deliver(world, tenant)
        await work_all(world, tenant)
    orders = await records(world, tenant, "ServiceRequest")
    assert sorted(len(order["identifier"]) for order in orders) == [1, 2]
