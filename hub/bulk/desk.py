"""The desk of bulk jobs: begun, looked up by who began them, cancelled; how many may be under way.

A job belongs to the client that began it: nobody else of the tenant sees it, and no other tenant can.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import NotFound
from canonical.identity import new_id
from hub.exchange.work import jobs
from hub.guard import audit, secrets
from hub.settings import Settings
from hub.store.database import Row, Transaction
from hub.world import Tenant

EXPORT, IMPORT, CLEANUP = "fhir.export", "fhir.import", "bulk.cleanup"
LONGEST = datetime.timedelta(days=7)  # after this an unfinished job is given up
STANDSTILL = datetime.timedelta(hours=1)  # how long an upload may wait for more
MOST_OPEN = 3
_OPEN = ("UPLOADING", "QUEUED", "RUNNING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A bulk job. `status` is UPLOADING (its input), QUEUED, RUNNING, DONE, FAILED or CANCELLED; `problem` tells why.

    `step` rises with every change a worker makes, so that one that lost its job changes nothing more. `bound_at` is
    the moment the job speaks of: an export holds what was stored until then.
    """

    id: UUID
    kind: str
    owner: str
    status: str
    request: dict[str, Any]
    progress: dict[str, Any]
    step: int
    records: int
    problem: str | None
    bound_at: datetime.datetime | None
    created_at: datetime.datetime
    finished_at: datetime.datetime | None
    expires_at: datetime.datetime

    @property
    def is_open(self) -> bool:
        """Whether it still runs or waits."""
        return self.status in _OPEN


COLUMNS = (
    "id, kind, owner, status, request, progress, step, records, problem, bound_at, created_at, finished_at, expires_at"
)


def job_of(settings: Settings, row: Row) -> Job:
    """A row with COLUMNS as a value."""
    request = json.loads(secrets.unseal(settings, bytes(row["request"]), _purpose(row["id"])))
    return Job(**{**dict(row), "request": request, "progress": json.loads(row["progress"])})


def _purpose(job: UUID) -> str:
    return f"bulk_job/{job}"


def most_open(tenant: Tenant) -> int:
    """How many jobs of one kind may be under way in a tenant (`fhir.bulk_jobs` of its settings, 1 to 50)."""
    stated = tenant.settings.get("fhir")
    most = stated.get("bulk_jobs") if isinstance(stated, dict) else None
    return min(max(most, 1), 50) if isinstance(most, int) else MOST_OPEN


async def has_room(tx: Transaction, tenant: Tenant, kind: str) -> bool:
    """Whether another job of a kind may begin; holds a lock until the transaction ends, so that two cannot both."""
    await tx.run("SELECT pg_advisory_xact_lock(hashtextextended('bulk ' || $2 || ($1::uuid)::text, 0))", kind)
    under_way = await tx.value(
        "SELECT count(*) FROM bulk_job WHERE tenant_id = $1 AND kind = $2 "
        "AND status IN ('UPLOADING', 'QUEUED', 'RUNNING')",
        kind,
    )
    return int(under_way) < most_open(tenant)


async def begin(
    tx: Transaction, settings: Settings, kind: str, owner: str, request: dict[str, Any], *, now: datetime.datetime
) -> UUID:
    """Put a job on the desk, as UPLOADING; `start` has it run, in the same or a later transaction."""
    identity = new_id()
    await tx.run(
        "INSERT INTO bulk_job (tenant_id, id, kind, owner, status, request, created_at, expires_at) "
        "VALUES ($1, $2, $3, $4, 'UPLOADING', $5, $6, $7)",
        identity,
        kind,
        owner,
        secrets.seal(settings, json.dumps(request).encode(), _purpose(identity)),
        now,
        now + STANDSTILL,
    )
    return identity


async def still_uploading(tx: Transaction, identity: UUID, now: datetime.datetime) -> None:
    """Say that input still comes in: an upload that stands still is given up. Raises NotFound when it was."""
    row = await tx.row(
        "UPDATE bulk_job SET expires_at = $3 WHERE tenant_id = $1 AND id = $2 AND status = 'UPLOADING' RETURNING id",
        identity,
        now + STANDSTILL,
    )
    if row is None:
        raise NotFound("there is no such job")


async def start(tx: Transaction, kind: str, identity: UUID) -> None:
    """Have a worker run a job."""
    await tx.run(
        "UPDATE bulk_job SET status = 'QUEUED', expires_at = created_at + $3 "
        "WHERE tenant_id = $1 AND id = $2 AND status = 'UPLOADING'",
        identity,
        LONGEST,
    )
    await jobs.enqueue(tx, kind, {"id": str(identity)})


async def find(tx: Transaction, settings: Settings, identity: UUID, owner: str) -> Job | None:
    """The job of a client, unless it was cancelled or has expired."""
    row = await tx.row(
        f"SELECT {COLUMNS} FROM bulk_job WHERE tenant_id = $1 AND id = $2 AND owner = $3 AND status <> 'CANCELLED'",
        identity,
        owner,
    )
    return job_of(settings, row) if row is not None else None


async def cancel(tx: Transaction, found: Job, actor: str, now: datetime.datetime) -> None:
    """Stop a job that runs, or give up the files of one that has ended; they are removed at once."""
    await tx.run(
        "UPDATE bulk_job SET status = 'CANCELLED', expires_at = $3, step = step + 1 WHERE tenant_id = $1 AND id = $2",
        found.id,
        now,
    )
    await audit.note(tx, actor, "cancel", f"{found.kind}/{found.id}")
    await jobs.enqueue(tx, CLEANUP, {})
