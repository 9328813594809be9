"""What the page of RNDS shows: how many documents stand where, and what those that wait for a person need."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from hub.rnds import rows
from hub.rnds.rows import Document
from hub.world import Tenant, World

MOST = 50
WAITING_FOR_A_PERSON = ("recusado", "parado", "pendente")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """One document that waits: its kind, record and number here, since when, and its findings by code."""

    id: str
    kind: str
    status: str
    subject: str
    since: datetime.datetime
    problems: tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Counts by kind and state, and the documents that wait, at most MOST of each state."""

    counts: list[dict[str, Any]]
    failing: list[Failing]


async def shown(world: World, tenant: Tenant, language: str) -> Shown:
    """The documents of a tenant now."""
    async with world.transaction(tenant) as tx:
        counted = await rows.counts(tx)
        found = [one for status in WAITING_FOR_A_PERSON for one in await rows.listed(tx, status=status, limit=MOST)]
    sums: dict[tuple[str, str], int] = {}
    for one in counted:
        sums[one["kind"], one["status"]] = sums.get((one["kind"], one["status"]), 0) + one["count"]
    counts = [{"kind": kind, "status": status, "count": count} for (kind, status), count in sums.items()]
    return Shown(counts=counts, failing=[_failing(one, language) for one in found])


def _failing(document: Document, language: str) -> Failing:
    told = tuple(problem.as_json(language) for problem in document.findings() if problem.severity == "error")
    return Failing(
        id=str(document.id),
        kind=document.kind,
        status=document.state,
        subject=document.subject,
        since=document.updated_at,
        problems=told,
    )
