"""Search: a query becomes one statement per page, in one trip, over b-trees only.

Without `_sort` the order is that of first storage (`rid`); pages go on from the last row's key, so rows written
meanwhile neither repeat nor hide others. Totals are counted only when asked for.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from canonical.errors import TryLater
from canonical.problem import Problem
from fhir.options import Include, cursor_text
from fhir.parameters import parameters_of
from fhir.query import BadQuery, Chain, Clause, Condition, Query
from fhir.values import Moment, Number
from hub.records.criteria import Statement, is_negative, rids
from hub.records.index import key_of
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

SECONDS = 10.0
MOST_INCLUDED = 1000
_ESTIMATE_FROM = 10_000
_COLUMNS = "r.rid, r.type, r.id, r.version, r.updated_at, r.body"
_WIDE_FROM = 5000
Wide = frozenset[Condition]
_SORTS = {"_id": "r.id", "_lastUpdated": "r.updated_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: the records found, those included with them, the total when known, and where the next page starts."""

    rows: Sequence[Row]
    included: Sequence[Row] = ()
    total: int | None = None
    cursor: str = ""


class Source(Protocol):
    """Where a search runs: by itself in one trip, or inside a transaction."""

    def statement(self, *, planned: bool = False) -> Statement:
        """A new statement that names the tenant as this source needs it."""

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        """Its rows."""


@dataclass(frozen=True, slots=True)
class OneTrip:
    """Each statement by itself; a statement over its time is refused as too costly."""

    world: World
    tenant: Tenant

    def statement(self, *, planned: bool = False) -> Statement:
        """The tenant comes from the wrapping row."""
        return Statement("c.tenant", planned=planned)

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        """Its rows; raises BadQuery when it takes too long."""
        try:
            return await self.world.database.ask(
                self.tenant.id, sql, *statement.arguments, seconds=SECONDS, planned=statement.planned
            )
        except TryLater as error:
            if error.code == "store.too-long":
                raise BadQuery(Problem("fhir.search.too-costly")) from None
            raise


@dataclass(frozen=True, slots=True)
class Within:
    """Inside an open transaction."""

    tx: Transaction

    def statement(self, *, planned: bool = False) -> Statement:
        """The tenant is `$1`."""
        return Statement(planned=planned)

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        """Its rows."""
        return await self.tx.rows(sql, *statement.arguments)


async def search(source: Source, query: Query, allowed: Callable[[str], bool]) -> Page:
    """The page of `query`; types that `allowed` denies are not included. Raises BadQuery."""
    if query.options.counts_only:
        return Page(rows=(), total=await _total(source, query))
    wide = await _wide(source, query)
    statement = source.statement(planned=needs_plan(query))
    rows = await source.rows(statement, page_sql(statement, query, wide))
    count = query.options.count
    cursor = _cursor(query, rows[count - 1]) if len(rows) > count else ""
    rows = rows[:count]
    total = len(rows) if not cursor and query.options.cursor is None else None
    if query.options.total in ("accurate", "estimate") and total is None:
        total = await _total(source, query, 0 if query.options.total == "accurate" else _ESTIMATE_FROM)
    included = await _included(source, query, rows, allowed) if query.includes and rows else []
    return Page(rows=rows, included=included, total=total, cursor=cursor)


def needs_plan(query: Query) -> bool:
    """Whether the best plan depends on the values: not when an equality leads that names a record or its kind."""
    if query.options.sort is not None:
        return bool(query.conditions)
    lead = min(query.conditions, key=_cost, default=None)
    if lead is None:
        return False
    others = [c for c in query.conditions if c is not lead]
    if not others:
        return not (_names_one(lead) or _is_equality(lead))
    return not (_names_one(lead) and all(isinstance(c, Clause) and _is_equality(c) for c in others))


def _is_equality(condition: Condition) -> bool:
    """Whether a condition compares for equality only."""
    if not isinstance(condition, Clause) or condition.form != "match":
        return False
    ranges = [v for v in condition.values if isinstance(v, (Moment, Number))]
    return condition.kind != "updated" and all(value.prefix == "eq" for value in ranges)


def _names_one(condition: Condition) -> bool:
    """Whether a condition finds few records whatever its value is: an id, a reference, an identifier, or a chain."""
    if isinstance(condition, Chain):
        far = [inner for _, inner in condition.targets]
        return all(_names_one(inner) and getattr(inner, "kind", "") != "reference" for inner in far)
    if not isinstance(condition, Clause) or condition.form != "match":
        return False
    return condition.kind in ("id", "reference") or "identifier" in condition.code


async def matching(tx: Transaction, query: Query, most: int) -> list[Row]:
    """Up to `most` records that meet the conditions of `query`, within a transaction."""
    statement = Statement()
    sql = f"SELECT {_COLUMNS} FROM ({_found(statement, query)} LIMIT {most}) m {_joined(statement)} ORDER BY r.rid"
    return await tx.rows(sql, *statement.arguments)


async def _wide(source: Source, query: Query) -> Wide:
    """The chains whose far side finds many records: for them walking this side in order is the better way."""
    found = []
    for condition in query.conditions:
        if isinstance(condition, Clause) or _names_one(condition):
            continue
        statement = source.statement(planned=True)
        inner = [c for _, c in condition.targets] if isinstance(condition, Chain) else [condition.condition]
        union = " UNION ALL ".join(rids(statement, each) for each in inner)
        sql = f"SELECT count(*) AS total FROM (SELECT 1 FROM ({union}) i LIMIT {_WIDE_FROM}) w LIMIT 1"
        if (await source.rows(statement, sql))[0]["total"] >= _WIDE_FROM or any(is_negative(each) for each in inner):
            found.append(condition)
    return frozenset(found)


def page_sql(statement: Statement, query: Query, wide: Wide = frozenset()) -> str:
    """The statement of a page, with one row more than asked to know whether another page follows."""
    limit = query.options.count + 1
    if query.options.sort is None:
        found = _found(statement, query, wide=wide)
        return f"SELECT {_COLUMNS} FROM ({found} LIMIT {limit}) m {_joined(statement)} ORDER BY r.rid LIMIT {limit}"
    field, down = query.options.sort
    column, way = _SORTS[field], "DESC" if down else "ASC"
    where = [statement.of_tenant("r"), f"r.type = {statement.argument(query.type_name)}", "NOT r.deleted"]
    where += _tests(statement, query.conditions, "r.rid", wide)
    if query.options.cursor is not None:
        mark = "<" if down else ">"
        value, rid = _place(query)
        where.append(f"({column}, r.rid) {mark} ({statement.argument(value)}, {statement.argument(rid)})")
    return (
        f"SELECT {_COLUMNS} FROM resource r WHERE {' AND '.join(where)} "
        f"ORDER BY {column} {way}, r.rid {way} LIMIT {limit}"
    )


def _joined(statement: Statement) -> str:
    return f"JOIN resource r ON {statement.of_tenant('r')} AND r.rid = m.rid"


def _found(statement: Statement, query: Query, *, ordered: bool = True, wide: Wide = frozenset()) -> str:
    """The rids of a query: the most telling condition leads, the planner arranges the others around it."""
    lead = min((c for c in query.conditions if not is_negative(c) and c not in wide), key=_cost, default=None)
    rest = [c for c in query.conditions if c is not lead]
    if lead is None:
        kind = statement.argument(query.type_name)
        source = f"SELECT t.rid FROM resource t WHERE {statement.of_tenant('t')} AND t.type = {kind} AND NOT t.deleted"
    else:
        source = rids(statement, lead)
    tests = _tests(statement, rest, "d.rid", wide)
    if ordered and query.options.cursor is not None and query.options.sort is None:
        tests.append(f"d.rid > {statement.argument(query.options.cursor[1])}")
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    return f"SELECT DISTINCT d.rid FROM ({source}) d{where}" + (" ORDER BY d.rid" if ordered else "")


def _cost(condition: Condition) -> int:
    """Which condition should lead: what names one record first, ranges and mere presence last."""
    order = ("id", "reference", "token", "uri", "string", "chain", "quantity", "number", "date", "updated")
    if not isinstance(condition, Clause):
        return order.index("chain")
    return order.index(condition.kind) + (len(order) if condition.form == "present" else 0)


def _tests(statement: Statement, conditions: Sequence[Condition], rid: str, wide: Wide) -> list[str]:
    """Conditions as tests of a rid. OFFSET 0 keeps PostgreSQL from turning a wide one into a join over all it finds."""
    tests = []
    for condition in conditions:
        found = rids(statement, condition)
        word = "NOT EXISTS" if is_negative(condition) else "EXISTS"
        fence = " OFFSET 0" if condition in wide else ""
        tests.append(f"{word} (SELECT 1 FROM ({found}) n WHERE n.rid = {rid}{fence})")
    return tests


def _place(query: Query) -> tuple[Any, int]:
    """The key after which the next page starts, in the type of the sort column."""
    value, rid = query.options.cursor or (None, 0)
    bad = BadQuery(Problem("fhir.search.value", "_cursor", args=(("name", "_cursor"),)))
    if not isinstance(value, str) or query.options.sort is None or "\0" in value:
        raise bad
    if query.options.sort[0] == "_id":
        return value, rid
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise bad from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)), rid


def _cursor(query: Query, row: Row) -> str:
    if query.options.sort is None:
        return cursor_text(None, row["rid"])
    value = row["id"] if query.options.sort[0] == "_id" else row["updated_at"].isoformat()
    return cursor_text(value, row["rid"])


async def _total(source: Source, query: Query, most: int = 0) -> int:
    """The number of matches; exact, or up to `most` for an estimate (R4 §3.1.1.5.6 leaves its precision open)."""
    statement = source.statement(planned=needs_plan(query))
    found = _found(statement, query, ordered=False) + (f" LIMIT {most}" if most else "")
    rows = await source.rows(statement, f"SELECT count(*) AS total FROM ({found}) m LIMIT 1")
    return int(rows[0]["total"])


async def _included(source: Source, query: Query, rows: Sequence[Row], allowed: Callable[[str], bool]) -> list[Row]:
    """The records that `_include` and `_revinclude` add, each once, without those of the page itself."""
    statement = source.statement()
    parts = [_include_sql(statement, include, query.type_name, rows) for include in query.includes]
    union = " UNION ALL ".join(part for part in parts if part)
    if not union:
        return []
    page = statement.argument([row["rid"] for row in rows])
    found = await source.rows(
        statement,
        f"SELECT {_COLUMNS} FROM (SELECT DISTINCT u.rid FROM ({union}) u) m {_joined(statement)} AND NOT r.deleted "
        f"WHERE NOT r.rid = ANY({page}::bigint[]) ORDER BY r.rid LIMIT {MOST_INCLUDED + 1}",
    )
    if len(found) > MOST_INCLUDED:
        raise BadQuery(Problem("fhir.search.too-many-included", args=(("limit", str(MOST_INCLUDED)),)))
    return [row for row in found if allowed(row["type"])]


def _include_sql(statement: Statement, include: Include, type_name: str, rows: Sequence[Row]) -> str:
    """The rids one include adds: references of the page, or references to it."""
    codes = [include.code] if include.code != "*" else _reference_codes(include.type_name)
    keys = statement.argument([key_of(include.type_name, code) for code in codes])
    where = [statement.of_tenant("t"), f"t.key = ANY({keys}::bigint[])"]
    if include.reverse:
        if include.target not in ("", type_name):
            return ""
        ids = statement.argument([row["id"] for row in rows])
        where += [f"t.target_id = ANY({ids}::text[])", f"t.target_type = {statement.argument(type_name)}"]
        return f"SELECT t.rid FROM idx_reference t WHERE {' AND '.join(where)}"
    where.append(f"t.rid = ANY({statement.argument([row['rid'] for row in rows])}::bigint[])")
    if include.target:
        where.append(f"t.target_type = {statement.argument(include.target)}")
    return (
        f"SELECT x.rid FROM idx_reference t JOIN resource x ON {statement.of_tenant('x')} "
        f"AND x.type = t.target_type AND x.id = t.target_id WHERE {' AND '.join(where)}"
    )


def _reference_codes(type_name: str) -> list[str]:
    return [code for code, parameter in parameters_of(type_name).items() if parameter.type == "reference"]
