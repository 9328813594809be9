"""A file checked beside the batches the hub has sent: numbers used again are told, the hub's own file is not."""

from __future__ import annotations

import re

from billing_day import EXAM, GLUCOSE, JACARANDA, Visit, happen, many, partner_row, register

from hub.billing.batch import batches
from hub.billing.check import uploads
from hub.billing.guide import guides
from hub.world import Tenant, World


async def told(world: World, tenant: Tenant, raw: bytes) -> list[str]:
    (one,) = await uploads.check(world, tenant, "lote.xml", raw)
    return [p.code for p in one.report.problems if p.code.startswith(("duplicate.", "payer."))]


async def test_numbers_that_were_sent(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    for house in (tenant, other_tenant):
        await register(world, house, [partner_row(JACARANDA)])
    await happen(world, tenant, many(Visit(payer=JACARANDA, charges=(EXAM, GLUCOSE)), 2))
    await guides.build_guides(world, tenant)
    (closed,) = await batches.close_batches(world, tenant)
    async with world.transaction(tenant) as tx:
        raw = await batches.document(tx, closed.id)
    assert await told(world, tenant, raw) == [], "the hub's own file"
    changed = raw.replace(b"<ans:atendimentoRN>N<", b"<ans:atendimentoRN>S<")
    assert await told(world, tenant, changed) == ["duplicate.lot.sent", "duplicate.guide.sent", "duplicate.guide.sent"]
    (one,) = await uploads.check(world, tenant, "lote.xml", changed)
    (lot, first, _) = [p for p in one.report.problems if p.code.endswith(".sent")]
    assert lot.where.endswith("/numeroLote") and first.where.endswith("numeroGuiaPrestador")
    assert "Guia 1" in first.text() and "{" not in lot.text() + lot.text("en") + first.text() + first.remedy("en")
    renumbered = re.sub(rb"<ans:numeroLote>[^<]*<", b"<ans:numeroLote>99999<", changed)
    assert await told(world, tenant, renumbered) == ["duplicate.guide.sent", "duplicate.guide.sent"]
    assert await told(world, other_tenant, changed) == []


async def test_a_provider_is_named_as_its_payer_knows_it(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(JACARANDA)])
    await happen(world, tenant, [Visit(payer=JACARANDA, charges=(EXAM,))])
    await guides.build_guides(world, tenant)
    (closed,) = await batches.close_batches(world, tenant)
    async with world.transaction(tenant) as tx:
        raw = await batches.document(tx, closed.id)
    found = re.search(rb"<ans:identificacaoPrestador><ans:(\w+)>([^<]*)<", raw)
    assert found and await told(world, tenant, raw) == []
    other = raw.replace(b">" + found[2] + b"<", b">OUTRO1<", 1)
    assert "payer.provider" in await told(world, tenant, other)
