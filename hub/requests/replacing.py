"""A blocked request that a later one asks again: it is marked, in its row and its record, and leaves the lists of what
waits for somebody. What it lacked and who asked stays in both, and names the request that took its place.

What makes two requests the same matter is data (`replacing.csv`): by kind, whether the detail has to agree, the records
they are about, and, for those about no record, which texts of the request they ask for (SQL/JSON paths).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from hub.billing import writing
from hub.records.saved import Origin
from hub.records.write import Write
from hub.store.database import Transaction

REPLACED: Final = "substituido"
_DETAILS = {"same": True, "any": False}
# every record the blocked request is about has a later request; without records: the same is asked of the same visit
_FOUND = """
SELECT b.id FROM payer_request b JOIN payer_request n ON n.tenant_id = $1 AND n.id = $2
WHERE b.tenant_id = $1 AND b.payer_id = n.payer_id AND b.kind = n.kind AND b.status = 'bloqueado' AND b.id < n.id
AND (b.detail = n.detail OR NOT $3)
AND CASE WHEN EXISTS (SELECT 1 FROM payer_request_subject s
                      WHERE s.tenant_id = $1 AND s.request_id = b.id AND s.type = ANY($4::text[]))
THEN NOT EXISTS (
  SELECT 1 FROM payer_request_subject s WHERE s.tenant_id = $1 AND s.request_id = b.id AND s.type = ANY($4::text[])
  AND NOT EXISTS (
    SELECT 1 FROM payer_request_subject o JOIN payer_request l ON l.tenant_id = $1 AND l.id = o.request_id
    WHERE o.tenant_id = $1 AND o.type = s.type AND o.record_id = s.record_id AND l.id > b.id
    AND l.payer_id = b.payer_id AND l.kind = b.kind AND (l.detail = b.detail OR NOT $3)))
ELSE b.detail = n.detail AND (b.patient_id, b.encounter_id) IS NOT DISTINCT FROM (n.patient_id, n.encounter_id)
  AND NOT EXISTS (SELECT 1 FROM payer_request_subject s
                  WHERE s.tenant_id = $1 AND s.request_id = n.id AND s.type = ANY($4::text[]))
  AND {asked_b} = {asked_n} AND (b.encounter_id IS NOT NULL OR {asked_b} <> '[]')
END ORDER BY b.id FOR UPDATE OF b
"""
_ASKED = (
    "(SELECT coalesce(jsonb_agg(DISTINCT v), '[]') FROM unnest($5::text[]) AS p(path), "
    "jsonb_path_query({row}.tree::jsonb, p.path::jsonpath) AS v)"
)
_QUERY = _FOUND.format(asked_b=_ASKED.format(row="b"), asked_n=_ASKED.format(row="n"))
# blocked ones nobody looked back at: of before requests were marked, or blocked just now (a blocked one is not polled)
_UNSEEN = """
UPDATE payer_request SET polled_at = $3 WHERE tenant_id = $1 AND id = ANY (ARRAY(
    SELECT id FROM payer_request WHERE tenant_id = $1 AND payer_id = $2 AND status = 'bloqueado' AND polled_at IS NULL
    ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED))
RETURNING id, payer_id, kind, patient_id
"""
# the newest first: of records in common, or, where the blocked one names none, of the same patient
_LATER = """
SELECT n.id FROM payer_request n WHERE n.tenant_id = $1 AND n.payer_id = $2 AND n.kind = $3 AND n.id > $4
AND CASE WHEN EXISTS (SELECT 1 FROM payer_request_subject s WHERE s.tenant_id = $1 AND s.request_id = $4)
THEN EXISTS (SELECT 1 FROM payer_request_subject s JOIN payer_request_subject o ON o.tenant_id = $1
    AND o.type = s.type AND o.record_id = s.record_id WHERE s.tenant_id = $1 AND s.request_id = $4
    AND o.request_id = n.id)
ELSE n.patient_id IS NOT DISTINCT FROM $5 END ORDER BY n.id DESC LIMIT 50
"""
_RECORDS = ("Claim", "CoverageEligibilityRequest", "Communication", "Task")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What makes requests of a kind the same: the detail, the types of their records, the paths of what they ask."""

    detail: bool
    subjects: tuple[str, ...]
    asked: tuple[str, ...]


@cache
def matters() -> Mapping[str, Matter]:
    """The rules of `replacing.csv` by kind; raises ValueError for a row that cannot be read."""
    found = {}
    with (Path(__file__).resolve().parent / "replacing.csv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if row["detail"] not in _DETAILS or not (row["subjects"] or row["asked"]):
                raise ValueError(f"replacing.csv, line {number}: detail, or what is compared, cannot be read")
            found[row["kind"]] = Matter(
                detail=_DETAILS[row["detail"]],
                subjects=tuple(row["subjects"].split()),
                asked=tuple(row["asked"].split()),
            )
    return found


async def replace(tx: Transaction, identity: UUID, kind: str, by: Origin) -> list[UUID]:
    """Mark the blocked requests that a new one takes the place of; returns their ids."""
    matter = matters()[kind]
    rows = await tx.rows(_QUERY, identity, matter.detail, list(matter.subjects), list(matter.asked))
    gone = [row["id"] for row in rows]
    if not gone:
        return []
    await tx.run(
        "UPDATE payer_request SET status = $3, replaced_by = $4, updated_at = now() "
        "WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
        gone,
        REPLACED,
        identity,
    )
    told: dict[str, Any] = {"request": {"status": REPLACED, "replaced_by": str(identity)}}
    writes = []
    for name in _RECORDS:
        for record_id, body in (await writing.stored(tx, name, [str(one) for one in gone])).items():
            over = writing.laid_over(f"substituido-{name}", body, told)
            writes.append(Write(type=name, id=record_id, body=over, message_id=by.message_id, skip_unchanged=True))
    await writing.write(tx, writes, by)
    return gone


async def look_back(tx: Transaction, payer_id: UUID, by: Origin) -> int:
    """Mark the blocked requests to a payer that a later one has asked again already; returns how many were marked.

    Each is looked at once: whatever is asked afterwards looks for those it takes the place of by itself.
    """
    unseen = await tx.rows(_UNSEEN, payer_id, by.now)
    gone: set[UUID] = set()
    for row in sorted(unseen, key=lambda one: one["id"]):
        for later in await tx.rows(_LATER, row["payer_id"], row["kind"], row["id"], row["patient_id"]):
            if row["id"] in gone:
                break
            gone.update(await replace(tx, later["id"], row["kind"], by))
    return len(gone)
