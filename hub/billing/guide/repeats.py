"""Items that another guide of the same patient bills as well (glosa 3209): told before the payer tells it."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from canonical.problem import Problem
from hub.billing.guide.cases import Case
from hub.billing.visit.charges import Charge
from hub.records.projections import performer_of
from hub.store.database import Transaction

_FOUND = """
SELECT g.payer_id, g.patient_id, g.id, g.number, coalesce(b.number::text, '-') AS batch, i.tiss_table, i.code,
       i.executed_on, CASE g.kind WHEN 'honorarios' THEN c.performer END AS performer FROM guide g
JOIN guide_item i ON i.tenant_id = $1 AND i.guide_id = g.id
LEFT JOIN charge c ON c.tenant_id = $1 AND c.id = i.charge_id
LEFT JOIN batch b ON b.tenant_id = $1 AND b.id = g.batch_id
WHERE g.tenant_id = $1 AND g.patient_id = ANY($2::text[]) AND i.executed_on = ANY($3::date[])
AND g.status <> 'cancelada' AND NOT g.id = ANY($4::uuid[]) ORDER BY g.id, i.sequence
"""
Place = tuple[UUID, str, str, str, datetime.date, str]


async def note(tx: Transaction, made: Sequence[tuple[Case, str]], own: Sequence[UUID] = ()) -> None:
    """Add a finding to each case for each item that another guide bills too, stored or built beside it.

    `made` are cases with their guide numbers, `own` the ids of their guides where they are stored already.
    """
    patients = sorted({charge.patient_id for case, _ in made for charge in case.charges if charge.patient_id})
    days = sorted({charge.on for case, _ in made for charge in case.charges if charge.on})
    known: dict[Place, dict[str, str]] = defaultdict(dict)
    for row in await tx.rows(_FOUND, patients, days, list(own)):
        act = (row["payer_id"], row["patient_id"], row["tiss_table"], row["code"], row["executed_on"])
        place = (*act, row["performer"] or "")
        known[place][row["number"]] = row["batch"]
    for case, number in made:
        for place in _places(case):
            known[place].setdefault(number, "-")
    for case, number in made:
        for place in sorted(_places(case), key=lambda place: place[2:]):
            others = [(guide, batch) for guide, batch in known[place].items() if guide != number]
            if others:
                guide, batch = others[0]
                args = (("code", place[3]), ("guide", guide), ("batch", batch))
                case.problems.append(Problem("guide.repeated", f"{place[2]}/{place[3]}", args=args))


def _places(case: Case) -> set[Place]:
    payer = case.profile.partner.id
    return {
        (payer, charge.patient_id, charge.table, charge.code, charge.on, _performer(case, charge))
        for charge in case.charges
        if charge.patient_id and charge.on
    }


def _performer(case: Case, charge: Charge) -> str:
    """Fees of one act are billed by each who took part: only those of the same person repeat each other."""
    return (performer_of(charge.body) or "") if case.kind == "honorarios" else ""
