"""The rows of documents: where each stands, and the lists people and doors ask for."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import NotFound
from canonical.identity import new_id
from canonical.problem import Problem
from hub.store.database import Row, Transaction

WAITING, PENDING, QUEUED, SENT = "aguardando", "pendente", "na fila", "enviado"
REFUSED, DELETED, SKIPPED = "recusado", "excluído", "dispensado"
STATUSES = (WAITING, PENDING, QUEUED, SENT, REFUSED, DELETED, SKIPPED)
_COLUMNS = (
    "r.id, r.partner_id, r.kind, r.subject, r.patient_id, r.generation, r.status, r.wanted, r.due_at, r.version, "
    "r.digest, r.rnds_id, r.replaced, r.delivery_id, r.code, r.problems, r.created_at, r.updated_at, r.sent_at, "
    "d.status AS delivery_status, d.attempt, d.last_error"
)
_FROM = "rnds_document r LEFT JOIN delivery d ON d.tenant_id = $1 AND d.id = r.delivery_id WHERE r.tenant_id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document: what record makes it, its state here and at RNDS. `rnds_id` is the newest one RNDS gave."""

    id: UUID
    partner_id: UUID
    kind: str
    subject: str
    patient_id: str
    generation: int
    status: str
    wanted: str
    due_at: datetime.datetime | None
    version: int
    digest: str
    rnds_id: str
    replaced: str
    delivery_id: UUID | None
    code: str
    problems: tuple[Problem, ...]
    created_at: datetime.datetime
    updated_at: datetime.datetime
    sent_at: datetime.datetime | None
    delivery_status: str
    attempts: int
    last_error: str

    @property
    def number(self) -> str:
        """The document's number in our system (Bundle.identifier): the same over all attempts and corrections."""
        own = f"{self.kind}-{self.subject.partition('/')[2]}"
        return own if self.generation == 1 else f"{own}-{self.generation}"

    @property
    def in_flight(self) -> bool:
        """Whether something about it waits in the outbox."""
        return self.delivery_status in ("QUEUED", "DEAD")

    @property
    def state(self) -> str:
        """The state as people read it: `parado` where the attempts are used up."""
        return "parado" if self.delivery_status == "DEAD" else self.status

    @property
    def reason(self) -> str:
        """The code of what RNDS or the way to it said last; empty without one."""
        return self.code or (self.last_error if self.in_flight else "")

    def findings(self) -> list[Problem]:
        """What lacks, and what RNDS said, with text and remedy; no patient data."""
        said = self.reason
        return [
            *self.problems,
            *([Problem(said, self.subject, args=(("code", said.rpartition(".")[2]),))] if said else []),
        ]

    def as_json(self) -> dict[str, Any]:
        """The document for doors: findings with text and remedy, no patient data."""
        return {
            "id": str(self.id),
            "kind": self.kind,
            "subject": self.subject,
            "number": self.number,
            "status": self.state,
            "wanted": self.wanted,
            "rnds_id": self.rnds_id,
            "replaced": self.replaced,
            "attempts": self.attempts,
            "code": self.reason,
            "problems": [problem.as_json() for problem in self.findings()],
            "due_at": _moment(self.due_at),
            "sent_at": _moment(self.sent_at),
            "updated_at": _moment(self.updated_at),
            "delivery": str(self.delivery_id) if self.delivery_id else None,
        }


def _moment(found: datetime.datetime | None) -> str | None:
    return found.isoformat() if found else None


def _document(row: Row) -> Document:
    said = dict(row)
    problems = tuple(
        Problem(
            one["code"], one["where"], level=one.get("severity"), args=tuple((k, v) for k, v in one.get("args", ()))
        )
        for one in json.loads(said.pop("problems"))
    )
    delivery = said.pop("delivery_status") or ""
    attempts, error = said.pop("attempt") or 0, said.pop("last_error") or ""
    return Document(**said, problems=problems, delivery_status=delivery, attempts=attempts, last_error=error)


def problems_text(problems: Sequence[Problem]) -> str:
    """Findings as the row keeps them: codes, places and the names their texts use; no values."""
    return json.dumps(
        [{"code": p.code, "where": p.where, "severity": p.severity, "args": p.args} for p in problems][:50],
        ensure_ascii=False,
    )


async def ensure(tx: Transaction, partner_id: UUID, kind: str, subject: str) -> UUID:
    """The row of a document, made when there is none; returns its id."""
    found = await tx.value(
        "INSERT INTO rnds_document AS r (tenant_id, id, partner_id, kind, subject, status) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET "
        "partner_id = excluded.partner_id RETURNING r.id",
        new_id(),
        partner_id,
        kind,
        subject,
        WAITING,
    )
    return UUID(str(found))


async def one(tx: Transaction, document_id: UUID, *, lock: bool = False) -> Document:
    """One document; raises NotFound. `lock` holds its row until the transaction ends."""
    if lock:
        await tx.run("SELECT 1 FROM rnds_document WHERE tenant_id = $1 AND id = $2 FOR UPDATE", document_id)
    row = await tx.row(f"SELECT {_COLUMNS} FROM {_FROM} AND r.id = $2", document_id)
    if row is None:
        raise NotFound("there is no such document")
    return _document(row)


async def listed(
    tx: Transaction, *, status: str = "", kind: str = "", subject: str = "", after: UUID | None = None, limit: int = 50
) -> list[Document]:
    """Documents, oldest first, after one of them; `status` `parado` are those whose delivery was given up."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM {_FROM} "
        "AND ($2 = '' OR CASE WHEN d.status = 'DEAD' THEN 'parado' ELSE r.status END = $2) "
        "AND ($3 = '' OR r.kind = $3) AND ($4 = '' OR r.subject = $4) AND ($5::uuid IS NULL OR r.id > $5) "
        "ORDER BY r.id LIMIT $6",
        status,
        kind,
        subject,
        after,
        limit,
    )
    return [_document(row) for row in rows]


async def counts(tx: Transaction) -> list[dict[str, Any]]:
    """How many documents stand where, by kind and state, and what failed most."""
    rows = await tx.rows(
        "SELECT r.kind, CASE WHEN d.status = 'DEAD' THEN 'parado' ELSE r.status END AS state, r.code, count(*) AS n "
        f"FROM {_FROM} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    return [{"kind": r["kind"], "status": r["state"], "code": r["code"], "count": r["n"]} for r in rows]


async def people(tx: Transaction, codes: Sequence[str], limit: int = 500) -> list[dict[str, Any]]:
    """Patients whose documents wait for their number, or were refused with one of `codes`; the longest wait first."""
    rows = await tx.rows(
        "SELECT patient_id, count(*) AS n, min(created_at) AS since, array_agg(DISTINCT kind ORDER BY kind) AS kinds, "
        "array_agg(DISTINCT CASE WHEN status = $3 THEN code WHEN problems LIKE '%\"rnds.unidentified\"%' "
        "THEN 'rnds.unidentified' ELSE 'rnds.individual' END) AS codes FROM rnds_document WHERE tenant_id = $1 "
        "AND (status = $2 AND (problems LIKE '%\"rnds.individual\"%' OR problems LIKE '%\"rnds.unidentified\"%') "
        "OR status = $3 AND code = ANY($4::text[])) GROUP BY patient_id ORDER BY min(created_at) LIMIT $5",
        PENDING,
        REFUSED,
        list(codes),
        limit,
    )
    return [
        {
            "patient": f"Patient/{row['patient_id']}" if row["patient_id"] else "",
            "documents": row["n"],
            "kinds": list(row["kinds"]),
            "since": _moment(row["since"]),
            "problems": [Problem(code, args=(("code", code.rpartition(".")[2]),)).as_json() for code in row["codes"]],
        }
        for row in rows
    ]


async def leaving(tx: Transaction, subject: str, kinds: Sequence[str]) -> bool:
    """Whether one of a record's documents of these kinds is being deleted."""
    if not kinds:
        return False
    found = await tx.value(
        f"SELECT 1 FROM {_FROM} AND r.subject = $2 AND r.kind = ANY($3::text[]) AND r.wanted = 'delete' "
        "AND (r.due_at IS NOT NULL OR d.status IN ('QUEUED', 'DEAD')) LIMIT 1",
        subject,
        list(kinds),
    )
    return found is not None


async def waiting(tx: Transaction, subject: str, kinds: Sequence[str]) -> list[UUID]:
    """The documents of a record and of these kinds that are due."""
    found = await tx.rows(
        "SELECT id FROM rnds_document WHERE tenant_id = $1 AND subject = $2 AND kind = ANY($3::text[]) "
        "AND due_at IS NOT NULL",
        subject,
        list(kinds),
    )
    return [row["id"] for row in found]


async def move(
    tx: Transaction, document_id: UUID, status: str, *, code: str = "", problems: Sequence[Problem] = ()
) -> None:
    """Set a document's state and why."""
    await tx.run(
        "UPDATE rnds_document SET status = $3, code = $4, problems = $5, updated_at = now() "
        "WHERE tenant_id = $1 AND id = $2",
        document_id,
        status,
        code,
        problems_text(problems),
    )
