"""The audit trail: append-only events, written in the transaction of what they tell, and sealed in a hash chain.

Events carry places and counts, never values. Sealing happens a moment later, one sealer per tenant, so writers do
not wait for each other: a seal covers the events of all transactions below the oldest one still running. Where an
event comes of a request, its detail names the caller's `address`; so the seal covers that too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hub.guard import whence
from hub.records.saved import Origin, Saved
from hub.store import bulk
from hub.store.database import Row, Transaction
from hub.store.schema import guard as tables

_COLUMNS = ("actor", "action", "entity", "outcome", "detail")


def record(together: bulk.Together, origin: Origin, changed: Sequence[Saved]) -> None:
    """One event for each changed record, added to what is written together."""
    where = whence.address()
    rows = [
        (
            origin.actor,
            _action(saved),
            f"{saved.type}/{saved.id}/_history/{saved.version}",
            "success",
            _source(saved, where),
        )
        for saved in changed
    ]
    together.insert(tables.audit_event, _COLUMNS, rows)


async def note(
    tx: Transaction,
    actor: str,
    action: str,
    entity: str,
    outcome: str = "success",
    *,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """One event that is no record write: a login, a read, a resend, a replay; `detail` holds counts and names only."""
    await write(tx, [(actor, action, entity, outcome, detailed(detail))])


async def note_all(tx: Transaction, events: Sequence[tuple[str, str, str, str]]) -> None:
    """Events (actor, action, entity, outcome) that are no record writes, together."""
    said = detailed()
    await write(tx, [(*event, said) for event in events])


async def write(tx: Transaction, events: Sequence[tuple[str, str, str, str, str]]) -> None:
    """Events with their detail, as `detailed` made it when they happened."""
    await bulk.insert(tx, tables.audit_event, _COLUMNS, events)


def detailed(said: Mapping[str, Any] | None = None) -> str:
    """The detail of an event that happens now: what is said of it, and from where it comes."""
    where = whence.address()
    return json.dumps({**(said or {}), "address": where} if where else said or {})


def _source(saved: Saved, where: str) -> str:
    if where:
        return detailed({"message": str(saved.message_id)} if saved.message_id else None)
    return f'{{"message": "{saved.message_id}"}}' if saved.message_id else "{}"


def _action(saved: Saved) -> str:
    if saved.body is None:
        return "delete"
    return "create" if saved.created else "update"


_LAST = "SELECT number, hash, until_transaction FROM audit_seal WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1"
_HORIZON = "SELECT (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint WHERE $1::uuid IS NOT NULL"
_SEALS = """
SELECT * FROM (SELECT * FROM audit_seal WHERE tenant_id = $1 ORDER BY number DESC LIMIT $2::bigint) s ORDER BY number
"""
_REMOVED = "SELECT coalesce(max(until_seal), 0) FROM audit_removal WHERE tenant_id = $1"
_FINISHED = """
SELECT "transaction", seq, at, actor, action, entity, outcome, detail FROM audit_event
WHERE tenant_id = $1 AND "transaction" >= $2 AND "transaction" < $3 ORDER BY "transaction", seq
"""


async def seal(tx: Transaction) -> int:
    """Seal all finished transactions' events; returns how many. One sealer per tenant at a time."""
    if not await tx.value("SELECT pg_try_advisory_xact_lock(hashtextextended('audit ' || ($1::uuid)::text, 0))"):
        return 0
    last = await tx.row(_LAST)
    start = last["until_transaction"] if last else 0
    horizon = await tx.value(_HORIZON)
    rows = await tx.rows(_FINISHED, start, horizon)
    if not rows:
        return 0
    previous = last["hash"] if last else ""
    await tx.run(
        "INSERT INTO audit_seal (tenant_id, number, from_transaction, until_transaction, events, previous_hash, hash) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        (last["number"] if last else 0) + 1,
        start,
        horizon,
        len(rows),
        previous,
        chain(previous, [_words(row) for row in rows]),
    )
    return len(rows)


async def broken_seal(tx: Transaction, *, newest: int = 0) -> int | None:
    """The number of the first seal that does not fit its events or its predecessor; None when the chain holds.

    Of seals whose events were removed by retention the links alone are looked at: the owner said so in `audit_removal`.
    `newest`: only so many of the last seals are looked at, from one that is taken as it stands.
    """
    rows = await tx.rows(_SEALS, newest or None)
    trusted = rows.pop(0) if newest and rows and rows[0]["number"] > 1 else None
    removed = int(await tx.value(_REMOVED))
    previous, first = (trusted["hash"], trusted["number"] + 1) if trusted else ("", 1)
    for expected, seal_row in enumerate(rows, first):
        digest = seal_row["hash"]
        if seal_row["number"] > removed:
            events = await tx.rows(_FINISHED, seal_row["from_transaction"], seal_row["until_transaction"])
            digest = chain(previous, [_words(row) for row in events])
        if seal_row["number"] != expected or seal_row["previous_hash"] != previous or seal_row["hash"] != digest:
            return expected
        previous = digest
    return None


def _words(row: Row) -> tuple[str, ...]:
    return tuple(str(value) for value in row.values())


def chain(previous: str, events: Sequence[tuple[str, ...]]) -> str:
    """The SHA-256 over the previous seal and the events' values."""
    hasher = hashlib.sha256(previous.encode())
    for event in events:
        hasher.update(json.dumps(event, ensure_ascii=False).encode())
    return hasher.hexdigest()
