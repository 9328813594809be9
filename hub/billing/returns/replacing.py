"""A later statement of a protocol replaces the former one: what the former listed, and which appeals go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hub.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """The statement of a protocol that holds until now, and the digest of what it told."""

    id: UUID
    digest: str


async def formers(tx: Transaction, payer_id: UUID, protocols: Sequence[str], scope: str) -> dict[str, Former]:
    """The statements that hold, by protocol."""
    rows = await tx.rows(
        "SELECT id, digest, protocol FROM statement WHERE tenant_id = $1 AND payer_id = $2 "
        "AND protocol = ANY($3::text[]) AND scope = $4 AND NOT replaced",
        payer_id,
        list(protocols),
        scope,
    )
    return {row["protocol"]: Former(id=row["id"], digest=row["digest"]) for row in rows}


def digest(former: Former | None) -> str:
    """What the former statement is known by; empty where there is none."""
    return former.digest if former is not None else ""


async def listed(tx: Transaction, statements: Sequence[UUID]) -> dict[UUID, list[str]]:
    """The guide numbers that statements list."""
    found: dict[UUID, list[str]] = {}
    if statements:
        rows = await tx.rows(
            "SELECT DISTINCT statement_id, guide_number FROM statement_line WHERE tenant_id = $1 "
            "AND statement_id = ANY($2::uuid[])",
            list(statements),
        )
        for row in rows:
            found.setdefault(row["statement_id"], []).append(row["guide_number"])
    return found


async def replace(tx: Transaction, statements: Sequence[UUID]) -> None:
    """Mark statements and their lines replaced; their denials that nobody appealed are void."""
    if not statements:
        return
    ids = list(statements)
    await tx.run("UPDATE statement SET replaced = true WHERE tenant_id = $1 AND id = ANY($2::uuid[])", ids)
    await tx.run(
        "UPDATE statement_line SET replaced = true WHERE tenant_id = $1 AND statement_id = ANY($2::uuid[])", ids
    )
    await tx.run(
        "UPDATE denial SET status = 'substituida' FROM statement_line l WHERE denial.tenant_id = $1 "
        "AND l.tenant_id = $1 AND l.id = denial.statement_line_id AND l.statement_id = ANY($2::uuid[]) "
        "AND denial.status = 'aberta'",
        ids,
    )


# A smaller amount than before has what was granted in it already: only the rest is still granted beside it.
_GRANTED = "greatest(0, o.granted_cents - greatest(0, o.amount_cents - denial.amount_cents))"
_CARRIED = """
WITH told AS (
    SELECT d.id, d.appeal_id, l.statement_id, l.guide_number, l.sequence, d.glosa_code, row_number() OVER (
        PARTITION BY l.statement_id, l.guide_number, l.sequence, d.glosa_code ORDER BY d.amount_cents, d.id) AS turn
    FROM denial d JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id
    WHERE d.tenant_id = $1 AND l.statement_id IN ($2, $3)),
pairs AS (
    SELECT o.id AS old, n.id AS new FROM told o JOIN told n USING (guide_number, sequence, glosa_code, turn)
    WHERE o.statement_id = $2 AND n.statement_id = $3 AND o.appeal_id IS NOT NULL),
kept AS (
    UPDATE denial SET appeal_id = o.appeal_id, justification = o.justification, level = o.level,
        appeal_until = o.appeal_until, granted_cents = {granted},
        status = CASE WHEN o.status NOT IN ('revertida', 'revertida parcial') THEN o.status
            WHEN {granted} >= denial.amount_cents THEN 'revertida'
            WHEN {granted} > 0 THEN 'revertida parcial' ELSE 'mantida' END
    FROM pairs, denial o WHERE denial.tenant_id = $1 AND denial.id = pairs.new AND o.tenant_id = $1 AND o.id = pairs.old
    RETURNING pairs.old)
UPDATE denial SET status = 'substituida', appeal_id = NULL FROM kept
WHERE denial.tenant_id = $1 AND denial.id = kept.old
""".format(granted=f"CASE WHEN o.granted_cents IS NOT NULL THEN {_GRANTED} END")


async def carry_over(tx: Transaction, former: UUID, statement_id: UUID) -> None:
    """An appealed denial that the new statement repeats stays appealed there; the old row is void."""
    await tx.run(_CARRIED, former, statement_id)
