"""A code system whose concepts are in a release: asked by the thread that answers, while the event loop fetches.

Answers are plain computation in a thread of their own; such a system sends each of its questions to the loop and waits.
Asking it from the loop itself would wait for ever, and is refused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from canonical.codes import aliases
from fhir.search.conditions import BadQuery
from fhir.terminology.nodes import All, Chosen, Codes, Every, Lineage, Node
from fhir.terminology.systems import Concept, Designation, Property, Unanswered
from hub.find.statement import Source, Statement
from hub.store.database import Row
from hub.terms.releases.choosing import Choice, Known

MOST_ASKED = 5_000  # questions to the tables for one question to the terminology
MOST_ROWS = 500_000
AT_ONCE = 5_000
_SCT = "http://snomed.info/sct"
_SYNONYM = {"system": _SCT, "code": "900000000000013009", "display": "Synonym"}
_USES: Mapping[str, Any] = {
    "p": {"system": "http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra", "code": "preferredForLanguage"},
    "f": {"system": _SCT, "code": "900000000000003001", "display": "Fully specified name"},
}
_COLUMNS = "t.number, t.code, t.display, t.language, t.inactive, t.abstract, t.names, t.facts"
# The rows are put in order by two numbers, and fetched whole when it is known which.
_IN_ORDER = (
    f"SELECT {_COLUMNS} FROM ({{sql}}) AS p JOIN term_concept t ON t.number = p.number "
    f"ORDER BY p.size, p.number LIMIT {AT_ONCE}"
)


async def releases(source: Source, urls: Iterable[str]) -> dict[str, list[Known]]:
    """The releases of code systems of these addresses (or other names of them), by the address they stand under."""
    wanted = sorted({name for url in urls for name in aliases(url)})
    if not wanted:
        return {}
    statement = source.statement()
    named = f"r.system = ANY({statement.argument(wanted)}::text[])"
    found: dict[str, list[Known]] = {}
    for known in await _listed(source, statement, named):
        found.setdefault(known.system, []).append(known)
    return found


async def every_release(source: Source) -> list[Known]:
    """All releases a tenant may use, those of one system in the order in which they count."""
    return await _listed(source, source.statement(), "true")


async def _listed(source: Source, statement: Statement, named: str) -> list[Known]:
    rows = await source.rows(
        statement,
        f"SELECT r.id, r.system, r.version, r.name, r.depth FROM term_release r LEFT JOIN term_use u ON "
        f"{statement.of_tenant('u')} AND u.release = r.id WHERE {named} "
        "AND (r.house OR u.release IS NOT NULL) ORDER BY coalesce(u.since, r.taken_at) DESC, r.id DESC LIMIT 400",
    )
    return [Known(**row) for row in rows]


class Loaded:
    """A release as a code system (`fhir.terminology.selection.Selecting`), for one question."""

    complete = True
    fragment = False

    def __init__(self, source: Source, known: Known) -> None:
        self.url = known.system
        self.version = known.version
        self.name = known.name
        self.value_set = "http://loinc.org/vs" if known.system == "http://loinc.org" else f"{known.system}?fhir_vs"
        self._source = source
        self._known = known
        self._loop = asyncio.get_running_loop()
        self._asked = 0
        self._found: dict[str, Concept | None] = {}

    def _rows(self, columns: str, chosen: Chosen, rest: str, whole: str = "{sql}") -> list[Row]:
        """Rows `t` of the release; raises Unanswered when it takes too long or is asked too often."""
        self._asked += 1
        if self._asked > MOST_ASKED:
            raise Unanswered("too-costly", "fhir.terminology.too-long")
        if _here() is self._loop:
            raise AssertionError("a release is asked in a thread beside the loop")
        statement = self._source.statement()
        where = Choice(statement, self._known).chosen(chosen, "t")
        sql = whole.format(sql=f"SELECT {columns} FROM term_concept t WHERE {where} {rest}")
        try:
            return asyncio.run_coroutine_threadsafe(self._source.rows(statement, sql), self._loop).result()
        except BadQuery:
            raise Unanswered("too-costly", "fhir.terminology.too-long") from None

    def find(self, code: str) -> Concept | None:
        """The concept, or None."""
        if code not in self._found:
            self.bring((code,))
        return self._found[code]

    def bring(self, codes: Iterable[str]) -> None:
        """Have these concepts at hand, since each will be asked for."""
        missing = [code for code in dict.fromkeys(codes) if code not in self._found]
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            self._found |= dict.fromkeys(part)
            for row in self._rows(_COLUMNS, Chosen(node=Codes(tuple(part))), f"LIMIT {AT_ONCE}"):
                self._found[row["code"]] = _concept(row)

    def concepts(self, words: Sequence[str] = ()) -> Iterable[Concept]:
        """All concepts in order, or those whose code or a name has all of the words (beginnings of words)."""
        return self.select(Chosen(node=Every(), words=tuple(words)))

    def count(self, chosen: Chosen, most: int) -> int:
        """How many are chosen, counted up to `most`."""
        counted = "SELECT count(*) AS n FROM ({sql}) AS chosen LIMIT 1"
        return int(self._rows("t.number", chosen, f"LIMIT {int(most)}", counted)[0]["n"])

    def select(self, chosen: Chosen, start: int = 0, count: int | None = None) -> Iterator[Concept]:
        """Those chosen in their order, from the place `start` on; the likeliest first where words are asked for."""
        most = MOST_ROWS if count is None else count
        order = f"ORDER BY 2, 1 LIMIT {int(most)} OFFSET {int(start)}"
        first = "length(t.display) AS size" if chosen.words else "0 AS size"
        if most <= AT_ONCE:
            yield from map(_concept, self._rows(f"t.number, {first}", chosen, order, _IN_ORDER))
            return
        codes = [row["code"] for row in self._rows(f"t.number, {first}, t.code", chosen, order)]
        for place in range(0, len(codes), AT_ONCE):
            part = codes[place : place + AT_ONCE]
            self.bring(part)
            yield from (found for code in part if (found := self._found.pop(code, None)) is not None)

    def holds(self, node: Node, code: str) -> bool:
        """Whether a tree means a code."""
        return bool(self._rows("t.number", Chosen(node=All((Codes((code,)), node))), "LIMIT 1"))

    def codes(self, node: Node, most: int) -> Sequence[str]:
        """The codes a tree means, up to `most` of them."""
        return [row["code"] for row in self._rows("t.code", Chosen(node=node), f"LIMIT {int(most)}")]

    def _codes(self, node: Node, order: str = "t.number") -> list[str]:
        return [row["code"] for row in self._rows("t.code", Chosen(node=node), f"ORDER BY {order} LIMIT {MOST_ROWS}")]

    def parents(self, code: str) -> Sequence[str]:
        """The codes right above."""
        return self._codes(Lineage(Codes((code,)), down=False, far=False, itself=False))

    def children(self, code: str) -> Sequence[str]:
        """The codes right below."""
        return self._codes(Lineage(Codes((code,)), down=True, far=False, itself=False))

    def ancestors(self, code: str) -> dict[str, None]:
        """The code and all it stands under, what is deepest first."""
        node = Lineage(Codes((code,)), down=False, far=True, itself=False)
        return {code: None, **dict.fromkeys(self._codes(node, "cardinality(t.ancestors) DESC, t.number"))}

    def descendants(self, code: str) -> dict[str, None]:
        """The code and all under it, what is highest first."""
        node = Lineage(Codes((code,)), down=True, far=True, itself=False)
        return {code: None, **dict.fromkeys(self._codes(node, "cardinality(t.ancestors), t.number"))}


def _here() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _concept(row: Row) -> Concept:
    names = json.loads(row["names"])
    facts = json.loads(row["facts"])
    shown = (row["display"], row["language"])
    return Concept(
        code=row["code"],
        display=row["display"],
        language=row["language"],
        definition=next((text for text, _, use in names if use == "d"), ""),
        designations=tuple(
            Designation(text, language, _USES.get(use, _SYNONYM))
            for text, language, use in names
            if use != "d" and not (use == "p" and (text, language) == shown)
        ),
        properties=tuple(
            Property(name, kind, value == "true" if kind == "valueBoolean" else value) for name, kind, value in facts
        ),
        inactive=row["inactive"],
        abstract=row["abstract"],
    )
