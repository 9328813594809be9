"""What became of a subscription: its state, how many events, its last failure, and its events told again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir import jsontext
from hub.store.database import Row, Transaction
from hub.subscriptions.events import Event, count

MOST_EVENTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The number of events so far, and the code of what keeps the oldest undelivered one back; empty when nothing."""

    events: int
    failure: str


async def past(tx: Transaction, subscription: str) -> Past:
    """How a subscription stands."""
    failure = await tx.value(
        "SELECT last_error FROM lane "
        "WHERE tenant_id = $1 AND kind = 'outbound' AND name = $2 AND last_error IS NOT NULL LIMIT 1",
        subscription,
    )
    return Past(events=await count(tx, subscription), failure=str(failure or ""))


async def rows_again(tx: Transaction, subscription: str, first: int, last: int | None) -> list[Row]:
    """The events numbered `first` to `last`, up to MOST_EVENTS, each with its record as it was then."""
    return await tx.rows(
        "SELECT e.number, e.type, e.record_id, e.record_id AS id, e.version, e.at, v.body, "
        "coalesce(v.deleted, false) AS deleted FROM subscription_event e "
        "LEFT JOIN resource_version v ON v.tenant_id = $1 AND v.id = e.record_id AND v.type = e.type "
        "AND v.version = e.version WHERE e.tenant_id = $1 AND e.subscription_id = $2 AND e.number >= $3 "
        "AND ($4::bigint IS NULL OR e.number <= $4) ORDER BY e.number LIMIT $5",
        subscription,
        first,
        last,
        MOST_EVENTS,
    )


def told_again(rows: Sequence[Row], content: str) -> Sequence[Event]:
    """The events of rows, with as much of their records as `content` says."""
    return [_event(row, content) for row in rows]


def _event(row: Row, content: str) -> Event:
    whole = content == "full-resource" and bool(row["body"])
    return Event(
        number=row["number"],
        focus="" if content == "empty" else f"{row['type']}/{row['record_id']}",
        body=jsontext.stored(row["body"]) if whole else None,
        created=row["version"] == 1,
        deleted=bool(row["deleted"]),
        at=row["at"],
    )
