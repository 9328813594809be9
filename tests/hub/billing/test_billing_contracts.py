"""What a payer agreed beyond the standard (its profile, the tenant's own over it) decides which batches go out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from billing_day import EXAM, GLUCOSE, IPE, JACARANDA, Visit, happen, many, partner_row, register

from canonical.errors import Misconfigured
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.profiles import profile_of
from hub.exchange.partners import merged
from hub.world import Tenant, World

LATE = {"contract": {"days": 1}}  # the visits are some days old


async def day(world: World, tenant: Tenant, count: int, code: str, **settings: Any) -> list[batches.Closed]:
    await register(world, tenant, [partner_row(code, **settings)])
    await happen(world, tenant, many(Visit(payer=code, charges=(EXAM, GLUCOSE)), count))
    await guides.build_guides(world, tenant)
    return await batches.close_batches(world, tenant)


async def found(world: World, tenant: Tenant, table: str) -> dict[str, str]:
    """The findings of all rows of a table: code and severity."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(f"SELECT problems FROM {table} WHERE tenant_id = $1")
    return {p["code"]: p["severity"] for row in rows for p in json.loads(row["problems"])}


@pytest.mark.parametrize(
    ("level", "said", "sent"),
    [("error", {"payer.late": "error"}, 0), ("warning", {"payer.late": "warning"}, 1), ("off", {}, 1)],
)
async def test_a_payer_that_warns_where_others_block_gets_its_batch(
    world: World, tenant: Tenant, level: str, said: dict[str, str], sent: int
) -> None:
    closed = await day(world, tenant, 1, IPE, **LATE, levels={"payer.late": level})
    assert [batch.status for batch in closed] == ["enviando"] * sent
    assert await found(world, tenant, "guide") == said


async def test_a_rule_that_is_off_is_asked_for(world: World, tenant: Tenant) -> None:
    assert await day(world, tenant, 1, IPE, levels={"payer.password": "error"}) == []
    assert await found(world, tenant, "guide") == {"payer.password": "error"}


async def test_a_version_is_stopped_on_a_day(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE, until={"4.02.00": "2100-01-01"})])
    await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
    assert (await guides.build_guides(world, tenant)).ready == 1
    await register(world, tenant, [partner_row(IPE, until={"4.02.00": "2026-11-01"})])
    (closed,) = await batches.close_batches(world, tenant)
    assert closed.status == "bloqueado"
    assert (await found(world, tenant, "batch"))["header.version-expired"] == "error"


@pytest.mark.parametrize("code", [IPE, JACARANDA])
async def test_a_batch_larger_than_the_payer_takes_is_split(world: World, tenant: Tenant, code: str) -> None:
    """The size is that of the file as it goes out: one byte less than with the signature splits."""
    (whole,) = await day(world, tenant, 4, code)
    async with world.transaction(tenant) as tx:
        size = len(await batches.document(tx, whole.id))
    halves = await day(world, tenant, 4, code, contract={"largest_bytes": size - 1})
    assert [(batch.guides, batch.status) for batch in halves] == [(2, "enviando")] * 2
    async with world.transaction(tenant) as tx:
        assert all([len(await batches.document(tx, batch.id)) < size for batch in halves])


async def test_a_guide_larger_than_the_payer_takes_waits(world: World, tenant: Tenant) -> None:
    assert await day(world, tenant, 1, IPE, contract={"largest_bytes": 500}) == []
    assert await found(world, tenant, "guide") == {"payer.size": "error"}


def test_the_tenants_own_settings_lie_over_the_profile_key_by_key() -> None:
    settings = merged("demo_ipe", {"levels": {"sum.total": "warning"}, "contract": {"tolerance_cents": 1}})
    row = partner_row(IPE, levels=settings["levels"], contract=settings["contract"])
    contract = profile_of(row).contract
    assert (contract.operator, contract.version, contract.tolerance_cents) == (IPE, "4.02.00", 1)
    assert contract.levels == {"sum.total": "warning"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"levels": {"sum.nothing": "error"}}, "levels.sum.nothing is no code"),
        ({"levels": {"sum.total": "loud"}}, "levels.sum.total must be one of"),
        ({"contract": {"days": "5"}}, "contract.days must be a whole number"),
        ({"contract": {"days": True}}, "contract.days must be a whole number"),
        ({"contract": {"colour": 1}}, "contract.colour is unknown"),
        ({"contract": {"hash_encoding": "ebcdic"}}, "contract.hash_encoding must be one of"),
        ({"until": {"9.99.99": "2026-11-01"}}, "until.9.99.99 is no TISS version"),
        ({"until": {"4.02.00": "2026-13-01"}}, "until.4.02.00 must be a day"),
        ({"until": 5}, "until must be a table"),
    ],
)
def test_own_settings_are_read_strictly(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured, match=f"payer {IPE}: {says}"):
        profile_of(partner_row(IPE, **settings))
