"""The board of denials: how much was denied, won back, lost, is open; by payer, glosa, month, professional, procedure.

Counted from valid statement lines by the day of their statement. Cents; `denied` = `granted` + `open` + `expired` +
`in_appeal` + `lost`.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import NotFound, Refused
from hub.billing.writing import glosa_name
from hub.store.database import Transaction

MOST = 200
ALL = 20_000
KEYS = {
    "payer": "p.code",
    "glosa": "d.glosa_code",
    "month": "to_char(l.judged_on, 'YYYY-MM')",
    "professional": "l.professional",
    "procedure": "coalesce(l.tiss_table, '') || '/' || coalesce(l.code, '')",
}
AMOUNTS = ("denied", "granted", "open", "expired", "in_appeal", "lost")
_WITHIN = """l.tenant_id = $1 AND NOT l.replaced AND l.judged_on >= $2 AND l.judged_on <= $3
    AND ($4::uuid IS NULL OR l.payer_id = $4)"""
_REST = "d.amount_cents - coalesce(d.granted_cents, 0)"
_FIGURES = """
WITH f AS (
    SELECT {key} AS key, count(*) AS denials, count(DISTINCT l.guide_number) AS guides,
        sum(d.amount_cents)::bigint AS denied,
        sum(coalesce(d.granted_cents, 0))::bigint AS granted,
        coalesce(sum({rest}) FILTER (WHERE d.status = 'aberta' AND d.appeal_until >= $5), 0)::bigint AS open,
        coalesce(sum({rest}) FILTER (WHERE d.status = 'aberta' AND d.appeal_until < $5), 0)::bigint AS expired,
        coalesce(sum({rest}) FILTER (WHERE d.status = 'em recurso'), 0)::bigint AS in_appeal,
        coalesce(sum({rest}) FILTER (WHERE d.status IN ('mantida', 'revertida parcial')), 0)::bigint AS lost
    FROM statement_line l JOIN denial d ON d.tenant_id = $1 AND d.statement_line_id = l.id AND d.amount_cents > 0
    JOIN partner p ON p.tenant_id = $1 AND p.id = l.payer_id
    WHERE {within} GROUP BY 1
), j AS (
    SELECT {line_key} AS key, sum(l.billed_cents)::bigint AS judged FROM statement_line l
    JOIN partner p ON p.tenant_id = $1 AND p.id = l.payer_id WHERE {within} GROUP BY 1
)
SELECT f.*, j.judged FROM f LEFT JOIN j ON j.key = f.key
WHERE $6::bigint IS NULL OR (f.denied, f.key) < ($6::bigint, $7::text)
ORDER BY f.denied DESC, f.key DESC LIMIT {limit}
"""
_AGEING = """
SELECT CASE WHEN d.appeal_until < $2 THEN 'expired' WHEN d.appeal_until - $2::date <= 7 THEN '7'
            WHEN d.appeal_until - $2::date <= 15 THEN '15' WHEN d.appeal_until - $2::date <= 30 THEN '30'
            ELSE 'later' END AS bucket,
       count(*) AS denials, sum(d.amount_cents - coalesce(d.granted_cents, 0))::bigint AS cents
FROM denial d WHERE d.tenant_id = $1 AND d.status = 'aberta' AND d.amount_cents > 0
AND ($3::uuid IS NULL OR d.payer_id = $3) GROUP BY 1
"""
BUCKETS = ("expired", "7", "15", "30", "later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of the board: the grouping, the days of the statements, the payer (None: all), today."""

    by: str
    since: datetime.date
    until: datetime.date
    today: datetime.date
    payer: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of groups, largest first, and the cursor of the next."""

    rows: list[dict[str, Any]]
    next: str | None


async def page(tx: Transaction, asked: Asked, after: str = "", limit: int = 50) -> Page:
    """One page of the board; raises NotFound for a cursor that is none, Refused for an unknown grouping."""
    rows = await _rows(tx, asked, _cursor(after), max(1, min(limit, MOST)) + 1)
    size = max(1, min(limit, MOST))
    found = [_shown(asked.by, row) for row in rows[:size]]
    return Page(rows=found, next=_told(rows[size - 1]) if len(rows) > size else None)


async def everything(tx: Transaction, asked: Asked) -> list[dict[str, Any]]:
    """All groups (at most ALL), largest first: what is exported."""
    return [_shown(asked.by, row) for row in await _rows(tx, asked, (None, None), ALL)]


async def _rows(tx: Transaction, asked: Asked, after: tuple[int | None, str | None], limit: int) -> Sequence[Any]:
    key = KEYS.get(asked.by)
    if key is None:
        raise Refused(f"the board is grouped by {', '.join(KEYS)}", code="failure.request")
    line_key = "NULL::text" if asked.by == "glosa" else key
    query = _FIGURES.format(key=key, line_key=line_key, rest=_REST, within=_WITHIN, limit=limit)
    return await tx.rows(query, asked.since, asked.until, asked.payer, asked.today, *after)


def _shown(by: str, row: Any) -> dict[str, Any]:
    judged = row["judged"]
    return {
        "key": row["key"],
        "name": glosa_name(row["key"]) if by == "glosa" else "",
        "denials": row["denials"],
        "guides": row["guides"],
        **{f"{name}_cents": row[name] for name in AMOUNTS},
        "judged_cents": judged,
        "percent": round(100 * row["denied"] / judged, 2) if judged else None,
    }


async def ageing(tx: Transaction, today: datetime.date, payer: UUID | None = None) -> list[dict[str, Any]]:
    """Denials nobody appealed, by the days left: over, up to 7, 15, 30, more."""
    found = {row["bucket"]: row for row in await tx.rows(_AGEING, today, payer)}
    return [
        {
            "bucket": name,
            "denials": found[name]["denials"] if name in found else 0,
            "cents": found[name]["cents"] if name in found else 0,
        }
        for name in BUCKETS
    ]


def totals(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The sums of groups."""
    listed = list(rows)
    names = ("denials", "guides", *(f"{name}_cents" for name in AMOUNTS))
    return {name: sum(int(row[name]) for row in listed) for name in names}


def _told(row: Any) -> str:
    return base64.urlsafe_b64encode(f"{row['denied']}:{row['key']}".encode()).decode()


def _cursor(text: str) -> tuple[int | None, str | None]:
    if not text:
        return None, None
    try:
        cents, _, key = base64.urlsafe_b64decode(text.encode()).decode().partition(":")
        return int(cents), key.replace("\x00", "")
    except ValueError:
        raise NotFound("the cursor is not one of ours") from None
