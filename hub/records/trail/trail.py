"""The hub's own audit trail and lineage, read and searched as AuditEvent (`audit-…`) and Provenance (`lineage-…`).

Both come from the rows of `audit_event`: SQL narrows them by time, actor, action and what they tell of, the rest of a
search is judged by the resource each row becomes (`fhir.search.matching`). They stand before the records that partners
have stored of these types, newest first, or oldest first where `_sort` says so, and nobody writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from canonical.problem import Problem
from fhir import jsontext
from fhir.search.conditions import BadQuery, Clause, Condition
from fhir.search.matching import is_fixed
from fhir.search.options import cursor_text
from fhir.search.query import Query
from fhir.search.values import Moment, Target, Token, Value
from hub.find.search import Page
from hub.find.search import search as find
from hub.find.sight import members
from hub.find.statement import Source, Statement
from hub.records.index import key_of
from hub.records.requests.acting import Action, Actor
from hub.records.trail import mapping
from hub.store.database import Row

TYPES = {"AuditEvent": mapping.AUDIT, "Provenance": mapping.LINEAGE}
AT_ONCE = 500
MOST_LOOKS = 40
_MARK = "hub"  # of a place in the trail; other places are those of stored records
_COLUMNS = (
    "a.seq, a.at, a.actor, a.action, a.entity, a.outcome, a.detail, (SELECT u.name FROM user_account u "
    "WHERE u.tenant_id = a.tenant_id AND u.login = substr(a.actor, 6) AND substr(a.actor, 1, 5) = 'user:') AS person"
)
_MOST_RECORDS = 5000


def is_ours(type_name: str, record_id: str) -> bool:
    """Whether an id is one of the trail, which only the hub writes."""
    prefix = TYPES.get(type_name)
    return prefix is not None and record_id.startswith(prefix) and record_id[len(prefix) :].isdigit()


async def one(source: Source, actor: Actor, type_name: str, record_id: str) -> dict[str, Any] | None:
    """One event as a stored record would be (version, updated_at, deleted, body), if the caller may read it."""
    number = record_id[len(TYPES[type_name]) :]
    if not number.isascii() or len(number) > 18:
        return None
    statement = source.statement()
    where = [statement.of_tenant("a"), f"a.seq = {statement.argument(int(number))}", *_kind(type_name)]
    sql = f"SELECT {_COLUMNS} FROM audit_event a WHERE {' AND '.join(where)} LIMIT 1"
    found = await _mapped(source, actor, type_name, await source.rows(statement, sql), ())
    return found[0] if found and _may(actor, found[0], "r") else None


@dataclass(slots=True)
class _Walk:
    """A search of the trail under way."""

    source: Source
    actor: Actor
    query: Query
    where: Callable[[Statement], list[str]]
    rest: tuple[Condition, ...]
    upwards: bool

    async def rows(self, after: int | None, most: int) -> list[dict[str, Any]]:
        """Up to `most` events after a place; raises BadQuery when too many rows must be looked at."""
        found: list[dict[str, Any]] = []
        for _ in range(MOST_LOOKS):
            seen = await self._some(after)
            kept = await _mapped(self.source, self.actor, self.query.type_name, seen, self.rest)
            found += [each for each in kept if _may(self.actor, each, "s")]
            if len(seen) < AT_ONCE or len(found) >= most:
                return found[:most]
            after = seen[-1]["seq"]
        raise BadQuery(Problem("fhir.search.too-costly"))

    async def _some(self, after: int | None) -> list[Row]:
        statement = self.source.statement(planned=True)
        where = self.where(statement)
        if after is not None:
            where.append(f"a.seq {'>' if self.upwards else '<'} {statement.argument(after)}")
        order = "" if self.upwards else " DESC"
        sql = f"SELECT {_COLUMNS} FROM audit_event a WHERE {' AND '.join(where)} ORDER BY a.seq{order} LIMIT {AT_ONCE}"
        return await self.source.rows(statement, sql)

    async def total(self) -> int:
        """The number of all events that match; by SQL alone where that says it all."""
        if self.rest or not self.actor.permits(self.query.type_name, "s"):
            return len(await self.rows(None, AT_ONCE * MOST_LOOKS))
        statement = self.source.statement(planned=True)
        where = " AND ".join(self.where(statement))
        sql = f"SELECT count(*) AS total FROM audit_event a WHERE {where} LIMIT 1"
        return int((await self.source.rows(statement, sql))[0]["total"])


async def search(source: Source, query: Query, actor: Actor) -> Page:
    """The page of `query`; of AuditEvent and Provenance the hub's own come first. Raises BadQuery, Refusal."""
    if len(query.branches) != 1 or query.type_name not in TYPES or query.options.contained == "true":
        return await find(source, query, actor.sight)
    actor.reach(query.type_name, "s")
    cursor, count = query.options.cursor, query.options.count
    if cursor is not None and cursor[0] != _MARK:
        return await find(source, query, actor.sight)
    walk = _walk(source, query, actor)
    if query.options.counts_only:
        stored = await find(source, query, actor.sight)
        return replace(stored, total=(stored.total or 0) + (await walk.total() if walk else 0))
    after = cursor[1] if cursor is not None else None
    rows = await walk.rows(after, count + 1) if walk is not None else []
    total = None
    if query.options.total:
        counted = await find(source, _with(query, summary="count"), actor.sight)
        total = (counted.total or 0) + (await walk.total() if walk else 0)
    if len(rows) > count:
        return Page(rows=rows[:count], total=total, cursor=cursor_text(_MARK, rows[count - 1]["seq"]))
    return await _then_stored(source, query, actor, (rows, total))


async def _then_stored(
    source: Source, query: Query, actor: Actor, before: tuple[list[dict[str, Any]], int | None]
) -> Page:
    """The last events and, on the same page, the first stored records."""
    rows, total = before
    room = query.options.count - len(rows)
    stored = await find(source, _with(query, count=max(room, 1), cursor=None, total=""), actor.sight)
    last = rows[-1]["seq"] if rows else query.options.cursor[1] if query.options.cursor else None
    if room == 0:
        more = cursor_text(_MARK, last) if stored.rows and last is not None else ""
        return Page(rows=rows, total=total, cursor=more)
    if total is None and query.options.cursor is None and not stored.cursor:
        total = len(rows) + len(stored.rows)
    return Page(rows=[*rows, *stored.rows], included=stored.included, total=total, cursor=stored.cursor)


def _with(query: Query, **changed: Any) -> Query:
    return replace(query, options=replace(query.options, **changed))


def _walk(source: Source, query: Query, actor: Actor) -> _Walk | None:
    """The walk that finds the events of a query; None when a condition is one that no event can meet."""
    conditions = [_dated(condition) for condition in query.conditions]
    if not all(is_fixed(condition) for condition in conditions):
        return None
    tests: list[Callable[[Statement], str]] = []
    rest: list[Condition] = []
    for condition in conditions:
        test, whole = _test(query.type_name, condition)
        tests += [test] if test is not None else []
        rest += [] if whole else [condition]

    def where(statement: Statement) -> list[str]:
        own = [statement.of_tenant("a"), *_kind(query.type_name)]
        return own + [test(statement) for test in tests]

    sort = query.options.sort[:1]
    upwards = bool(sort and sort[0].code in ("date", "recorded", "_lastUpdated", "_id") and not sort[0].down)
    return _Walk(source, actor, query, where, tuple(rest), upwards)


def _dated(condition: Condition) -> Condition:
    """An event was last updated when it was recorded."""
    if isinstance(condition, Clause) and condition.kind == "updated":
        return replace(condition, code="date" if condition.type_name == "AuditEvent" else "recorded", kind="date")
    return condition


def _kind(type_name: str) -> list[str]:
    """A Provenance is of a record's write; every event is an AuditEvent."""
    if type_name == "AuditEvent":
        return []
    actions = ", ".join(f"'{action}'" for action in mapping.WRITES)
    return [f"a.action IN ({actions})", "strpos(a.entity, '/_history/') > 0"]


_Test = tuple[Callable[[Statement], str] | None, bool]


def _test(type_name: str, condition: Condition) -> _Test:
    """A condition as a test of rows, and whether the test says all of it."""
    if not isinstance(condition, Clause) or condition.form != "match" or condition.suffix:
        return None, False
    values = condition.values
    match condition.code:
        case "date" | "recorded" if all(isinstance(value, Moment) for value in values):
            return (lambda s: _any(_at(s, value) for value in values)), False
        case "_id":
            return (lambda s: f"a.seq = ANY({s.argument(_numbers(type_name, values))}::bigint[])"), True
        case "altid" | "agent-name" if all(isinstance(value, Token) and value.code for value in values):
            names = [str(value.code) for value in values if isinstance(value, Token)]
            return (lambda s: f"a.actor = ANY({s.argument(names)}::text[])"), False
        case "entity" | "target" | "patient" if all(isinstance(value, Target) for value in values):
            return (lambda s: _about(s, type_name, condition.code, values)), False
        case _:
            return None, False


def _at(statement: Statement, value: Value) -> str:
    """The time of a row beside a span; an instant in milliseconds stands within its second."""
    if not isinstance(value, Moment):
        raise LookupError("no moment")
    low, high = f"{statement.argument(value.low)}::timestamptz", f"{statement.argument(value.high)}::timestamptz"
    early, late = f"{low} - interval '1 second'", f"{high} + interval '1 second'"
    within = f"(a.at >= {early} AND a.at < {late})"
    tests = {"eq": within, "ap": within, "ne": f"(a.at < {late} OR a.at >= {early})"}
    after, before = f"(a.at >= {early} AND {high} IS NOT NULL)", f"(a.at < {late} AND {low} IS NOT NULL)"
    return tests.get(value.prefix) or (after if value.prefix in ("gt", "ge", "sa") else before)


def _numbers(type_name: str, values: Sequence[Value]) -> list[int]:
    prefix = TYPES[type_name]
    texts = [value.id.removeprefix(prefix) for value in values if isinstance(value, Target)]
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19]


def _any(tests: Any) -> str:
    return f"({' OR '.join(tests)})"


def _about(statement: Statement, type_name: str, code: str, values: Sequence[Value]) -> str:
    """Rows that tell of the records meant: by their names, with or without version; of a patient those of its
    compartment too, which the event then names."""
    targets = [(kind, value.id) for value in values if isinstance(value, Target) for kind in value.types]
    kinds, ids = statement.argument([t for t, _ in targets]), statement.argument([i for _, i in targets])
    records = f"SELECT x.type, x.id FROM unnest({kinds}::text[], {ids}::text[]) AS x(type, id)"
    if code == "patient" and type_name == "AuditEvent":
        patients = statement.argument([identity for kind, identity in targets if kind == "Patient"])
        records += (
            f" UNION SELECT r.type, r.id FROM idx_reference t JOIN resource r ON {statement.of_tenant('r')} "
            f"AND r.rid = t.rid WHERE {statement.of_tenant('t')} AND t.target_type = 'Patient' "
            f"AND t.target_id = ANY({patients}::text[]) AND t.key = ANY({statement.argument(_keys())}::bigint[])"
        )
    return (
        f"a.entity IN (WITH k AS MATERIALIZED ({records} LIMIT {_MOST_RECORDS}) SELECT k.type || '/' || k.id FROM k "
        f"UNION ALL SELECT v.type || '/' || v.id || '/_history/' || v.version FROM k JOIN resource_version v "
        f"ON {statement.of_tenant('v')} AND v.type = k.type AND v.id = k.id)"
    )


def _keys() -> list[int]:
    return [key_of(kind, code) for kind, codes in members("Patient").items() for code in codes]


async def _mapped(
    source: Source, actor: Actor, type_name: str, rows: Sequence[Row], rest: Sequence[Condition]
) -> list[dict[str, Any]]:
    """Rows as records, those that meet the rest of the conditions."""
    if not rows:
        return []
    if type_name == "AuditEvent":
        patients = await _patients(source, rows)
        bodies = [mapping.audit_event(row, actor.tenant, patients.get(row["entity"], ())) for row in rows]
    else:
        messages = await _messages(source, rows)
        bodies = [mapping.provenance(row, messages.get(mapping.message_of(row))) for row in rows]
    return [
        {"type": type_name, "id": body["id"], "version": 1, "updated_at": row["at"], "deleted": False,
         "body": jsontext.text(body), "rid": 0, "seq": row["seq"], "parsed": body}
        for row, body in zip(rows, bodies, strict=True)
        if not rest or actor.meets(body, (tuple(rest),))
    ]  # fmt: skip


def _may(actor: Actor, record: dict[str, Any], action: Action) -> bool:
    return actor.may(record["parsed"], action)


async def _patients(source: Source, rows: Sequence[Row]) -> dict[str, list[str]]:
    """By entity: the patients in whose compartment the record is now."""
    records = {row["entity"]: found for row in rows if (found := mapping.record_of(row["entity"])) is not None}
    named = [(entity, *found) for entity, found in records.items() if found[0] != "Patient"]
    if not named:
        return {}
    statement = source.statement()
    columns = [statement.argument([place[n] for place in named]) for n in range(3)]
    sql = (
        f"SELECT DISTINCT k.entity, t.target_id FROM unnest({columns[0]}::text[], {columns[1]}::text[], "
        f"{columns[2]}::text[]) AS k(entity, type, id) JOIN resource r ON {statement.of_tenant('r')} "
        f"AND r.type = k.type AND r.id = k.id JOIN idx_reference t ON {statement.of_tenant('t')} AND t.rid = r.rid "
        f"AND t.target_type = 'Patient' AND t.key = ANY({statement.argument(_keys())}::bigint[]) LIMIT {_MOST_RECORDS}"
    )
    touched: dict[str, list[str]] = {}
    for row in await source.rows(statement, sql):
        touched.setdefault(row["entity"], []).append(row["target_id"])
    return {entity: sorted(ids) for entity, ids in touched.items()}


async def _messages(source: Source, rows: Sequence[Row]) -> dict[str, Row]:
    """By id: the messages that writes came in."""
    ids = sorted({message for row in rows if (message := mapping.message_of(row))})
    if not ids:
        return {}
    statement = source.statement()
    sql = (
        "SELECT m.id, m.type, m.control_id, m.received_at, ch.name AS channel, "
        "ARRAY(SELECT f.message_id FROM fragment f "
        "WHERE f.tenant_id = m.tenant_id AND f.whole_id = m.id ORDER BY f.place) AS parts FROM message m "
        f"LEFT JOIN channel ch ON {statement.of_tenant('ch')} AND ch.id = m.channel_id "
        f"WHERE {statement.of_tenant('m')} AND m.id = ANY({statement.argument(ids)}::uuid[]) LIMIT {len(ids)}"
    )
    return {str(row["id"]): row for row in await source.rows(statement, sql)}
