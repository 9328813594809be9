"""The states of guides, batches and submissions that follow from the statements of a protocol."""

from __future__ import annotations

from uuid import UUID

from hub.store.database import Transaction

# statusProtocolo (dm_statusProtocolo) of what changes no more
ENDED = frozenset(("4", "6", "9"))
_GUIDES = """
UPDATE guide SET status = CASE WHEN x.denied = 0 AND x.paid >= guide.total_cents THEN 'paga'
    WHEN x.denied > 0 AND x.paid = 0 THEN 'glosada' WHEN x.denied > 0 THEN 'glosada parcial'
    ELSE 'em analise' END, updated_at = now()
FROM (SELECT guide_id, sum(paid_cents + copay_cents) AS paid, sum(denied_cents) AS denied FROM statement_line
      WHERE tenant_id = $1 AND payer_id = $2 AND protocol = $3 AND NOT replaced AND guide_id IS NOT NULL
      GROUP BY guide_id) x
WHERE guide.tenant_id = $1 AND guide.id = x.guide_id
"""
_BATCH = """
UPDATE batch SET status = CASE WHEN x.denied > 0 THEN 'glosa' WHEN x.paid >= batch.total_cents THEN 'pago'
    ELSE 'demonstrativo' END, updated_at = now()
FROM submission s, (SELECT coalesce(sum(paid_cents + copay_cents), 0) AS paid, coalesce(sum(denied_cents), 0) AS denied
                    FROM statement_line WHERE tenant_id = $1 AND payer_id = $3 AND protocol = $4 AND NOT replaced
                    AND guide_id IS NOT NULL) x
WHERE batch.tenant_id = $1 AND s.tenant_id = $1 AND s.id = $2 AND batch.id = s.batch_id
AND batch.status NOT IN ('recurso', 'encerrado')
"""


async def follow(tx: Transaction, payer_id: UUID, submission: UUID | None, protocol: str, status: str) -> None:
    """Guides, batch and submission take the state that the statements of a protocol tell; `status` may be empty."""
    await tx.run(_GUIDES, payer_id, protocol)
    if submission is None:
        return
    await tx.run(_BATCH, submission, payer_id, protocol)
    await tx.run(
        "UPDATE submission SET payer_status = coalesce(nullif($3, ''), payer_status), settled = settled OR $4 "
        "WHERE tenant_id = $1 AND id = $2",
        submission,
        status,
        status in ENDED,
    )


async def catch_up(tx: Transaction, submission: UUID, protocol: str) -> bool:
    """A protocol became known whose statement came first: the submission takes it over; whether there was one."""
    rows = await tx.rows(
        "UPDATE statement SET submission_id = $2 FROM submission s WHERE statement.tenant_id = $1 "
        "AND s.tenant_id = $1 AND s.id = $2 AND statement.payer_id = s.payer_id AND statement.protocol = $3 "
        "AND NOT statement.replaced RETURNING statement.payer_id, statement.payer_status",
        submission,
        protocol,
    )
    for row in rows:
        await follow(tx, row["payer_id"], submission, protocol, row["payer_status"])
    return bool(rows)
