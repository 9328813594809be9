"""Search of resources that records contain (`_contained`, R4 §3.1.1.5.8), over entries of their own in the index.

A contained resource is part of the record that contains it: who may search its type and read that record finds it. They
are found in the order of the records that contain them, before what is found as itself (`_contained=both`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhir import jsontext
from fhir.search.contained import MOST, local
from fhir.search.options import cursor_text
from fhir.search.query import Query
from hub.find.ahead.narrow import Narrowed, found_sql, is_simple, narrowed
from hub.find.sight import Sight, inner_conditions, visible_sql
from hub.find.statement import COLUMNS, Source, Statement
from hub.records.index import LAST_PLACE, inner, owner_sql, place_of
from hub.store.database import Row


@dataclass(frozen=True, slots=True)
class Asked:
    """A search of contained resources under way: its statement, what it asks, and tests of the containing records."""

    statement: Statement
    branch: Narrowed
    tests: tuple[str, ...]
    apart: bool

    def records(self, found: str) -> str:
        """`FROM` what is shown, with its `number` as `m`, joined to the records as `r`.

        Arithmetic is not leakproof: were it part of the join, row-level security would keep it from the index.
        """
        one = f"SELECT f.rid AS number, {owner_sql('f.rid')} AS rid FROM ({found}) f OFFSET 0"
        if not self.apart:
            one = f"SELECT DISTINCT {owner_sql('f.rid')} AS number, {owner_sql('f.rid')} AS rid FROM ({found}) f"
        where = " AND ".join(("NOT r.deleted", *self.tests))
        of_tenant = self.statement.of_tenant("r")
        return f"FROM ({one}) m JOIN resource r ON {of_tenant} AND r.rid = m.rid WHERE {where}"


def is_before(query: Query) -> bool:
    """Whether the page of `query` begins among contained resources, and not behind them."""
    cursor = query.options.cursor
    return bool(query.options.contained) and (cursor is None or cursor[1] < 0)


async def page(source: Source, query: Query, sight: Sight) -> tuple[list[Row], str]:
    """A page of contained resources, or of the records that contain them, and the cursor of the next one.

    Raises BadQuery, and Refusal for a type that `sight` shows nothing of.
    """
    count = query.options.count
    after = query.options.cursor[1] if query.options.cursor is not None else None
    asked = await _asked(source, query, sight)
    most = 0 if asked.tests else (count + 1) * (1 if asked.apart else MOST)
    found = found_sql(asked.statement, asked.branch, after=after, limit=most) + (f" LIMIT {most}" if most else "")
    sql = f"SELECT {COLUMNS}, m.number {asked.records(found)} ORDER BY m.number LIMIT {count + 1}"
    rows = await source.rows(asked.statement, sql)
    shown = [held for row in rows[:count] if (held := _shown(row, apart=asked.apart)) is not None]
    if len(rows) <= count:
        return shown, ""
    last = rows[count - 1]["number"]
    return shown, cursor_text(None, last if asked.apart else inner(last, LAST_PLACE))


async def total(source: Source, query: Query, sight: Sight, most: int = 0) -> int:
    """Their number, or up to `most`; raises BadQuery, Refusal."""
    asked = await _asked(source, query, sight)
    sql = asked.records(found_sql(asked.statement, asked.branch, ordered=False))
    end = f" LIMIT {most}" if most else ""
    rows = await source.rows(asked.statement, f"SELECT count(*) AS total FROM (SELECT m.number {sql}{end}) n LIMIT 1")
    return int(rows[0]["total"])


async def _asked(source: Source, query: Query, sight: Sight) -> Asked:
    kind, conditions = query.type_name, inner_conditions(query, sight)
    branch = await _branch(source, kind, conditions)
    alike = query.options.contained == "both" and not query.options.inner_shown
    own = await _branch(source, *query.branches[0]) if alike else None
    statement = source.statement(planned=True)
    tests = [shown] if (shown := visible_sql(statement, sight)) else []
    if own is not None:  # a record that is found as itself is shown there, once
        records = f"SELECT 1 FROM ({found_sql(statement, own, ordered=False)}) o WHERE o.rid = r.rid"
        tests.append(f"NOT (r.type = {statement.argument(kind)} AND EXISTS ({records}))")
    return Asked(statement, branch, tuple(tests), query.options.inner_shown)


async def _branch(source: Source, kind: str, conditions: Sequence[Any]) -> Narrowed:
    simple = all(map(is_simple, conditions))
    return Narrowed(kind, tuple(conditions)) if simple else await narrowed(source, kind, conditions)


def _shown(row: Row, *, apart: bool) -> Row | None:
    """The record, or with `apart` what it contains at the place found, as `body` beside its name there (`inner`).

    None where nothing stands there any more: a process of an earlier release, which knows of no such entries, has
    stored the record since.
    """
    if not apart:
        return row
    body = jsontext.stored(row["body"])
    held = list(local(body).items())
    place = place_of(row["number"])
    if place >= len(held):
        return None
    name, found = held[place]
    return {**row, "body": jsontext.text(found), "inner": name}
