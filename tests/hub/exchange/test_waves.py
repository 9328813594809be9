"""Waves of messages: what many messages only name is not locked, a lost race is run again, memory is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import weakref
from typing import Any
from uuid import uuid4

import pytest

from canonical.errors import Conflict
from hub.exchange.work import inbound, lanes, memory, pace, reading, worker
from hub.operate.messages import accounting, replay
from hub.records.drafts.settle import Settled, settle
from hub.world import Tenant, World
from mappings.reading.engine import translate
from tests.hub.test_operate import GOOD, found, put, work

DOCTOR = "148201^Nóbrega^Antônio^^^^^^CRM^L^^^LN"


def attended(number: int, control: str = "w") -> str:
    text = GOOD.format(control=f"{control}-{number}", mrn=str(500 + number))
    return text.replace("PV1|1|I||||||||", f"PV1|1|I|||||{DOCTOR}|||")


async def ended(world: World, tenant: Tenant) -> dict[str, int]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT status, count(*) AS n FROM message WHERE tenant_id = $1 GROUP BY 1")
    return {row["status"]: row["n"] for row in rows}


async def test_a_professional_many_name_holds_nobody_up(world: World, tenant: Tenant) -> None:
    await put(world, tenant, attended(1))
    await work(world, tenant)
    await put(world, tenant, attended(2))
    async with world.transaction(tenant) as tx:
        locked = await tx.rows(
            "SELECT id FROM resource WHERE tenant_id = $1 AND type IN ('Practitioner', 'Organization') FOR UPDATE"
        )
        assert locked
        await asyncio.wait_for(work(world, tenant), 60)  # another worker names the same professional meanwhile
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT max(version) FROM resource WHERE tenant_id = $1 AND type = 'Practitioner'") == 1
        assert await tx.value("SELECT count(*) FROM resource WHERE tenant_id = $1 AND type = 'Practitioner'") == 1
    assert await ended(world, tenant) == {"TRANSFORMED": 2}


async def test_a_wave_that_lost_a_race_runs_again_together(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    async def raced(tx: object, drafts: list[object], *more: object) -> Settled:
        sizes.append(len(drafts))
        if len(sizes) == 1:
            raise Conflict("another worker was faster")
        return await settle(tx, drafts, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(inbound, "settle", raced)
    for number in range(3):
        await put(world, tenant, attended(number))
    await work(world, tenant)
    assert len(sizes) == 2 and sizes[0] == sizes[1]
    assert await ended(world, tenant) == {"TRANSFORMED": 3}


async def test_large_messages_are_taken_a_few_at_a_time(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "MOST_BYTES", 10)
    for number in range(3):
        await put(world, tenant, attended(number))
    assert [await inbound.work(world, tenant) for _ in range(4)] == [1, 1, 1, 0]
    assert await ended(world, tenant) == {"TRANSFORMED": 3}


async def test_long_messages_make_waves_of_few_lanes(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "FEWEST", 1)
    monkeypatch.setattr(pace, "BYTES", 2 * len(attended(10).encode()))
    for number in range(10, 15):
        await put(world, tenant, attended(number))
    assert [await inbound.work(world, tenant) for _ in range(4)] == [2, 2, 1, 0]  # what is over is given back at once
    assert await ended(world, tenant) == {"TRANSFORMED": 5}


async def test_a_lane_is_given_back_with_its_last_message(world: World, tenant: Tenant) -> None:
    for text in (attended(1), attended(2), attended(1, "again")):
        await put(world, tenant, text)
    assert await inbound.work(world, tenant) == 3
    async with world.transaction(tenant) as tx:
        held = await tx.value(
            "SELECT count(*) FROM lane WHERE tenant_id = $1 AND kind = 'inbound' "
            "AND (lease_until IS NOT NULL OR next_at > now() OR pending > 0)"
        )
    assert held == 0


async def test_a_worker_maps_one_wave_while_the_database_has_another(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = asyncio.Barrier(2)

    async def alone(_: World) -> list[Tenant]:
        return [tenant]

    async def met(tx: object, drafts: list[object], *more: object) -> Settled:
        await together.wait()  # passes only when another wave stands here, too
        return await settle(tx, drafts, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(World, "tenants", alone)  # what other tests left waiting would meet at the barrier as well
    monkeypatch.setattr(inbound, "settle", met)
    for bound in ("FIRST", "MOST", "FEWEST"):
        monkeypatch.setattr(pace, bound, 1)
    for number in (1, 2):
        await put(world, tenant, attended(number).replace(DOCTOR, ""))
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(world, stop))
    async with asyncio.timeout(lanes.LEASE.total_seconds() - 5):  # not by a lease that ran out
        while (await ended(world, tenant)).get("TRANSFORMED") != 2:
            await asyncio.sleep(0.05)
    stop.set()
    await running


async def test_a_message_that_takes_longer_than_a_lease_is_worked_once(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def alone(_: World) -> list[Tenant]:
        return [tenant]

    mapped = []

    def counted(*given: object, **more: object) -> object:
        mapped.append(1)
        return translate(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(World, "tenants", alone)
    monkeypatch.setattr(lanes, "LEASE", datetime.timedelta(seconds=0.2))
    monkeypatch.setattr(reading, "translate", counted)
    monkeypatch.setattr(inbound, "LARGE", 10_000)
    report = attended(1).replace("ADT^A01^ADT_A01", "ORU^R01^ORU_R01").replace("EVN|A01|20261122080000\r", "")
    results = "".join(f"OBX|{n}|NM|{n}^Analito {n}^L||{n}|mg/dL|||||F\r" for n in range(1, 1200))
    await put(world, tenant, report + "OBR|1|P1|F1|1^Painel^L\r" + results)
    stop = asyncio.Event()
    running = [asyncio.create_task(worker.run(world, stop)) for _ in range(2)]
    async with asyncio.timeout(60):
        while (await ended(world, tenant)).get("TRANSFORMED") != 1:
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*running)
    assert len(mapped) == 1


class Killed(BaseException):
    """What ends a worker at once: nothing is given back."""


async def test_a_message_that_ends_its_worker_is_given_up_and_the_others_go_on(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, deadly = reading.read, [b"w-2"]

    def fatal(raw: bytes, *more: Any) -> reading.Reading:
        if any(name in raw for name in deadly):
            raise Killed
        return real(raw, *more)

    monkeypatch.setattr(reading, "read", fatal)
    for number in (1, 2, 3):
        await put(world, tenant, attended(number))
    await put(world, tenant, attended(2, "later"))
    told: list[dict[str, int]] = []
    for _ in range(12):
        async with world.transaction(tenant) as tx:  # the leases run out
            await tx.run("UPDATE lane SET next_at = now() WHERE tenant_id = $1")
        with contextlib.suppress(Killed):
            if not await inbound.work(world, tenant) and told[-1].get("RECEIVED") is None:
                break
        told.append(await ended(world, tenant))
    assert told[-1] == {"TRANSFORMED": 3, "ERROR": 1}
    begun = [one for one in told if one.get("TRANSFORMED", 0) < 2]
    assert len(begun) <= 3, "others wait for one lease, or two, not for ever"
    (lost,) = await found(world, tenant, status="ERROR")
    (tried,) = await replay.rehearse(world, tenant, [lost.id])
    assert tried.after == ["message.worker-ended"] and not tried.would_pass, "not read here either"
    assert not (await accounting.accounted(world, tenant, lost.id)).readable
    deadly.clear()
    await replay.replay(world, tenant, "ana", [lost.id])
    await inbound.work(world, tenant)
    assert await ended(world, tenant) == {"TRANSFORMED": 4}


@pytest.mark.parametrize(
    ("lengths", "fit"),
    [([], 0), ([10] * 100, 100), ([pace.BYTES] * 20, pace.FEWEST), ([pace.BYTES // 10] * 20, 10), ([10**9], 1)],
)
def test_a_wave_is_cut_by_bytes(lengths: list[int], fit: int) -> None:
    assert pace.Pace().fit(lengths) == fit


def test_the_number_of_lanes_follows_the_messages() -> None:
    rhythm = pace.Pace()
    assert rhythm.lanes() == pace.MOST
    for _ in range(10):
        rhythm.fit([pace.BYTES // 16] * 16)
    assert 15 <= rhythm.lanes() <= 17
    for _ in range(10):
        rhythm.fit([1])
    assert rhythm.lanes() == pace.MOST


def test_the_first_wave_of_a_tenant_is_small() -> None:
    """Who all of a new tenant's messages name is made by few of them; the others would wait and be done again."""
    rhythm, new, old = pace.Pace(wary=True), uuid4(), uuid4()
    rhythm.begun(old)
    assert (rhythm.lanes(new), rhythm.lanes(old)) == (pace.FIRST, pace.MOST)


async def test_of_little_that_waits_a_wave_takes_a_part(world: World, tenant: Tenant) -> None:
    for number in range(9):
        await put(world, tenant, attended(number))
    taken = []
    for limit, shares, least in ((64, 3, 1), (64, 3, 1), (1, 2, 1), (64, 4, 8)):
        async with world.transaction(tenant) as tx:
            taken.append(len(await lanes.lease_part(tx, "inbound", limit, shares, least)))
    assert taken == [3, 2, 1, 3]  # of 9, of 6, of 4, of the 3 that are left


def test_what_only_the_collector_finds_is_freed_when_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Knot:
        def __init__(self) -> None:
            self.itself = self

    monkeypatch.setattr(memory, "ENOUGH", -1)
    seen = weakref.ref(Knot())
    memory.tidy()
    assert seen() is None


def test_a_lease_is_long_enough_for_all_segments_however_they_end() -> None:
    many = ["OBX|1|NM|A^a^L||1"] * 40_000
    times = [pace.longest([end.join(many).encode()]) for end in ("\r", "\n", "\r\n")]
    assert min(times) > 300 and pace.longest([b"MSH|1\rPID|1\r"]) < lanes.LEASE.total_seconds() / 2
