"""What was asked of payers beside the bill, as an operator and the demonstration hold it against payers' books."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hub.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: its kind and detail, our number, what became of it, and the number the payer gave."""

    id: UUID
    payer: str
    detail: str
    number: str
    status: str
    protocol: str
    patient: str
    encounter: str


async def requests(tx: Transaction, kind: str) -> list[Request]:
    """All requests of a kind by their time."""
    rows = await tx.rows(
        "SELECT r.id, p.code, r.detail, r.number, r.status, coalesce(r.protocol, '') AS protocol, "
        "coalesce(r.patient_id, '') AS patient, coalesce(r.encounter_id, '') AS encounter FROM payer_request r "
        "JOIN partner p ON p.tenant_id = $1 AND p.id = r.payer_id WHERE r.tenant_id = $1 AND r.kind = $2 ORDER BY r.id",
        kind,
    )
    return [
        Request(
            id=row["id"],
            payer=row["code"],
            detail=row["detail"],
            number=row["number"],
            status=row["status"],
            protocol=row["protocol"],
            patient=row["patient"],
            encounter=row["encounter"],
        )
        for row in rows
    ]


async def passwords(tx: Transaction) -> list[str]:
    """The senhas that guides of stays stand on."""
    rows = await tx.rows(
        "SELECT tree::jsonb #>> '{dadosAutorizacao,senha}' AS senha FROM guide WHERE tenant_id = $1 "
        "AND kind = 'internacao' AND status <> 'cancelada'"
    )
    return [row["senha"] or "" for row in rows]
