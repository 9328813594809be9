"""Denials of the past warn before a guide is sent: counted by payer, code, professional and glosa, never guessed."""

from __future__ import annotations

import datetime
import json
from typing import Any

import asyncpg
import pytest
from billing_day import EXAM, IPE, JACARANDA, Visit, happen, many, partner_row, register
from judged_rows import DOCTOR, TODAY, judged

from adapters import payer_terms
from canonical.identity import new_id
from canonical.problem import Problem
from hub.billing import listing
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.profiles import PayerProfile, payer, profile_of
from hub.billing.returns import history
from hub.billing.returns.history import Item, Seen, Times
from hub.servers.postgres import Cluster
from hub.settings import Settings
from hub.world import Tenant, World

OURS = Item(table="22", code="40304361", professional=DOCTOR)


async def profile(world: World, tenant: Tenant, ans: str) -> PayerProfile:
    async with world.transaction(tenant) as tx:
        return await payer(tx, await listing.payer_id(tx, ans))


async def test_an_item_like_this_one_is_told_at_the_guide_and_its_batch(
    world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    for each in (tenant, other_tenant):
        await register(world, each, [partner_row(IPE), partner_row(JACARANDA)])
    ours, theirs = await profile(world, tenant, IPE), await profile(world, tenant, JACARANDA)
    foreign = await profile(world, other_tenant, IPE)
    await judged(world, tenant, ours.partner.id, 12, 3)
    await judged(world, tenant, ours.partner.id, 8, 0, professional="crm-sp 9")
    await judged(world, tenant, ours.partner.id, 30, 30, on=TODAY - datetime.timedelta(days=500))
    await judged(world, tenant, ours.partner.id, 30, 30, replaced=True)
    await judged(world, tenant, ours.partner.id, 30, 30, code="40302040")
    await judged(world, tenant, theirs.partner.id, 30, 30)
    await judged(world, other_tenant, foreign.partner.id, 30, 30)
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 1))
    assert (await guides.build_guides(world, tenant)).ready == 1
    async with world.transaction(tenant) as tx:
        kept = json.loads(await tx.value("SELECT problems FROM guide WHERE tenant_id = $1"))
    told = [problem for problem in kept if problem["code"].startswith("history.")]
    assert [problem["code"] for problem in told] == ["history.item", "history.professional"]
    assert "3 de 20 casos" in told[0]["text"] and "glosa 1705" in told[0]["text"] and "16.20" in told[0]["text"]
    assert DOCTOR in told[1]["text"] and "3 de 12" in told[1]["text"]
    (closed,) = await batches.close_batches(world, tenant)
    async with world.transaction(tenant) as tx:
        found = json.loads(await tx.value("SELECT problems FROM batch WHERE tenant_id = $1"))
        figures = await history.tell(tx, ours, OURS, TODAY)
    assert closed.status == "enviando" and {"history.item", "history.professional"} <= {p["code"] for p in found}
    assert (figures["cases"], figures["denied"], figures["professional_cases"], figures["denied_cents"]) == (
        20,
        3,
        12,
        1620,
    )
    assert [(g["code"], g["times"], g["cents"], g["granted_cents"]) for g in figures["glosas"]] == [
        ("1705", 3, 1620, 300)
    ]


@pytest.mark.parametrize(
    ("terms", "seen", "expected"),
    [
        ({}, Seen(cases=9, denied=9), []),
        ({}, Seen(cases=10, denied=1), ["history.item"]),
        ({}, Seen(cases=100, denied=9), []),
        ({"minimum": 3, "percent": 1}, Seen(cases=100, denied=1), ["history.item"]),
        ({"minimum": 1000}, Seen(cases=999, denied=999), []),
        ({}, Seen(cases=100, denied=5, own_cases=20, own_denied=5), ["history.professional"]),
        ({}, Seen(cases=100, denied=50, own_cases=20, own_denied=10), ["history.item"]),
        ({}, Seen(cases=100, denied=1, glosas=(Times(glosa="1705", times=1, cents=9, granted=0),)), ["history.rule"]),
        ({}, Seen(cases=5, denied=1, glosas=(Times(glosa="1705", times=1, cents=9, granted=0),)), []),
        ({}, Seen(cases=100, denied=1, glosas=(Times(glosa="1801", times=1, cents=9, granted=0),)), []),
    ],
)  # fmt: skip
def test_what_is_worth_a_warning(terms: dict[str, int], seen: Seen, expected: list[str]) -> None:
    of = profile_of(partner_row(IPE, history=terms))
    warned = [Problem("sum.item", "/x", args=(("glosa", "1705"),))]
    told = history.findings(of, [("item[1]", OURS), ("item[2]", OURS)], {OURS: seen}, warned)
    assert [problem.code for problem in told] == expected
    assert not any(problem.blocks for problem in told) and all("{" not in problem.text() for problem in told)


def test_terms_are_read_strictly() -> None:
    wrong = {
        "history": {"months": -1, "minimum": 0, "percent": True, "years": 1},
        "appeals": {"counted": "lunar", "holidays": ["1-1"], "days": "30", "levels": 0},
        "statements": {"plan": 7},
        "replies": {"hash": "fatal"},
    }
    assert [key for key, _ in payer_terms.faults(wrong)] == [
        "history.months", "history.minimum", "history.percent", "history.years", "appeals.counted", "appeals.holidays",
        "appeals.days", "appeals.levels", "statements.plan", "replies.hash",
    ]  # fmt: skip
    assert payer_terms.terms({"appeals": {"holidays": ["12-25", "2026-06-04"]}}).holidays == ("12-25", "2026-06-04")
    with pytest.raises(ValueError, match=r"history\.months"):
        payer_terms.terms({"history": {"months": "x"}})


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(inner for child in plan.get("Plans", ()) for inner in nodes(child))]


async def test_history_is_counted_from_an_index_under_the_walls(
    world: World, tenant: Tenant, cluster: tuple[Settings, Cluster]
) -> None:
    await register(world, tenant, [partner_row(IPE)])
    ours = await profile(world, tenant, IPE)
    async with world.transaction(tenant) as tx:
        statement = new_id()
        await tx.run(
            "INSERT INTO statement (tenant_id, id, payer_id, number, protocol, payer_status, billed_cents, processed_cents, "
            "paid_cents, denied_cents, digest) VALUES ($1, $2, $3, '1', 'p', '3', 0, 0, 0, 0, '')", statement, ours.partner.id,
        )  # fmt: skip
        await tx.run(
            "INSERT INTO statement_line (tenant_id, id, statement_id, payer_id, protocol, guide_number, sequence, tiss_table, "
            "code, billed_cents, processed_cents, paid_cents, denied_cents, judged_on) "
            "SELECT $1, gen_random_uuid(), $2, $3, 'p', n::text, 1, '22', (n % 500)::text, 1, 1, 1, 0, $4 "
            "FROM generate_series(1, 20000) n", statement, ours.partner.id, TODAY,
        )  # fmt: skip
    owner = await asyncpg.connect(cluster[1].owner_url)
    try:
        await owner.execute("ANALYZE statement_line")
    finally:
        await owner.close()
    async with world.transaction(tenant) as tx:
        arguments = (ours.partner.id, ["22"], ["77"], [""], TODAY)
        plan = json.loads((await tx.rows(f"EXPLAIN (FORMAT JSON) {history._COUNTED}", *arguments))[0][0])
        glosas = json.loads((await tx.rows(f"EXPLAIN (FORMAT JSON) {history._GLOSAS}", *arguments[:3], TODAY))[0][0])
    for found in (plan, glosas):
        on_lines = [node for node in nodes(found[0]["Plan"]) if node.get("Relation Name") == "statement_line"]
        assert on_lines and all(node.get("Index Name") == "statement_line_history_idx" for node in on_lines), found
        assert "code" in on_lines[0]["Index Cond"]
