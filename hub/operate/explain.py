"""Explains a record: which message made each of its versions, when it came, and what the audit trail says."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import NotFound
from hub.store.database import Row, Transaction

_VERSIONS = """
SELECT v.version, v.updated_at, v.method, v.message_id, m.type, m.control_id, m.received_at, m.removed_at,
       c.name AS channel,
       ARRAY(SELECT f.message_id FROM fragment f WHERE f.tenant_id = $1 AND f.whole_id = v.message_id ORDER BY f.place)
         AS parts,
       (SELECT a.actor FROM audit_event a WHERE a.tenant_id = $1
         AND a.entity = $2 || '/' || $3 || '/_history/' || v.version LIMIT 1) AS actor
FROM resource_version v
LEFT JOIN message m ON m.tenant_id = $1 AND m.id = v.message_id
LEFT JOIN channel c ON c.tenant_id = $1 AND c.id = m.channel_id
WHERE v.tenant_id = $1 AND v.type = $2 AND v.id = $3 ORDER BY v.version
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One version of a record and what made it; the message's fields are empty when no message did.

    `parts` are the messages it was joined from, where it came in parts. `removed_at`: when retention removed the bytes.
    """

    version: int
    at: datetime.datetime
    method: str
    actor: str
    message_id: UUID | None
    message_type: str
    control_id: str
    channel: str
    received_at: datetime.datetime | None
    removed_at: datetime.datetime | None
    parts: list[UUID]

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order."""
        document = {name: getattr(self, name) for name in self.__slots__}
        message = str(self.message_id) if self.message_id else None
        return {**document, "message_id": message, "parts": [str(one) for one in self.parts]}


async def record(tx: Transaction, type_name: str, record_id: str) -> list[Cause]:
    """The causes of all versions, oldest first; raises NotFound."""
    rows = await tx.rows(_VERSIONS, type_name, record_id)
    if not rows:
        raise NotFound("there is no such record")
    return [_cause(row) for row in rows]


def _cause(row: Row) -> Cause:
    return Cause(
        version=row["version"],
        at=row["updated_at"],
        method=row["method"],
        actor=row["actor"] or "",
        message_id=row["message_id"],
        message_type=row["type"] or "",
        control_id=row["control_id"] or "",
        channel=row["channel"] or "",
        received_at=row["received_at"],
        removed_at=row["removed_at"],
        parts=list(row["parts"]),
    )
