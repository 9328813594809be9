"""A message without the segment that carries its meaning was cut or is wrong: it gets AE with the place, never AA."""

from __future__ import annotations

import pytest

from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.world import Tenant, World

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122080000||{type}|q{n}|P|2.5\r"


@pytest.mark.parametrize(
    ("number", "kind", "missing"),
    [
        (1, "ADT^A01^ADT_A01", "PID"),
        (2, "ORM^O01^ORM_O01", "ORC"),
        (3, "ORU^R01^ORU_R01", "OBR"),
        (4, "SIU^S12^SIU_S12", "SCH"),
        (5, "DFT^P03^DFT_P03", "FT1"),
    ],
)
async def test_a_message_without_its_meaning_is_not_taken(
    world: World, tenant: Tenant, number: int, kind: str, missing: str
) -> None:
    channel = (await channels_of(world, tenant))[0]
    raw = HEAD.format(type=kind, n=number).encode()
    answer = await receive(Keeper(world.database), channel, raw)
    assert answer.code == "AE"
    assert [(p.code, p.where) for p in answer.problems] == [("structure.segment-required", missing)]
    assert f"MSA|AE|q{number}".encode() in answer.payload and f"ERR||{missing}".encode() in answer.payload
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT content FROM message WHERE tenant_id = $1 AND id = $2", answer.message_id) == raw
