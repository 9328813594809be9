"""What became of outgoing messages: why one waits or was refused, after how many attempts, and when it is tried again.

Codes and places only. Of a partner's ERR segments that is the place (ERR-2, or ERR-1 before 2.5) and the condition
(ERR-3, HL7 table 0357), where they look like one; its words may name a person and stay with the kept answer.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.identity import first_id, moment_of
from canonical.problem import Problem
from hl7 import er7
from hub.store.database import Row, Transaction

_CONDITION = re.compile(r"[0-9]{3}\Z")
_PLACE = re.compile(r"[A-Z][A-Z0-9]{2}(?:\^[0-9]{1,4}){1,5}\Z")
_TOGETHER = datetime.timedelta(seconds=1)
MOST_FAULTS = 10

# A delivery is made right after its message: its id stands behind the message's, within the same moment.
_FATES = """
SELECT w.message_id, d.id, d.lane_id, d.status, d.attempt, coalesce(d.last_error, '') AS code,
       l.next_at, l.paused, r.content AS said
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS w(message_id, low, high)
JOIN delivery d ON d.tenant_id = $1 AND d.id >= w.low AND d.id < w.high AND d.message_id = w.message_id
LEFT JOIN lane l ON l.tenant_id = $1 AND l.id = d.lane_id
LEFT JOIN message r ON r.tenant_id = $1 AND r.id = d.reply_id AND d.status <> 'SENT'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One delivery: `again` is when its lane is tried next, None when it is over or its lane is paused."""

    id: UUID
    lane: int
    status: str
    attempt: int
    code: str
    paused: bool
    again: datetime.datetime | None
    faults: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order."""
        document = {name: getattr(self, name) for name in self.__slots__}
        again = self.again.isoformat() if self.again is not None else None
        return {**document, "id": str(self.id), "lane": str(self.lane), "again": again, "faults": list(self.faults)}


async def fates(tx: Transaction, messages: Iterable[UUID]) -> dict[UUID, Fate]:
    """What became of outgoing messages, by message."""
    ids = list(messages)
    if not ids:
        return {}
    low = [first_id(moment_of(one)) for one in ids]
    high = [first_id(moment_of(one) + _TOGETHER) for one in ids]
    return {row["message_id"]: _fate(row) for row in await tx.rows(_FATES, ids, low, high)}


def _fate(row: Row) -> Fate:
    waits = row["status"] == "QUEUED"
    paused = bool(waits and row["paused"])
    return Fate(
        id=row["id"],
        lane=row["lane_id"],
        status=row["status"],
        attempt=row["attempt"],
        code=row["code"],
        paused=paused,
        again=row["next_at"] if waits and not paused else None,
        faults=faults(bytes(row["said"])) if row["said"] else (),
    )


def faults(answer: bytes) -> tuple[str, ...]:
    """Place and condition of each ERR of an answer, such as `PID^1^3 204`; what looks like neither is left out."""
    message = er7.read(answer)
    if isinstance(message, Problem):
        return ()
    found = []
    for segment in itertools.islice(message.named("ERR"), MOST_FAULTS):
        place, condition = segment.raw_field(2) or segment.raw_field(1), segment.text(3) or segment.text(1, 4)
        said = [text for text, shape in ((place, _PLACE), (condition, _CONDITION)) if shape.match(text)]
        if said:
            found.append(" ".join(said))
    return tuple(found)
