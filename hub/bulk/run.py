"""A bulk job at work: every step is one transaction that also says how far the job is.

A worker that takes a job up again goes on where the last step ended; one that lost its job finds another number of
steps than it knows and stops.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from canonical.errors import PonteError, TryLater
from hub.bulk import desk, pieces
from hub.bulk.desk import Job
from hub.bulk.pieces import File, Piece
from hub.exchange.work.lanes import place_of
from hub.guard import audit
from hub.retention import rules
from hub.store import older
from hub.store.database import Transaction
from hub.world import Tenant, World

log = logging.getLogger("ponte.bulk")
MOST_RECORDS = 250_000  # of one output file


class Stopped(Exception):
    """The job was cancelled, has ended, or another worker runs it."""


@dataclasses.dataclass(slots=True)
class Run:
    """One worker's hold on a job; `progress` is what the next step goes on from."""

    world: World
    tenant: Tenant
    job: Job
    progress: dict[str, Any]
    records: int

    async def step(self, tx: Transaction) -> None:
        """Write down how far the job is, in the transaction of what was done; raises Stopped."""
        step = await tx.value(
            "UPDATE bulk_job SET step = step + 1, progress = $3, records = $4, bound_at = $5 "
            "WHERE tenant_id = $1 AND id = $2 AND step = $6 AND status = 'RUNNING' RETURNING step",
            self.job.id,
            json.dumps(self.progress),
            self.records,
            self.job.bound_at,
            self.job.step,
        )
        if step is None:
            raise Stopped
        self.job = dataclasses.replace(self.job, step=step)

    async def sealed(self, kind: str, type_name: str, lines: Sequence[str]) -> Piece:
        """The next piece of the file of a kind and type, for the next step to store; a full file gets a successor."""
        plain = ("\n".join(lines) + "\n").encode()
        file = self._open_file(kind, type_name)
        piece = await asyncio.to_thread(pieces.sealed, self.world.settings, self.job.id, file, plain, len(lines))
        self.progress.setdefault("files", {})[f"{kind}/{type_name}"] = dataclasses.asdict(piece.file)
        self.progress["last_file"] = max(self.progress.get("last_file", 0), piece.file.number)
        return piece

    async def write(self, tx: Transaction, made: Sequence[Piece]) -> None:
        """One step with the pieces it made; raises Stopped before anything is stored."""
        await self.step(tx)
        for piece in made:
            await pieces.store(tx, self.job.id, piece)

    def _open_file(self, kind: str, type_name: str) -> File:
        known = self.progress.get("files", {}).get(f"{kind}/{type_name}")
        if known is not None and known["records"] < MOST_RECORDS:
            return File(**known)
        return File(number=self.progress.get("last_file", 0) + 1, kind=kind, type=type_name)

    async def close(self, tx: Transaction, status: str, problem: str | None = None) -> None:
        """End the job; its files stay for a while. Raises Stopped."""
        now = self.world.now()
        await self.step(tx)
        await tx.run(
            "UPDATE bulk_job SET status = $3, problem = $4, finished_at = $5, expires_at = $6 "
            "WHERE tenant_id = $1 AND id = $2",
            self.job.id,
            status,
            problem,
            now,
            now + datetime.timedelta(days=rules.days_of(self.tenant, "bulk") or 1),
        )
        outcome = "success" if status == "DONE" else "failure"
        detail = {"records": self.records}
        await audit.note(tx, self.job.owner, "finish", f"{self.job.kind}/{self.job.id}", outcome, detail=detail)


async def taken(world: World, tenant: Tenant, identity: UUID) -> Run | None:
    """The job for this worker, with every other worker shut out; None when there is nothing to do."""
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            f"UPDATE bulk_job SET status = 'RUNNING', step = step + 1 WHERE tenant_id = $1 AND id = $2 "
            f"AND status IN ('QUEUED', 'RUNNING') RETURNING {desk.COLUMNS}",
            identity,
        )
    if row is None:
        return None
    found = desk.job_of(world.settings, row)
    return Run(world, tenant, found, found.progress, found.records)


async def carry_out(
    world: World, tenant: Tenant, arguments: dict[str, Any], work: Callable[[Run], Awaitable[None]]
) -> str:
    """Run a job to its end and say how it ended; what may work later is raised, anything else fails the job."""
    run = await taken(world, tenant, UUID(str(arguments["id"])))
    if run is None:
        return "nothing to do"
    try:
        await work(run)
    except Stopped:
        return "stopped"
    except TryLater:
        raise
    except PonteError as error:
        return await _failed(run, error.code)
    except Exception as error:
        log.error("%s: %s at %s", run.job.kind, type(error).__name__, place_of(error))
        return await _failed(run, "bulk.failed")
    return f"{run.records} records"


async def _failed(run: Run, code: str) -> str:
    try:
        async with run.world.transaction(run.tenant) as tx:
            await run.close(tx, "FAILED", code)
    except Stopped:
        return "stopped"
    return f"failed: {code}"


async def settled(run: Run, seconds: float = 60.0, *, wait: bool = True) -> datetime.datetime:
    """The moment the job speaks of, once everything stored until then can be seen; raises TryLater.

    Records bear the time their writer began to store them, so those still being stored by older transactions are
    waited for, unless `wait` is False.
    """
    if run.job.bound_at is None:
        now = run.world.now()
        run.job = dataclasses.replace(run.job, bound_at=now.replace(microsecond=now.microsecond // 1000 * 1000))
        async with run.world.transaction(run.tenant) as tx:
            await run.step(tx)
    bound = run.job.bound_at
    if bound is None:
        raise LookupError("a job without a moment")
    if wait and not await older.ended(run.world.database, run.tenant.id, bound, seconds):
        raise TryLater("older transactions are still open", code="bulk.busy")
    return bound
