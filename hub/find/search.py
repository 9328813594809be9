"""Search: a query becomes one statement per page over b-trees only, after looks ahead where those decide its cost.

Without `_sort` the order is that of first storage (`rid`); pages go on from the last row's key, so rows written
meanwhile neither repeat nor hide others. Totals are counted only when asked for.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from canonical.problem import Problem
from fhir.search.conditions import BadQuery, Clause
from fhir.search.options import Sort, cursor_text
from fhir.search.query import Query
from fhir.search.values import Composite, Moment, Number
from hub.find import inner, sorting
from hub.find.ahead.looks import Ahead, Apart, far, is_wide, looks
from hub.find.ahead.narrow import (
    Narrowed,
    cost,
    found_sql,
    is_simple,
    is_spelled,
    names_one,
    narrowed,
    spelled,
    tests_sql,
)
from hub.find.conditions.criteria import Found, Told, is_negative
from hub.find.included import include
from hub.find.sight import Sight, guarded
from hub.find.statement import COLUMNS, Source, Statement, Within
from hub.store.database import Row, Transaction

_WIDTH = COLUMNS.count(",") + 1
_ESTIMATE_FROM = 10_000
_SORTED = {"_id": "id", "_lastUpdated": "updated_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: the records found, those included with them, the total when known, and where the next page starts."""

    rows: Sequence[Row]
    included: Sequence[Row] = ()
    total: int | None = None
    cursor: str = ""


async def search(source: Source, query: Query, sight: Sight) -> Page:
    """The page of `query` over what `sight` shows; raises BadQuery, and Refusal for a type it shows nothing of."""
    query = guarded(query, sight)
    if query.options.counts_only:
        return Page(rows=(), total=await _whole(source, query, sight))
    around = _with_inner if query.options.contained else _own
    rows, cursor, included = await around(source, query, sight)
    total = len(rows) if not cursor and query.options.cursor is None else None
    if query.options.total in ("accurate", "estimate") and total is None:
        total = await _whole(source, query, sight, 0 if query.options.total == "accurate" else _ESTIMATE_FROM)
    return Page(rows=rows, included=included, total=total, cursor=cursor)


async def _own(source: Source, query: Query, sight: Sight) -> tuple[list[Row], str, list[Row]]:
    """The records found as themselves, the cursor of the next page, and what is included."""
    sort = query.options.sort
    if not sort or (len(sort) == 1 and sort[0].is_column):
        return await _found(source, query, sight)
    branches = [await narrowed(source, *branch) for branch in query.branches]
    rows, cursor = await sorting.page(source, query, branches)
    return rows, cursor, await include.included(source, query, rows, sight) if query.includes and rows else []


async def _with_inner(source: Source, query: Query, sight: Sight) -> tuple[list[Row], str, list[Row]]:
    """What is contained, and with `both` records behind it, with the cursor of the next page; nothing is included."""
    rows: list[Row] = []
    both = query.options.contained == "both"
    if inner.is_before(query):
        rows, cursor = await inner.page(source, query, sight)
        if cursor or not both:
            return rows, cursor, []
        query = replace(query, options=replace(query.options, cursor=None, count=query.options.count - len(rows)))
    if not both:
        return rows, "", []
    if not query.options.count:  # the page is full: records, if any, begin on the next one
        first = replace(query, options=replace(query.options, count=1))
        return rows, cursor_text(None, 0) if (await _found(source, first, sight))[0] else "", []
    own, cursor, _ = await _found(source, query, sight)
    return [*rows, *own], cursor, []


async def _whole(source: Source, query: Query, sight: Sight, most: int = 0) -> int:
    """The number of all that a search finds."""
    held = await inner.total(source, query, sight, most) if query.options.contained else 0
    if query.options.contained == "true" or (most and held >= most):
        return held
    return min(held + await _total(source, query, most), most or 2**62)


async def _found(source: Source, query: Query, sight: Sight) -> tuple[list[Row], str, list[Row]]:
    """The rows of the page, the cursor of the next one, and what is included: in one trip where that can be."""
    query = query if is_spelled(query.branches[0][1]) and len(query.branches) == 1 else await _spelled(source, query)
    own, found, whole = await _asked(source, query, sight, await page_of(source, query))
    if is_wide(own):
        own, found, whole = await _asked(source, query, sight, _far_page(source, query))
    count = query.options.count
    cursor = _cursor(query, own[count - 1]) if len(own) > count else ""
    rows = own[:count]
    if query.includes and rows and not whole:
        found = await include.included(source, query, rows, sight)
    return rows, cursor, found


async def _asked(
    source: Source, query: Query, sight: Sight, page: tuple[Statement, str]
) -> tuple[list[Row], list[Row], bool]:
    """The rows of a page's statement, what is included with them, and whether that is all to be included."""
    statement, sql = page
    whole = include.attached(statement, query, sql, sight) if query.includes and not query.options.sort else ""
    if whole:
        return *include.sorted_out(await source.rows(statement, whole)), True
    return await source.rows(statement, sql), [], False


async def _spelled(source: Source, query: Query) -> Query:
    """The query with the codes that its value sets and hierarchies stand for."""
    branches = tuple([(kind, await spelled(source, conditions)) for kind, conditions in query.branches])
    return query if branches == query.branches else replace(query, branches=branches)


async def page_of(source: Source, query: Query) -> tuple[Statement, str]:
    """The statement of the page, with its looks ahead where they fit into it, else after them."""
    sort = query.options.sort
    simple = all(map(is_simple, query.conditions))
    if not simple and len(query.branches) == 1 and looks(query.conditions):
        statement = source.statement()
        ahead = Ahead(statement)
        try:
            near = ahead.near(query.type_name, query.conditions)
            statement.planned = needs_plan(near, sort)
            page = page_sql(statement, query, [near])
            if not ahead.parts:
                return statement, page
            order = _order(query, "")
            return statement, f"{ahead.gated(page, _WIDTH)} ORDER BY {order} LIMIT {query.options.count + 1}"
        except Apart:
            pass
    branches = await _branches(source, query)
    statement = source.statement(planned=any(needs_plan(each, sort) for each in branches))
    return statement, page_sql(statement, query, branches)


def _far_page(source: Source, query: Query) -> tuple[Statement, str]:
    """The statement of a page whose looks found much. What is common decides its plan."""
    statement = source.statement(planned=True)
    return statement, page_sql(statement, query, [far(query.type_name, query.conditions)])


async def _branches(source: Source, query: Query) -> list[Narrowed]:
    return [
        Narrowed(kind, conditions) if all(map(is_simple, conditions)) else await narrowed(source, kind, conditions)
        for kind, conditions in query.branches
    ]


def needs_plan(each: Narrowed, sort: Sequence[Sort] = ()) -> bool:
    """Whether the best plan depends on the values: not when an equality leads that names a record or its kind."""
    if sort:
        return bool(each.conditions)
    lead = min(each.conditions, key=cost, default=None)
    if lead is None:
        return False
    others = [c for c in each.conditions if c is not lead]
    if isinstance(lead, Told):  # what is negative is tested by probes of their own
        return not all(is_negative(c) for c in others)
    if not others:
        return not (names_one(lead) or _is_equality(lead))
    return not (names_one(lead) and all(isinstance(c, Clause) and _is_equality(c) for c in others))


def _is_equality(condition: Found) -> bool:
    """Whether a condition compares for equality only."""
    if not isinstance(condition, Clause) or condition.form != "match":
        return False
    parts = [part for v in condition.values for part in (v.rest if isinstance(v, Composite) else (v,))]
    ranges = [part for part in parts if isinstance(part, (Moment, Number))]
    return condition.kind != "updated" and all(value.prefix == "eq" for value in ranges)


async def matching(tx: Transaction, query: Query, most: int, after: int | None = None) -> list[Row]:
    """Up to `most` records that meet the conditions of `query`, of those stored after rid `after`, in a transaction."""
    branch = await narrowed(Within(tx), query.type_name, query.conditions)
    statement = Statement()
    found = found_sql(statement, branch, after=after)
    sql = f"SELECT {COLUMNS} FROM ({found} LIMIT {most}) m {joined(statement)} ORDER BY r.rid"
    return await tx.rows(sql, *statement.arguments)


def page_sql(statement: Statement, query: Query, branches: Sequence[Narrowed]) -> str:
    """The statement of a page, with one row more than asked to know whether another page follows."""
    limit = query.options.count + 1
    if not query.options.sort:
        after = query.options.cursor[1] if query.options.cursor is not None else None
        parts = [f"({found_sql(statement, each, after=after, limit=limit)} LIMIT {limit})" for each in branches]
        found = parts[0] if len(parts) == 1 else f"({' UNION ALL '.join(parts)} ORDER BY 1 LIMIT {limit})"
        return f"SELECT {COLUMNS} FROM {found} m {joined(statement)} ORDER BY r.rid LIMIT {limit}"
    parts = [_walk(statement, query, each, limit) for each in branches]
    if len(parts) == 1:
        return parts[0]
    union = " UNION ALL ".join(f"({part})" for part in parts)
    return f"SELECT {COLUMNS} FROM ({union}) r ORDER BY {_order(query)} LIMIT {limit}"


def _order(query: Query, alias: str = "r.") -> str:
    """The order of a page's rows: by a column of theirs or that of first storage, and by rid."""
    if not query.options.sort:
        return f"{alias}rid"
    field = query.options.sort[0]
    way = "DESC" if field.down else "ASC"
    return f"{alias}{_SORTED[field.code]} {way}, {alias}rid {way}"


def _walk(statement: Statement, query: Query, each: Narrowed, limit: int) -> str:
    """Records in the order of a column of their own."""
    field = query.options.sort[0]
    where = [statement.of_tenant("r"), f"r.type = {statement.argument(each.type_name)}", "NOT r.deleted"]
    where += tests_sql(statement, each.conditions, "r.rid", each.wide)
    if query.options.cursor is not None:
        value, rid = _place(query)
        mark = "<" if field.down else ">"
        where.append(
            f"(r.{_SORTED[field.code]}, r.rid) {mark} ({statement.argument(value)}, {statement.argument(rid)})"
        )
    return f"SELECT {COLUMNS} FROM resource r WHERE {' AND '.join(where)} ORDER BY {_order(query)} LIMIT {limit}"


def joined(statement: Statement) -> str:
    """The join from found rids (`m`) to their records (`r`)."""
    return f"JOIN resource r ON {statement.of_tenant('r')} AND r.rid = m.rid"


def _place(query: Query) -> tuple[Any, int]:
    """The key after which the next page starts, in the type of the sort column."""
    value, rid = query.options.cursor or (None, 0)
    bad = BadQuery(Problem("fhir.search.value", "_cursor", args=(("name", "_cursor"),)))
    if not isinstance(value, str) or "\0" in value:
        raise bad
    if query.options.sort[0].code == "_id":
        return value, rid
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise bad from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)), rid


def _cursor(query: Query, row: Row) -> str:
    if not query.options.sort:
        return cursor_text(None, row["rid"])
    value = row["id"] if query.options.sort[0].code == "_id" else row["updated_at"].isoformat()
    return cursor_text(value, row["rid"])


async def _total(source: Source, query: Query, most: int = 0) -> int:
    """The number of matches; exact, or up to `most` for an estimate (R4 §3.1.1.5.6 leaves its precision open)."""
    query = await _spelled(source, query)
    limit = f" LIMIT {most}" if most else ""
    if len(query.branches) == 1 and looks(query.conditions):
        statement = source.statement()
        ahead = Ahead(statement)
        with contextlib.suppress(Apart):
            near = ahead.near(query.type_name, query.conditions)
            statement.planned = needs_plan(near)
            sql = ahead.counted(f"{found_sql(statement, near, ordered=False)}{limit}")
            if rows := await source.rows(statement, sql):
                return int(rows[0]["total"])
    branches = await _branches(source, query)
    statement = source.statement(planned=any(needs_plan(each) for each in branches))
    parts = [f"({found_sql(statement, each, ordered=False)}{limit})" for each in branches]
    found = " UNION ALL ".join(parts)
    rows = await source.rows(statement, f"SELECT count(*) AS total FROM ({found}) m LIMIT 1")
    return int(rows[0]["total"])
