"""The one write path: validate, store, project, index, audit and outbox in the caller's transaction.

HL7 v2, FHIR and TISS input all end here. It works on any number of records at once, with a fixed number of
statements, so that messages processed together cost one commit.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from canonical.errors import Conflict
from canonical.problem import Problem
from fhir import jsontext
from fhir.tags import Tags
from fhir.validation import invariants
from fhir.validation.validator import validate
from hub.exchange import partners
from hub.exchange.out import routes
from hub.guard import audit
from hub.records import index, projections, words
from hub.records.saved import Origin, Saved
from hub.store import bulk
from hub.store.database import Row, Transaction
from hub.store.schema import records as tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One intended write: `body` None deletes; `expected` are the versions of If-Match, `unless` those of
    If-None-Match; `fresh` is the creation of a record under an id made for it.

    `earlier` are bodies that came late and tell of something older: versions for the history, below the current one.
    `rules`: the constraints of R4 must hold as well as its structure; records the hub maps itself keep them by test.
    """

    type: str
    id: str
    body: dict[str, Any] | None
    expected: Tags | None = None
    unless: Tags | None = None
    fresh: bool = False
    skip_unchanged: bool = False
    message_id: UUID | None = None
    earlier: tuple[dict[str, Any], ...] = ()
    rules: bool = False


class Invalid(Exception):
    """A record does not validate; nothing was written. `findings` are by position of the write."""

    def __init__(self, findings: dict[int, list[Problem]]) -> None:
        super().__init__("invalid records")
        self.findings = findings


class Clash(Conflict):
    """The write at `position` cannot be done: the record stands at another version, or exists already."""

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text, code=code)
        self.position = 0


async def save(tx: Transaction, writes: Sequence[Write], origin: Origin) -> list[Saved]:
    """Apply `writes`, in order, and return one Saved each; raises Invalid, Conflict.

    Two writes to one record must not be in one call: its version would depend on their order.
    """
    _refuse_invalid(writes)
    stored = await _lock(tx, writes)
    if any(write.earlier for write in writes):
        writes = [await _unheard(tx, write) if write.earlier else write for write in writes]
    saved = _outcomes(writes, stored, origin)
    changed = [record for record in saved if record.changed]
    if changed:
        together = bulk.Together()
        rids = await _store(tx, changed, together)
        await index.replace(tx, changed, rids, origin.zone, together)
        words.due(together, changed, rids)
        await projections.replace(tx, changed, origin.zone, together)
        audit.record(together, origin, changed)
        told = await together.run(tx, partners.BY_KINDS, routes.kinds(changed))
        await routes.enqueue(tx, changed, origin, partners.by_kind(told))
    return saved


def _refuse_invalid(writes: Sequence[Write]) -> None:
    findings: dict[int, list[Problem]] = {}
    until = invariants.all_until()
    for position, write in enumerate(writes):
        bodies = [*write.earlier, *([write.body] if write.body is not None else [])]
        problems = [p for body in bodies for p in validate(body) if p.blocks]
        if write.rules and not problems:
            problems = [p for body in bodies for p in invariants.check(body, blocking=True, until=until)]
        if problems:
            findings[position] = problems
    if findings:
        raise Invalid(findings)


async def _lock(tx: Transaction, writes: Sequence[Write]) -> dict[tuple[str, str], Row]:
    """The stored rows of all targets, locked in one order so that two writers never wait for each other.

    Each is a look-up of its own, as in `hub.records.drafts.who.lookup`. Records created under ids made for them
    (`fresh`) cannot be there.
    """
    targets = sorted({(write.type, write.id) for write in writes})
    if len(targets) != len(writes):
        raise Conflict("two writes to the same record in one transaction")
    targets = sorted((write.type, write.id) for write in writes if not write.fresh)
    if not targets:
        return {}
    if len(targets) == 1:  # with a plan that is kept
        row = await tx.row(_LOCK_ONE, *targets[0])
        return {targets[0]: row} if row is not None else {}
    rows = await tx.rows(
        "SELECT r.* FROM unnest($2::text[], $3::text[]) AS x(type, id) CROSS JOIN LATERAL ("
        "SELECT type, id, rid, version, deleted, updated_at, body FROM resource "
        "WHERE tenant_id = (SELECT $1::uuid) AND id = x.id AND (type || '') = x.type FOR UPDATE) r",
        [t for t, _ in targets],
        [i for _, i in targets],
    )
    return {(row["type"], row["id"]): row for row in rows}


_LOCK_ONE = (
    "SELECT type, id, rid, version, deleted, updated_at, body FROM resource "
    "WHERE tenant_id = $1 AND type = $2 AND id = $3 FOR UPDATE"
)


async def _unheard(tx: Transaction, write: Write) -> Write:
    """`write` without those late bodies that are in the record's history already."""
    rows = await tx.rows(
        "SELECT body FROM resource_version WHERE tenant_id = $1 AND type = $2 AND id = $3 AND NOT deleted",
        write.type,
        write.id,
    )
    told = {_content(jsontext.stored(row["body"])) for row in rows}
    return dataclasses.replace(write, earlier=tuple(body for body in write.earlier if _content(body) not in told))


def _content(body: Any) -> str:
    """What a version says, whatever its meta and the identifiers it got since."""
    return jsontext.text({k: body[k] for k in sorted(body) if k not in ("resourceType", "id", "meta", "identifier")})


def _outcomes(writes: Sequence[Write], stored: dict[tuple[str, str], Row], origin: Origin) -> list[Saved]:
    saved = []
    for position, write in enumerate(writes):
        try:
            saved.append(_next(write, stored.get((write.type, write.id)), origin))
        except Clash as clash:
            clash.position = position
            raise
    return saved


def _next(write: Write, row: Row | None, origin: Origin) -> Saved:
    """What the record becomes."""
    exists = row is not None and not row["deleted"]
    if write.expected is not None and not (row is not None and _is_at(write.expected, row, exists)):
        raise Clash("the record is at another version", code="failure.version")
    if write.unless is not None and row is not None and exists and write.unless.name(row["version"]):
        raise Clash("the record exists, or stands at a version that was ruled out", code="fhir.if-none-match")
    if write.body is None and not exists:
        return _unchanged(write, row, origin)
    version = 1 if row is None else row["version"] + 1 + len(write.earlier)
    now = _moment(row, origin)
    body = None if write.body is None else with_meta(write.body, write.id, version, now)
    same = write.skip_unchanged and row is not None and exists and body is not None and _same(row["body"], body)
    if same and not write.earlier:
        return _unchanged(write, row, origin)
    return Saved(
        type=write.type,
        id=write.id,
        version=version,
        updated_at=now,
        text="" if body is None else jsontext.text(body),
        body=body,
        created=not exists,
        changed=True,
        message_id=write.message_id or origin.message_id,
        earlier=write.earlier,
        fresh=write.fresh,
    )


def _moment(row: Row | None, origin: Origin) -> datetime.datetime:
    """When the next version is stored: never before the last one, though its writer may have begun earlier or the clock
    been set back. Whoever asks what changed since a version was stored hears of the next."""
    return origin.now if row is None else max(origin.now, row["updated_at"])


def _is_at(expected: Tags, row: Row, exists: bool) -> bool:
    """Whether If-Match holds; what was deleted has a version of its own but is not there for `*` (RFC 9110 §13.1.1)."""
    return expected.name(row["version"]) and (exists or not expected.every)


def _unchanged(write: Write, row: Row | None, origin: Origin) -> Saved:
    """A write without effect; version 0 stands for a record that never was."""
    return Saved(
        type=write.type,
        id=write.id,
        version=row["version"] if row is not None else 0,
        updated_at=row["updated_at"] if row is not None else origin.now,
        text=row["body"] if row is not None else "",
        body=write.body,
        created=False,
        changed=False,
    )


def with_meta(body: dict[str, Any], record_id: str, version: int, now: datetime.datetime) -> dict[str, Any]:
    """`body` with resourceType, id and meta (versionId, lastUpdated) first; other meta elements are kept."""
    meta = dict(body.get("meta") or {})
    meta.update(versionId=str(version), lastUpdated=instant(now))
    rest = {key: value for key, value in body.items() if key not in ("resourceType", "id", "meta")}
    return {"resourceType": body["resourceType"], "id": record_id, "meta": meta, **rest}


@lru_cache(maxsize=64)  # one moment for all records of a transaction
def instant(moment: datetime.datetime) -> str:
    """A FHIR instant in UTC with milliseconds."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _same(stored: str, body: dict[str, Any]) -> bool:
    """Whether only version and time of meta differ."""
    return _essence(jsontext.stored(stored)) == _essence(body)


def _essence(body: dict[str, Any]) -> str:
    meta = {k: v for k, v in (body.get("meta") or {}).items() if k not in ("versionId", "lastUpdated")}
    return jsontext.text({**body, "meta": meta})


_RESOURCE = ("type", "id", "version", "updated_at", "deleted", "body", "message_id")
_RESOURCE_SUFFIX = (
    "ON CONFLICT (tenant_id, type, id) DO UPDATE SET version = excluded.version, updated_at = excluded.updated_at, "
    "deleted = excluded.deleted, body = excluded.body, message_id = excluded.message_id "
    "WHERE resource.version < excluded.version RETURNING rid, type, id"
)
_VERSION = ("type", "id", "version", "updated_at", "deleted", "method", "body", "message_id")


async def _store(tx: Transaction, changed: Sequence[Saved], together: bulk.Together) -> dict[tuple[str, str], int]:
    """The rids of the stored records; their versions are added to what is written together. Raises Conflict."""
    current = [(s.type, s.id, s.version, s.updated_at, s.body is None, s.text, s.message_id) for s in changed]
    rows = await bulk.insert(tx, tables.resource, _RESOURCE, current, _RESOURCE_SUFFIX)
    if len(rows) != len(changed):  # another transaction created one of them between our look and our insert
        raise Conflict("the record changed in between", code="failure.version")
    history = [row for s in changed for row in (*_late(s), _row(s))]
    together.insert(tables.resource_version, _VERSION, history)
    return {(row["type"], row["id"]): row["rid"] for row in rows}


def _row(s: Saved) -> tuple[Any, ...]:
    return (s.type, s.id, s.version, s.updated_at, s.body is None, _method(s), s.text, s.message_id)


def _late(s: Saved) -> list[tuple[Any, ...]]:
    first = s.version - len(s.earlier)
    bodies = [with_meta(body, s.id, first + nth, s.updated_at) for nth, body in enumerate(s.earlier)]
    return [
        (s.type, s.id, first + nth, s.updated_at, False, "PUT", jsontext.text(body), s.message_id)
        for nth, body in enumerate(bodies)
    ]


def _method(saved: Saved) -> str:
    if saved.body is None:
        return "DELETE"
    return "POST" if saved.created and saved.fresh else "PUT"  # under an id of its own it would be another record
