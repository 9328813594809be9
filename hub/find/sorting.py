"""`_sort` by parameters (R4 §3.1.1.5.1): records without a value come last, ties keep the order of first storage.

Few matches are sorted as a whole. Many are walked in the order of the parameter's index, where a record stands at its
least value (or, downwards, at its greatest), and then those without a value by their shapes.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import orjson

from canonical.problem import Problem
from fhir.search.composites import stored_as
from fhir.search.conditions import BadQuery, Clause
from fhir.search.options import Sort, cursor_text
from fhir.search.query import Query
from hub.find.ahead import narrow
from hub.find.ahead.narrow import Narrowed, found_sql, missing, tests_sql
from hub.find.conditions.criteria import Shaped, rids
from hub.find.statement import COLUMNS, Source, Statement
from hub.records.index import key_of
from hub.store.database import Row

# The columns of each index in the order of its b-tree, so that a walk needs no sorting.
_KEYS = {
    "token": ("code", "system"), "string": ("folded",), "date": ("low", "high"), "number": ("low", "high"),
    "quantity": ("low", "high"), "reference": ("target_id", "target_type"), "uri": ("value",),
}  # fmt: skip
_FIELDS = {"_id": ("r.id",), "_lastUpdated": ("r.updated_at",)}


async def page(source: Source, query: Query, branches: Sequence[Narrowed]) -> tuple[list[Row], str]:
    """The rows of a sorted page and the cursor of the next one; raises BadQuery.

    Of several types, each a branch, all fields are columns that every record has.
    """
    fields, count = query.options.sort, query.options.count
    if len(fields) == 1 and await _is_many(source, branches[0]):
        rows = await _walked(source, query, branches[0])
    else:
        statement = source.statement(planned=True)
        rows = await source.rows(statement, _whole(statement, query, branches))
    if len(rows) <= count:
        return rows, ""
    last = rows[count - 1]
    values = [[_text(last[f"s{n}_{k}"]) for k in range(len(_columns(field, n)))] for n, field in enumerate(fields)]
    return rows[:count], cursor_text(orjson.dumps(values).decode(), last["rid"])


async def _is_many(source: Source, each: Narrowed) -> bool:
    if not each.conditions:
        return True
    statement = source.statement(planned=True)
    found = f"{found_sql(statement, each, ordered=False)} LIMIT {narrow.WIDE_FROM + 1}"
    rows = await source.rows(statement, f"SELECT count(*) AS total FROM ({found}) m LIMIT 1")
    return bool(rows[0]["total"] > narrow.WIDE_FROM)


def _columns(field: Sort, number: int) -> tuple[str, ...]:
    return _FIELDS.get(field.code) or tuple(f"k{number}.{name}" for name in _KEYS[field.kind])


def _text(value: Any) -> str | None:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return None if value is None else str(value)


def _values(query: Query) -> tuple[list[list[Any]], int] | None:
    """The sort values and rid after which the page starts; raises BadQuery."""
    if query.options.cursor is None:
        return None
    text, rid = query.options.cursor
    try:
        listed = orjson.loads(text or "")
        if len(listed) != len(query.options.sort):
            raise ValueError
        found = [
            [_read(field, value) for value in values]
            for field, values in zip(query.options.sort, listed, strict=True)
            if len(values) == len(_columns(field, 0)) or _refuse()
        ]
    except (ValueError, TypeError):
        raise BadQuery(Problem("fhir.search.value", "_cursor", args=(("name", "_cursor"),))) from None
    return found, rid


def _refuse() -> bool:
    raise ValueError


def _read(field: Sort, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    if field.kind == "date" or field.code == "_lastUpdated":
        moment = datetime.datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return float(value) if field.kind in ("number", "quantity") else value


def _keys(statement: Statement, type_name: str, code: str, alias: str) -> str:
    keys = [statement.literal(key_of(type_name, stored)) for stored in stored_as(code)]
    return f"{alias}.key = {keys[0]}" if len(keys) == 1 else f"{alias}.key IN ({', '.join(keys)})"


def _whole(statement: Statement, query: Query, branches: Sequence[Narrowed]) -> str:
    """All matches with their sort values, sorted: for few matches, or several fields."""
    fields = query.options.sort
    joins, selected, order = [], [], []
    for number, field in enumerate(fields):
        way = "DESC" if field.down else "ASC"
        names = _columns(field, number)
        selected += [f"{name} AS s{number}_{k}" for k, name in enumerate(names)]
        order += [f"{name} {way} NULLS LAST" for name in names]
        if not field.is_column:
            inner = ", ".join(f"t.{name} {way}" for name in _KEYS[field.kind])
            joins.append(
                f"LEFT JOIN LATERAL (SELECT t.* FROM idx_{field.kind} t WHERE {statement.of_tenant('t')} "
                f"AND t.rid = r.rid AND {_keys(statement, branches[0].type_name, field.code, 't')} ORDER BY {inner} "
                f"LIMIT 1) k{number} ON true"
            )
    place = _values(query)
    after = f"WHERE {_after(statement, fields, *place)}" if place else ""
    found = " UNION ALL ".join(f"({found_sql(statement, each, ordered=False)})" for each in branches)
    return (
        f"SELECT {COLUMNS}, {', '.join(selected)} FROM ({found}) m "
        f"JOIN resource r ON {statement.of_tenant('r')} AND r.rid = m.rid {' '.join(joins)} {after} "
        f"ORDER BY {', '.join(order)}, r.rid {'DESC' if fields[0].down else 'ASC'} LIMIT {query.options.count + 1}"
    )


def _after(statement: Statement, fields: Sequence[Sort], values: list[list[Any]], rid: int) -> str:
    """Rows behind a place: further in the first field, or equal there and further in the next, at last by rid."""
    pairs = [
        (name, value, field.down)
        for number, field in enumerate(fields)
        for name, value in zip(_columns(field, number), values[number], strict=True)
    ]
    equal: list[str] = []
    options = []
    for name, value, down in pairs:
        if value is not None:
            place = statement.argument(value)
            options.append([*equal, f"({name} {'<' if down else '>'} {place} OR {name} IS NULL)"])
            equal.append(f"{name} = {place}")
        else:
            equal.append(f"{name} IS NULL")
    options.append([*equal, f"r.rid {'<' if fields[0].down else '>'} {statement.argument(rid)}"])
    return "(" + " OR ".join(f"({' AND '.join(option)})" for option in options) + ")"


async def _walked(source: Source, query: Query, each: Narrowed) -> list[Row]:
    """Rows in the order of the first field's index, then those without a value."""
    field = query.options.sort[0]
    place = _values(query)
    rows: list[Row] = []
    if place is None or place[0][0][0] is not None:
        statement = source.statement()  # the index gives the order, and all tests are fenced
        rows = await source.rows(statement, walk_sql(statement, query, each, place))
        place = None
    if len(rows) > query.options.count:
        return rows
    statement = source.statement(planned=True)
    rest = await _without_value(source, statement, each, field)
    tests = tests_sql(statement, each.conditions, "m.rid", each.wide)
    if place is not None:
        tests.append(f"m.rid {'<' if field.down else '>'} {statement.argument(place[1])}")
    where = f"WHERE {' AND '.join(tests)}" if tests else ""
    way = "DESC" if field.down else "ASC"
    nothing = ", ".join(f"NULL AS s0_{k}" for k in range(len(_KEYS[field.kind])))
    sql = (
        f"SELECT {COLUMNS}, {nothing} FROM (SELECT m.rid FROM ({rest}) m {where} ORDER BY m.rid {way} "
        f"LIMIT {query.options.count + 1 - len(rows)}) m JOIN resource r ON {statement.of_tenant('r')} "
        f"AND r.rid = m.rid ORDER BY r.rid {way} LIMIT {query.options.count + 1}"
    )
    return rows + await source.rows(statement, sql)


async def _without_value(source: Source, statement: Statement, each: Narrowed, field: Sort) -> str:
    absent = await missing(source, Clause(each.type_name, field.code, field.kind, (), "missing"))
    if isinstance(absent, Shaped):
        return rids(statement, absent)
    kind = statement.argument(each.type_name)
    keys = _keys(statement, each.type_name, field.code, "t")
    return (
        f"SELECT x.rid FROM resource x WHERE {statement.of_tenant('x')} AND x.type = {kind} AND NOT x.deleted "
        f"AND NOT EXISTS (SELECT 1 FROM idx_{field.kind} t "
        f"WHERE {statement.of_tenant('t')} AND t.rid = x.rid AND {keys})"
    )


def walk_sql(statement: Statement, query: Query, each: Narrowed, place: tuple[list[list[Any]], int] | None) -> str:
    """Entries in index order, each record at its first one."""
    field = query.options.sort[0]
    names = _KEYS[field.kind]
    mark, way = ("<", "DESC") if field.down else (">", "ASC")
    own = ", ".join(f"t.{name}" for name in names)
    where = [statement.of_tenant("t"), _keys(statement, each.type_name, field.code, "t")]
    before = ">" if field.down else "<"
    others = ", ".join(f"o.{name}" for name in names)
    where.append(
        f"NOT EXISTS (SELECT 1 FROM idx_{field.kind} o WHERE {statement.of_tenant('o')} AND o.rid = t.rid "
        f"AND {_keys(statement, each.type_name, field.code, 'o')} "
        f"AND ({others}, o.key, o.position) {before} ({own}, t.key, t.position) OFFSET 0)"
    )
    where += tests_sql(statement, each.conditions, "t.rid", frozenset(each.conditions))
    if place is not None:
        values = ", ".join(statement.argument(value) for value in place[0][0])
        where.append(f"({own}, t.rid) {mark} ({values}, {statement.argument(place[1])})")
    order = ", ".join(f"t.{name} {way}" for name in names)
    selected = ", ".join(f"t.{name} AS s0_{k}" for k, name in enumerate(names))
    again = ", ".join(f"m.s0_{k}" for k in range(len(names)))
    limit = query.options.count + 1
    return (
        f"SELECT {COLUMNS}, {again} FROM (SELECT t.rid, {selected} FROM idx_{field.kind} t "
        f"WHERE {' AND '.join(where)} ORDER BY {order}, t.rid {way} LIMIT {limit}) m "
        f"JOIN resource r ON {statement.of_tenant('r')} AND r.rid = m.rid "
        f"ORDER BY {', '.join(f'm.s0_{k} {way}' for k in range(len(names)))}, r.rid {way} LIMIT {limit}"
    )
