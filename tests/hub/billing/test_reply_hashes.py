"""A payer's own message with a wrong hash: read with a warning, refused or not told, as the payer's profile says."""

from __future__ import annotations

import json
import re
from typing import Any

import payments_made as made
import pytest
from billing_day import EXAM, IPE, Visit, happen, partner_row, register, rows
from payer_server import payer_server, settle

from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.returns import intake
from hub.world import Tenant, World

RAW = re.sub(
    rb"(hash>)[0-9a-f]{32}",
    rb"\g<1>" + b"0" * 32,
    made.message(made.remittance("9", [made.day("2026-12-05", [made.protocol("777", [made.guide("1", 2000)])])])),
)


@pytest.mark.parametrize(
    ("level", "told", "taken"), [("warning", ["hash.reply"], 1), ("error", ["hash.reply"], 0), ("off", [], 1)]
)
async def test_a_statement_file(world: World, tenant: Tenant, level: str, told: list[str], taken: int) -> None:
    await register(world, tenant, [partner_row(IPE, replies={"hash": level})])
    found = await intake.take_file(world, tenant, RAW, "test")
    assert ([problem.code for problem in found.problems], found.found.payments) == (told, taken)
    assert [problem.severity for problem in found.problems] == [level] * len(told)
    (kept,) = await rows(world, tenant, "SELECT status, problems FROM message WHERE tenant_id = $1")
    assert kept["status"] == ("TRANSFORMED" if taken else "ERROR")
    assert [problem["code"] for problem in json.loads(kept["problems"])] == told


@pytest.mark.parametrize(("settings", "status"), [({}, "recebido"), ({"hash": "error"}, "incerto")])
async def test_a_reply(world: World, tenant: Tenant, settings: dict[str, Any], status: str) -> None:
    async with payer_server() as server:
        await server.control(ans=IPE, kind="wrong-hash", times=1)
        await register(world, tenant, [partner_row(IPE, server.url(IPE), replies=settings)])
        await happen(world, tenant, [Visit(payer=IPE, charges=(EXAM,))])
        await guides.build_guides(world, tenant)
        await batches.close_batches(world, tenant)
        await settle(world, tenant)
    (found,) = await rows(world, tenant, "SELECT status, protocol, reason FROM submission WHERE tenant_id = $1")
    assert (found["status"], found["protocol"] is None) == (status, status == "incerto")
    (kept,) = await rows(world, tenant, "SELECT problems FROM message WHERE tenant_id = $1 AND direction = 'in'")
    (problem,) = json.loads(kept["problems"])
    assert problem["code"] == "hash.reply" and problem["where"].endswith("/hash")
