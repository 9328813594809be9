"""What supports an appeal: for each denial the records, messages and findings that speak of it, as addresses."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from canonical.errors import NotFound
from hub.billing.returns import benefits
from hub.billing.writing import glosa_name
from hub.guard import audit
from hub.store.database import Row, Transaction

_DENIALS = """
SELECT d.id, d.glosa_code, d.description, d.amount_cents, d.granted_cents, d.level, d.status, d.justification,
       d.appeal_until, l.guide_number, l.protocol, coalesce(l.item_sequence, l.sequence) AS sequence, l.code,
       l.message_id AS stated_in, d.guide_id, s.number AS statement, s.scope, p.code AS payer, i.charge_id,
       b.id AS batch_id, g.problems, g.number AS own_number,
       (SELECT r.body::jsonb #>> '{insurance,0,preAuthRef,0}' FROM resource r
        WHERE r.tenant_id = $1 AND r.type = 'Claim' AND r.id = d.guide_id::text) AS authorisation
FROM denial d
JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id
JOIN statement s ON s.tenant_id = $1 AND s.id = l.statement_id
JOIN partner p ON p.tenant_id = $1 AND p.id = d.payer_id
LEFT JOIN guide g ON g.tenant_id = $1 AND g.id = d.guide_id
LEFT JOIN guide_item i ON i.tenant_id = $1 AND i.guide_id = d.guide_id AND i.sequence = l.item_sequence
LEFT JOIN batch b ON b.tenant_id = $1 AND b.id = g.batch_id
WHERE d.tenant_id = $1 AND d.appeal_id = $2 ORDER BY l.guide_number, l.sequence, d.id
"""


async def of_appeal(tx: Transaction, appeal_id: UUID, actor: str) -> dict[str, Any]:
    """An appeal's denials with deadline, justification and evidence; the reading is audited. Raises NotFound."""
    row = await tx.row(
        "SELECT number, status, protocol, appeal_until, claimed_cents, granted_cents, message_id FROM appeal "
        "WHERE tenant_id = $1 AND id = $2",
        appeal_id,
    )
    if row is None:
        raise NotFound("there is no such appeal")
    await audit.note(tx, actor, "read", f"appeal/{appeal_id}")
    return {
        "id": str(appeal_id),
        "number": row["number"],
        "status": row["status"],
        "protocol": row["protocol"],
        "appeal_until": row["appeal_until"].isoformat() if row["appeal_until"] else None,
        "claimed_cents": row["claimed_cents"],
        "granted_cents": row["granted_cents"],
        "sent_in": _message(row["message_id"]),
        "denials": [_denial(found) for found in await tx.rows(_DENIALS, appeal_id)],
    }


def _denial(row: Row) -> dict[str, Any]:
    findings = [
        one for one in json.loads(row["problems"] or "[]") if row["glosa_code"] and row["glosa_code"] in one["text"]
    ]
    return {
        "id": str(row["id"]),
        "guide": row["guide_number"],
        "own_guide": row["own_number"],
        "sequence": row["sequence"],
        "code": row["code"],
        "glosa": row["glosa_code"],
        "name": glosa_name(row["glosa_code"]) or row["description"],
        "amount_cents": row["amount_cents"],
        "granted_cents": row["granted_cents"],
        "level": row["level"],
        "status": row["status"],
        "appeal_until": row["appeal_until"].isoformat() if row["appeal_until"] else None,
        "justification": row["justification"],
        "evidence": {name: place for name, place in _places(row).items() if place},
        "findings": findings,
    }


def _places(row: Row) -> dict[str, str | None]:
    """Addresses below the hub's own; what is not there is None."""
    guide = row["guide_id"]
    benefit = benefits.identity_of(row["payer"], row["protocol"], row["guide_number"], row["scope"])
    return {
        "guide": f"/api/v1/tiss/guides/{guide}" if guide else None,
        "claim": f"/fhir/Claim/{guide}" if guide else None,
        "judgement": f"/fhir/ExplanationOfBenefit/{benefit}",
        "charge": f"/fhir/ChargeItem/{row['charge_id']}" if row["charge_id"] else None,
        "batch": f"/api/v1/tiss/batches/{row['batch_id']}/document" if row["batch_id"] else None,
        "statement": _message(row["stated_in"]),
        "authorisation": row["authorisation"],
    }


def _message(message_id: UUID | None) -> str | None:
    return f"message/{message_id}" if message_id else None
