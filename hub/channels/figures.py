"""Each channel at a glance: version, state, rate, depth, oldest, last message, last error. No patient data."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from uuid import UUID

from hub.store.database import Transaction

MOST_COUNTED = 50_000
MOST_ERRORS = 2_000
_CODE = re.compile(r"[a-z0-9][a-z0-9.\-]{0,80}\Z")

_CHANNELS = (
    "SELECT id, name, door, version, active FROM channel WHERE tenant_id = $1 ORDER BY active DESC, name LIMIT 500"
)
_RATE = """
SELECT m.channel_id, count(*) AS n, max(m.received_at) AS last
FROM (SELECT channel_id, received_at FROM message WHERE tenant_id = $1 AND id > $2 AND direction = 'in'
      AND channel_id IS NOT NULL ORDER BY id DESC LIMIT $3) m GROUP BY m.channel_id
"""
_DEPTH = """
SELECT m.channel_id, count(*) AS n, min(m.received_at) AS oldest
FROM (SELECT channel_id, received_at FROM message WHERE tenant_id = $1 AND status = 'RECEIVED' LIMIT $2) m
GROUP BY m.channel_id
"""
_ERRORS = """
SELECT DISTINCT ON (m.channel_id) m.channel_id, m.received_at AS at, (SELECT p ->> 'code'
       FROM jsonb_array_elements(m.problems::jsonb) p WHERE p ->> 'severity' = 'error' LIMIT 1) AS code
FROM (SELECT channel_id, received_at, problems FROM message WHERE tenant_id = $1 AND status = 'ERROR'
      AND direction = 'in' AND channel_id IS NOT NULL ORDER BY received_at DESC LIMIT $2) m
ORDER BY m.channel_id, m.received_at DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLine:
    """One channel: messages of the last hour, how many wait and since when, the last message of that hour, and the
    newest error with its code (empty: none)."""

    name: str
    door: str
    version: int
    active: bool
    hour: int
    depth: int
    oldest: datetime.datetime | None
    last: datetime.datetime | None
    error: str
    error_at: datetime.datetime | None


async def lasts(tx: Transaction, since: UUID) -> dict[str, datetime.datetime]:
    """When each channel's last message came, among the newest MOST_COUNTED since the message id `since`."""
    rows = await tx.rows(
        f"SELECT c.name, f.last FROM ({_RATE}) f JOIN channel c ON c.tenant_id = $1 AND c.id = f.channel_id",
        since,
        MOST_COUNTED,
    )
    return {row["name"]: row["last"] for row in rows}


async def lines(tx: Transaction, since: UUID) -> tuple[ChannelLine, ...]:
    """The channels of a tenant, active ones first; `since` is the smallest message id of the last hour."""
    rate = {row["channel_id"]: row for row in await tx.rows(_RATE, since, MOST_COUNTED)}
    depth = {row["channel_id"]: row for row in await tx.rows(_DEPTH, MOST_COUNTED)}
    errors = {row["channel_id"]: row for row in await tx.rows(_ERRORS, MOST_ERRORS)}
    found = []
    for row in await tx.rows(_CHANNELS):
        flow, wait, error = (table.get(row["id"]) for table in (rate, depth, errors))
        code = (error["code"] or "") if error else ""
        found.append(
            ChannelLine(
                name=row["name"],
                door=row["door"],
                version=row["version"],
                active=row["active"],
                hour=flow["n"] if flow else 0,
                depth=wait["n"] if wait else 0,
                oldest=wait["oldest"] if wait else None,
                last=flow["last"] if flow else None,
                error=code if _CODE.match(code) else "failure" if error else "",
                error_at=error["at"] if error else None,
            )
        )
    return tuple(found)
