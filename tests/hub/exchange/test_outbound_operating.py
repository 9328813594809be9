"""What an operator sees of outgoing messages and does about them: why, send again, skip, and the alarm of refusals."""

from __future__ import annotations

import asyncio
import dataclasses

import peers
import pytest
from channel_feed import partner

from canonical.errors import Conflict, NotFound
from hub.exchange.out import delivery, outbox
from hub.exchange.out.outbox import Outgoing
from hub.exchange.work import lanes
from hub.operate.messages import fates, find, redeliver, skipping
from hub.operate.messages.find import Found
from hub.operate.messages.halting import Wanted
from hub.operate.messages.selection import Query
from hub.watch import readings
from hub.world import Tenant, World
from tests.hub.exchange.test_enhanced_sender import queue

LAB = Wanted(kind="outbound", name="lab")
WHY = b"ERR||PID^1^3|204^Unknown key^HL70357|E||||CONCEI\xc7\xc3O ANA\rERR|^^^207&x\rERR||ANA|SILVA MARIA|E\r"


def answering(code: str, more: bytes = b"") -> object:
    return lambda number, message: peers.framed(peers.ack(message, code) + more)


async def out(world: World, tenant: Tenant) -> dict[str, Found]:
    async with world.transaction(tenant) as tx:
        found = await find.messages(tx, Query(direction="out"))
    return {one.control_id: one for one in found}


async def settled(world: World, tenant: Tenant, name: str, status: str) -> None:
    async with asyncio.timeout(30):
        while (await out(world, tenant))[name].status != status:
            await delivery.work(world, tenant)
            await asyncio.sleep(0.02)


async def test_why_a_message_was_refused_is_seen_beside_it_without_a_word_of_the_partner(
    world: World, tenant: Tenant
) -> None:
    async with peers.mllp(answering("AE", WHY)) as peer:  # type: ignore[arg-type]
        await queue(world, tenant, await partner(world, tenant, "lab", peer.port, kind="lab"), "a")
        await delivery.work(world, tenant)
    one = (await out(world, tenant))["a"]
    assert one.delivery is not None and one.status == "ERROR"
    assert (one.delivery.code, one.delivery.attempt, one.delivery.again) == ("ack.ae", 1, None)
    assert one.delivery.faults == ("PID^1^3 204", "207"), "places and conditions; no name, whatever the partner wrote"
    assert one.as_json()["delivery"]["code"] == "ack.ae"
    async with world.transaction(tenant) as tx:
        assert (await find.message(tx, one.id)).delivery == one.delivery  # type: ignore[union-attr]


async def test_why_a_message_waits_and_until_when(world: World, tenant: Tenant) -> None:
    retry = {"attempts": 50, "first_s": 600, "most_s": 600}
    await queue(
        world, tenant, await partner(world, tenant, "lab", peers.dead_port(), kind="lab", retry=retry), "a", "b"
    )
    await delivery.work(world, tenant)
    found = await out(world, tenant)
    first, second = found["a"].delivery, found["b"].delivery
    assert first is not None and second is not None
    assert (first.code, first.attempt, first.paused) == ("transport.connect", 1, False)
    assert first.again is not None and (first.again - world.now()).total_seconds() > 500
    assert (second.code, second.attempt) == ("", 0)


def test_an_answer_that_cannot_be_read_has_no_faults() -> None:
    assert fates.faults(b"<html>") == ()


async def test_what_was_refused_is_told_and_sent_again_after_the_repair(world: World, tenant: Tenant) -> None:
    async with peers.mllp(answering("AE")) as peer:  # type: ignore[arg-type]
        await queue(world, tenant, await partner(world, tenant, "lab", peer.port, kind="lab"), "a", "b")
        await delivery.work(world, tenant)
        measured = {(one.rule, one.place): one.value for one in await readings.of_tenant(world, tenant)}
        assert measured["outbound.refused", "lab/lab"] == 2
        wanted = redeliver.Wanted(status="REFUSED", partner="lab", code="ack.ae")
        async with world.transaction(tenant) as tx:
            assert await redeliver.ended(tx, redeliver.Wanted(status="DEAD")) == []
            assert await redeliver.ended(tx, dataclasses.replace(wanted, partner="other")) == []
        peer.script = lambda number, message: peers.framed(peers.ack(message))
        assert len(await redeliver.redeliver(world, tenant, "test", wanted)) == 2
        await settled(world, tenant, "b", "SENT")
    assert peer.ids == ["a", "b", "a", "b"] and peer.received[0] == peer.received[2]
    measured = {(one.rule, one.place): one.value for one in await readings.of_tenant(world, tenant)}
    assert ("outbound.refused", "lab/lab") not in measured


async def test_what_a_partner_has_lost_is_sent_again_by_time_or_by_message(world: World, tenant: Tenant) -> None:
    begin = world.now()
    async with peers.mllp() as peer:
        await queue(world, tenant, await partner(world, tenant, "lab", peer.port, kind="lab"), "a", "b", "c")
        await settled(world, tenant, "c", "SENT")
        lost = redeliver.Wanted(status="SENT", partner="lab", since=begin)
        assert len(await redeliver.redeliver(world, tenant, "test", lost)) == 3
        await settled(world, tenant, "c", "SENT")
        assert peer.ids == ["a", "b", "c"] * 2, "in their order"
        one = (await out(world, tenant))["b"].id
        assert len(await redeliver.redeliver(world, tenant, "test", redeliver.Wanted(messages=(one,)))) == 1
        await settled(world, tenant, "b", "SENT")
    assert peer.ids == [*["a", "b", "c"] * 2, "b"]


async def test_a_message_the_partner_will_never_take_is_skipped_and_can_be_sent_later(
    world: World, tenant: Tenant
) -> None:
    def script(number: int, message: bytes) -> bytes:
        return peers.framed(peers.ack(message, "AR" if peers.control_id(message) == "bad" else "AA"))

    async with peers.mllp(script) as peer:
        retry = {"attempts": 50, "first_s": 600, "most_s": 600}
        await queue(world, tenant, await partner(world, tenant, "lab", peer.port, kind="lab", retry=retry), "bad", "b")
        await delivery.work(world, tenant)
        assert peer.ids == ["bad"]
        (skipped,) = await skipping.skip(world, tenant, "ana", LAB, "exame desconhecido do laboratório")
        assert skipped.control_id == "bad"
        await settled(world, tenant, "b", "SENT")
        assert peer.ids == ["bad", "b"], "the rest went on at once"
        one = (await out(world, tenant))["bad"]
        assert one.delivery is not None and one.delivery.code == skipping.CODE
        with pytest.raises(NotFound):
            await skipping.skip(world, tenant, "ana", LAB)
        peer.script = lambda number, message: peers.framed(peers.ack(message))
        await redeliver.redeliver(world, tenant, "ana", redeliver.Wanted(messages=(skipped.message_id,)))
        await settled(world, tenant, "bad", "SENT")
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT actor, entity FROM audit_event WHERE tenant_id = $1 AND action = 'lane-skip'")
        assert [(row["actor"], row["entity"]) for row in rows] == [("ana", f"Delivery/{one.delivery.id}")]
        assert await tx.value("SELECT pending FROM lane WHERE tenant_id = $1 AND kind = 'outbound'") == 0


async def test_what_is_being_sent_is_not_skipped(world: World, tenant: Tenant) -> None:
    to = await partner(world, tenant, "lab", peers.dead_port(), kind="lab")
    await queue(world, tenant, to, "a")
    async with world.transaction(tenant) as tx:
        await lanes.lease_spread(tx, "outbound", 1, {}, 1)
    with pytest.raises(Conflict):
        await skipping.skip(world, tenant, "ana", LAB)
    assert (await out(world, tenant))["a"].status == "QUEUED"


async def test_a_skip_in_a_paused_lane_leaves_it_paused(world: World, tenant: Tenant) -> None:
    to = await partner(world, tenant, "lab", peers.dead_port(), kind="lab")
    await queue(world, tenant, to, "a", "b")
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE lane SET paused = true, last_error = 'x' WHERE tenant_id = $1 AND kind = 'outbound'")
    await skipping.skip(world, tenant, "ana", LAB)
    async with world.transaction(tenant) as tx:
        lane = await tx.row("SELECT paused, pending, last_error FROM lane WHERE tenant_id = $1 AND kind = 'outbound'")
    assert lane is not None and tuple(lane) == (True, 1, "x")


async def test_other_formats_are_left_to_their_own_pages(world: World, tenant: Tenant) -> None:
    to = await partner(world, tenant, "lab", peers.dead_port(), kind="lab")
    async with world.transaction(tenant) as tx:
        guide = Outgoing(operation="batch", format="tiss", type="ENVIO_LOTE_GUIAS", content=b"<x/>")
        await outbox.enqueue(tx, to, guide)
        await outbox.refuse(tx, to, guide, "payer.refused")
        assert await redeliver.ended(tx, redeliver.Wanted(status="REFUSED")) == []
    with pytest.raises(Conflict) as caught:
        await skipping.skip(world, tenant, "ana", LAB)
    assert caught.value.code == "lane.not-skipped"
