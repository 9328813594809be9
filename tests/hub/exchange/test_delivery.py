"""Deliveries over real sockets: order, answers kept verbatim, failures that wait, doubts that are asked about."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import peers
import pytest

from canonical.errors import Conflict, NotFound, Refused, TryLater
from hub.exchange import handlers, partners
from hub.exchange.handlers import Doubt, Reply
from hub.exchange.out import delivery, outbox, replies
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner
from hub.exchange.work import lanes, worker
from hub.store.database import Transaction
from hub.world import Tenant, World

QUICK = {"attempts": 3, "first_s": 0.05, "most_s": 0.1, "then": "pause"}
pytestmark = pytest.mark.usefixtures("own_handlers")


def partner_on(port: int, *, kind: str = "mllp", code: str = "lab", retry: dict[str, Any] | None = None) -> Partner:
    where = {"host": "127.0.0.1", "port": port} if kind == "mllp" else {"url": f"http://127.0.0.1:{port}/soap"}
    settings = {
        "transport": {"kind": kind, "timeout_s": 1, "connect_timeout_s": 1, **where},
        "retry": retry or QUICK,
        "allow_private": True,
    }
    return Partner(
        id=uuid.uuid4(), kind="lab", code=code, name="Laboratório", adapter="", active=True, settings=settings
    )


async def queue(world: World, tenant: Tenant, found: Partner, *ids: str, lane: str = "") -> None:
    async with world.transaction(tenant) as tx:
        await partners.save_partner(tx, found)
        for name in ids:
            content = f"MSH|^~\\&|P|H|L|L|20261122||OML^O21^OML_O21|{name}|P|2.5\r".encode()
            kind = "hl7" if found.settings["transport"]["kind"] == "mllp" else "tiss"
            outgoing = Outgoing(
                operation="test",
                format=kind,
                type="OML^O21",
                content=content,
                control_id=name,
                lane=lane,
                purpose={"n": name},
            )
            await outbox.enqueue(tx, found, outgoing)


async def states(world: World, tenant: Tenant) -> list[tuple[str, str, str | None]]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT m.control_id, d.status, d.last_error FROM delivery d JOIN message m ON m.tenant_id = $1 "
            "AND m.id = d.message_id WHERE d.tenant_id = $1 ORDER BY d.seq"
        )
    return [(row["control_id"], row["status"], row["last_error"]) for row in rows]


async def lane(world: World, tenant: Tenant) -> Any:
    async with world.transaction(tenant) as tx:
        return await tx.row("SELECT * FROM lane WHERE tenant_id = $1 AND kind = 'outbound'")


async def work_until(world: World, tenant: Tenant, wanted: int, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        done = 0
        while done < wanted:
            done += await delivery.work(world, tenant)
            await asyncio.sleep(0.02)


async def test_in_order_over_one_connection_with_the_answers_kept(world: World, tenant: Tenant) -> None:
    seen: list[tuple[str, bool]] = []

    @handlers.on_reply("test")
    async def handle(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
        seen.append((reply.purpose["n"], reply.accepted))

    async with peers.mllp() as peer:
        await queue(world, tenant, partner_on(peer.port), *(f"m{n}" for n in range(12)))
        assert await delivery.work(world, tenant) == 12
    assert peer.ids == [f"m{n}" for n in range(12)] and peer.connections == 1
    assert seen == [(f"m{n}", True) for n in range(12)]
    assert {state[1] for state in await states(world, tenant)} == {"SENT"}
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT m.status, r.content, r.direction, r.format, r.type FROM delivery d "
            "JOIN message m ON m.tenant_id = $1 AND m.id = d.message_id "
            "JOIN message r ON r.tenant_id = $1 AND r.id = d.reply_id WHERE d.tenant_id = $1 ORDER BY d.seq"
        )
    assert bytes(rows[3]["content"]) == peers.ack(peer.received[3])
    assert {(r["status"], r["direction"], r["format"], r["type"]) for r in rows} == {("SENT", "in", "hl7", "ACK^O21")}
    found = await lane(world, tenant)
    assert (found["pending"], found["attempt"], found["lease_until"]) == (0, 0, None)


async def test_second_of_three_fails_and_order_is_kept(world: World, tenant: Tenant) -> None:
    failures = [2]

    def script(number: int, message: bytes) -> bytes:
        if peers.control_id(message) == "b" and failures[0]:
            failures[0] -= 1
            raise ConnectionError
        return peers.framed(peers.ack(message))

    async with peers.mllp(script) as peer:
        await queue(world, tenant, partner_on(peer.port), "a", "b", "c")
        await work_until(world, tenant, 3)
    assert peer.ids == ["a", "b", "b", "b", "c"]
    assert {state[1] for state in await states(world, tenant)} == {"SENT"}


@pytest.mark.parametrize(("then", "after"), [("pause", ["QUEUED"]), ("continue", ["SENT"])])
async def test_dead_letter_then_pause_or_go_on(world: World, tenant: Tenant, then: str, after: list[str]) -> None:
    def script(number: int, message: bytes) -> bytes | None:
        if peers.control_id(message) == "bad":
            return peers.framed(peers.ack(message, "AR"))
        return peers.framed(peers.ack(message))

    async with peers.mllp(script) as peer:
        await queue(world, tenant, partner_on(peer.port, retry={**QUICK, "then": then}), "bad", "good")
        for _ in range(20):
            await delivery.work(world, tenant)
            await asyncio.sleep(0.05)
        assert peer.ids[:3] == ["bad"] * 3 and peer.ids.count("bad") == 3
        found = await states(world, tenant)
        assert found[0] == ("bad", "DEAD", "ack.ar") and [s[1] for s in found[1:]] == after
        assert (await lane(world, tenant))["paused"] is (then == "pause")
        if then == "pause":
            await _operator_resends(world, tenant, peer)


async def _operator_resends(world: World, tenant: Tenant, peer: peers.MllpPeer) -> None:
    peer.script = lambda number, message: peers.framed(peers.ack(message))
    async with world.transaction(tenant) as tx:
        dead = await tx.value("SELECT id FROM delivery WHERE tenant_id = $1 AND status = 'DEAD'")
        await delivery.requeue(tx, dead)
    await work_until(world, tenant, 2)
    assert peer.ids[-2:] == ["bad", "good"], "a resent delivery takes its old place"
    assert {state[1] for state in await states(world, tenant)} == {"SENT"}


async def test_refusal_ends_the_message_and_the_lane_goes_on(world: World, tenant: Tenant) -> None:
    seen: list[tuple[str, bool]] = []

    @handlers.on_reply("test")
    async def handle(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
        seen.append((reply.purpose["n"], reply.accepted))

    def script(number: int, message: bytes) -> bytes:
        return peers.framed(peers.ack(message, "AE" if peers.control_id(message) == "a" else "AA"))

    async with peers.mllp(script) as peer:
        await queue(world, tenant, partner_on(peer.port), "a", "b")
        assert await delivery.work(world, tenant) == 2
    assert await states(world, tenant) == [("a", "ERROR", "ack.ae"), ("b", "SENT", None)]
    assert seen == [("a", False), ("b", True)]


async def test_one_dead_and_one_slow_partner_delay_nobody(world: World, tenant: Tenant) -> None:
    async def silence(number: int, message: bytes) -> None:
        await asyncio.sleep(60)

    async with peers.mllp(silence) as slow, peers.mllp() as good:
        await queue(world, tenant, partner_on(peers.dead_port(), code="dead"), "d1", "d2")
        hanging = partner_on(slow.port, code="slow")
        hanging.settings["transport"]["timeout_s"] = 6
        for part in range(6):
            await queue(world, tenant, hanging, f"s{part}", lane=str(part))
        await queue(world, tenant, partner_on(good.port, code="good"), *(f"g{n}" for n in range(20)))
        task = asyncio.create_task(delivery.work(world, tenant))
        async with asyncio.timeout(5):
            while len(good.received) < 20:
                await asyncio.sleep(0.01)
        await task
    found = {name: (status, code) for name, status, code in await states(world, tenant)}
    assert found["d1"] == ("QUEUED", "transport.connect") and found["d2"] == ("QUEUED", None)
    assert {found[f"g{n}"] for n in range(20)} == {("SENT", None)}
    waiting = [found[f"s{n}"] for n in range(6)]
    assert waiting.count(("QUEUED", "transport.timeout")) == delivery.LANES_PER_PARTNER
    assert waiting.count(("QUEUED", None)) == 6 - delivery.LANES_PER_PARTNER, "one partner may not fill the worker"


async def test_lost_reply_is_asked_about_and_not_sent_twice(world: World, tenant: Tenant) -> None:
    asked: list[str] = []

    @handlers.reconcile("test")
    async def ask(world: World, tenant: Tenant, doubt: Doubt) -> bytes | None:
        asked.append(doubt.purpose["n"])
        return await doubt.ask(b"<e:Envelope>status?</e:Envelope>", "status")

    taken: list[Reply] = []

    @handlers.on_reply("test")
    async def handle(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
        taken.append(reply)

    def script(number: int, body: bytes) -> object:
        return None if b"MSH" in body else (200, "text/xml", b"<e:Envelope>protocol 7</e:Envelope>")

    async with peers.http(script) as peer:
        await queue(world, tenant, partner_on(peer.port, kind="soap"), "lote1")
        await work_until(world, tenant, 1)
    bodies = [body for _, body in peer.received]
    assert len([b for b in bodies if b"MSH" in b]) == 1 and asked == ["lote1"]
    assert taken[0].reconciled and taken[0].content == b"<e:Envelope>protocol 7</e:Envelope>"
    assert await states(world, tenant) == [("lote1", "SENT", None)]


async def test_no_question_after_a_connection_that_never_opened(world: World, tenant: Tenant) -> None:
    @handlers.reconcile("test")
    async def ask(world: World, tenant: Tenant, doubt: Doubt) -> bytes | None:
        raise AssertionError("nothing was sent, so there is nothing to ask about")

    await queue(world, tenant, partner_on(peers.dead_port(), kind="soap"), "x")
    for _ in range(4):
        await delivery.work(world, tenant)
        await asyncio.sleep(0.12)
    assert await states(world, tenant) == [("x", "DEAD", "transport.connect")]


async def test_resend_carries_the_same_key_and_bytes(world: World, tenant: Tenant) -> None:
    def script(number: int, body: bytes) -> object:
        return None if number == 1 else (200, "text/xml", b"<?xml version='1.0'?>\n<s:Envelope/>")

    async with peers.http(script) as peer:
        await queue(world, tenant, partner_on(peer.port, kind="soap"), "x")
        await work_until(world, tenant, 1)
    (first, one), (second, two) = peer.received
    assert one == two and first["idempotency-key"] == second["idempotency-key"] and first["soapaction"] == '""'


async def test_a_failing_handler_loses_no_reply_and_sends_nothing_twice(world: World, tenant: Tenant) -> None:
    broken = [True]

    @handlers.on_reply("test")
    async def handle(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
        await tx.run("UPDATE tenant SET name = name WHERE id = $1")
        if broken[0]:
            raise Refused("cannot read it", code="test.unreadable")

    async with peers.mllp() as peer:
        await queue(world, tenant, partner_on(peer.port), "a", "b")
        assert await delivery.work(world, tenant) == 2
    assert len(peer.received) == 2
    assert await states(world, tenant) == [
        ("a", "SENT", "delivery.reply-failed"),
        ("b", "SENT", "delivery.reply-failed"),
    ]
    broken[0] = False
    async with world.transaction(tenant) as tx:
        identity = await tx.value("SELECT id FROM delivery WHERE tenant_id = $1 ORDER BY seq LIMIT 1")
        assert await tx.value("SELECT count(*) FROM message WHERE tenant_id = $1 AND status = 'ERROR'") == 2
    await replies.replay(world, tenant, identity)
    assert (await states(world, tenant))[0] == ("a", "SENT", None)


async def test_a_handler_that_may_pass_later_is_tried_again_without_sending(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is away for a moment, such as the database, is back when it is tried the last time."""
    monkeypatch.setattr(replies, "PAUSE_SECONDS", 0.2)
    calls: list[float] = []

    @handlers.on_reply("test")
    async def handle(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
        calls.append(asyncio.get_running_loop().time())
        if calls[-1] - calls[0] < 0.4:
            raise TryLater("locked", code="test.locked")

    async with peers.mllp() as peer:
        await queue(world, tenant, partner_on(peer.port), "a")
        assert await delivery.work(world, tenant) == 1
    assert len(peer.received) == 1 and len(calls) == 3
    assert await states(world, tenant) == [("a", "SENT", None)]
    async with world.transaction(tenant) as tx:
        kept = await tx.value("SELECT status FROM message WHERE tenant_id = $1 AND direction = 'in'")
    assert kept == "TRANSFORMED"


async def test_private_address_is_refused_unless_allowed(world: World, tenant: Tenant) -> None:
    async with peers.mllp() as peer:
        found = partner_on(peer.port, retry={**QUICK, "attempts": 1})
        found.settings["allow_private"] = False
        await queue(world, tenant, found, "a")
        await delivery.work(world, tenant)
        assert peer.received == []
    assert await states(world, tenant) == [("a", "DEAD", "transport.private")]


async def test_other_tenants_deliveries_are_not_seen(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    async with peers.mllp() as peer:
        await queue(world, tenant, partner_on(peer.port), "a")
        assert await delivery.work(world, other_tenant) == 0
        assert await delivery.work(world, tenant) == 1


async def test_a_wrong_count_in_the_lane_is_put_right(world: World, tenant: Tenant) -> None:
    async with peers.mllp() as peer:
        await queue(world, tenant, partner_on(peer.port), "a")
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE lane SET pending = 5 WHERE tenant_id = $1")
        assert await delivery.work(world, tenant) == 1
    assert (await lane(world, tenant))["pending"] == 0
    assert lanes.MAXIMUM_ATTEMPTS > 1


async def test_only_dead_or_refused_deliveries_can_be_sent_again(world: World, tenant: Tenant) -> None:
    async with peers.mllp() as peer:
        await queue(world, tenant, partner_on(peer.port), "a")
        assert await delivery.work(world, tenant) == 1
    async with world.transaction(tenant) as tx:
        sent = await tx.value("SELECT id FROM delivery WHERE tenant_id = $1")
    for wanted, failure in ((sent, Conflict), (uuid.uuid4(), NotFound)):
        with pytest.raises(failure):
            async with world.transaction(tenant) as tx:
                await delivery.requeue(tx, wanted)
    assert (await lane(world, tenant))["pending"] == 0, "nothing of a refused request stays"


async def test_a_defect_in_reconciling_delays_only_its_lane(world: World, tenant: Tenant) -> None:
    @handlers.reconcile("test")
    async def ask(world: World, tenant: Tenant, doubt: Doubt) -> bytes | None:
        raise ZeroDivisionError

    async with peers.http(lambda number, body: None) as peer, peers.mllp() as good:
        await queue(world, tenant, partner_on(peer.port, kind="soap", code="bad"), "x")
        await queue(world, tenant, partner_on(good.port, code="good"), "y")
        for _ in range(3):
            await delivery.work(world, tenant)
            await asyncio.sleep(0.12)
        assert len(peer.received) == 1, "in doubt and unable to ask: not sent again"
    found = {name: (status, code) for name, status, code in await states(world, tenant)}
    assert found == {"x": ("DEAD", "delivery.failed"), "y": ("SENT", None)}


async def test_a_worker_that_is_ended_gives_its_lane_back(world: World, tenant: Tenant) -> None:
    """Behind the message it is at, however many wait: the next worker need not wait until the lease runs out."""

    async def slowly(number: int, message: bytes) -> bytes:
        await asyncio.sleep(0.3)
        return peers.framed(peers.ack(message))

    stop = asyncio.Event()
    async with peers.mllp(slowly) as peer:
        laboratory = partner_on(peer.port)
        laboratory.settings["transport"]["timeout_s"] = 20  # a busy machine must not make it send one again
        await queue(world, tenant, laboratory, *(f"m{n}" for n in range(25)))
        running = asyncio.create_task(worker.run(world, stop))
        async with asyncio.timeout(30):
            while len(peer.ids) < 2:
                await asyncio.sleep(0.02)
            stop.set()
            await running
        sent = len(peer.ids)
        assert sent < 6
        assert [state[1] for state in await states(world, tenant)] == ["SENT"] * sent + ["QUEUED"] * (25 - sent)
        found = await lane(world, tenant)
        assert found["lease_until"] is None and found["next_at"] <= world.now()
