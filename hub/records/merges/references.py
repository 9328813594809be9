"""References from other records: who points at a record, and how that is turned to another one."""

from __future__ import annotations

from typing import Any

from fhir import jsontext
from hub.records.drafts.who.moved import moved
from hub.records.write import Write
from hub.store.database import Row, Transaction

_POINTING = (
    "SELECT DISTINCT r.type, r.id, r.body FROM idx_reference i "
    "JOIN resource r ON r.tenant_id = $1 AND r.rid = i.rid AND NOT r.deleted "
    "WHERE i.tenant_id = $1 AND i.target_type = $2 AND i.target_id = $3 ORDER BY r.type, r.id"
)


async def pointing(tx: Transaction, kind: str, identity: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The bodies of the records that refer to a record, by type and id; patients, whose links tell of merges, excepted.

    The caller holds the lock of what they point at, so that none is added meanwhile.
    """
    rows: list[Row] = await tx.rows(_POINTING, kind, identity)
    return {(row["type"], row["id"]): jsontext.stored(row["body"]) for row in rows if row["type"] != "Patient"}


async def turned(tx: Transaction, kind: str, old: str, new: str) -> list[Write]:
    """Writes that make everything that points at `old` point at `new`."""
    found = await pointing(tx, kind, old)
    return [
        Write(type=place[0], id=place[1], body=moved(body, f"{kind}/{old}", f"{kind}/{new}"))
        for place, body in found.items()
    ]
