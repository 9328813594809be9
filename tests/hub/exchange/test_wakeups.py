"""Wake-ups over Valkey: a worker wakes at once, works without Valkey too, and looks rarely when nothing is due."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import clusters
import peers
import pytest
from bells import heard

from hub.exchange.channels import channels_of
from hub.exchange.work import worker
from hub.redis import WORK
from hub.servers import valkey
from hub.servers.postgres import Cluster
from hub.settings import Settings, prepare_folders
from hub.world import Tenant, World, opened
from tests.hub.exchange.test_lanes import ADT, counts, keep, lab, queue


@pytest.fixture(scope="module")
def cluster(data_root: Path) -> Iterator[tuple[Settings, Cluster]]:
    """Of its own: how fast a worker wakes is told of one that has nothing else to do."""
    with clusters.own(data_root / "wakeups") as found:
        yield found


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(world, stop))
    try:
        await heard(world.settings.redis_url, WORK)
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


@contextlib.asynccontextmanager
async def with_valkey(cluster: Any, tmp_path: Any) -> AsyncIterator[tuple[World, valkey.Valkey, Settings]]:
    own = Settings(data=tmp_path / "v")
    prepare_folders(own)
    with valkey.started(own) as server:
        settings = dataclasses.replace(cluster[0], redis_url=server.url)
        async with opened(settings, size=6) as found:
            yield found, server, own


async def sent(world: World, tenant: Tenant, wanted: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while (await counts(world, tenant))[0] < wanted:
            await asyncio.sleep(0.005)


async def test_a_worker_wakes_at_once(
    cluster: Any, tenant: Tenant, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LOOK_HEARING_SECONDS", 60.0)
    monkeypatch.setattr(worker, "LOOK_SECONDS", 60.0)
    async with with_valkey(cluster, tmp_path) as (world, _, _), peers.mllp() as peer, running(world):
        found = lab(peer.port)
        for number in range(1, 6):
            await queue(world, tenant, found, [f"m{number}"])
            await sent(world, tenant, number, 30)  # half the wait without a bell


async def test_a_received_message_wakes_too(
    cluster: Any, tenant: Tenant, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.exchange.door.keep import Keeper

    monkeypatch.setattr(worker, "LOOK_HEARING_SECONDS", 60.0)
    monkeypatch.setattr(worker, "LOOK_SECONDS", 60.0)
    monkeypatch.setattr("tests.hub.exchange.test_lanes.Keeper", lambda database: Keeper(database, world.bell.ring))
    async with with_valkey(cluster, tmp_path) as (world, _, _), running(world):
        channel = (await channels_of(world, tenant))[0]
        await keep(world, channel, ADT.format("w").encode(), 3)
        async with asyncio.timeout(30):
            while not await _transformed(world, tenant):
                await asyncio.sleep(0.01)


async def _transformed(world: World, tenant: Tenant) -> bool:
    async with world.transaction(tenant) as tx:
        return bool(await tx.value("SELECT 1 FROM message WHERE tenant_id = $1 AND status = 'TRANSFORMED'"))


async def test_work_goes_on_while_valkey_is_dead_and_wakes_again_after(
    cluster: Any, tenant: Tenant, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_valkey(cluster, tmp_path) as (world, server, own), peers.mllp() as peer, running(world):
        found = lab(peer.port)
        await queue(world, tenant, found, ["a"])
        await sent(world, tenant, 1, 30)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        await queue(world, tenant, found, ["b", "c"])
        await sent(world, tenant, 3, 30)
        valkey.revive(server, own)
        await heard(world.settings.redis_url, WORK)
        monkeypatch.setattr(worker, "LOOK_HEARING_SECONDS", 60.0)
        monkeypatch.setattr(worker, "LOOK_SECONDS", 60.0)
        await queue(world, tenant, found, ["d"])
        await sent(world, tenant, 4, 30)


async def test_looking_costs_one_question_however_many_tenants(world: World, tenant: Tenant) -> None:
    asked: list[str] = []
    real = world.database.call

    async def counted(query: str, *arguments: Any) -> Any:
        asked.append(query)
        return await real(query, *arguments)

    world.database.call = counted  # type: ignore[method-assign]
    watch = worker.Watch(world)
    await watch.due()
    await watch.due()
    assert len(await world.tenants()) >= 1
    assert sum("ponte_due(" in query for query in asked) == 2
    assert len(asked) == 4, "the tenants once, the due work each time (and the tenants asked by this test)"


async def test_a_delayed_lane_is_awaited_exactly(world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOK_SECONDS", 60.0)
    watch = worker.Watch(world)
    async with world.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO lane (tenant_id, id, kind, name, pending, next_at) "
            "VALUES ($1, 1, 'outbound', 'x', 1, now() + interval '20 seconds')"
        )
    due = await watch.due()
    assert not [item for item in due if item.tenant.id == tenant.id and item.kind == "outbound"]
    assert 1 <= watch.patience() <= 20


def test_who_neither_rings_nor_listens_does_not_load_the_client() -> None:
    """It would take longer than most commands of an operator."""
    script = "import sys, hub.world; print('redis' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
