"""A blocked person and HL7: no look-up tells of one, and a merge does not bring one back into sight."""

from __future__ import annotations

from hl7_feed import a40, feed

from hub.operate.persons import blocking
from hub.records import blocked
from hub.world import Tenant, World
from tests.hub.hl7.test_hl7_queries import T, ask, people, qbp

BORN = "@PID.7^19800229"


async def test_a_block_hides_from_look_ups_and_follows_a_merge(world: World, tenant: Tenant) -> None:
    await people(world, tenant)
    assert sum(segment.startswith("PID") for segment in await ask(world, tenant, qbp(BORN))) == 2
    await blocking.block(world, tenant, "A3", actor="dpo")
    told = [segment for segment in await ask(world, tenant, qbp(BORN)) if segment.startswith("PID")]
    assert len(told) == 1 and "Lima" not in told[0]
    await feed(world, tenant, a40(T.format(20), ("A1", "A3")))
    assert not any(segment.startswith("PID") for segment in await ask(world, tenant, qbp(BORN)))
    async with world.transaction(tenant) as tx:
        assert len((await blocking.listed(tx))[0]) == 2 and len(await blocked.within(tx)) == 2
    assert len(await blocking.unblock(world, tenant, "A1", actor="dpo")) == 2
