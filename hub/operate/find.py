"""Finds messages by what an operator knows: control id, status, type. Places and codes only, never content.

Newest first follows the primary key: message ids are made in the order of time (UUID version 7).
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.store.database import Row, Transaction

LIMIT = 100
_COLUMNS = (
    "m.id, m.direction, m.format, m.type, m.status, m.control_id, m.charset, m.receipts, m.conflict, m.attempt, "
    "m.problems, m.segments, m.received_at, m.finished_at, c.name AS channel, p.code AS partner, "
    "(SELECT f.whole_id FROM fragment f WHERE f.tenant_id = $1 AND f.message_id = m.id) AS whole, "
    "ARRAY(SELECT f.message_id FROM fragment f WHERE f.tenant_id = $1 AND f.whole_id = m.id ORDER BY f.place) AS parts"
)
_FROM = (
    "FROM message m LEFT JOIN channel c ON c.tenant_id = m.tenant_id AND c.id = m.channel_id "
    "LEFT JOIN partner p ON p.tenant_id = m.tenant_id AND p.id = m.partner_id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One message as an operator sees it; `place` is the channel it came in by or the partner it goes to.

    A message that came in parts names them in their order; each of them names the `whole` it became a part of.
    """

    id: UUID
    direction: str
    format: str
    type: str
    status: str
    control_id: str
    charset: str
    place: str
    receipts: int
    conflict: bool
    received_at: datetime.datetime
    finished_at: datetime.datetime | None
    problems: list[dict[str, Any]]
    segments: dict[str, int]
    whole: UUID | None
    parts: list[UUID]

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order."""
        document = {name: getattr(self, name) for name in self.__slots__}
        whole = str(self.whole) if self.whole else None
        return {**document, "id": str(self.id), "whole": whole, "parts": [str(one) for one in self.parts]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for; empty fields do not filter. Newest first, at most `limit`."""

    control_id: str = ""
    status: str = ""
    type: str = ""
    direction: str = ""
    limit: int = LIMIT


async def messages(tx: Transaction, query: Query) -> list[Found]:
    """The messages a query describes."""
    conditions, values = ["m.tenant_id = $1"], []
    for column in ("control_id", "status", "type", "direction"):
        if value := getattr(query, column):
            values.append(value)
            conditions.append(f"m.{column} = ${len(values) + 1}")
    where = " AND ".join(conditions)
    sql = f"SELECT {_COLUMNS} {_FROM} WHERE {where} ORDER BY m.id DESC LIMIT {int(query.limit)}"
    return [_found(row) for row in await tx.rows(sql, *values)]


async def message(tx: Transaction, message_id: UUID) -> Found | None:
    """One message by id, or None."""
    row = await tx.row(f"SELECT {_COLUMNS} {_FROM} WHERE m.tenant_id = $1 AND m.id = $2", message_id)
    return _found(row) if row is not None else None


def _found(row: Row) -> Found:
    return Found(
        id=row["id"],
        direction=row["direction"],
        format=row["format"],
        type=row["type"],
        status=row["status"],
        control_id=row["control_id"],
        charset=row["charset"],
        place=row["channel"] or row["partner"] or "",
        receipts=row["receipts"],
        conflict=row["conflict"],
        received_at=row["received_at"],
        finished_at=row["finished_at"],
        problems=json.loads(row["problems"]),
        segments=json.loads(row["segments"] or "{}"),
        whole=row["whole"],
        parts=list(row["parts"]),
    )
