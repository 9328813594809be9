"""Appeals to the cent: split denials, partial grants, a second appeal, deadlines by contract, and what supports them."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from billing_day import IPE, partner_row, register, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.payer_terms import Terms
from canonical.errors import NotFound
from hub.billing import jobs
from hub.billing.appeal import appeals
from hub.billing.profiles import payer
from hub.billing.returns import deadlines, decisions, evidence
from hub.billing.writing import origin
from hub.exchange import handlers
from hub.world import Tenant, World
from tests.hub.billing.test_billing_payments import EACH, billed, figures, take
from tests.hub.billing.test_billing_statements import item, statement
from tiss.answers import values as answers


def decision(*lines: tuple[int, str, int], appealed: tuple[int, ...] = ()) -> answers.AppealAnswer:
    told = tuple(
        answers.AppealLine(
            provider_number="1", operator_number="", sequence=sequence, glosa=glosa, appealed_cents=claimed,
            granted_cents=granted, granted=granted > 0, reason="", where="/l",
        )
        for (sequence, glosa, granted), claimed in zip(lines, (*appealed, *[0] * len(lines)), strict=False)
    )  # fmt: skip
    stated = sum(granted for *_, granted in lines)
    return answers.AppealAnswer(
        protocol="9", batch="1", on="", lines=told, appealed_cents=0, granted_cents=stated, where="/a"
    )


async def drafted(world: World, tenant: Tenant, payer_id: uuid.UUID) -> uuid.UUID:
    async with world.transaction(tenant) as tx:
        wish = appeals.Wish(payer_id=payer_id, protocol="777")
        return await appeals.draft(tx, wish, origin(world, tenant, "test"))


async def decide(
    world: World, tenant: Tenant, payer_id: uuid.UUID, appeal: uuid.UUID, told: answers.AppealAnswer
) -> list[str]:
    async with world.transaction(tenant) as tx:
        found = await decisions.decide(tx, await payer(tx, payer_id), appeal, told, datetime.date(2026, 12, 1))
        await tx.run("UPDATE appeal SET status = 'respondido' WHERE tenant_id = $1 AND id = $2", appeal)
    return [problem.code for problem in found]


async def denials(world: World, tenant: Tenant) -> list[tuple[Any, ...]]:
    found = await rows(
        world,
        tenant,
        "SELECT amount_cents, granted_cents, status, level FROM denial WHERE tenant_id = $1 AND status <> 'substituida' ORDER BY amount_cents",
    )
    return [tuple(row) for row in found]


async def test_a_second_appeal_claims_what_the_first_did_not_win(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant, 1)
    await register(world, tenant, [replace(partner_row(IPE, appeals={"levels": 2, "days": 10}), id=payer_id)])
    split = (item(1, 1000, 600, ("1705", 400)), item(1, EACH - 1000, 1000, ("1705", EACH - 2000)))
    await take(world, tenant, statement("777", "1", split))
    first = await drafted(world, tenant, payer_id)
    assert (
        await decide(world, tenant, payer_id, first, decision((1, "1705", 100), (1, "1705", 400), appealed=(540, 400)))
        == []
    )
    assert await denials(world, tenant) == [(400, 400, "revertida", 1), (540, 100, "revertida parcial", 1)]
    (again,) = await rows(world, tenant, "SELECT appeal_until FROM denial WHERE tenant_id = $1 AND granted_cents = 100")
    assert again["appeal_until"] == datetime.date(2026, 12, 11)
    second = await drafted(world, tenant, payer_id)
    (claimed,) = await rows(world, tenant, "SELECT claimed_cents FROM appeal WHERE tenant_id = $1 AND id = $2", second)
    assert claimed["claimed_cents"] == 440
    async with world.transaction(tenant) as tx:
        await appeals.discard(tx, second, origin(world, tenant, "test"))
    assert (await denials(world, tenant))[1] == (540, 100, "revertida parcial", 1)
    second = await drafted(world, tenant, payer_id)
    assert await decide(world, tenant, payer_id, second, decision((1, "1705", 40))) == []
    assert (await denials(world, tenant))[1] == (540, 140, "revertida parcial", 2)
    with pytest.raises(NotFound):
        await drafted(world, tenant, payer_id)
    found = await figures(world, tenant, payer_id)
    assert (found["paid"], found["denied"], found["granted"], found["to_receive"]) == (1600, 940, 540, 2140)
    await take(world, tenant, statement("777", "1", split, note="again"))
    await take(world, tenant, statement("777", "1", (*split, item(9, 5, 5))))
    assert await denials(world, tenant) == [(400, 400, "revertida", 1), (540, 140, "revertida parcial", 2)]


@pytest.mark.parametrize(
    ("denied", "granted", "status"),
    [
        (540, 400, "revertida parcial"),  # told again as it was
        (300, 160, "revertida parcial"),  # 240 of what was granted are in the smaller amount already
        (140, 0, "mantida"),  # all of it is
        (100, 0, "mantida"),  # and more
        (600, 400, "revertida parcial"),
    ],
)
async def test_what_was_granted_counts_once_when_the_payer_restates_less(
    world: World, tenant: Tenant, denied: int, granted: int, status: str
) -> None:
    payer_id = await billed(world, tenant, 1)
    await take(world, tenant, statement("777", "1", (item(1, EACH, EACH - 540, ("1705", 540)),)))
    appeal = await drafted(world, tenant, payer_id)
    assert await decide(world, tenant, payer_id, appeal, decision((1, "1705", 400))) == []
    await take(world, tenant, statement("777", "1", (item(1, EACH, EACH - denied, ("1705", denied)),), note="again"))
    assert await denials(world, tenant) == [(denied, granted, status, 1)]


async def test_what_a_decision_cannot_assign_is_told(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant, 1)
    await take(world, tenant, statement("777", "1", (item(1, EACH, 2000, ("1705", 540)),)))
    appeal = await drafted(world, tenant, payer_id)
    assert await decide(world, tenant, payer_id, appeal, decision((1, "1705", 600), (7, "1705", 5))) == [
        "appeal.granted"
    ]
    assert await denials(world, tenant) == [(540, 540, "revertida", 1)]
    with pytest.raises(NotFound):
        await drafted(world, tenant, payer_id)


async def test_evidence_and_deadlines(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant, 1)
    await take(world, tenant, statement("777", "1", (item(1, EACH, 2000, ("1705", 540)),)))
    appeal = await drafted(world, tenant, payer_id)
    async with world.transaction(tenant) as tx:
        told = await evidence.of_appeal(tx, appeal, "test")
        today = told["denials"][0]["appeal_until"]
        until = datetime.date.fromisoformat(today)
        soon = await deadlines.upcoming(tx, until - datetime.timedelta(days=5))
        later = await deadlines.upcoming(tx, until - datetime.timedelta(days=20))
        wide = await deadlines.upcoming(tx, until - datetime.timedelta(days=20), 30)
        with pytest.raises(NotFound):
            await evidence.of_appeal(tx, uuid.uuid4(), "test")
    (denial,) = told["denials"]
    assert set(denial["evidence"]) == {"guide", "claim", "judgement", "charge", "batch"}
    for place in (denial["evidence"][name] for name in ("claim", "judgement", "charge")):
        kind, _, identity = place.removeprefix("/fhir/").partition("/")
        assert await rows(
            world, tenant, "SELECT 1 FROM resource WHERE tenant_id = $1 AND type = $2 AND id = $3", kind, identity
        ), place
    assert [(row["denials"], row["drafted"], row["cents"], row["days_left"]) for row in soon] == [(1, 1, 540, 5)]
    assert later == [] and len(wide) == 1
    handlers.load()
    assert jobs and await handlers.JOBS["appeal-deadlines"](world, tenant, {"days": 3650}) == (
        f"1 glosa vence em breve, R$ 5,40; em {'/'.join(reversed(today.split('-')))}"
    )


@pytest.mark.parametrize(
    ("terms", "start", "days", "expected"),
    [
        ({}, "2026-11-26", 30, "2026-12-26"),
        ({"roll": "next"}, "2026-11-26", 30, "2026-12-28"),
        ({"roll": "previous"}, "2026-11-26", 30, "2026-12-25"),
        ({"roll": "previous", "holidays": ("12-25",)}, "2026-11-26", 30, "2026-12-24"),
        ({"counted": "business"}, "2026-11-26", 1, "2026-11-27"),
        ({"counted": "business"}, "2026-11-27", 1, "2026-11-30"),
        ({"counted": "business", "holidays": ("2026-11-30",)}, "2026-11-27", 1, "2026-12-01"),
        ({"counted": "business"}, "2026-11-26", 0, "2026-11-26"),
    ],
)  # fmt: skip
def test_deadlines_by_contract(terms: dict[str, Any], start: str, days: int, expected: str) -> None:
    assert deadlines.counted(Terms(**terms), datetime.date.fromisoformat(start), days).isoformat() == expected


async def test_the_database_keeps_grants_within_their_denial(world: World, tenant: Tenant) -> None:
    await billed(world, tenant, 1)
    await take(world, tenant, statement("777", "1", (item(1, EACH, 2000, ("1705", 540)),)))
    for granted in (541, -1):
        with pytest.raises(asyncpg.CheckViolationError):
            await rows(world, tenant, "UPDATE denial SET granted_cents = $2 WHERE tenant_id = $1 RETURNING id", granted)
    await rows(world, tenant, "UPDATE denial SET granted_cents = 540 WHERE tenant_id = $1 RETURNING id")


LINES = st.lists(st.tuples(st.integers(1, 2), st.sampled_from(("1705", "1801", "")), st.integers(-10, 900)), max_size=6)
ROWS = st.lists(st.tuples(st.integers(1, 2), st.sampled_from(("1705", "1801")), st.integers(0, 900)), max_size=6)


@settings(max_examples=200, deadline=None)
@given(ROWS, LINES)
def test_no_denial_is_granted_more_than_was_claimed(
    claimed: list[tuple[int, str, int]], lines: list[tuple[int, str, int]]
) -> None:
    own = [
        {"id": n, "guide_number": "1", "sequence": s, "glosa_code": g, "claimed": c}
        for n, (s, g, c) in enumerate(claimed)
    ]
    told = decision(*lines)
    granted, left = decisions.allocated(own, told.lines)
    assert all(0 <= granted[row["id"]] <= row["claimed"] for row in own if row["id"] in granted)
    assert sum(granted.values()) + left == sum(amount for *_, amount in lines)


@pytest.mark.parametrize(
    ("status", "state", "denial"),
    [
        ("2", ("recebido", "Em análise"), "em recurso"),
        ("7", ("incerto", "Não localizado"), "em recurso"),
        ("9", ("rejeitado", "Cancelado"), "aberta"),
        ("42", ("recebido", None), "em recurso"),
    ],
)
async def test_where_an_undecided_appeal_stands_is_told(
    world: World, tenant: Tenant, status: str, state: tuple[str, str | None], denial: str
) -> None:
    payer_id = await billed(world, tenant, 1)
    await take(world, tenant, statement("777", "1", (item(1, EACH, 2000, ("1705", 540)),)))
    appeal = await drafted(world, tenant, payer_id)
    async with world.transaction(tenant) as tx:
        by = origin(world, tenant, "test")
        await appeals.taken(tx, appeal, "9", by)
        await appeals.standing(tx, appeal, status, by)
    (row,) = await rows(world, tenant, "SELECT status, reason FROM appeal WHERE tenant_id = $1")
    assert (row["status"], row["reason"]) == state
    (one,) = await rows(world, tenant, "SELECT status FROM denial WHERE tenant_id = $1")
    assert one["status"] == denial


async def test_an_appeal_the_transport_refuses_is_rejected_at_the_next_poll(world: World, tenant: Tenant) -> None:
    """Its denials are open again while there is time."""
    payer_id = await billed(world, tenant, 1)
    await take(world, tenant, statement("777", "1", (item(1, EACH, 2000, ("1705", 540)),)))
    appeal = await drafted(world, tenant, payer_id)
    async with world.transaction(tenant) as tx:
        row = await tx.row("SELECT * FROM appeal WHERE tenant_id = $1 AND id = $2", appeal)
        await appeals.queue(tx, await payer(tx, payer_id), row, b"<a/>")  # type: ignore[arg-type]
        await tx.run(
            "UPDATE delivery SET status = 'ERROR', last_error = 'transport.http-400' WHERE tenant_id = $1 AND id = "
            "(SELECT delivery_id FROM appeal WHERE tenant_id = $1)"
        )
    await jobs.poll_protocols(world, tenant, {})
    (row,) = await rows(world, tenant, "SELECT status, reason FROM appeal WHERE tenant_id = $1")
    assert (row["status"], row["reason"]) == ("rejeitado", "transport.http-400")
    (one,) = await rows(world, tenant, "SELECT status, appeal_id FROM denial WHERE tenant_id = $1")
    assert (one["status"], one["appeal_id"]) == ("aberta", None)
