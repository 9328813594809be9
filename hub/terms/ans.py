"""The ANS tables as code systems `https://fhir.ans.gov.br/CodeSystem/tuss-NN`: terms and the days they are in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from canonical.codes import TUSS
from canonical.errors import Misconfigured
from fhir.terminology.systems import Concept, Property
from tiss.tables.tables import GLOSAS, Tables, Term, installed
from tiss.tables.tables import TUSS as TERMS

_MOST = 500_000


class AnsTable:
    """One table on a day (`on`, an ISO date): a term out of force that day is inactive."""

    complete = True
    value_set = ""

    def __init__(self, tables: Tables, number: str, on: str) -> None:
        self.url = f"{TUSS}{number}"
        self.name = f"TUSS{number}"
        self.version = ""
        self._tables = tables
        self._number = number
        self._on = on

    def find(self, code: str) -> Concept | None:
        """The concept, or None."""
        if self._number in TERMS:
            term = self._tables.tuss(self._number, code)
        elif self._number == GLOSAS:
            term = self._tables.glosa(code)
        else:
            term = self._tables.domain(self._number, code)
        return self._concept(term) if term is not None else None

    def concepts(self, words: Sequence[str] = ()) -> Iterable[Concept]:
        """All terms by code, or those with all of the words."""
        return (self._concept(term) for term in self._terms(" ".join(words)))

    def _terms(self, words: str) -> Iterator[Term]:
        yield from self._tables.search(words, table=self._number, most=_MOST)

    def _concept(self, term: Term) -> Concept:
        stated = (("since", term.since), ("until", term.until))
        return Concept(
            code=term.code,
            display=term.name,
            properties=tuple(Property(name, "valueDateTime", day) for name, day in stated if day),
            inactive=not term.on_day(self._on),
        )

    def parents(self, code: str) -> Sequence[str]:
        """Nothing: the tables have no hierarchy."""
        return ()

    def children(self, code: str) -> Sequence[str]:
        """Nothing: the tables have no hierarchy."""
        return ()


def system(url: str, on: str) -> AnsTable | None:
    """The table of an address on a day; None when it is no table that is installed here."""
    number = url.removeprefix(TUSS)
    if number == url or not (number.isascii() and number.isdigit() and len(number) == 2):
        return None
    try:
        tables = installed()
    except Misconfigured:
        return None
    return AnsTable(tables, number, on) if number in _numbers(tables.version) else None


def addresses() -> list[str]:
    """The addresses of the tables that are installed here."""
    try:
        return [f"{TUSS}{number}" for number in sorted(_numbers(installed().version))]
    except Misconfigured:
        return []


@lru_cache(maxsize=4)
def _numbers(version: str) -> frozenset[str]:
    """The numbers of the installed tables (of that version)."""
    return installed().numbers()
