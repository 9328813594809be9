"""Lanes under crashes, lost leases and races: order per lane, business effect once, nothing recorded by the late one."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import peers
import pytest
import pytest_asyncio

from canonical.identity import bytes_number, new_id
from hub.exchange import partners
from hub.exchange.channels import Channel, channels_of
from hub.exchange.door.keep import Incoming, Keeper
from hub.exchange.out import delivery, outbox
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner
from hub.exchange.work import inbound, lanes, reading, worker
from hub.world import Tenant, World, opened

ROOT = Path(__file__).resolve().parents[3]


@pytest_asyncio.fixture
async def second(cluster: tuple[Any, Any]) -> AsyncIterator[World]:
    """Another process's world: its own connections."""
    async with opened(cluster[0], size=8) as found:
        yield found


def lab(port: int, **transport: Any) -> Partner:
    settings = {
        "transport": {"kind": "mllp", "host": "127.0.0.1", "port": port, "timeout_s": 5, **transport},
        "retry": {"attempts": 500, "first_s": 0.01, "most_s": 0.05},
        "allow_private": True,
    }
    return Partner(id=uuid.uuid4(), kind="lab", code="lab", name="Lab", adapter="", active=True, settings=settings)


async def queue(world: World, tenant: Tenant, found: Partner, ids: list[str], lane: str = "") -> None:
    async with world.transaction(tenant) as tx:
        await partners.save_partner(tx, found)
        for name in ids:
            content = f"MSH|^~\\&|P|H|L|L|20261122||OML^O21|{name}|P|2.5\r".encode()
            wanted = Outgoing(operation="x", format="hl7", type="OML^O21", content=content, control_id=name, lane=lane)
            await outbox.enqueue(tx, found, wanted)


async def counts(world: World, tenant: Tenant) -> tuple[int, int, int]:
    """Deliveries sent, replies kept, lanes' pending."""
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            "SELECT (SELECT count(*) FROM delivery WHERE tenant_id = $1 AND status = 'SENT') AS sent, "
            "(SELECT count(*) FROM message WHERE tenant_id = $1 AND direction = 'in') AS replies, "
            "(SELECT sum(pending) FROM lane WHERE tenant_id = $1) AS pending"
        )
    assert row is not None
    return row["sent"], row["replies"], row["pending"]


async def pass_time(world: World, tenant: Tenant) -> None:
    """As if every lease and delay had run out."""
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE lane SET next_at = now() WHERE tenant_id = $1")


def start_worker(settings: Any) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PONTE_DATA": str(settings.data),
        "PONTE_DATABASE_URL": settings.database_url,
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen([sys.executable, "-m", "api.cli", "serve", "worker"], env=environment, cwd=ROOT)


async def test_worker_killed_between_send_and_record(world: World, tenant: Tenant, cluster: tuple[Any, Any]) -> None:
    arrived = asyncio.Event()

    async def hold_first(number: int, message: bytes) -> bytes:
        arrived.set()
        if number == 1:
            await asyncio.sleep(30)
        return peers.framed(peers.ack(message))

    async with peers.mllp(hold_first) as peer:
        await queue(world, tenant, lab(peer.port, timeout_s=20), ["a", "b"])
        process = start_worker(cluster[0])
        try:
            await asyncio.wait_for(arrived.wait(), 90)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert await delivery.work(world, tenant) == 0, "the dead worker's lease still holds"
        await pass_time(world, tenant)
        assert await delivery.work(world, tenant) == 2
        assert peer.ids == ["a", "a", "b"] and peer.received[0] == peer.received[1]
    assert await counts(world, tenant) == (2, 2, 0)


async def test_late_worker_cannot_record(
    world: World, second: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "RENEWAL_SECONDS", 60.0)
    taken_over = asyncio.Event()

    async def slow_first(number: int, message: bytes) -> bytes:
        if number == 1:
            await taken_over.wait()
        return peers.framed(peers.ack(message))

    async with peers.mllp(slow_first) as peer:
        await queue(world, tenant, lab(peer.port), ["a", "b"])
        late = asyncio.create_task(delivery.work(world, tenant))
        while not peer.received:
            await asyncio.sleep(0.01)
        await pass_time(world, tenant)
        assert await delivery.work(second, tenant) == 2
        taken_over.set()
        assert await late == 0
        assert peer.ids == ["a", "a", "b"]
    assert await counts(world, tenant) == (2, 2, 0)


async def test_renewed_lease_is_not_taken(
    world: World, second: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datetime

    monkeypatch.setattr(lanes, "LEASE", datetime.timedelta(seconds=2))
    monkeypatch.setattr(lanes, "RENEWAL_SECONDS", 0.1)
    looked = asyncio.Event()

    async def slow(number: int, message: bytes) -> bytes:
        await looked.wait()
        return peers.framed(peers.ack(message))

    async with peers.mllp(slow) as peer:
        await queue(world, tenant, lab(peer.port), ["a"])
        first = asyncio.create_task(delivery.work(world, tenant))
        await asyncio.sleep(2.5)  # longer than the lease it took
        assert await delivery.work(second, tenant) == 0
        looked.set()
        assert await first == 1 and peer.ids == ["a"]


async def test_two_workers_race_over_fifty_lanes_with_failures(world: World, second: World, tenant: Tenant) -> None:
    chance = random.Random(7)
    accepted: dict[str, list[int]] = defaultdict(list)

    def script(number: int, message: bytes) -> object:
        lane, _, place = peers.control_id(message).partition(".")
        dice = chance.random()
        if dice < 0.1:
            raise ConnectionError
        if dice < 0.2:
            return peers.framed(peers.ack(message, "AR"))
        accepted[lane].append(int(place))
        if dice < 0.3:  # taken, but the answer is lost
            raise ConnectionError
        return peers.framed(peers.ack(message))

    async with peers.mllp(script) as peer:
        found = lab(peer.port)
        for lane in range(50):
            await queue(world, tenant, found, [f"{lane}.{n}" for n in range(6)], lane=str(lane))
        ended = [0]

        async def race(one: World) -> None:
            while ended[0] < 300:
                done = await delivery.work(one, tenant, limit=10)
                ended[0] += done
                await asyncio.sleep(0.005)

        async with asyncio.timeout(40):
            await asyncio.gather(race(world), race(second), race(world), race(second))
    assert len(accepted) == 50
    for places in accepted.values():
        assert sorted(set(places)) == list(range(6)) and places == sorted(places), "a lane's order was broken"
    assert (await counts(world, tenant))[0] == 300 and (await counts(world, tenant))[2] == 0


async def keep(world: World, channel: Channel, content: bytes, lane: int) -> uuid.UUID:
    identity = new_id()
    incoming = Incoming(
        id=identity, format="hl7", type="ADT^A04", lane=lane, status="RECEIVED", control_id=identity.hex,
        control_key=None, payload_key=bytes_number(content), charset="utf-8", content=content, reply=None, problems=(),
    )  # fmt: skip
    await Keeper(world.database).keep(channel, incoming)
    return identity


ADT = "MSH|^~\\&|HIS|HOSP|P|H|20261122080000||ADT^A04^ADT_A01|{0}|P|2.5||||||UNICODE UTF-8\rEVN|A04|20261122080000\rPID|1||{0}^^^HOSP^MR||Silva^Ana||19800229|F\r"


@pytest.mark.parametrize("at", ["translate", "commit"])
async def test_poison_is_set_aside_and_the_lane_goes_on(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    channel = (await channels_of(world, tenant))[0]
    ids = [await keep(world, channel, ADT.format(name).encode(), 5) for name in ("a", "poison", "c")]
    real = reading.translate if at == "translate" else inbound.settle

    def broken_translate(message: Any, **options: Any) -> Any:
        if message.control_id == "poison":
            raise ZeroDivisionError
        return real(message, **options)

    async def broken_settle(tx: Any, drafts: Any) -> Any:
        if any(draft.message_id == ids[1] for draft in drafts):
            await tx.run("SELECT 1/0 WHERE $1::uuid IS NOT NULL")
        return await real(tx, drafts)

    if at == "translate":
        monkeypatch.setattr(reading, "translate", broken_translate)
    else:
        monkeypatch.setattr(inbound, "settle", broken_settle)
    await inbound.work(world, tenant)
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT id, status, problems FROM message WHERE tenant_id = $1 ORDER BY seq")
        assert await tx.value("SELECT pending FROM lane WHERE tenant_id = $1 AND kind = 'inbound'") == 0
    assert [row["status"] for row in rows] == ["TRANSFORMED", "ERROR", "TRANSFORMED"]
    assert "message.defect" in rows[1]["problems"]


async def test_a_turn_works_everything_for_every_tenant(
    world: World, tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def these(_: World) -> list[Tenant]:
        return [tenant, other_tenant]

    monkeypatch.setattr(World, "tenants", these)  # what other tests left waiting would be worked as well
    async with peers.mllp() as peer:
        for found in (tenant, other_tenant):
            await queue(world, found, lab(peer.port), ["a"])
            channel = (await channels_of(world, found))[0]
            await keep(world, channel, ADT.format("m").encode(), 1)
        assert await worker.turn(world) >= 4
    for found in (tenant, other_tenant):
        async with world.transaction(found) as tx:
            assert await tx.value("SELECT sum(pending) FROM lane WHERE tenant_id = $1") == 0
