"""Enhanced mode as sender: accept first, the application's answer on the same connection, later, or by a channel."""

from __future__ import annotations

import asyncio
from typing import Any

import peers
import pytest
from channel_feed import partner, put, send
from hl7_feed import outcome

from hub.exchange import handlers
from hub.exchange.handlers import Reply
from hub.exchange.out import delivery, outbox
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner
from hub.store.database import Transaction
from hub.world import Tenant, World


async def queue(world: World, tenant: Tenant, to: Partner, *ids: str) -> None:
    async with world.transaction(tenant) as tx:
        for name in ids:
            content = f"MSH|^~\\&|P|H|L|L|20261122||OML^O21|{name}|P|2.5||||AL|AL\r".encode()
            await outbox.enqueue(
                tx, to, Outgoing(operation="t", format="hl7", type="OML^O21", content=content, control_id=name)
            )


async def states(world: World, tenant: Tenant) -> list[tuple[str, str, str]]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT m.control_id, d.status, d.application FROM delivery d JOIN message m ON m.tenant_id = $1 "
            "AND m.id = d.message_id WHERE d.tenant_id = $1 ORDER BY d.seq"
        )
    return [tuple(row) for row in rows]


async def work(world: World, tenant: Tenant) -> None:
    await delivery.work(world, tenant)


def application(message: bytes, code: str, asks: str = "") -> bytes:
    text = f"MSH|^~\\&|LAB|L|PONTE|HUB|20261122||ACK^O21^ACK|APP{peers.control_id(message)}|P|2.5|||{asks}\r"
    return f"{text}MSA|{code}|{peers.control_id(message)}\r".encode()


@pytest.mark.parametrize(("code", "status"), [("AA", "SENT"), ("AE", "ERROR")])
async def test_the_applications_answer_on_the_same_connection_decides(
    world: World, tenant: Tenant, code: str, status: str
) -> None:
    def script(number: int, message: bytes) -> bytes | None:
        if message.partition(b"MSA|")[2].startswith(b"CA"):
            return None  # our confirmation of its answer
        return peers.framed(peers.ack(message, "CA")) + peers.framed(application(message, code, "AL"))

    async with peers.mllp(script) as peer:
        to = await partner(world, tenant, "lab", peer.port, acknowledge={"mode": "enhanced"})
        await queue(world, tenant, to, "a", "b")
        await work(world, tenant)
    assert [row[:2] for row in await states(world, tenant)] == [("a", status), ("b", status)]
    confirmed = [m for m in peer.received if b"MSA|CA|APPa" in m or b"MSA|CA|APPb" in m]
    assert len(confirmed) == 2 and len(peer.received) == 4, "its answer asked for an accept acknowledgement"


@pytest.mark.parametrize(("code", "condition", "status"), [("CE", "", "ERROR"), ("CR", "200", "ERROR"), ("CR", "207", "QUEUED")])  # fmt: skip
async def test_what_is_not_accepted(world: World, tenant: Tenant, code: str, condition: str, status: str) -> None:
    async with peers.mllp(lambda n, m: peers.framed(peers.ack(m, code, condition=condition))) as peer:
        to = await partner(world, tenant, "lab", peer.port, acknowledge={"mode": "enhanced"})
        await queue(world, tenant, to, "a")
        await work(world, tenant)
    assert await states(world, tenant) == [("a", status, "")]


async def test_an_application_that_keeps_silent_is_not_sent_the_message_again(world: World, tenant: Tenant) -> None:
    async with peers.mllp(lambda n, m: peers.framed(peers.ack(m, "CA"))) as peer:
        to = await partner(world, tenant, "lab", peer.port, acknowledge={"mode": "enhanced", "timeout_s": 0.2})
        await queue(world, tenant, to, "a")
        await work(world, tenant)
    assert await states(world, tenant) == [("a", "SENT", "WAITING")] and len(peer.received) == 1


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.parametrize(("code", "found"), [("AA", ("a", "SENT", "AA")), ("AE", ("a", "ERROR", "AE"))])
async def test_the_answer_comes_by_a_channel(world: World, tenant: Tenant, code: str, found: Any) -> None:
    told: list[Reply] = []

    @handlers.on_reply("t")
    async def handle(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
        told.append(reply)

    async with peers.mllp(lambda n, m: peers.framed(peers.ack(m, "CA"))) as peer:
        way = {"mode": "enhanced", "application": "later"}
        to = await partner(world, tenant, "lab", peer.port, acknowledge=way)
        await queue(world, tenant, to, "a")
        await work(world, tenant)
        assert await states(world, tenant) == [("a", "SENT", "WAITING")] and told == []
    own = await put(world, tenant, 'name = "lab"\ndoor = "mllp"\npartner = "lab"\n')
    (answer,) = await send(world, tenant, own, application(peer.received[0], code))
    assert await states(world, tenant) == [found]
    assert [(reply.accepted, reply.purpose) for reply in told] == [(code == "AA", {})]
    assert (await outcome(world, tenant, answer.message_id))["status"] == "TRANSFORMED"
    again, strange = await send(
        world, tenant, own, application(peer.received[0], code).replace(b"APPa", b"APPb"),
        application(peer.received[0], code).replace(b"|a\r", b"|zz\r"),
    )  # fmt: skip
    assert (await outcome(world, tenant, again.message_id))["problems"] == ["ack.repeated"]
    assert (await outcome(world, tenant, strange.message_id))["problems"] == ["ack.unmatched"]
    assert len(told) == 1


async def test_another_partners_answer_does_not_count(world: World, tenant: Tenant) -> None:
    async with peers.mllp(lambda n, m: peers.framed(peers.ack(m, "CA"))) as peer:
        to = await partner(world, tenant, "lab", peer.port, acknowledge={"mode": "enhanced", "application": "later"})
        await partner(world, tenant, "other", peer.port)
        await queue(world, tenant, to, "a")
        await work(world, tenant)
    own = await put(world, tenant, 'name = "other"\ndoor = "mllp"\npartner = "other"\n')
    (answer,) = await send(world, tenant, own, application(peer.received[0], "AA"))
    assert (await outcome(world, tenant, answer.message_id))["problems"] == ["ack.unmatched"]
    assert await states(world, tenant) == [("a", "SENT", "WAITING")]


async def test_answers_to_earlier_messages_come_between(world: World, tenant: Tenant) -> None:
    """The application answers one message late: each answer finds its own delivery."""
    sent: list[bytes] = []

    def script(number: int, message: bytes) -> bytes:
        sent.append(message)
        late = peers.framed(application(sent[number - 2], "AA")) if number > 1 else b""
        return late + peers.framed(peers.ack(message, "CA"))

    async with peers.mllp(script) as peer:
        to = await partner(world, tenant, "lab", peer.port, acknowledge={"mode": "enhanced", "application": "later"})
        await queue(world, tenant, to, "a", "b", "c")
        await work(world, tenant)
    found = await states(world, tenant)
    assert found == [("a", "SENT", "AA"), ("b", "SENT", "AA"), ("c", "SENT", "WAITING")]


async def test_an_answer_that_comes_late_by_a_channel_spares_the_resend(world: World, tenant: Tenant) -> None:
    async with peers.mllp(lambda n, m: None) as peer:
        to = await partner(world, tenant, "lab", peer.port)
        to.settings["transport"]["timeout_s"] = 0.2
        async with world.transaction(tenant) as tx:
            from hub.exchange.partners import save_partner

            await save_partner(tx, to)
        await queue(world, tenant, to, "a")
        await work(world, tenant)
        own = await put(world, tenant, 'name = "lab"\ndoor = "mllp"\npartner = "lab"\n')
        await send(world, tenant, own, application(peer.received[0], "AA"))
        await asyncio.sleep(0.1)
        await work(world, tenant)
        assert len(peer.received) == 1
    assert [row[:2] for row in await states(world, tenant)] == [("a", "SENT")]


@pytest.mark.parametrize(
    ("code", "policy", "status"), [("AE", "retry", "QUEUED"), ("AR", "refuse", "ERROR"), ("AE", "auto", "ERROR")]
)
async def test_a_partners_policy_for_refusals(
    world: World, tenant: Tenant, code: str, policy: str, status: str
) -> None:
    async with peers.mllp(lambda n, m: peers.framed(peers.ack(m, code))) as peer:
        to = await partner(world, tenant, "lab", peer.port, acknowledge={code.lower(): policy})
        await queue(world, tenant, to, "a")
        await work(world, tenant)
    assert [row[1] for row in await states(world, tenant)] == [status]
