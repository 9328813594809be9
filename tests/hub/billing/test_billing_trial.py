"""The trial hub's seeded payers and the simulators as they come: login, keys, certificate and schedules fit together."""

from __future__ import annotations

import asyncio
from typing import Any

import payer_server
from billing_day import CONSULTATION, EXAM, IPE, JACARANDA, Visit, happen, many

from api.simulators import payer
from hub.billing import jobs, trial
from hub.world import Tenant, World


async def test_both_seeded_payers_take_and_judge_batches(world: World, tenant: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setattr(payer_server, "sides", lambda **_: payer.DEMO)
    async with payer_server.payer_server() as server:
        for _ in range(2):  # seeding again changes nothing
            await trial.trial_payers(world, tenant, server.base)
        visits = [v for code in (IPE, JACARANDA) for v in many(Visit(payer=code, charges=(CONSULTATION, EXAM)), 8)]
        await happen(world, tenant, visits)
        assert (await jobs.close_batches(world, tenant, {})).endswith("4 lotes, 0 bloqueados")
        await payer_server.settle(world, tenant)
        await asyncio.sleep(2.1)
        await jobs.poll_protocols(world, tenant, {})
        await payer_server.settle(world, tenant)
        received = await server.received()
        async with world.transaction(tenant) as tx:
            rows = await tx.rows(
                "SELECT p.code, sum(l.billed_cents) AS billed, sum(l.paid_cents) AS paid, sum(l.denied_cents) AS denied "
                "FROM statement_line l JOIN partner p ON p.tenant_id = $1 AND p.id = l.payer_id "
                "WHERE l.tenant_id = $1 AND NOT l.replaced GROUP BY p.code"
            )
            schedules = {r["name"] for r in await tx.rows("SELECT name FROM schedule WHERE tenant_id = $1")}
            credentials = await tx.value("SELECT count(*) FROM credential WHERE tenant_id = $1")
        assert {"close-batches", "poll-protocols"} <= schedules and credentials == 3
        assert {r["code"] for r in rows} == {IPE, JACARANDA}
        for row in rows:
            book = received[row["code"]]
            assert (row["billed"], row["paid"], row["denied"]) == (
                book["billed_cents"], book["paid_cents"], book["denied_cents"],
            )  # fmt: skip
            assert book["denied_cents"] > 0 and book["refused"] == {}
