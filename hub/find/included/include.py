"""`_include` and `_revinclude` (R4 §3.1.1.5.4): what the page refers to and what refers to it, also in turns."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache

from canonical.problem import Problem
from fhir.definitions.table import resource_types
from fhir.search.conditions import BadQuery, Inside
from fhir.search.options import Include, Options
from fhir.search.parameters import parameters_of, reference_types
from fhir.search.query import Query
from hub.find.included import canonicals
from hub.find.sight import Sight, visible_sql
from hub.find.statement import COLUMNS, Source, Statement
from hub.records.index import key_of
from hub.store.database import Row

MOST_INCLUDED = 1000
_MOST_TURNS = 8
_Sql = Callable[[], str]
_ByType = dict[str, tuple[_Sql, _Sql]]  # by type: the SQL of the rids and of the ids that includes start from


async def included(source: Source, query: Query, rows: Sequence[Row], sight: Sight) -> list[Row]:
    """The records added to a page, each once, without those of the page itself; raises BadQuery when too many."""
    return await _in_turns(source, query.options, rows, sight)


async def around(source: Source, place: tuple[str, str], given: Options, sight: Sight) -> list[Row]:
    """What the record of a type and id refers to, and what the includes in turns of `given` add to that, but for what
    lies in its `besides`; raises BadQuery when too much."""
    statement = source.statement()
    kind, identity = statement.argument(place[0]), statement.argument(place[1])
    rows = await source.rows(
        statement,
        f"SELECT {COLUMNS} FROM resource r WHERE {statement.of_tenant('r')} AND r.type = {kind} AND r.id = {identity} "
        "AND NOT r.deleted LIMIT 1",
    )
    turns = (each for each in given.includes if each.iterate)
    options = Options(includes=(Include(place[0], "*", "", reverse=False), *turns), besides=given.besides)
    return await _in_turns(source, options, rows, sight) if rows else []


async def _in_turns(source: Source, given: Options, rows: Sequence[Row], sight: Sight) -> list[Row]:
    known = {row["rid"] for row in rows}
    found: list[Row] = []
    includes: Sequence[Include] = given.includes
    front = rows
    for _ in range(_MOST_TURNS):
        options = dataclasses.replace(given, includes=tuple(includes))
        new = await _turn(source, options, front, sorted(known), sight)
        if not new:
            break
        found += new
        if len(found) > MOST_INCLUDED:
            raise BadQuery(Problem("fhir.search.too-many-included", args=(("limit", str(MOST_INCLUDED)),)))
        known.update(row["rid"] for row in new)
        includes = [each for each in includes if each.iterate]
        if not includes:
            break
        front = new
    return found


def attached(statement: Statement, query: Query, page: str, sight: Sight) -> str:
    """One statement that gives the page `page` (rows marked `own`) and what it includes, in one trip; empty where
    includes must go in turns, or the page holds several types."""
    if len(query.branches) != 1 or not query.includes or any(each.iterate for each in query.includes):
        return ""
    rids, ids = "ARRAY(SELECT h.rid FROM head h)", "ARRAY(SELECT h.id FROM head h)"
    start: _ByType = {query.branches[0][0]: (lambda: rids, lambda: ids)}
    parts = [part for each in query.includes for part in _parts(statement, each, start)]
    if not parts:
        return ""
    added = _records(statement, parts, rids, sight, query.options.besides)
    return (
        f"WITH page AS MATERIALIZED ({page}), "
        f"head AS MATERIALIZED (SELECT p.rid, p.id FROM page p ORDER BY p.rid LIMIT {query.options.count}) "
        f"SELECT true AS own, p.* FROM page p UNION ALL SELECT false, i.* FROM ({added}) i "
        f"LIMIT {query.options.count + MOST_INCLUDED + 2}"
    )


def sorted_out(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows of such a statement: the page's own, and those included; raises BadQuery when these are too many."""
    own = sorted((row for row in rows if row["own"]), key=lambda row: row["rid"])
    found = sorted((row for row in rows if not row["own"]), key=lambda row: row["rid"])
    if len(found) > MOST_INCLUDED:
        raise BadQuery(Problem("fhir.search.too-many-included", args=(("limit", str(MOST_INCLUDED)),)))
    return own, found


async def _turn(source: Source, options: Options, rows: Sequence[Row], known: Sequence[int], sight: Sight) -> list[Row]:
    """What `rows` lead to by one step of each include of `options`."""
    held: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        held[row["type"]].append(row)
    statement = source.statement()
    by_type = {kind: _of_rows(statement, group) for kind, group in held.items()}
    parts = [part for each in options.includes for part in _parts(statement, each, by_type)]
    if not parts:
        return []
    seen = f"{statement.argument(list(known))}::bigint[]"
    return await source.rows(statement, _records(statement, parts, seen, sight, options.besides))


def _of_rows(statement: Statement, rows: Sequence[Row]) -> tuple[_Sql, _Sql]:
    return (
        lambda: f"{statement.argument([row['rid'] for row in rows])}::bigint[]",
        lambda: f"{statement.argument([row['id'] for row in rows])}::text[]",
    )


def _records(
    statement: Statement, parts: Sequence[str], known: str, sight: Sight, besides: Sequence[Inside] = ()
) -> str:
    """The records of the rids that `parts` find and that may be seen, but for those of `known` and in `besides`."""
    visible = visible_sql(statement, sight)
    test = f" AND {visible}" if visible else ""
    if besides:
        test += f" AND NOT EXISTS ({_within(statement, besides)})"
        if not besides[0].id:  # those the compartments are named after come by themselves as well
            test += f" AND r.type <> {statement.argument(besides[0].compartment)}"
    return (
        f"SELECT {COLUMNS} FROM (SELECT DISTINCT u.rid FROM ({' UNION ALL '.join(parts)}) u) m JOIN resource r "
        f"ON {statement.of_tenant('r')} AND r.rid = m.rid AND NOT r.deleted "
        f"WHERE NOT r.rid = ANY({known}){test} ORDER BY r.rid LIMIT {MOST_INCLUDED + 1}"
    )


def _within(statement: Statement, besides: Sequence[Inside]) -> str:
    """Whether the record `r` is a member of one compartment, or of any of its kind, told type by type."""
    keys = statement.argument([key_of(each.type_name, code) for each in besides for code in each.codes])
    return (
        f"SELECT 1 FROM idx_reference b WHERE {statement.of_tenant('b')} AND b.rid = r.rid "
        f"AND b.key = ANY({keys}::bigint[]) AND b.target_type = {statement.argument(besides[0].compartment)}"
        + (f" AND b.target_id = {statement.argument(besides[0].id)}" if besides[0].id else "")
    )


def _parts(statement: Statement, include: Include, by_type: _ByType) -> list[str]:
    """The rids one include adds: references of the rows, or references to them."""
    if include.reverse:
        kinds = [kind for kind in by_type if include.target in ("", kind)]
        found = [_pointing_here(statement, include, kind, by_type[kind][1]()) for kind in kinds]
        return found + [
            part for kind in kinds for part in canonicals.naming(statement, include, kind, by_type[kind][0])
        ]
    kinds = [kind for kind in by_type if include.type_name in ("*", kind)]
    found = [_pointed_to(statement, include, kind, by_type[kind][0]()) for kind in kinds]
    return found + [part for kind in kinds for part in canonicals.named(statement, include, kind, by_type[kind][0])]


def _keys(statement: Statement, type_name: str, code: str) -> str:
    codes = [code] if code != "*" else _reference_codes(type_name)
    return statement.argument([key_of(type_name, each) for each in codes])


@cache
def _keys_to(kind: str) -> list[int]:
    """The keys of every parameter of any type that may refer to `kind`."""
    return [
        key_of(name, code)
        for name in resource_types()
        for code in _reference_codes(name)
        if kind in reference_types(name, code)
    ]


def _pointing_here(statement: Statement, include: Include, kind: str, from_: str) -> str:
    every = include.type_name == "*"
    keys = statement.argument(_keys_to(kind)) if every else _keys(statement, include.type_name, include.code)
    where = [
        statement.of_tenant("t"),
        f"t.key = ANY({keys}::bigint[])",
        f"t.target_id = ANY({from_})",
        f"t.target_type = {statement.argument(kind)}",
    ]
    return f"(SELECT t.rid FROM idx_reference t WHERE {' AND '.join(where)} LIMIT {10 * MOST_INCLUDED})"


def _pointed_to(statement: Statement, include: Include, kind: str, from_: str) -> str:
    where = [
        statement.of_tenant("t"),
        f"t.key = ANY({_keys(statement, kind, include.code)}::bigint[])",
        f"t.rid = ANY({from_})",
    ]
    if include.target:
        where.append(f"t.target_type = {statement.argument(include.target)}")
    return (
        f"SELECT x.rid FROM idx_reference t JOIN resource x ON {statement.of_tenant('x')} "
        f"AND x.type = t.target_type AND x.id = t.target_id WHERE {' AND '.join(where)}"
    )


def _reference_codes(type_name: str) -> list[str]:
    return [code for code, parameter in parameters_of(type_name).items() if parameter.type == "reference"]
