"""Pages of an export: records as they stood at one moment, by key, bounded in number and bytes.

All of a type is walked in the order of first storage; what was stored since then is read from the versions. An export
of changes walks the versions themselves. Either way the same moment is shown, without a transaction that lasts.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir import jsontext, links
from hub.bulk import members
from hub.bulk.reach import Reach, is_whole
from hub.bulk.run import Run
from hub.bulk.wanted import SUPPORTING, Wanted, codes_of
from hub.find.statement import Statement
from hub.store.database import Row, Transaction

MOST_ROWS = 5000
MOST_BYTES = 4 * 1024 * 1024  # a page ends with the record that exceeds it

# Bodies are not fetched beyond the bound: their length is known without reading them.
_BOUNDED = (
    "SELECT s.* FROM (SELECT p.*, sum(p.size) OVER (ORDER BY {order}) - p.size AS before FROM ({rows}) p) s "
    "WHERE s.before < {most} ORDER BY {order}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Texts of records, ids of deleted ones, and the place the next page starts after; None when there is none."""

    texts: Sequence[str]
    deleted: Sequence[str] = ()
    after: list[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What a page is of: an export, one type of it, and the moment it shows."""

    run: Run
    wanted: Wanted
    type_name: str
    bound: datetime.datetime
    reach: Reach

    def shown(self, texts: Iterable[str | None]) -> list[str]:
        """Those of the texts that may be shown: each judged by itself, as it stood at the moment of the export."""
        there = [text for text in texts if text is not None]
        whole = is_whole(self.wanted, self.type_name)
        return there if whole else [text for text in there if self.reach.shows(text)]

    @property
    def last(self) -> datetime.datetime:
        """The last moment a version may have been stored at."""
        until = self.wanted.until
        return self.bound if until is None else min(self.bound, until - datetime.timedelta(microseconds=1))


async def page(tx: Transaction, walk: Walk, after: list[Any] | None) -> Page:
    """The page that starts after a place, or the first one."""
    if walk.wanted.since is not None:
        return await _changes(tx, walk, walk.wanted.since, after)
    return await _all(tx, walk, after)


def _bounded(rows: str, order: str) -> str:
    return _BOUNDED.format(rows=rows, order=order, most=MOST_BYTES)


def _next(rows: Sequence[Row], most: int, place: Sequence[str]) -> list[Any] | None:
    """The place of the last row, unless all there was has been read."""
    if not rows or (len(rows) < most and rows[-1]["size"] + rows[-1]["before"] < MOST_BYTES):
        return None
    return [value.isoformat() if isinstance(value := rows[-1][name], datetime.datetime) else value for name in place]


async def _all(tx: Transaction, walk: Walk, after: list[Any] | None) -> Page:
    statement = Statement()
    kind, last = statement.argument(walk.type_name), statement.argument(walk.last)
    place = statement.argument(after[0] if after else -(2**62))
    source, lead = "resource r", "r"
    if members.is_gathered(walk.wanted, walk.type_name):
        lead = "m"
        source = (
            "bulk_member m JOIN resource r ON r.tenant_id = $1 AND r.rid = m.rid "
            f"AND m.tenant_id = $1 AND m.job_id = {statement.argument(walk.run.job.id)}::uuid AND m.type = {kind}"
        )
    tests = [f"r.tenant_id = $1 AND r.type = {kind} AND {lead}.rid > {place}"]
    tests += [test for test in (members.of_any_patient(walk.wanted, walk.type_name, "r.rid"),) if test]
    rows = await tx.rows(
        _bounded(
            f"SELECT r.rid, r.id, r.deleted, r.updated_at > {last} AS later, octet_length(r.body) AS size, "
            f"CASE WHEN r.updated_at <= {last} AND NOT r.deleted THEN r.body END AS body FROM {source} "
            f"WHERE {' AND '.join(tests)} ORDER BY {lead}.rid LIMIT {MOST_ROWS}",
            "rid",
        ),
        *statement.arguments,
    )
    earlier = await _earlier(tx, walk, [row["id"] for row in rows if row["later"]])
    found = (earlier.get(row["id"]) if row["later"] else row["body"] for row in rows)
    return Page(texts=walk.shown(found), after=_next(rows, MOST_ROWS, ("rid",)))


async def _earlier(tx: Transaction, walk: Walk, ids: Sequence[str]) -> dict[str, str]:
    """What was stored of records at the moment shown, where they were not deleted then."""
    if not ids:
        return {}
    rows = await tx.rows(
        "SELECT DISTINCT ON (v.id) v.id, v.deleted, v.body FROM resource_version v JOIN unnest($3::text[]) AS x(id) "
        "ON v.id = x.id WHERE v.tenant_id = $1 AND v.type = $2 AND v.updated_at <= $4 ORDER BY v.id, v.version DESC",
        walk.type_name,
        list(ids),
        walk.last,
    )
    return {row["id"]: row["body"] for row in rows if not row["deleted"]}


async def _changes(tx: Transaction, walk: Walk, since: datetime.datetime, after: list[Any] | None) -> Page:
    statement = Statement()
    kind, last = statement.argument(walk.type_name), statement.argument(walk.last)
    source = "resource_version v"
    tests = [
        f"v.tenant_id = $1 AND v.type = {kind} AND v.updated_at >= {statement.argument(since)} "
        f"AND v.updated_at <= {last}",
        f"NOT EXISTS (SELECT 1 FROM resource_version n WHERE n.tenant_id = $1 AND n.type = {kind} AND n.id = v.id "
        f"AND n.version > v.version AND n.updated_at <= {last})",
    ]
    if after:
        moment = statement.argument(datetime.datetime.fromisoformat(after[0]))
        rest = ", ".join(statement.argument(value) for value in after[1:])
        tests.append(f"(v.updated_at, v.id, v.version) > ({moment}, {rest})")
    gathered = members.is_gathered(walk.wanted, walk.type_name)
    someones = members.of_any_patient(walk.wanted, walk.type_name, "r.rid")
    if gathered or someones:
        source += f" JOIN resource r ON r.tenant_id = $1 AND r.type = {kind} AND r.id = v.id"
    if gathered:
        job = statement.argument(walk.run.job.id)
        someones = (
            f"EXISTS (SELECT 1 FROM bulk_member m WHERE m.tenant_id = $1 AND m.job_id = {job}::uuid "
            f"AND m.type = {kind} AND m.rid = r.rid)"
        )
    tests += [f"(v.deleted OR {someones})"] if someones else []
    rows = await tx.rows(
        _bounded(
            "SELECT v.updated_at, v.id, v.version, v.deleted, octet_length(v.body) AS size, v.body "
            f"FROM {source} WHERE {' AND '.join(tests)} ORDER BY v.updated_at, v.id, v.version LIMIT {MOST_ROWS}",
            "updated_at, id, version",
        ),
        *statement.arguments,
    )
    deleted = await _told(tx, walk, [row["id"] for row in rows if row["deleted"]])
    return Page(
        texts=walk.shown(row["body"] for row in rows if not row["deleted"]),
        deleted=deleted,
        after=_next(rows, MOST_ROWS, ("updated_at", "id", "version")),
    )


async def _told(tx: Transaction, walk: Walk, ids: Sequence[str]) -> list[str]:
    """Those deleted records that the export may tell of, by what they last were: of an export of some patients only
    what was theirs, of a narrow token what it could read."""
    if not ids:
        return []
    if not is_whole(walk.wanted, walk.type_name):
        last = await _last(tx, walk, ids)
        ids = [identity for identity in ids if walk.shown([last.get(identity)])]
    if not walk.wanted.of_some:
        return list(ids)
    if walk.type_name == "Patient":
        return sorted(await members.theirs(tx, walk.run.job.id, ids))
    if walk.type_name in SUPPORTING or not codes_of(walk.type_name):
        return []
    named = {identity: _patients_of(text, walk.type_name) for identity, text in (await _last(tx, walk, ids)).items()}
    known = await members.theirs(tx, walk.run.job.id, sorted({each for found in named.values() for each in found}))
    return [identity for identity in ids if named.get(identity, set()) & known]


async def _last(tx: Transaction, walk: Walk, ids: Sequence[str]) -> dict[str, str]:
    """The last content of deleted records."""
    rows = await tx.rows(
        "SELECT DISTINCT ON (v.id) v.id, v.body FROM resource_version v JOIN unnest($3::text[]) AS x(id) "
        "ON v.id = x.id WHERE v.tenant_id = $1 AND v.type = $2 AND NOT v.deleted ORDER BY v.id, v.version DESC",
        walk.type_name,
        list(ids),
    )
    return {row["id"]: row["body"] for row in rows}


def _patients_of(text: str, type_name: str) -> set[str]:
    """The ids of the patients a record refers to."""
    literals = links.references(jsontext.stored(text), type_name)
    return {literal.rpartition("Patient/")[2].partition("/")[0] for literal in literals if "Patient/" in literal}
