"""Guides a payer lists under numbers of its own: found by numeroGuiaOperadora, which the hub learnt from the payer."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import payments_made as made
from billing_day import EXAM, IPE, Visit, happen, many, partner_row, register, rows

from hub.billing import listing
from hub.billing.appeal import appeals
from hub.billing.appeal import trees as appeal_trees
from hub.billing.batch import batches, submissions
from hub.billing.batch.responses import Said
from hub.billing.guide import guides
from hub.billing.profiles import payer
from hub.billing.returns import reconciliation, statements
from hub.billing.writing import origin
from hub.world import Tenant, World
from tests.hub.billing.test_billing_payments import paid, take
from tests.hub.billing.test_billing_statements import item, statement
from tiss.answers import values as answers


async def sent(world: World, tenant: Tenant) -> Any:
    """A batch of three guides that the payer took under a protocol, with numbers of its own for two of them."""
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 3))
    await guides.build_guides(world, tenant)
    await batches.close_batches(world, tenant)
    states = tuple(
        answers.GuideState(
            provider_number=number, operator_number=f"OP{number}", processed_cents=0, glosa_cents=0, released_cents=0,
            glosas=(), where="/g",
        )
        for number in ("1", "2")
    )  # fmt: skip
    (row,) = await rows(world, tenant, "SELECT id, batch_id, payer_id FROM submission WHERE tenant_id = $1")
    async with world.transaction(tenant) as tx:
        by = origin(world, tenant, "test")
        place = (row["id"], row["batch_id"])
        await submissions.set_protocol(tx, place, Said(protocol="777", status="1", **submissions.by_guide(states)), by)
        await submissions.set_protocol(tx, place, Said(protocol="777", status="2"), by)  # says nothing of numbers
    return row


async def told(world: World, tenant: Tenant, number: str, operator_number: str) -> dict[str, Any]:
    """What is kept of a statement that lists one guide under this number."""
    async with world.transaction(tenant) as tx:
        payer_id = await listing.payer_id(tx, IPE)
        source = statements.Source(profile=await payer(tx, payer_id), by=origin(world, tenant, "test"))
        one = statement("777", number, (item(1, 2540, 2540),), operator_number=operator_number)
        await statements.take_in(tx, source, one)
    (line,) = await rows(
        world, tenant, "SELECT guide_number, guide_id, orphan FROM statement_line WHERE tenant_id = $1 AND NOT replaced"
    )
    (head,) = await rows(world, tenant, "SELECT problems FROM statement WHERE tenant_id = $1 AND NOT replaced")
    return {**line, "problems": [problem["code"] for problem in json.loads(head["problems"])]}


async def test_a_line_under_another_number(world: World, tenant: Tenant) -> None:
    row = await sent(world, tenant)
    numbers = {
        r["number"]: r["id"] for r in await rows(world, tenant, "SELECT id, number FROM guide WHERE tenant_id = $1")
    }
    found = await told(world, tenant, "900001", "OP1")
    assert (found["guide_number"], found["guide_id"], found["orphan"]) == ("900001", numbers["1"], "")
    assert found["problems"] == ["statement.renumbered"]
    async with world.transaction(tenant) as tx:
        figures = await reconciliation.of_protocol(tx, "777", row["payer_id"])
    assert (figures["paid"], figures["orphans"]) == (2540, [])
    blank = await told(world, tenant, "", "OP2")  # some state their own number only
    assert (blank["guide_number"], blank["guide_id"], blank["orphan"]) == ("OP2", numbers["2"], "")
    strange = await told(world, tenant, "900009", "OP9")
    assert strange["guide_id"] is None and strange["problems"] == ["statement.orphan"]
    unknown = await told(world, tenant, "900003", "")
    assert unknown["guide_id"] is None and unknown["orphan"]


async def test_a_payment_under_another_number(world: World, tenant: Tenant) -> None:
    await sent(world, tenant)
    strange = dataclasses.replace(made.guide("900001", 2540), operator_number="OP1")
    await take(world, tenant, paid("9", [strange, made.guide("2", 2540)]))
    kept = await rows(
        world,
        tenant,
        "SELECT p.guide_number, p.orphan, g.number FROM payment p "
        "JOIN guide g ON g.tenant_id = $1 AND g.id = p.guide_id WHERE p.tenant_id = $1 ORDER BY 1",
    )
    assert [tuple(row) for row in kept] == [("2", "", "2"), ("900001", "", "1")]


async def test_an_appeal_names_both_numbers(world: World, tenant: Tenant) -> None:
    """Ours and the payer's; its decision is taken under whichever of them it names."""
    row = await sent(world, tenant)
    denied = (item(1, 2540, 2000, ("1705", 540)),)
    for number, told_as, named in (
        ("1", "900001", ("900001", "")),
        ("2", "", ("2", "")),
        ("1", "900001", ("77", "OP1")),
    ):
        async with world.transaction(tenant) as tx:
            profile = await payer(tx, row["payer_id"])
            by = origin(world, tenant, "test")
            source = statements.Source(profile=profile, by=by)
            one = statement("777", told_as, denied, operator_number=f"OP{number}", note=f"{number}{named}")
            await statements.take_in(tx, source, one)
            await tx.run("UPDATE denial SET status = 'aberta', level = 0, granted_cents = NULL WHERE tenant_id = $1")
            identity = await appeals.draft(tx, appeals.Wish(payer_id=row["payer_id"], protocol="777"), by)
            appeal = await tx.row("SELECT * FROM appeal WHERE tenant_id = $1 AND id = $2", identity)
            body = await appeal_trees.body_of(tx, profile, appeal, "2026-12-01")  # type: ignore[arg-type]
            (guide,) = body["guiaRecursoGlosa"]["opcaoRecurso"]["recursoGuia"]
            assert (guide["numeroGuiaOrigem"], guide["numeroGuiaOperadora"]) == (number, f"OP{number}")
            listed = await listing.page(tx, "denials", {"status": "em recurso"})
            assert {one["own_guide_number"] for one in listed.rows} == {number}
            line = answers.AppealLine(
                provider_number=named[0], operator_number=named[1], sequence=1, glosa="1705", appealed_cents=540,
                granted_cents=540, granted=True, reason="", where="/l",
            )  # fmt: skip
            answer = answers.AppealAnswer(
                protocol="9", batch="1", on="", lines=(line,), appealed_cents=540, granted_cents=540, where="/a"
            )
            await appeals.decided(tx, profile, identity, answer, by)
            (won,) = await tx.rows("SELECT granted_cents FROM denial WHERE tenant_id = $1 AND appeal_id = $2", identity)
            assert won["granted_cents"] == 540
