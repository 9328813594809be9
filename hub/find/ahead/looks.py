"""Looks ahead taken within the statement of a page, so that a search that needs them costs one trip.

What a look finds stands in a part of its own (a materialised common table expression) of at most WIDE_FROM + 1 rows.
While every part holds few, the page starts from them; else the statement says so (`is_wide`), and the page is asked
for again by walking the records in order and testing each. Probes are fenced, so their plan suits any values and can be
kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from fhir.search import shapes
from fhir.search.conditions import Chain, Clause, Condition, Either, Has, Inside, Without
from fhir.search.parameters import SHAPE
from fhir.search.values import OPEN, Token
from hub.find.ahead import narrow
from hub.find.ahead.narrow import MOST_SHAPES, Narrowed, met_sql, names_one, shapes_sql
from hub.find.ahead.others import other_values
from hub.find.conditions.criteria import Found, Told, is_negative, rids
from hub.find.statement import Statement
from hub.records.index import key_of
from hub.store.database import Row

_MOST_TARGETS = 6


def is_wide(rows: Sequence[Row]) -> bool:
    """Whether a gated statement answered that a look found much."""
    return len(rows) == 1 and rows[0]["rid"] is None


def far(type_name: str, conditions: Sequence[Condition]) -> Narrowed:
    """The conditions as they are met when looks found much: by tests of the records in order."""
    alone = len(conditions) == 1 or all(is_negative(each) for each in conditions)
    wide = [each for each in conditions if alone or (isinstance(each, Chain | Has) and not names_one(each))]
    return Narrowed(type_name, tuple(conditions), frozenset(wide))


class Apart(Exception):
    """The conditions need more than one statement can look up."""


def looks(conditions: Sequence[Condition]) -> bool:
    """Whether conditions are better looked up before the page."""
    return any(_is_looked_up(each) for each in conditions) or (
        bool(conditions) and all(isinstance(c, Clause) and c.form == "not" for c in conditions)
    )


def _is_looked_up(condition: Condition) -> bool:
    if isinstance(condition, Chain):
        return not names_one(condition)
    return isinstance(condition, Has) or (isinstance(condition, Clause) and condition.form in ("missing", "present"))


def _is_plain(condition: Condition) -> bool:
    """Whether a condition, and all that it joins, is met by the index alone."""
    match condition:
        case Either(alternatives=alternatives):
            return all(_is_plain(each) for conditions in alternatives for each in conditions)
        case Without(condition=inner):
            return _is_plain(inner)
        case Clause(values=values):
            return not _is_looked_up(condition) and not any(isinstance(value, OPEN) for value in values)
        case _:
            return isinstance(condition, Inside) or not _is_looked_up(condition)


@dataclass(slots=True)
class Ahead:
    """The looks ahead of one statement: its parts by name, and the tests that find one of them too large."""

    statement: Statement
    parts: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    tests: list[str] = dataclasses.field(default_factory=list)

    def near(self, type_name: str, conditions: Sequence[Condition]) -> Narrowed:
        """The conditions as they are met when all looks find little; raises Apart."""
        return self._told(type_name, conditions)

    def gated(self, near: str, columns: int) -> str:
        """The statement of `near` where all looks find little, else of one row of nulls; it lacks order and end."""
        nothing = ", ".join(["NULL"] * columns)
        return (
            f"{self._looks()} SELECT g.* FROM ({near}) g WHERE (SELECT NOT w.many FROM w) "
            f"UNION ALL SELECT {nothing} FROM w WHERE w.many"
        )

    def counted(self, near: str) -> str:
        """The statement of the number of rows of `near`; it gives no row when a look found much."""
        return f"{self._looks()} SELECT (SELECT count(*) FROM ({near}) m) AS total FROM w WHERE NOT w.many LIMIT 1"

    def _looks(self) -> str:
        parts = "".join(f"{name} AS MATERIALIZED ({sql}), " for name, sql in self.parts)
        return f"WITH RECURSIVE {parts}w(many) AS MATERIALIZED (SELECT {' OR '.join(self.tests) or 'false'})"

    def _told(self, type_name: str, conditions: Sequence[Condition]) -> Narrowed:
        found: list[Found] = [self._one(condition) for condition in conditions]
        if all(is_negative(each) for each in found):
            found += self._others(type_name, conditions[0])
        return Narrowed(type_name, tuple(found), frozenset(each for each in found if is_negative(each)))

    def _one(self, condition: Condition) -> Found:
        match condition:
            case Chain() if not names_one(condition):
                return self._chain(condition)
            case Has():
                return self._has(condition)
            case Either() | Without() if not _is_plain(condition):
                raise Apart
            case Clause(kind="composite", form="missing" | "present"):
                raise Apart  # only shapes tell
            case Clause(form="missing") if shapes.is_known(condition.type_name, condition.code):
                return self._missing(condition)
            case Clause(values=values) if any(isinstance(value, OPEN) for value in values):
                raise Apart
        return condition

    def _part(self, sql: str, most: int = -1) -> str:
        """The name of a new part of the statement; with `most` one that must not hold more rows."""
        name = f"a{len(self.parts)}"
        self.parts.append((name, sql))
        if most >= 0:
            self.tests.append(f"(SELECT count(*) FROM {name}) > {most}")
        return name

    def _few(self, type_name: str, condition: Condition) -> str:
        """The part that holds the rids of records that meet a condition, up to one more than are few."""
        inner = self._told(type_name, [condition])
        most = narrow.WIDE_FROM
        return self._part(f"SELECT {met_sql(self.statement, inner)} LIMIT {most + 1}", most)

    def _chain(self, chain: Chain) -> Found:
        """References to what the far side finds."""
        if len(chain.targets) > _MOST_TARGETS:
            raise Apart
        named = []
        for kind, inner in chain.targets:
            far, s = self._few(kind, inner), self.statement
            named.append(
                f"SELECT {s.argument(kind)}::text AS type, x.id FROM (SELECT DISTINCT f.rid FROM {far} f) m "
                f"CROSS JOIN LATERAL (SELECT r.id FROM resource r WHERE {s.of_tenant('r')} AND r.rid = m.rid "
                f"AND NOT r.deleted OFFSET 0) x"
            )
        ids = self._part(" UNION ALL ".join(named))
        key = self.statement.literal(key_of(chain.type_name, chain.code))
        body = (
            f"FROM idx_reference t WHERE {self.statement.of_tenant('t')} AND t.key = {key} "
            f"AND t.target_type = a.type AND t.target_id = a.id"
        )
        return Told(f"{ids} a", body, "t.rid", rank="reference", walks=True)

    def _has(self, has: Has) -> Found:
        """What the records found on the far side refer to."""
        far, s = self._few(has.source, has.condition), self.statement
        kind = s.argument(has.type_name)
        body = (
            f"FROM idx_reference t JOIN resource x ON {s.of_tenant('x')} AND x.type = {kind} AND x.id = t.target_id "
            f"AND NOT x.deleted WHERE {s.of_tenant('t')} AND t.rid = a.rid "
            f"AND t.key = {s.literal(key_of(has.source, has.code))} AND t.target_type = {kind}"
        )
        return Told(f"(SELECT DISTINCT f.rid FROM {far} f) a", body, "x.rid", few=True)

    def _missing(self, clause: Clause) -> Found:
        """The records of the shapes without a value."""
        s = self.statement
        key = s.literal(key_of(clause.type_name, SHAPE))
        walk = self._part(shapes_sql(s, key, f"a{len(self.parts)}"))
        every = self._part(f"SELECT s.code FROM {walk} s WHERE s.code IS NOT NULL LIMIT {MOST_SHAPES + 1}", MOST_SHAPES)
        test = _lacks("s.code", shapes.mask(clause.type_name, clause.code))
        body = f"FROM idx_token t WHERE {s.of_tenant('t')} AND t.key = {key} AND t.code = a.code AND t.system = ''"
        return Told(f"(SELECT s.code FROM {every} s WHERE {test}) a", body, "t.rid", rank="chain", walks=True)

    def _others(self, type_name: str, condition: Condition) -> list[Found]:
        """The records that may meet a sole `:not`: those with another value, and those with none."""
        if not isinstance(condition, Clause) or condition.form != "not" or condition.kind != "token":
            return []
        tokens = [value for value in condition.values if isinstance(value, Token) and value.code is not None]
        if len(tokens) != len(condition.values) or not shapes.is_known(type_name, condition.code):
            return []
        absent = self._missing(dataclasses.replace(condition, values=(), form="missing"))
        lists = [rids(self.statement, absent), *other_values(self.statement, condition, tokens, narrow.WIDE_FROM + 1)]
        union = " UNION ALL ".join(f"(SELECT o.rid FROM ({each}) o LIMIT {narrow.WIDE_FROM + 1})" for each in lists)
        few = self._part(f"SELECT u.rid FROM ({union}) u LIMIT {narrow.WIDE_FROM + 1}", narrow.WIDE_FROM)
        return [Told(f"(SELECT DISTINCT f.rid FROM {few} f) a", "", "a.rid", few=True)]


@cache
def _lacks(code: str, mask: int) -> str:
    """A test that a shape (hexadecimal digits, without those above its highest bit) has none of the bits of `mask`."""
    tests = []
    for place, digit in enumerate(reversed(f"{mask:x}")):
        wanted = int(digit, 16)
        if wanted:
            without = "".join(f"{n:x}" for n in range(16) if not n & wanted)
            tests.append(f"strpos('{without}', substr({code}, length({code}) - {place}, 1)) > 0")
    return " AND ".join(tests)
