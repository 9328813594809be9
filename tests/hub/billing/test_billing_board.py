"""The board of denials adds up, pages, ages and exports; and any sequence of what payers send keeps the equation."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import payments_made as made
from billing_day import rows
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from judged_rows import TODAY

from canonical.errors import NotFound
from hub.billing import sheets
from hub.billing.appeal import appeals
from hub.billing.returns import board
from hub.billing.writing import origin
from hub.world import Tenant, World
from tests.hub.billing.test_billing_appeal_levels import decide, decision
from tests.hub.billing.test_billing_payments import EACH, billed, figures, take
from tests.hub.billing.test_billing_statements import item, statement


def asked(by: str, **changed: Any) -> board.Asked:
    values = {
        "since": TODAY - datetime.timedelta(days=365),
        "until": datetime.date(2027, 1, 1),
        "today": TODAY,
        **changed,
    }
    return board.Asked(by=by, **values)


async def test_every_grouping_adds_up_and_pages(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant, 3)
    told = statement("777", "1", (item(1, EACH, 2000, ("1705", 540)),))
    more = [
        statement("777", number, (item(1, EACH, 0, (code, EACH)),)).protocols[0].guides[0]
        for number, code in (("2", "1801"), ("3", "=9"))
    ]
    from dataclasses import replace

    whole = replace(told, protocols=(replace(told.protocols[0], guides=(told.protocols[0].guides[0], *more)),))
    await take(world, tenant, whole)
    async with world.transaction(tenant) as tx:
        appeal = await appeals.draft(tx, appeals.Wish(payer_id=payer_id, protocol="777"), origin(world, tenant, "test"))
    await decide(world, tenant, payer_id, appeal, decision((1, "1705", 500)))
    async with world.transaction(tenant) as tx:
        for by in board.KEYS:
            groups = await board.everything(tx, asked(by))
            sums = board.totals(groups)
            assert (sums["denied_cents"], sums["granted_cents"], sums["lost_cents"], sums["in_appeal_cents"]) == (
                5620,
                500,
                40,
                5080,
            )
            assert all(g["denied_cents"] == sum(g[f"{name}_cents"] for name in board.AMOUNTS[1:]) for g in groups)
            assert all((g["judged_cents"] is None) == (by == "glosa") for g in groups)
        first = await board.page(tx, asked("glosa"), limit=2)
        second = await board.page(tx, asked("glosa"), first.next or "", limit=2)
        assert [g["key"] for g in (*first.rows, *second.rows)] == ["=9", "1801", "1705"] and second.next is None
        assert (await board.everything(tx, asked("payer", until=TODAY - datetime.timedelta(days=360)))) == []
        aged = {row["bucket"]: row["denials"] for row in await board.ageing(tx, TODAY)}
        for wrong in ("x", "%%%"):
            try:
                await board.page(tx, asked("glosa"), wrong)
            except NotFound:
                continue
            raise AssertionError(wrong)
    assert sum(aged.values()) == 0
    text = sheets.sheet("board", first.rows, "pt", "America/Sao_Paulo").decode("utf-8-sig").splitlines()
    assert text[0].startswith("Grupo;Descrição;Glosas") and text[1].startswith("'=9;") and ";25,40;" in text[1]


STEPS = st.lists(
    st.tuples(st.sampled_from(("statement", "payment", "appeal")), st.sampled_from("1234"), st.integers(0, EACH), st.integers(0, EACH)),
    min_size=1, max_size=7,
)  # fmt: skip


def sequences() -> list[list[tuple[str, str, int, int]]]:
    """Sequences that hypothesis draws: each is played against the database."""
    drawn: list[list[tuple[str, str, int, int]]] = []

    @settings(max_examples=12, deadline=None, database=None, phases=(Phase.explicit, Phase.generate))
    @given(STEPS)
    def collect(steps: list[tuple[str, str, int, int]]) -> None:
        drawn.append(steps)

    collect()
    return drawn


async def test_sequences_of_statements_replacements_payments_and_appeals(world: World, tenant: Tenant) -> None:
    """One sequence after the other on the same guides: each state they reach must add up."""
    payer_id = await billed(world, tenant, 3)
    for step in (step for steps in sequences() for step in steps):
        await apply(world, tenant, payer_id, step)
        await holds(world, tenant, payer_id)


async def apply(world: World, tenant: Tenant, payer_id: uuid.UUID, step: tuple[str, str, int, int]) -> None:
    kind, number, first, second = step
    if kind == "statement":
        parts = (
            item(1, first, min(first, second), ("1705", first - min(first, second))),
            item(1, EACH - first, EACH - first),
        )
        await take(world, tenant, statement("777", number, parts))
    elif kind == "payment":
        paid = [made.guide(number, first), made.guide(number, second, kind=made.APPEAL)]
        await take(
            world, tenant, made.remittance(str(second % 3), [made.day("2026-12-05", [made.protocol("777", paid)])])
        )
    else:
        try:
            async with world.transaction(tenant) as tx:
                wish = appeals.Wish(payer_id=payer_id, protocol="777")
                appeal = await appeals.draft(tx, wish, origin(world, tenant, "test"))
        except NotFound:
            return
        if first % 2:
            async with world.transaction(tenant) as tx:
                await appeals.discard(tx, appeal, origin(world, tenant, "test"))
        else:
            await decide(world, tenant, payer_id, appeal, decision((1, "1705", second)))


async def holds(world: World, tenant: Tenant, payer_id: uuid.UUID) -> None:
    try:
        found = await figures(world, tenant, payer_id)
    except NotFound:  # the protocol is not known before the first statement
        return
    for part in (found, *found["guides"], *(one for guide in found["guides"] for one in guide["items"])):
        assert part["billed"] == part["paid"] + part["denied"] + part["copay"] + part["open"]
    for part in (found, *found["guides"]):
        assert part["to_receive"] == part["paid"] + part["granted"] - part["received"] - part["received_on_appeal"]
    lines = await rows(
        world,
        tenant,
        "SELECT coalesce(sum(paid_cents), 0) AS paid, coalesce(sum(denied_cents), 0) AS denied FROM statement_line WHERE tenant_id = $1 AND NOT replaced AND guide_id IS NOT NULL",
    )
    judged = [guide for guide in found["guides"] if guide["judged"]]
    assert (sum(g["paid"] for g in judged), sum(g["denied"] for g in judged)) == (lines[0]["paid"], lines[0]["denied"])
    received = await rows(
        world,
        tenant,
        "SELECT coalesce(sum(paid_cents), 0) AS paid FROM payment WHERE tenant_id = $1 AND NOT replaced AND guide_id IS NOT NULL",
    )
    assert found["received"] + found["received_on_appeal"] == received[0]["paid"]
    # what was granted of a denial the payer no longer states is in what it states now
    granted = await rows(
        world,
        tenant,
        "SELECT coalesce(sum(d.granted_cents), 0) AS won, bool_and(coalesce(d.granted_cents, 0) <= d.amount_cents) AS within FROM denial d "
        "JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id WHERE d.tenant_id = $1 AND NOT l.replaced",
    )
    assert found["granted"] == granted[0]["won"] and granted[0]["within"] is not False
