"""Legal holds: whose messages no rule removes (a lawsuit, an inquiry), and which messages those are.

A hold is of a person, merged records included, or of everybody. It covers what made or told of the person's records,
what was delivered and billed about them, and every message whose bytes hold one of their numbers: rather one too many.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import NotFound, Refused
from canonical.identity import new_id
from hub.guard import audit
from hub.operate.persons import subject
from hub.store.database import Transaction

LONGEST_REASON = 500
_LOCK = "SELECT pg_advisory_xact_lock{}(hashtextextended('holds ' || ($1::uuid)::text, 0))"
_STANDING = (
    "SELECT id, patient_id, reason, placed_by, placed_at FROM legal_hold "
    "WHERE tenant_id = $1 AND lifted_at IS NULL ORDER BY id"
)
_OF_RECORDS = """
WITH k AS (SELECT * FROM unnest($2::text[], $3::text[]) AS k(type, id)),
told AS (SELECT d.message_id, d.reply_id FROM k JOIN delivery d ON d.tenant_id = $1
         AND d.subject <> '' AND d.subject = k.type || '/' || k.id
         UNION SELECT d.message_id, d.reply_id FROM k JOIN delivery_subject s ON s.tenant_id = $1
         AND s.subject = k.type || '/' || k.id JOIN delivery d ON d.tenant_id = $1 AND d.id = s.delivery_id),
made AS (SELECT v.message_id AS id FROM k
         JOIN resource_version v ON v.tenant_id = $1 AND v.type = k.type AND v.id = k.id
         UNION SELECT message_id FROM told UNION SELECT reply_id FROM told)
SELECT id FROM made WHERE id IS NOT NULL
UNION SELECT f.message_id FROM made m JOIN fragment f ON f.tenant_id = $1 AND f.whole_id = m.id
"""
_OF_BILLS = """
WITH g AS (SELECT id, batch_id FROM guide WHERE tenant_id = $1 AND patient_id = ANY($2::text[])),
d AS (SELECT s.delivery_id AS id FROM g JOIN submission s ON s.tenant_id = $1 AND s.batch_id = g.batch_id
      UNION SELECT a.delivery_id FROM g JOIN appeal a ON a.tenant_id = $1 AND a.batch_id = g.batch_id
      UNION SELECT r.delivery_id FROM payer_request r WHERE r.tenant_id = $1 AND r.patient_id = ANY($2::text[])),
told AS (SELECT x.message_id, x.reply_id FROM d JOIN delivery x ON x.tenant_id = $1 AND x.id = d.id),
found AS (
    SELECT b.message_id AS id FROM g JOIN batch b ON b.tenant_id = $1 AND b.id = g.batch_id
    UNION SELECT l.message_id FROM g JOIN statement_line l ON l.tenant_id = $1 AND l.guide_id = g.id
    UNION SELECT p.message_id FROM g JOIN payment p ON p.tenant_id = $1 AND p.guide_id = g.id
    UNION SELECT a.message_id FROM g JOIN appeal a ON a.tenant_id = $1 AND a.batch_id = g.batch_id
    UNION SELECT r.message_id FROM payer_request r WHERE r.tenant_id = $1 AND r.patient_id = ANY($2::text[])
    UNION SELECT message_id FROM told UNION SELECT reply_id FROM told)
SELECT id FROM found WHERE id IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold that stands: of a person (`patient_id`) or of everybody (empty), why, by whom and since when."""

    id: UUID
    patient_id: str
    reason: str
    placed_by: str
    placed_at: datetime.datetime

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "id": str(self.id),
            "patient": f"Patient/{self.patient_id}" if self.patient_id else "",
            "reason": self.reason,
            "placed_by": self.placed_by,
            "placed_at": self.placed_at.isoformat(timespec="seconds"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the standing holds cover: everything, or patients, their messages, and bytes that messages may hold.

    `mark` changes whenever a hold is placed or lifted.
    """

    everything: bool
    patients: Sequence[str]
    messages: frozenset[UUID]
    numbers: Sequence[bytes]
    mark: tuple[UUID, ...]


async def standing(tx: Transaction) -> list[Hold]:
    """The holds that stand, oldest first."""
    return [Hold(**dict(row)) for row in await tx.rows(_STANDING)]


async def place(tx: Transaction, named: str, reason: str, *, actor: str) -> Hold:
    """Hold a person's messages and requests (a number or `Patient/id`), or everybody's (empty).

    Raises Refused, NotFound.
    Waits for a removal under way, so that nothing held is removed after this returns.
    """
    said = " ".join(reason.split())
    if not said or len(said) > LONGEST_REASON or not said.isprintable():
        raise Refused(f"a hold has a reason of at most {LONGEST_REASON} characters", code="retention.reason")
    patient = (await subject.patients_of(tx, named))[0] if named else ""
    await tx.run(_LOCK.format(""))
    identity = new_id()
    await tx.run(
        "INSERT INTO legal_hold (tenant_id, id, patient_id, reason, placed_by) VALUES ($1, $2, $3, $4, $5)",
        identity,
        patient,
        said,
        actor,
    )
    await audit.note(tx, actor, "hold-place", f"Patient/{patient}" if patient else "Hold/all")
    return next(hold for hold in await standing(tx) if hold.id == identity)


async def lift(tx: Transaction, identity: UUID, *, actor: str) -> None:
    """End a hold; the rules apply again from the next removal on. Raises NotFound."""
    await tx.run(_LOCK.format(""))
    patient = await tx.value(
        "UPDATE legal_hold SET lifted_at = now(), lifted_by = $3 "
        "WHERE tenant_id = $1 AND id = $2 AND lifted_at IS NULL RETURNING patient_id",
        identity,
        actor,
    )
    if patient is None:
        raise NotFound("there is no such hold, or it was lifted", code="retention.hold")
    await audit.note(tx, actor, "hold-lift", f"Patient/{patient}" if patient else "Hold/all")


async def held(tx: Transaction) -> Held:
    """What the holds cover now; no hold is placed or lifted until the transaction ends."""
    await tx.run(_LOCK.format("_shared"))
    found = await standing(tx)
    patients: set[str] = set()
    for hold in found:
        if hold.patient_id:
            patients |= set(await subject.patients_of(tx, f"Patient/{hold.patient_id}"))
    everyone = sorted(patients)
    return Held(
        everything=any(not hold.patient_id for hold in found),
        patients=everyone,
        messages=await _messages(tx, everyone),
        numbers=await _numbers(tx, everyone),
        mark=tuple(hold.id for hold in found),
    )


async def mark(tx: Transaction) -> tuple[UUID, ...]:
    """The mark of the holds that stand, which stays as it is until the transaction ends."""
    await tx.run(_LOCK.format("_shared"))
    return tuple(hold.id for hold in await standing(tx))


async def _messages(tx: Transaction, patients: Sequence[str]) -> frozenset[UUID]:
    if not patients:
        return frozenset()
    records = await subject.records_of(tx, patients)
    of_records = await tx.rows(_OF_RECORDS, [kind for kind, _ in records], [one for _, one in records])
    of_bills = await tx.rows(_OF_BILLS, list(patients))
    return frozenset(row["id"] for row in [*of_records, *of_bills])


async def _numbers(tx: Transaction, patients: Sequence[str]) -> list[bytes]:
    """The numbers of these patients and their memberships, as messages spell them."""
    if not patients:
        return []
    rows = await tx.rows(
        "SELECT value FROM patient_identifier WHERE tenant_id = $1 AND patient_id = ANY($2::text[]) AND value <> '' "
        "UNION SELECT member_number FROM coverage WHERE tenant_id = $1 AND patient_id = ANY($2::text[]) "
        "AND member_number <> ''",
        list(patients),
    )
    return [row["value"].encode() for row in rows]
