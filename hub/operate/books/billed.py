"""Billing counts an operator, and the demonstration, hold against what payers say they received."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hub.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBatch:
    """One batch of a payer: its number, kind, status, guides and cents, and the protocol the payer gave for it."""

    id: UUID
    payer: str
    number: str
    kind: str
    status: str
    version: str
    guides: int
    cents: int
    protocol: str


async def guides(tx: Transaction) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Guides and their cents by (payer, kind, status)."""
    rows = await tx.rows(
        "SELECT p.code, g.kind, g.status, count(*) AS n, sum(g.total_cents)::bigint AS cents FROM guide g "
        "JOIN partner p ON p.tenant_id = $1 AND p.id = g.payer_id WHERE g.tenant_id = $1 GROUP BY 1, 2, 3"
    )
    return {(row["code"], row["kind"], row["status"]): (row["n"], row["cents"]) for row in rows}


async def unbilled(tx: Transaction) -> int:
    """Charges in no guide."""
    return int(await tx.value("SELECT count(*) FROM charge WHERE tenant_id = $1 AND guide_id IS NULL"))


async def batches(tx: Transaction) -> list[SentBatch]:
    """All batches by payer and number."""
    rows = await tx.rows(
        "SELECT b.id, p.code, b.number, b.kind, b.status, b.tiss_version, b.guides, b.total_cents, "
        "coalesce((SELECT max(s.protocol) FROM submission s "
        "          WHERE s.tenant_id = $1 AND s.batch_id = b.id), '') AS given "
        "FROM batch b JOIN partner p ON p.tenant_id = $1 AND p.id = b.payer_id "
        "WHERE b.tenant_id = $1 ORDER BY p.code, b.number"
    )
    return [
        SentBatch(
            id=row["id"],
            payer=row["code"],
            number=str(row["number"]),
            kind=row["kind"],
            status=row["status"],
            version=row["tiss_version"],
            guides=row["guides"],
            cents=row["total_cents"],
            protocol=row["given"],
        )
        for row in rows
    ]


async def stated(tx: Transaction, payer: str) -> dict[str, int]:
    """What a payer's valid statement lines add up to, in cents, and how many lines belong to nothing of ours."""
    row = await tx.row(
        "SELECT coalesce(sum(l.billed_cents), 0)::bigint AS billed, coalesce(sum(l.paid_cents), 0)::bigint AS paid, "
        "coalesce(sum(l.denied_cents), 0)::bigint AS denied, count(*) FILTER (WHERE l.orphan <> '') AS orphans, "
        "count(DISTINCT l.protocol) AS protocols "
        "FROM statement_line l JOIN partner p ON p.tenant_id = $1 AND p.id = l.payer_id "
        "WHERE l.tenant_id = $1 AND p.code = $2 AND NOT l.replaced",
        payer,
    )
    names = ("billed", "paid", "denied", "orphans", "protocols")
    return {name: int(row[name]) for name in names} if row is not None else dict.fromkeys(names, 0)


async def denials(tx: Transaction, payer: str) -> dict[str, tuple[int, int]]:
    """Denials and their cents by status."""
    rows = await tx.rows(
        "SELECT d.status, count(*) AS n, sum(d.amount_cents)::bigint AS cents FROM denial d "
        "JOIN partner p ON p.tenant_id = $1 AND p.id = d.payer_id WHERE d.tenant_id = $1 AND p.code = $2 GROUP BY 1",
        payer,
    )
    return {row["status"]: (row["n"], row["cents"]) for row in rows}


async def appeals(tx: Transaction, payer: str) -> dict[str, tuple[str, str, int, int]]:
    """Appeals by number: status, the payer's protocol, cents claimed and cents granted."""
    rows = await tx.rows(
        "SELECT a.number, a.status, coalesce(a.protocol, '') AS given, a.claimed_cents, "
        "coalesce(a.granted_cents, 0) AS granted FROM appeal a "
        "JOIN partner p ON p.tenant_id = $1 AND p.id = a.payer_id WHERE a.tenant_id = $1 AND p.code = $2",
        payer,
    )
    return {str(row["number"]): (row["status"], row["given"], row["claimed_cents"], row["granted"]) for row in rows}


async def job_outcome(tx: Transaction, job_id: UUID) -> tuple[str, str]:
    """A job's status, and what it said it did or why it failed."""
    row = await tx.row("SELECT status, outcome, last_error FROM job WHERE tenant_id = $1 AND id = $2", job_id)
    return (row["status"], row["outcome"] or row["last_error"] or "") if row is not None else ("missing", "")
