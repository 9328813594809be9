"""Which messages' bytes a rule removes, and their removal. The row stays: it tells a resend, and what made a record.

Never removed are bytes that are unworked, failed, owed an answer, part of a message not whole yet, in a lane, or that
something open refers to: a delivery, a batch, an appeal, a request, a document to the network, a legal hold.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.identity import first_id
from hub.guard import audit
from hub.retention.holds import Held
from hub.store.database import Transaction

RULES = ("received", "received-only", "billing", "sent")
AT_ONCE = 2000
_DONE = ["TRANSFORMED", "FILTERED", "SENT"]
_ONLY_THERE = ("field.unmapped", "structure.segment-unmapped", "structure.repetition-lost", "semantic.not-a-record")
"""Findings that say that content stays in the message only."""

# what is under way and refers to a message; of deliveries, whatever was not sent and accepted
_OPEN_DENIAL = (
    "(n.status = 'em recurso' OR (n.status = 'aberta' AND coalesce(n.appeal_until, 'infinity') >= current_date))"
)
_IN_USE = """
SELECT message_id AS id FROM delivery WHERE tenant_id = $1 AND (status <> 'SENT' OR application = 'WAITING')
UNION SELECT reply_id FROM delivery WHERE tenant_id = $1 AND (status <> 'SENT' OR application = 'WAITING')
UNION SELECT message_id FROM fragment WHERE tenant_id = $1 AND state = 'open'
UNION SELECT b.message_id FROM batch b WHERE b.tenant_id = $1 AND b.status NOT IN ('encerrado', 'pago') AND (
      b.status <> 'glosa' OR b.id IN (
      SELECT g.batch_id FROM denial n JOIN guide g ON g.tenant_id = $1 AND g.id = n.guide_id
      WHERE n.tenant_id = $1 AND {open}))
UNION SELECT message_id FROM appeal WHERE tenant_id = $1 AND status NOT IN ('respondido', 'descartado')
UNION SELECT message_id FROM payer_request WHERE tenant_id = $1 AND (NOT settled OR status IN ('incerto', 'rejeitado'))
UNION SELECT l.message_id FROM denial n JOIN statement_line l ON l.tenant_id = $1 AND l.id = n.statement_line_id
      WHERE n.tenant_id = $1 AND {open}
UNION SELECT s.message_id FROM denial n JOIN statement_line l ON l.tenant_id = $1 AND l.id = n.statement_line_id
      JOIN statement s ON s.tenant_id = $1 AND s.id = l.statement_id
      WHERE n.tenant_id = $1 AND {open}
UNION SELECT unnest(ARRAY[d.message_id, d.reply_id]) FROM delivery d WHERE d.tenant_id = $1 AND d.id IN (
      SELECT delivery_id FROM submission WHERE tenant_id = $1 AND NOT settled
      UNION SELECT delivery_id FROM appeal WHERE tenant_id = $1 AND status NOT IN ('respondido', 'descartado')
      UNION SELECT delivery_id FROM payer_request WHERE tenant_id = $1 AND NOT settled
      UNION SELECT delivery_id FROM rnds_document WHERE tenant_id = $1)
"""
_OLD = f"""
WITH scanned AS MATERIALIZED (
    SELECT m.id, m.received_at, m.status, m.owes, octet_length(m.content) + coalesce(octet_length(m.reply), 0) AS size,
        CASE WHEN m.format = 'tiss' THEN 'billing'
             WHEN m.direction = 'out' OR m.channel_id IS NULL THEN 'sent'
             WHEN {" OR ".join(f"strpos(m.problems, '{code}') > 0" for code in _ONLY_THERE)} THEN 'received-only'
             ELSE 'received' END AS rule
    FROM message m WHERE m.tenant_id = $1 AND m.removed_at IS NULL AND m.id > $2 AND m.id < $3 ORDER BY m.id LIMIT $4),
due AS (
    SELECT s.id, s.rule, s.received_at, s.size,
        NOT $7 AND s.status = ANY($8::text[]) AND s.owes = '' AND s.id <> ALL ($9::uuid[])
        AND (cardinality($10::bytea[]) = 0 OR NOT EXISTS (SELECT 1 FROM unnest($10::bytea[]) n, message m
             WHERE m.tenant_id = $1 AND m.id = s.id AND position(n IN m.content) > 0) AND NOT EXISTS (
             SELECT 1 FROM message_piece p WHERE p.tenant_id = $1 AND p.message_id = s.id)) AS free
    FROM scanned s JOIN unnest($5::text[], $6::uuid[]) AS r(rule, before) ON r.rule = s.rule AND s.id < r.before)
"""
_LAST = "(SELECT s.id FROM scanned s ORDER BY s.id DESC LIMIT 1)"
_WAVE = f"""{_OLD}
SELECT {_LAST} AS last, (SELECT coalesce(array_agg(d.id ORDER BY d.id), '{{}}') FROM due d WHERE d.free) AS free,
       (SELECT coalesce(array_agg(d.rule ORDER BY d.id), '{{}}') FROM due d WHERE d.free) AS rules
"""
_COUNTED = f"""{_OLD}
SELECT {_LAST} AS last, coalesce((SELECT json_agg(c) FROM (
    SELECT rule, extract(year FROM received_at)::int AS year, free, count(*) AS count,
        coalesce(sum(size), 0)::bigint AS bytes
    FROM due GROUP BY 1, 2, 3) c), '[]') AS counts
"""
_REMOVE = """
WITH gone AS (
    UPDATE message m SET content = '', reply = NULL, removed_at = $5 FROM (
        SELECT x.id, x.rule, octet_length(o.content) + coalesce(octet_length(o.reply), 0) AS size
        FROM unnest($2::uuid[], $3::text[]) AS x(id, rule) JOIN message o ON o.tenant_id = $1 AND o.id = x.id) o
    WHERE m.tenant_id = $1 AND m.id = o.id AND m.status = ANY($4::text[]) AND m.owes = '' AND m.removed_at IS NULL
    RETURNING o.rule, o.size, m.received_at, m.id),
pieces AS (DELETE FROM message_piece p USING gone WHERE p.tenant_id = $1 AND p.message_id = gone.id)
SELECT rule, count(*) AS count, sum(size)::bigint AS bytes, min(received_at) AS first, max(received_at) AS last
FROM gone GROUP BY rule ORDER BY rule
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which messages come into question: by rule, those older than a moment; `kept` are those that may not go."""

    before: Mapping[str, datetime.datetime]
    kept: frozenset[UUID]
    held: Held

    def arguments(self, after: UUID) -> list[Any]:
        """The values of a statement over the next AT_ONCE messages behind `after`."""
        bounds = [first_id(moment) for moment in self.before.values()]
        free = [*self.kept, *self.held.messages]
        top = max(bounds, default=UUID(int=0))
        return [after, top, AT_ONCE, list(self.before), bounds, self.held.everything, _DONE, free, self.held.numbers]


@dataclass(slots=True, kw_only=True)
class Removed:
    """What one wave removed: how many, how many bytes, and the earliest and latest moment they were received."""

    count: int = 0
    bytes: int = 0
    first: datetime.datetime | None = None
    last: datetime.datetime | None = None

    def add(self, other: Removed) -> None:
        """Count another wave to this one."""
        self.count += other.count
        self.bytes += other.bytes
        self.first = min(filter(None, (self.first, other.first)), default=None)
        self.last = max(filter(None, (self.last, other.last)), default=None)

    def as_json(self) -> dict[str, Any]:
        """Counts and range; no patient's data."""
        first, last = (moment.isoformat(timespec="seconds") if moment else None for moment in (self.first, self.last))
        return {"count": self.count, "bytes": self.bytes, "first": first, "last": last}


async def in_use(tx: Transaction) -> frozenset[UUID]:
    """The messages that something under way refers to."""
    return frozenset(
        row["id"] for row in await tx.rows(_IN_USE.replace("{open}", _OPEN_DENIAL)) if row["id"] is not None
    )


async def counted(tx: Transaction, reach: Reach, after: UUID) -> tuple[UUID | None, str]:
    """Of the next messages behind `after`: the last one looked at (None: none left), and counts as JSON."""
    row = await tx.row(_COUNTED, *reach.arguments(after))
    return (row["last"], row["counts"]) if row is not None else (None, "[]")


async def wave(
    tx: Transaction, reach: Reach, after: UUID, now: datetime.datetime, actor: str
) -> tuple[UUID | None, dict[str, Removed]]:
    """Remove what may go of the next messages behind `after`, audited by rule.

    Beside it: the last one looked at (None: none left).
    """
    row = await tx.row(_WAVE, *reach.arguments(after))
    if row is None or not row["free"]:
        return (row["last"] if row is not None else None), {}
    removed = {}
    for found in await tx.rows(_REMOVE, row["free"], row["rules"], _DONE, now):
        counts = {name: value for name, value in found.items() if name != "rule"}
        removed[found["rule"]] = Removed(**counts)
        await audit.note(tx, actor, "retention", f"Retention/{found['rule']}", detail=removed[found["rule"]].as_json())
    return row["last"], removed
