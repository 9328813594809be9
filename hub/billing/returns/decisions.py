"""A payer's decision on an appeal, to the cent: each line's amount goes to the denials it speaks of, to no others."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from uuid import UUID

from canonical.billing import money
from canonical.problem import Problem
from hub.billing.profiles import PayerProfile
from hub.billing.returns import deadlines
from hub.store.database import Row, Transaction
from tiss.answers import values as answers

_APPEALED = """
SELECT d.id, l.guide_number, coalesce(l.item_sequence, l.sequence) AS sequence, d.glosa_code,
       d.amount_cents - coalesce(d.granted_cents, 0) AS claimed FROM denial d
JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id
WHERE d.tenant_id = $1 AND d.appeal_id = $2 ORDER BY d.id FOR UPDATE OF d
"""
_DECIDED = """
UPDATE denial SET granted_cents = coalesce(granted_cents, 0) + x.granted, level = level + 1,
    status = CASE WHEN coalesce(granted_cents, 0) + x.granted >= amount_cents THEN 'revertida'
             WHEN coalesce(granted_cents, 0) + x.granted > 0 THEN 'revertida parcial' ELSE 'mantida' END,
    appeal_until = CASE WHEN level + 1 < $5 THEN $6::date ELSE appeal_until END
FROM unnest($3::uuid[], $4::bigint[]) AS x(id, granted)
WHERE denial.tenant_id = $1 AND denial.appeal_id = $2 AND denial.id = x.id
"""


async def decide(
    tx: Transaction, profile: PayerProfile, appeal_id: UUID, found: answers.AppealAnswer, today: datetime.date
) -> list[Problem]:
    """Record what was granted of each denial of an appeal; returns what of the decision does not fit.

    A denial the payer says nothing of stays in appeal. Where the payer hears another appeal, its deadline begins anew.
    """
    rows = await tx.rows(_APPEALED, appeal_id)
    granted, left = allocated(rows, found.lines, found.granted_cents)
    again = deadlines.last_day(profile, today, today)
    await tx.run(_DECIDED, appeal_id, list(granted), list(granted.values()), profile.terms.levels, again)
    problems = []
    counted = sum(granted.values())
    if left or counted != found.granted_cents:
        args = (("stated", money(found.granted_cents)), ("counted", money(counted)))
        problems.append(Problem("appeal.granted", found.where, args=args))
    return problems


def allocated(rows: Sequence[Row], lines: Sequence[answers.AppealLine], total: int = 0) -> tuple[dict[UUID, int], int]:
    """What is granted of each denial the payer spoke of, and the cents that belong to none of them.

    A line goes to the denial of its item and glosa that claimed its very amount; what is left of such lines is shared
    by the denials of the item and glosa in order, each up to what was claimed of it. A protocol or guide that is
    granted as a whole bears no amount: its denials get what the answer's `total` leaves, all where it has none.
    """
    granted: dict[UUID, int] = {}
    left = 0
    for key in dict.fromkeys(_key(line) for line in lines):
        own = [row for row in rows if _same(row, key)]
        rest = 0
        answered: set[UUID] = set()
        for line in (line for line in lines if _key(line) == key):
            fits = (row for row in own if row["claimed"] == line.appealed_cents and row["id"] not in answered)
            row = next(fits, None)
            rest += line.granted_cents if row is None else _grant(granted, row, line.granted_cents)
            answered |= {row["id"]} if row is not None else set()
        for row in own:
            rest = _grant(granted, row, rest)
        left += rest
    _grant_wholes(granted, rows, lines, total - sum(granted.values()) if total else None)
    return granted, left


def _grant_wholes(
    granted: dict[UUID, int], rows: Sequence[Row], lines: Sequence[answers.AppealLine], most: int | None
) -> None:
    """Grant what was granted with a plain yes: all that was claimed, `most` in all where that is known."""
    keys = {_key(line) for line in lines if line.granted and not line.granted_cents and not line.appealed_cents}
    for row in (row for row in rows if any(_same(row, key) for key in keys)):
        wanted = int(row["claimed"]) if most is None else max(0, most)
        rest = _grant(granted, row, wanted)
        most = None if most is None else rest


def _grant(granted: dict[UUID, int], row: Row, cents: int) -> int:
    """Grant a denial up to what was claimed of it; returns what is left."""
    known = granted.get(row["id"], 0)
    part = max(0, min(cents, int(row["claimed"]) - known))
    granted[row["id"]] = known + part
    return cents - part


def _key(line: answers.AppealLine) -> tuple[str, int, str]:
    return (line.provider_number, line.sequence or 0, line.glosa)


def _same(row: Row, key: tuple[str, int, str]) -> bool:
    number, sequence, glosa = key
    return row["guide_number"] == number and row["sequence"] == sequence and glosa in ("", row["glosa_code"])
