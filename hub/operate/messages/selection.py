"""Which messages are meant: conditions an operator names, as SQL over `message m`; used to find and to replay alike."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import Refused
from canonical.identity import first_id

LIMIT = 100
CONFLICT = "message.conflict"
"""Kept as a mark of the message: whether another one had its number is known once it is stored."""
STATUSES = ("ERROR", "TRANSFORMED", "RECEIVED", "PENDING", "FILTERED", "QUEUED", "SENT")
"""What becomes of a message, as it is stored, looked for and shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for; empty fields do not filter, several must hold together. At most `limit`.

    `code` is a finding's, or the beginning of one up to a dot (`code` finds `code.unmapped`); `partner` is a code too.
    `ids`: only among these (none: no message is meant).
    """

    control_id: str = ""
    status: str = ""
    type: str = ""
    direction: str = ""
    code: str = ""
    channel: str = ""
    partner: str = ""
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    ids: tuple[UUID, ...] | None = None
    limit: int = LIMIT

    @property
    def says_nothing(self) -> bool:
        """Whether every message is meant."""
        return all(getattr(self, name) in ("", None) for name in self.__slots__ if name != "limit")


_CODED = (
    "((m.problems <> '[]' AND EXISTS (SELECT 1 FROM jsonb_array_elements(m.problems::jsonb) p "
    "WHERE p ->> 'code' = ${n} OR starts_with(p ->> 'code', ${n} || '.'))) "
    f"OR (m.conflict AND ('{CONFLICT}' = ${{n}} OR starts_with('{CONFLICT}', ${{n}} || '.'))))"
)
_WHERE = {
    "ids": "m.id = ANY(${n}::uuid[])",
    "control_id": "m.control_id = ${n}",
    "type": "m.type = ${n}",
    "direction": "m.direction = ${n}",
    "channel": "m.channel_id = (SELECT c.id FROM channel c WHERE c.tenant_id = $1 AND c.name = ${n})",
    "partner": "m.partner_id IN (SELECT p.id FROM partner p WHERE p.tenant_id = $1 AND p.code = ${n})",
    "since": "m.received_at >= ${n}",
    "until": "m.received_at < ${n}",
    "code": _CODED,  # last: it reads the findings of whatever the others leave
}


def conditions(query: Query, first: int = 2) -> tuple[str, list[Any]]:
    """What must hold, to stand behind `m.tenant_id = $1`, and the values from parameter `first` on; raises Refused.

    The status stands in the text, so that the index of what failed or waits can be used.
    """
    if query.status and query.status not in STATUSES:
        raise Refused(f"there is no such status of a message; one of {', '.join(STATUSES)}", code="message.status")
    found = [f"m.status = '{query.status}'"] if query.status else []
    values: list[Any] = []
    for name, text in _WHERE.items():
        if (value := getattr(query, name)) not in ("", None):
            found.append(text.replace("{n}", str(first + len(values))))
            values.append(value)
    if query.since is not None:  # ids are made in the order of time: the primary key bounds what is read
        found.append(f"m.id >= ${first + len(values)}")
        values.append(first_id(query.since))
    return "".join(f" AND {text}" for text in found), values
