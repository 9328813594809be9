"""Check 9, scaled down: a restart over a long queue needs no memory for it, starts at once, keeps the order."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clusters
import peers
import pytest

from hub.exchange import partners
from hub.exchange.out import outbox
from hub.exchange.work import lanes
from hub.servers.postgres import Cluster
from hub.settings import Settings
from hub.world import Tenant, World
from tests.hub.exchange.test_lanes import lab, queue, start_worker

WAITING, LANES = 3000, 4


async def fill(world: World, tenant: Tenant) -> None:
    """WAITING deliveries in LANES lanes, as the outbox writes them, in a few statements."""
    async with world.transaction(tenant) as tx:
        found = (await partners.partners_of(tx, "lab"))[0]
    numbers = [outbox.lane_of(found, f"l{n}") for n in range(LANES)]
    async with world.transaction(tenant) as tx:
        await lanes.touch(tx, "outbound", [(number, found.code, WAITING // LANES) for number in numbers])
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, type, partner_id, status, control_id, content) "
            "SELECT $1, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'out', 'hl7', 'OML^O21', $2, "
            "'QUEUED', 'c' || n, convert_to(E'MSH|^~\\\\&|P|H|L|L|20261122||OML^O21|c' || n || E'|P|2.5\\rZZZ|' || repeat('x', 2000) || E'\\r', 'UTF8') "
            "FROM generate_series(1, $3::int) n",
            found.id,
            WAITING,
        )
        await tx.run(
            "INSERT INTO delivery (tenant_id, id, message_id, partner_id, lane_id, operation, status) "
            "SELECT $1, m.id, m.id, $2, ($3::bigint[])[1 + (n % $4)], 'x', 'QUEUED' FROM generate_series(1, $5::int) n "
            "JOIN message m ON m.tenant_id = $1 AND m.control_id = 'c' || n ORDER BY n",
            found.id,
            numbers,
            LANES,
            WAITING,
        )


@pytest.fixture(scope="module")
def cluster(data_root: Path) -> Iterator[tuple[Settings, Cluster]]:
    """Of its own: a worker serves every tenant, and takes up what other tests left waiting."""
    with clusters.own(data_root / "backlog") as found:
        yield found


def memory(process: subprocess.Popen[bytes]) -> int:
    """Resident kilobytes."""
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0])


@pytest.mark.slow
async def test_a_restart_over_a_long_queue(cluster: Any, world: World, tenant: Tenant) -> None:
    async with peers.mllp() as peer:
        idle = start_worker(cluster[0])
        await queue(world, tenant, lab(peer.port), ["one"])
        async with asyncio.timeout(30):
            while not peer.received:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        before = memory(idle)
        idle.send_signal(signal.SIGTERM)
        await asyncio.to_thread(idle.wait, 20)
        peer.received.clear()
        await fill(world, tenant)
        started = time.monotonic()
        process = start_worker(cluster[0])
        async with asyncio.timeout(30):
            while not peer.received:
                await asyncio.sleep(0.02)
        first = time.monotonic() - started
        async with asyncio.timeout(120):
            while len(peer.received) < WAITING // 3:
                await asyncio.sleep(0.02)
        used = memory(process)
        process.kill()
        await asyncio.to_thread(process.wait, 20)
        async with world.transaction(tenant) as tx:
            await tx.run("UPDATE lane SET next_at = now() WHERE tenant_id = $1")
        process = start_worker(cluster[0])
        async with asyncio.timeout(240):
            while len(set(peer.ids)) < WAITING:
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 20)
    ids = [int(name[1:]) for name in peer.ids]
    assert first < 30 and used < 1.5 * before, f"first after {first:.1f} s; {before} kB idle, {used} kB at work"
    for lane in range(LANES):
        own = list(dict.fromkeys(n for n in ids if n % LANES == lane))
        assert own == sorted(own), "order within a lane, over the crash too"
    twice = len(ids) - len(set(ids))
    assert twice <= LANES, f"{twice} sent twice: at most what was in flight when the worker was killed"
