"""What billing still needs is never removed; what is paid and old enough goes, and asking for it says so."""

from __future__ import annotations

import datetime

import pytest
from billing_day import CONSULTATION, IPE, Visit, happen, many, partner_row, register
from payer_server import payer_server, settle

from canonical.errors import Conflict, Gone
from canonical.identity import new_id
from hub.billing import jobs
from hub.billing.batch import batches
from hub.requests import sending
from hub.retention import rules, run
from hub.world import Tenant, World
from tests.hub.people.test_retention import later, line

REQUEST = (
    "INSERT INTO payer_request (tenant_id, id, payer_id, kind, status, tiss_version, patient_id, settled, updated_at, message_id) "
    "VALUES ($1, $2, $3, 'elegibilidade', $4, '4.01.00', $5, $6, $7, $8)"
)


async def test_bytes_of_an_open_batch_stay_and_of_a_paid_one_go(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        await register(world, tenant, [partner_row(IPE, server.url(IPE))])
        await happen(world, tenant, many(Visit(payer=IPE, charges=(CONSULTATION,)), 1))
        await jobs.close_batches(world, tenant, {})
        await settle(world, tenant)
    held = await rules.set_days(world, tenant, "billing", 1827, actor="dpo")
    future = later(world, 2000)
    open_ = line(await run.tried(future, held), "billing")
    assert (open_.count, open_.kept > 0) == (0, True)
    assert "billing" not in (await run.removed(future, held))[0]
    async with world.transaction(tenant) as tx:
        batch = await tx.value("SELECT id FROM batch WHERE tenant_id = $1")
        assert await batches.document(tx, batch)
        await tx.run("UPDATE submission SET settled = true WHERE tenant_id = $1")
        await tx.run("UPDATE batch SET status = 'glosa' WHERE tenant_id = $1")
    assert (await run.removed(future, held))[0]["billing"].count == open_.kept, (
        "no denial of it can be appealed any more"
    )
    async with world.transaction(tenant) as tx:
        with pytest.raises(Gone, match="removed by retention"):
            await batches.document(tx, batch)


async def test_requests_that_are_over_go_and_open_ones_stay(world: World, tenant: Tenant) -> None:
    old = world.now() - datetime.timedelta(days=1900)
    ids = {name: new_id() for name in ("done", "open", "doubt", "young")}
    async with world.transaction(tenant) as tx:
        for name, status, settled, at in (
            ("done", "confirmado", True, old),
            ("open", "enviado", False, old),
            ("doubt", "incerto", True, old),
            ("young", "confirmado", True, world.now()),
        ):
            await tx.run(REQUEST, ids[name], tenant.id, status, "p1", settled, at, None)
        await tx.run("INSERT INTO payer_request_subject VALUES ($1, $2, 'Patient', 'p1')", ids["done"])
    ruled = await rules.set_days(world, tenant, "requests", 1827, actor="dpo")
    assert line(await run.tried(world, ruled), "requests").count == 1
    done, _ = await run.removed(world, ruled)
    assert done["requests"].count == 1 and done["requests"].last == old
    async with world.transaction(tenant) as tx:
        left = {row["id"] for row in await tx.rows("SELECT id FROM payer_request WHERE tenant_id = $1")}
        assert left == set(ids.values()) - {ids["done"]}
        row = await tx.row("SELECT * FROM payer_request WHERE tenant_id = $1 AND id = $2", ids["doubt"])
        with pytest.raises(Conflict):
            await sending.again(tx, None, row)  # type: ignore[arg-type]
