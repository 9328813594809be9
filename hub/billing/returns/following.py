"""The states of guides, batches and submissions that follow from the statements of a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hub.store.database import Transaction

# statusProtocolo (dm_statusProtocolo) of what changes no more
ENDED = frozenset(("4", "6", "9"))
# where protocols of one wave tell of one guide or batch, the last of them counts
_GUIDES = """
UPDATE guide SET status = CASE WHEN x.denied = 0 AND x.paid >= guide.total_cents THEN 'paga'
    WHEN x.denied > 0 AND x.paid = 0 THEN 'glosada' WHEN x.denied > 0 THEN 'glosada parcial'
    ELSE 'em analise' END, updated_at = now()
FROM (SELECT DISTINCT ON (l.guide_id) l.guide_id, sum(l.paid_cents + l.copay_cents) AS paid,
             sum(l.denied_cents) AS denied
      FROM unnest($3::text[]) WITH ORDINALITY AS p(protocol, turn)
      JOIN statement_line l ON l.tenant_id = $1 AND l.payer_id = $2 AND l.protocol = p.protocol
      WHERE NOT l.replaced AND l.guide_id IS NOT NULL
      GROUP BY l.guide_id, p.turn ORDER BY l.guide_id, p.turn DESC) x
WHERE guide.tenant_id = $1 AND guide.id = x.guide_id
"""
_BATCHES = """
UPDATE batch SET status = CASE WHEN x.denied > 0 THEN 'glosa' WHEN x.paid >= batch.total_cents THEN 'pago'
    ELSE 'demonstrativo' END, updated_at = now()
FROM (SELECT DISTINCT ON (s.batch_id) s.batch_id, t.paid, t.denied
      FROM unnest($3::uuid[], $4::text[]) WITH ORDINALITY AS p(submission, protocol, turn)
      JOIN submission s ON s.tenant_id = $1 AND s.id = p.submission
      CROSS JOIN LATERAL (
          SELECT coalesce(sum(paid_cents + copay_cents), 0) AS paid, coalesce(sum(denied_cents), 0) AS denied
          FROM statement_line l WHERE l.tenant_id = $1 AND l.payer_id = $2 AND l.protocol = p.protocol
          AND NOT l.replaced AND l.guide_id IS NOT NULL) t
      ORDER BY s.batch_id, p.turn DESC) x
WHERE batch.tenant_id = $1 AND batch.id = x.batch_id AND batch.status NOT IN ('recurso', 'encerrado')
"""
_SUBMISSIONS = """
UPDATE submission SET payer_status = coalesce(nullif(p.status, ''), payer_status), settled = settled OR p.ended
FROM unnest($2::uuid[], $3::text[], $4::bool[]) AS p(id, status, ended)
WHERE submission.tenant_id = $1 AND submission.id = p.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A protocol that statements told of: the submission it was given for, where known, and its status, or none."""

    submission: UUID | None
    protocol: str
    status: str


async def follow(tx: Transaction, payer_id: UUID, told: Sequence[Followed]) -> None:
    """Guides, batches and submissions take the state that the statements of these protocols tell."""
    if not told:
        return
    await tx.run(_GUIDES, payer_id, [one.protocol for one in told])
    ours = [(one.submission, one.protocol, one.status) for one in told if one.submission is not None]
    if not ours:
        return
    submissions, protocols, statuses = (list(column) for column in zip(*ours, strict=True))
    await tx.run(_BATCHES, payer_id, submissions, protocols)
    await tx.run(_SUBMISSIONS, submissions, statuses, [status in ENDED for status in statuses])


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
        told = Followed(submission=submission, protocol=protocol, status=row["payer_status"])
        await follow(tx, row["payer_id"], [told])
    return bool(rows)
