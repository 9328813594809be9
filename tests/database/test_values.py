"""A value the database cannot hold is refused as data: it is no outage, and repeating it is useless."""

from __future__ import annotations

import pytest

from canonical.errors import Refused
from hub.world import Tenant, World


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT $2::bigint WHERE $1::uuid IS NOT NULL", 2**70),
        ("SELECT $2::text WHERE $1::uuid IS NOT NULL", "a\x00b"),
        ("SELECT $2::text WHERE $1::uuid IS NOT NULL", "\ud800"),
        ("SELECT $2::text::date WHERE $1::uuid IS NOT NULL", "2026-02-30"),
    ],
)
async def test_a_value_out_of_range_is_refused(world: World, tenant: Tenant, query: str, value: object) -> None:
    with pytest.raises(Refused) as refused:
        async with world.transaction(tenant) as tx:
            await tx.rows(query, value)
    assert refused.value.code == "store.value"
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT 1 WHERE $1::uuid IS NOT NULL") == 1
