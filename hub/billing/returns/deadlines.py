"""Until when a denial may be appealed, by the payer's terms; and which deadlines come next.

Days are counted from the day after the statement was received (or issued), as calendar or business days; a last day
that is no business day moves by the contract's rule.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from adapters.payer_terms import Terms
from canonical.problem import filled
from hub.billing.profiles import PayerProfile, payers
from hub.exchange.handlers import job
from hub.store.database import Transaction
from hub.world import Tenant, World

_DAY = datetime.timedelta(days=1)


def last_day(profile: PayerProfile, received: datetime.date, issued: datetime.date | None) -> datetime.date:
    """The last day for an appeal of what a statement denied."""
    terms = profile.terms
    start = issued if terms.since == "issued" and issued is not None else received
    days = profile.appeal_days if terms.days is None else terms.days
    return counted(terms, start, days)


def counted(terms: Terms, start: datetime.date, days: int) -> datetime.date:
    """The day `days` after `start` by the contract's rule."""
    day = start
    if terms.counted == "business":
        left = days
        while left:
            day += _DAY
            left -= is_business(terms, day)
    else:
        day = start + days * _DAY
    step = {"next": _DAY, "previous": -_DAY}.get(terms.roll)
    while step is not None and not is_business(terms, day):
        day += step
    return day


def is_business(terms: Terms, day: datetime.date) -> bool:
    """Whether a day is neither of a weekend nor one of the contract's holidays."""
    return day.weekday() < 5 and day.isoformat() not in terms.holidays and f"{day:%m-%d}" not in terms.holidays


_NEXT = """
SELECT p.code AS payer, l.payer_id, l.protocol, d.appeal_until, count(*) AS denials, sum(d.amount_cents
       - coalesce(d.granted_cents, 0))::bigint AS cents, count(*) FILTER (WHERE d.status = 'em recurso') AS drafted
FROM denial d
JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id AND NOT l.replaced
JOIN partner p ON p.tenant_id = $1 AND p.id = d.payer_id
LEFT JOIN appeal a ON a.tenant_id = $1 AND a.id = d.appeal_id
WHERE d.tenant_id = $1 AND d.amount_cents > 0 AND d.appeal_until >= $2 AND d.appeal_until <= $3
AND (d.status = 'aberta' OR (d.status = 'em recurso' AND a.status IN ('rascunho', 'bloqueado')))
GROUP BY 1, 2, 3, 4 ORDER BY d.appeal_until, p.code, l.protocol
"""


async def upcoming(
    tx: Transaction, today: datetime.date, days: int = 0, payer: UUID | None = None
) -> list[dict[str, Any]]:
    """What expires within `days` (0: within each payer's own warning days), soonest first, by payer, protocol and day.

    Denials nobody appealed, and those whose appeal is still a draft (`drafted`); cents not yet won back.
    """
    warned = {profile.partner.id: profile.terms.warn_days for profile in await payers(tx)}
    most = days or max(warned.values(), default=0)
    rows = await tx.rows(_NEXT, today, today + most * _DAY)
    return [
        {
            "payer": row["payer"],
            "protocol": row["protocol"],
            "appeal_until": row["appeal_until"].isoformat(),
            "days_left": (row["appeal_until"] - today).days,
            "denials": row["denials"],
            "drafted": row["drafted"],
            "cents": row["cents"],
        }
        for row in rows
        if payer in (None, row["payer_id"])
        and (row["appeal_until"] - today).days <= (days or warned.get(row["payer_id"], 0))
    ]


@job("appeal-deadlines")
async def appeal_deadlines(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Say what expires soon; `days` in the arguments overrides the payers' own warning days."""
    from hub.billing import writing

    async with world.transaction(tenant) as tx:
        today = writing.today(writing.origin(world, tenant))
        found = await upcoming(tx, today, int(arguments.get("days", 0)))
    return summary(found)


def summary(found: Iterable[dict[str, Any]]) -> str:
    """One line on what expires: how many denials, how much, and the next day."""
    rows = list(found)
    if not rows:
        return "nenhum prazo de recurso próximo"
    reais, cents = divmod(sum(row["cents"] for row in rows), 100)
    said = {
        "n": str(sum(row["denials"] for row in rows)),
        "sum": f"{reais}.{cents:02d}",
        "day": f"{datetime.date.fromisoformat(rows[0]['appeal_until']):%d/%m/%Y}",
    }
    text = "{n} {n:glosa vence|glosas vencem} em breve, R$ {sum:money}; {n:em|a próxima em} {day}"
    return filled(text, said, "pt")
