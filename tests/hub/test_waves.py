"""Waves of messages: what many messages only name is not locked, a lost race is run again, memory is bounded."""

from __future__ import annotations

import asyncio

import pytest
from test_operate import GOOD, put, work

from canonical.errors import Conflict
from hub.exchange import inbound
from hub.records.settle import Settled, settle
from hub.world import Tenant, World

DOCTOR = "148201^Nóbrega^Antônio^^^^^^CRM^L^^^LN"


def attended(number: int) -> str:
    text = GOOD.format(control=f"w-{number}", mrn=str(500 + number))
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
        await asyncio.wait_for(work(world, tenant), 10)  # another worker names the same professional meanwhile
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
