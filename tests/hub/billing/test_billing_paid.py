"""A simulated payer pays what it judged and granted: as TISS XML and as its portal's CSV the account closes to the cent."""

from __future__ import annotations

import httpx
import pytest
from billing_day import IPE, rows
from payer_server import judged, payer_server, settle

from api.simulators import payer_payments
from hub.billing import jobs
from hub.billing.appeal import appeals
from hub.billing.returns import intake, reconciliation
from hub.billing.returns.intake import Sheet
from hub.billing.writing import origin
from hub.world import Tenant, World


@pytest.mark.parametrize("form", ["", "csv"])
async def test_the_account_closes(world: World, tenant: Tenant, form: str) -> None:
    async with payer_server() as server:
        submission = await judged(world, tenant, server)
        async with world.transaction(tenant) as tx:
            wish = appeals.Wish(payer_id=submission["payer_id"], protocol=submission["protocol"])
            appeal = await appeals.draft(tx, wish, origin(world, tenant, "test"))
            await appeals.send(world, tenant, tx, appeal, "test")
        await settle(world, tenant)
        await jobs.poll_protocols(world, tenant, {})
        await settle(world, tenant)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{server.base}/control/payment/{IPE}", params={"form": form} if form else {})
            assert (await client.get(f"{server.base}/control/payment/000000")).status_code == 404
        book = (await server.received())[IPE]
        tax = payer_payments.withheld(server.book(IPE))
    if form:
        taken = await intake.take_sheet(
            world, tenant, Sheet(raw=answer.content, payer=IPE, plan="exemplo_pagamento"), "test"
        )
    else:
        taken = await intake.take_file(world, tenant, answer.content, "test")
    assert taken.found.fresh_payments == 1 and [p.code for p in taken.problems] == (["sheet.outside"] if form else [])
    granted = sum(one["granted_cents"] for one in book["appeals"])
    assert granted
    async with world.transaction(tenant) as tx:
        found = await reconciliation.of_protocol(tx, submission["protocol"], submission["payer_id"])
    assert (found["received"], found["received_on_appeal"], found["to_receive"]) == (book["paid_cents"], granted, 0)
    (head,) = await rows(world, tenant, "SELECT net_cents, debit_cents, problems FROM remittance WHERE tenant_id = $1")
    assert (head["net_cents"], head["debit_cents"], head["problems"]) == (book["paid_cents"] + granted - tax, tax, "[]")
