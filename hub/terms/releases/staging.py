"""Rows of a release on their way into the tables: streamed into temporary ones, put together by the server.

All of it is one transaction of the tables' owner: a release is there whole, or as it was before.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from canonical.identity import fold
from fhir.terminology.releases.rows import Concept, Edge, Fact, Mapped, Member, Name, Rank, Relation, Release, Row
from hub.store.database import Transaction
from hub.terms.releases.hierarchy import Hierarchy

AT_ONCE = 20_000
LONGEST_MARK = 300
_WORD = re.compile(r"[^\W_]+")
_STAGES = {
    "stage_name": "number int, place int, text text, language text, use text, ref bigint, words text",
    "stage_rank": "ref bigint, dialect text, best boolean, list text",
    "stage_term": "number int, place int, ref bigint, kind text, module text, since text, active boolean, "
    "language text, folded text",
    "stage_fact": "number int, place int, name text, kind text, value text",
    "stage_member": "number int, list text",
    "stage_concept": "number int, code text, inactive boolean, abstract boolean, parents int[], ancestors int[]",
}
_COLUMNS = {name: [part.split()[0] for part in columns.split(", ")] for name, columns in _STAGES.items()}
_COLUMNS["term_relation"] = ["release", "place", "source", "part", "kind", "target", "value", "amount"]
_COLUMNS["term_member"] = ["release", "place", "number", "list", "module", "since", "active", "fields"]
_COLUMNS["term_map"] = ["release", "map", "code", "place", "target", "part", "rank", "rule", "advice"]
_JUDGED = """
CREATE TEMPORARY TABLE stage_told ON COMMIT DROP AS
SELECT DISTINCT ON (n.number, n.language, n.text) n.number, n.place, n.text,
       coalesce(r.dialect, n.language) AS language, CASE WHEN r.best AND n.use = 's' THEN 'p' ELSE n.use END AS use
FROM stage_name n LEFT JOIN (
    SELECT ref, bool_or(best) AS best, max(dialect) FILTER (WHERE best AND dialect <> '') AS dialect
    FROM stage_rank GROUP BY ref) r ON r.ref = n.ref AND n.ref <> 0
ORDER BY n.number, n.language, n.text, n.place
"""
_SHOWN = """
CREATE TEMPORARY TABLE stage_shown ON COMMIT DROP AS
SELECT DISTINCT ON (number) number, text, language FROM stage_told WHERE use <> 'd'
ORDER BY number, position(use IN 'pfscr'),
    CASE WHEN lower(language) = 'pt-br' THEN 0 WHEN lower(left(language, 2)) = 'pt' THEN 1
         WHEN language = $1 THEN 2 WHEN language = 'en-US' THEN 3 WHEN left(language, 2) = 'en' THEN 4 ELSE 5 END,
    place
"""
_TERMS = """
INSERT INTO term_name (release, place, number, ref, kind, language, module, since, active, folded, ranks)
SELECT $1, t.place, t.number, t.ref, t.kind, t.language, t.module, t.since, t.active, t.folded, coalesce(r.ranks, '{}')
FROM stage_term t LEFT JOIN (
    SELECT ref, array_agg(DISTINCT list || CASE WHEN best THEN '=P' ELSE '=A' END) AS ranks
    FROM stage_rank GROUP BY ref) r ON r.ref = t.ref
"""
_WHOLE = f"""
INSERT INTO term_concept (number, release, code, display, language, inactive, abstract, parents, ancestors, marks,
                          words, names, facts)
SELECT c.number, $1, c.code, coalesce(s.text, ''), coalesce(s.language, ''), c.inactive, c.abstract, c.parents,
       c.ancestors, array_cat(coalesce(f.marks, '{{}}'), coalesce(m.marks, '{{}}')),
       coalesce(w.words, ''::tsvector), coalesce(n.names, '[]'), coalesce(f.facts, '[]')
FROM stage_concept c
LEFT JOIN stage_shown s ON s.number = c.number
LEFT JOIN (SELECT number, json_agg(json_build_array(text, language, use) ORDER BY place)::text AS names
           FROM stage_told GROUP BY number) n ON n.number = c.number
LEFT JOIN (SELECT number, json_agg(json_build_array(name, kind, value) ORDER BY place)::text AS facts,
                  array_agg(DISTINCT name || '=' || left(value, {LONGEST_MARK})) AS marks
           FROM stage_fact GROUP BY number) f ON f.number = c.number
LEFT JOIN (SELECT number, array_agg(DISTINCT '^' || list) AS marks FROM stage_member GROUP BY number) m
    ON m.number = c.number
LEFT JOIN (SELECT number, array_to_tsvector(array_agg(DISTINCT word)) AS words
           FROM stage_name, unnest(string_to_array(words, ' ')) AS word WHERE word <> '' GROUP BY number) w
    ON w.number = c.number
ORDER BY c.number
"""


def words_of(text: str) -> list[str]:
    """The words of a text as they are looked for: without accents and case, each once."""
    return list(dict.fromkeys(word[:60] for word in _WORD.findall(fold(text))))


def _amount(value: str) -> Decimal | None:
    """The number of a concrete value `#…`; None for another, which is compared as text."""
    try:
        found = Decimal(value[1:]) if value.startswith("#") else None
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


class Staging:
    """Takes the rows of one release; `release` is the number under which its concepts are kept."""

    def __init__(self, tx: Transaction, release: int, base: int) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self._connection = tx.connection
        self._release = release
        self._hierarchy = Hierarchy(base)
        self._buffers: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._place = 0

    async def take(self, found: Release) -> None:
        """All rows of a release, and its concepts made of them; raises Broken."""
        for name, columns in _STAGES.items():
            await self._connection.execute(f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DROP")
        for row in found.rows:
            self._add(row, found)
            if self._place % AT_ONCE == 0:
                await self._flush()
        await self._flush()
        await self._copy("stage_concept", self._hierarchy.placed())
        await self._connection.execute("SET LOCAL work_mem = '128MB'")
        for name in _STAGES:
            await self._connection.execute(f"ANALYZE {name}")
        await self._connection.execute(_JUDGED)
        await self._connection.execute(_SHOWN.replace("$1", f"'{found.language}'"))
        await self._connection.execute("ANALYZE stage_told; ANALYZE stage_shown")
        await self._connection.execute(_WHOLE, self._release)
        await self._connection.execute(_TERMS, self._release)

    def _add(self, row: Row, found: Release) -> None:
        self._place += 1
        match row:
            case Concept():
                self._hierarchy.know(row.code, inactive=row.inactive, abstract=row.abstract)
            case Edge():
                self._hierarchy.link(row.child, row.parent)
            case Rank():
                self._buffers["stage_rank"].append(tuple(row))
            case Mapped():
                told = (row.target, row.part, row.rank, row.rule, row.advice)
                self._buffers["term_map"].append((self._release, row.map, row.code, self._place, *told))
            case _:
                self._of_concept(row, found)
                return
        self.counts[type(row).__name__.lower()] += 1

    def _of_concept(self, row: Name | Fact | Relation | Member, found: Release) -> None:
        """What is said of a concept, which must be there."""
        number = self._hierarchy.number(row.code)
        kind = type(row).__name__.lower()
        if number is None:
            found.skip(f"{kind} of a code that is no concept of the release")
            return
        self.counts[kind] += 1
        match row:
            case Name():
                self._name(number, row)
            case Fact():
                self._buffers["stage_fact"].append((number, self._place, row.name, row.kind, row.value))
            case Relation():
                self._relation(number, row, found)
            case Member():
                if row.detail is None or row.detail.active:
                    self._buffers["stage_member"].append((number, row.group))
                if row.detail is not None:
                    told = (row.detail.module, row.detail.since, row.detail.active, row.fields)
                    self._buffers["term_member"].append((self._release, self._place, number, row.group, *told))

    def _name(self, number: int, row: Name) -> None:
        if row.detail is None or row.detail.active:
            words = "" if row.use == "d" else " ".join(words_of(f"{row.text} {row.code}"))
            self._buffers["stage_name"].append((number, self._place, row.text, row.language, row.use, row.ref, words))
        if row.detail is not None:
            self._buffers["stage_term"].append(
                (number, self._place, row.ref, *row.detail, row.language.lower(), fold(row.text))
            )

    def _relation(self, number: int, row: Relation, found: Release) -> None:
        """A relationship in no group is a group of its own, under a number that no other has."""
        kind, target = self._hierarchy.number(row.kind), self._hierarchy.number(row.target) if row.target else None
        if kind is None or (row.target and target is None):
            found.skip("relation of or to a code that is no concept of the release")
            return
        amount = _amount(row.value)
        value = row.value.strip('"') if row.value else None
        told = (number, row.part or -self._place, kind, target, value, amount)
        self._buffers["term_relation"].append((self._release, self._place, *told))

    async def _flush(self) -> None:
        for name, rows in self._buffers.items():
            if rows:
                await self._copy(name, rows)
                rows.clear()

    async def _copy(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        await self._connection.copy_records_to_table(table, records=rows, columns=_COLUMNS[table])
