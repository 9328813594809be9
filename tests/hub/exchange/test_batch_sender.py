"""Batches as sender: one frame for many messages, each delivery recorded by its own answer, order and doubts kept."""

from __future__ import annotations

import asyncio

import peers
import pytest
from channel_feed import partner

from hl7 import batch
from hub.exchange.out import delivery
from hub.world import Tenant, World
from tests.hub.exchange.test_enhanced_sender import queue, states

IDS = [f"m{n}" for n in range(1, 8)]


def parts(frame: bytes) -> list[bytes]:
    return batch.split(frame).messages if frame.startswith(b"BHS") else [frame]


def answers(frame: bytes, *, as_batch: bool, leave: str = "") -> bytes:
    acks = [peers.ack(m) for m in parts(frame) if peers.control_id(m) != leave]
    if as_batch and frame.startswith(b"BHS"):
        return peers.framed(b"BHS|^~\\&|LAB\r" + b"".join(acks) + f"BTS|{len(acks)}\r".encode())
    return b"".join(map(peers.framed, acks))


async def sent(world: World, tenant: Tenant, peer: peers.MllpPeer, rounds: int = 1, ids: list[str] = IDS) -> None:
    to = await partner(world, tenant, "lab", peer.port, batch={"most": 3})
    await queue(world, tenant, to, *ids)
    for _ in range(rounds):
        await delivery.work(world, tenant)
        await asyncio.sleep(0.15)


@pytest.mark.parametrize("as_batch", [True, False])
async def test_messages_go_in_batches_and_are_answered_one_by_one(world: World, tenant: Tenant, as_batch: bool) -> None:
    async with peers.mllp(lambda n, frame: answers(frame, as_batch=as_batch)) as peer:
        await sent(world, tenant, peer)
    assert [[peers.control_id(m) for m in parts(frame)] for frame in peer.received] == [
        ["m1"], ["m2", "m3", "m4"], ["m5", "m6", "m7"],
    ]  # fmt: skip
    assert batch.split(peer.received[1]).problems == [], "the count of BTS-1 is right"
    assert {row[1] for row in await states(world, tenant)} == {"SENT"}


async def test_one_answer_for_the_whole_batch(world: World, tenant: Tenant) -> None:
    def script(number: int, frame: bytes) -> bytes:
        name = frame.split(b"\r", 1)[0].split(b"|")[10].decode() if frame.startswith(b"BHS") else ""
        return peers.framed(peers.ack(parts(frame)[0], answered=name))

    async with peers.mllp(script) as peer:
        await sent(world, tenant, peer)
    assert len(peer.received) == 3 and {row[1] for row in await states(world, tenant)} == {"SENT"}


async def test_what_was_not_answered_is_sent_again_alone_and_nothing_else(world: World, tenant: Tenant) -> None:
    def script(number: int, frame: bytes) -> bytes:
        return answers(frame, as_batch=False, leave="m3" if number == 2 else "")

    async with peers.mllp(script) as peer:
        await sent(world, tenant, peer, rounds=3)
    counts = {name: sum(name in [peers.control_id(m) for m in parts(f)] for f in peer.received) for name in IDS}
    assert counts == {**dict.fromkeys(IDS, 1), "m3": 2}
    assert {row[1] for row in await states(world, tenant)} == {"SENT"}


async def test_a_refusal_inside_a_batch_is_its_messages_own(world: World, tenant: Tenant) -> None:
    def script(number: int, frame: bytes) -> bytes:
        return b"".join(peers.framed(peers.ack(m, "AE" if peers.control_id(m) == "m3" else "AA")) for m in parts(frame))

    async with peers.mllp(script) as peer:
        await sent(world, tenant, peer)
    found = {name: status for name, status, _ in await states(world, tenant)}
    assert found.pop("m3") == "ERROR" and set(found.values()) == {"SENT"}


async def test_a_partner_that_is_down_leaves_nothing_in_doubt(world: World, tenant: Tenant) -> None:
    async with peers.mllp(lambda n, frame: answers(frame, as_batch=False)) as peer:
        await sent(world, tenant, peer, ids=["m1"])
        port = peer.port
    to = await partner(world, tenant, "lab", port, batch={"most": 3})
    await queue(world, tenant, to, "m2", "m3", "m4")
    for _ in range(3):
        await delivery.work(world, tenant)
        await asyncio.sleep(0.1)
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(*) FROM delivery WHERE tenant_id = $1 AND in_doubt") == 0
        assert await tx.value("SELECT count(*) FROM delivery WHERE tenant_id = $1 AND status = 'QUEUED'") == 3
