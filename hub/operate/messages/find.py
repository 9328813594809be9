"""Finds messages by what an operator knows. Places and codes only, never content.

Newest first follows the primary key (ids are made in the order of time), or for errors the index of what failed.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.problem import Problem, in_general
from hub.operate.messages.fates import Fate, fates
from hub.operate.messages.selection import CONFLICT, Query, conditions
from hub.store.database import Row, Transaction

MOST_FAILED = 50_000
_COLUMNS = (
    "m.id, m.direction, m.format, m.type, m.status, m.control_id, m.charset, m.receipts, m.conflict, m.attempt, "
    "m.problems, m.segments, m.received_at, m.finished_at, m.removed_at, c.name AS channel, p.code AS partner, "
    "(SELECT f.whole_id FROM fragment f WHERE f.tenant_id = $1 AND f.message_id = m.id) AS whole, "
    "ARRAY(SELECT f.message_id FROM fragment f WHERE f.tenant_id = $1 AND f.whole_id = m.id ORDER BY f.place) AS parts"
)
_FROM = (
    "FROM message m LEFT JOIN channel c ON c.tenant_id = m.tenant_id AND c.id = m.channel_id "
    "LEFT JOIN partner p ON p.tenant_id = m.tenant_id AND p.id = m.partner_id"
)


_BEHIND = (
    "(m.received_at, m.id) < (SELECT b.received_at, b.id FROM message b WHERE b.tenant_id = $1 AND b.id = {place})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One message as an operator sees it; `place` is the channel it came in by or the partner it goes to.

    A message that came in parts names them in their order; each of them names the `whole` it became a part of.
    `delivery`: what became of an outgoing one. `removed_at`: when retention removed its bytes; it can no longer be
    replayed.
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
    removed_at: datetime.datetime | None
    problems: list[dict[str, Any]]
    segments: dict[str, int]
    whole: UUID | None
    parts: list[UUID]
    delivery: Fate | None = None

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order."""
        document = {name: getattr(self, name) for name in self.__slots__}
        whole = str(self.whole) if self.whole else None
        fate = self.delivery.as_json() if self.delivery is not None else None
        document |= {"id": str(self.id), "whole": whole, "parts": [str(one) for one in self.parts], "delivery": fate}
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Failed messages of one channel with one cause: how many, the newest and its id as an example."""

    code: str
    channel: str
    count: int
    last: datetime.datetime
    example: UUID

    def words(self, language: str = "pt") -> tuple[str, str]:
        """The cause and its remedy; what would name a value of one message is left open."""
        return in_general(self.code, language)

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        text, remedy = self.words()
        return {
            "code": self.code,
            "channel": self.channel,
            "count": self.count,
            "last": self.last.isoformat(),
            "example": str(self.example),
            "text": text,
            "remedy": remedy,
        }


_CAUSES = """
SELECT CASE WHEN e.code ~ '^[a-z0-9][a-z0-9.-]{0,80}$' THEN e.code ELSE 'failure' END AS code,
       coalesce(c.name, '') AS channel, count(*) AS count, max(e.received_at) AS last,
       (array_agg(e.id ORDER BY e.received_at DESC))[1] AS example
FROM (SELECT id, channel_id, received_at, coalesce((SELECT p ->> 'code' FROM jsonb_array_elements(problems::jsonb) p
             WHERE p ->> 'severity' = 'error' LIMIT 1), 'failure') AS code
      FROM message WHERE tenant_id = $1 AND status = 'ERROR' AND direction = 'in' AND received_at >= $2
      ORDER BY received_at DESC LIMIT $3) e
LEFT JOIN channel c ON c.tenant_id = $1 AND c.id = e.channel_id
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


async def causes(tx: Transaction, since: datetime.datetime) -> list[Cause]:
    """What failed since a moment, by cause and channel, most frequent first; of the newest MOST_FAILED."""
    return [Cause(**dict(row)) for row in await tx.rows(_CAUSES, since, MOST_FAILED)]


async def messages(tx: Transaction, query: Query, *, before: UUID | None = None) -> list[Found]:
    """The messages a query describes, newest first; `before`: those that come behind this one, of the same query."""
    where, values = conditions(query)
    order = "m.received_at DESC, m.id DESC" if query.status == "ERROR" else "m.id DESC"
    if before is not None:
        place = f"${len(values) + 2}"
        where += " AND " + (_BEHIND if query.status == "ERROR" else "m.id < {place}").format(place=place)
        values = [*values, before]
    sql = f"SELECT {_COLUMNS} {_FROM} WHERE m.tenant_id = $1{where} ORDER BY {order} LIMIT {int(query.limit)}"
    return await _with_fates(tx, [_found(row) for row in await tx.rows(sql, *values)])


async def message(tx: Transaction, message_id: UUID) -> Found | None:
    """One message by id, or None."""
    row = await tx.row(f"SELECT {_COLUMNS} {_FROM} WHERE m.tenant_id = $1 AND m.id = $2", message_id)
    return (await _with_fates(tx, [_found(row)]))[0] if row is not None else None


async def _with_fates(tx: Transaction, found: list[Found]) -> list[Found]:
    """The same messages, the outgoing ones with what became of them."""
    known = await fates(tx, [one.id for one in found if one.direction == "out"])
    return [dataclasses.replace(one, delivery=known[one.id]) if one.id in known else one for one in found]


def _problems(row: Row) -> list[dict[str, Any]]:
    """The findings of a message, with the one that its mark of a conflict stands for."""
    found: list[dict[str, Any]] = json.loads(row["problems"])
    if row["conflict"] and all(one["code"] != CONFLICT for one in found):
        found.append(Problem(CONFLICT, "MSH-10").as_json())
    return found


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
        removed_at=row["removed_at"],
        problems=_problems(row),
        segments=json.loads(row["segments"] or "{}"),
        whole=row["whole"],
        parts=list(row["parts"]),
    )
