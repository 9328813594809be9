"""The audit trail as a person reads it: newest first, by who, what, about whom and when; and whether its chain holds.

A page looks at a bounded number of events, so that a rare name costs a steady price: what was not looked at yet is
told by the moment up to which it was, and the next page goes on from there.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub.guard import audit
from hub.operate.persons import subject
from hub.store.database import Row, Transaction

LOOKED_AT = 20_000
"""How many events one page looks through."""
_STRAY = datetime.timedelta(hours=1)  # an event's time is its transaction's beginning, its number comes later
_COLUMNS = (
    "a.seq, a.at, a.actor, a.action, a.entity, a.outcome, a.detail, (SELECT u.name FROM user_account u "
    "WHERE u.tenant_id = $1 AND a.actor = 'user:' || u.login) AS person"
)
_MEANT = (
    "($3 = '' OR a.actor = $3) AND ($4 = '' OR a.action = $4) AND ($5 = '' OR a.outcome = $5) "
    "AND ($6::timestamptz IS NULL OR a.at >= $6) AND ($7::timestamptz IS NULL OR a.at < $7)"
)
_WALK = (
    f"SELECT {_COLUMNS} FROM (SELECT * FROM audit_event WHERE tenant_id = $1 AND seq < $2 ORDER BY seq DESC "
    f"LIMIT {LOOKED_AT}) a WHERE {_MEANT} ORDER BY a.seq DESC LIMIT $8"
)
_EDGE = (
    "SELECT seq, at FROM audit_event WHERE tenant_id = $1 AND seq < $2 ORDER BY seq DESC "
    f"OFFSET {LOOKED_AT - 1} LIMIT 1"
)
_ABOUT = (
    "WITH k AS (SELECT * FROM unnest($9::text[], $10::text[]) AS k(type, id)), places AS ("
    "SELECT type || '/' || id AS entity FROM k UNION SELECT v.type || '/' || v.id || '/_history/' || v.version "
    "FROM k JOIN resource_version v ON v.tenant_id = $1 AND v.type = k.type AND v.id = k.id) "
    f"SELECT {_COLUMNS} FROM places p JOIN audit_event a ON a.tenant_id = $1 AND a.entity = p.entity "
    f"WHERE a.seq < $2 AND {_MEANT} ORDER BY a.seq DESC LIMIT $8"
)
_FIRST_FROM = "SELECT seq, at FROM audit_event WHERE tenant_id = $1 AND seq >= $2 ORDER BY seq LIMIT 1"
_NEWEST = "SELECT seq FROM audit_event WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events: of one actor, action, outcome; about a person (`Patient/id` or a number); from and before a moment.
    `before`: the place a page goes on from."""

    actor: str = ""
    action: str = ""
    outcome: str = ""
    person: str = ""
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; `person` is the name of today of who did it, `detail` what it counts and names."""

    seq: int
    at: datetime.datetime
    actor: str
    person: str
    action: str
    entity: str
    outcome: str
    detail: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {name: getattr(self, name) for name in self.__slots__} | {"at": self.at.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Events, newest first; `more` is where to go on, None at the end; `looked_to` is told when there may be more of
    them although fewer were found than asked for."""

    events: Sequence[Event]
    more: int | None = None
    looked_to: datetime.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """How the chain stands: the last seal's number and time, how many events came after it."""

    number: int
    sealed_at: datetime.datetime | None
    unsealed: int


async def page(tx: Transaction, wanted: Wanted, count: int) -> Page:
    """Up to `count` events; raises NotFound for a person nobody knows."""
    if wanted.person:
        return await _about(tx, wanted, count)
    before = wanted.before
    if before is None:
        before = await _place(tx, wanted.until + _STRAY) if wanted.until else await _end(tx)
    found = [_event(row) for row in await tx.rows(_WALK, before, *_meant(wanted), count + 1)]
    if len(found) > count:
        return Page(events=found[:count], more=found[count - 1].seq)
    edge = await tx.row(_EDGE, before)
    if edge is None or (wanted.since and edge["at"] < wanted.since - _STRAY):
        return Page(events=found)
    return Page(events=found, more=edge["seq"], looked_to=edge["at"])


async def chain(tx: Transaction) -> Chain:
    """How the chain stands; whether it holds is `audit.broken_seal`'s to say."""
    last = await tx.row(
        "SELECT number, sealed_at, until_transaction FROM audit_seal WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1"
    )
    after = last["until_transaction"] if last else 0
    unsealed = await tx.value(
        'SELECT count(*) FROM (SELECT 1 FROM audit_event WHERE tenant_id = $1 AND "transaction" >= $2 LIMIT $3) a',
        after,
        LOOKED_AT,
    )
    return Chain(number=last["number"] if last else 0, sealed_at=last["sealed_at"] if last else None, unsealed=unsealed)


async def looked(tx: Transaction, actor: str, wanted: Wanted) -> None:
    """Note who looked at the trail; of a person, by the record's id: whoever watches is watched."""
    if not wanted.person:
        await audit.note(tx, actor, "trail-read", "audit")
        return
    for patient in await subject.patients_of(tx, wanted.person):
        await audit.note(tx, actor, "person-accesses", f"Patient/{patient}")


async def _about(tx: Transaction, wanted: Wanted, count: int) -> Page:
    records = await subject.records_of(tx, await subject.patients_of(tx, wanted.person))
    before = wanted.before if wanted.before is not None else await _end(tx)
    kinds, ids = [kind for kind, _ in records], [identity for _, identity in records]
    found = [_event(row) for row in await tx.rows(_ABOUT, before, *_meant(wanted), count + 1, kinds, ids)]
    return Page(events=found[:count], more=found[count - 1].seq if len(found) > count else None)


def _meant(wanted: Wanted) -> tuple[Any, ...]:
    return (wanted.actor, wanted.action, wanted.outcome, wanted.since, wanted.until)


async def _end(tx: Transaction) -> int:
    return int(await tx.value(_NEWEST) or 0) + 1


async def _place(tx: Transaction, moment: datetime.datetime) -> int:
    """The number from which on all events are later than a moment: halved towards, since times follow numbers."""
    low, high = 0, await _end(tx)
    while high - low > 1:
        middle = (low + high) // 2
        row = await tx.row(_FIRST_FROM, middle)
        if row is None or row["at"] > moment:
            high = middle
        else:
            low = row["seq"]
    return high


def _event(row: Row) -> Event:
    return Event(**{**dict(row), "person": row["person"] or "", "detail": json.loads(row["detail"] or "{}")})
