"""Guides a payer lists under numbers of its own: found by numeroGuiaOperadora, where the hub learnt it for the batch.

It is learnt from the authorisation (the guide carries it) and from the answers about the batch. A number that fits no
guide, or more than one, stays nobody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hub.billing.batch import responses
from hub.store.database import Transaction

_SENT = """
SELECT s.id AS submission, g.id, g.number, g.batch_id, coalesce(
    g.tree::jsonb #>> '{dadosAutorizacao,numeroGuiaOperadora}', g.tree::jsonb ->> 'numeroGuiaOperadora') AS told
FROM submission s JOIN guide g ON g.tenant_id = $1 AND g.batch_id = s.batch_id
WHERE s.tenant_id = $1 AND s.id = ANY($2::uuid[])
"""


_GIVEN = """
SELECT g.id, g.batch_id, coalesce(
    g.tree::jsonb #>> '{dadosAutorizacao,numeroGuiaOperadora}', g.tree::jsonb ->> 'numeroGuiaOperadora') AS told
FROM guide g WHERE g.tenant_id = $1 AND g.id = ANY($2::uuid[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A guide of a statement whose number is none of ours: as told, the payer's own number, the submission it is of."""

    number: str
    operator_number: str
    submission: UUID


async def ours(tx: Transaction, foreign: Sequence[Foreign]) -> dict[str, str]:
    """Our numbers of guides that a statement lists under others, by the number told."""
    if not foreign:
        return {}
    rows = await tx.rows(_SENT, sorted({one.submission for one in foreign}))
    answered = {responses.identity_of(row["batch_id"], row["id"]): row["number"] for row in rows}
    given = await responses.numbers(tx, answered)
    known: dict[tuple[UUID, str], set[str]] = {}
    for row in rows:
        for operator_number in {row["told"], given.get(row["number"])} - {None, ""}:
            known.setdefault((row["submission"], operator_number), set()).add(row["number"])
    found: dict[str, set[str]] = {}
    for one in foreign:
        found.setdefault(one.number, set()).update(known.get((one.submission, one.operator_number), set()))
    return {number: next(iter(names)) for number, names in found.items() if len(names) == 1}


async def given(tx: Transaction, guide_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The payer's own numbers of guides, where the hub learnt them."""
    rows = await tx.rows(_GIVEN, list(guide_ids))
    answered = {responses.identity_of(row["batch_id"], row["id"]): str(row["id"]) for row in rows if row["batch_id"]}
    told = await responses.numbers(tx, answered) if answered else {}
    found = {row["id"]: row["told"] or told.get(str(row["id"]), "") for row in rows}
    return {identity: number for identity, number in found.items() if number}


async def submissions(tx: Transaction, payer_id: UUID, protocols: Sequence[str]) -> dict[str, UUID]:
    """The submissions that protocols were given for, by protocol."""
    rows = await tx.rows(
        "SELECT DISTINCT ON (protocol) protocol, id FROM submission WHERE tenant_id = $1 AND payer_id = $2 "
        "AND protocol = ANY($3::text[]) ORDER BY protocol, settled",
        payer_id,
        sorted(set(protocols)),
    )
    return {row["protocol"]: row["id"] for row in rows}
