"""The pieces of a message, those with the same markup together as a Run: their texts by column; and what is taken from
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tiss.rules.layout import Section, Unit
from tiss.rules.marked import Marked
from tiss.rules.pieces import Fragment
from tiss.wire.message import Tiss

Held = list[str]


class Span(NamedTuple):
    """Pieces with the same markup that follow each other: which of all texts is their first, and how many they are;
    where they begin in the document (-1: parts of a piece), where the first of them ends, and where all do.
    """

    fragment: Fragment
    at: int
    pieces: int
    begin: int
    first: int
    stop: int

    def begins(self) -> range:
        """Which of all texts is the first of each piece, or would be."""
        size = self.fragment.texts
        return range(self.at, self.at + size * self.pieces, size) if size else range(self.at, self.at + self.pieces)


class Run:
    """The pieces of a message with the same markup: their positions among all pieces, and their texts by column."""

    __slots__ = ("columns", "count", "fragment", "positions", "spans")

    def __init__(self, fragment: Fragment) -> None:
        self.fragment = fragment
        self.count = 0
        self.positions: list[range] = []
        self.spans: list[Span] = []
        self.columns: list[Sequence[str]] = []  # by text, once all spans are known

    def add(self, position: int, span: Span) -> None:
        """Take in pieces of which the first stands at this position among all."""
        self.count += span.pieces
        self.positions.append(range(position, position + span.pieces))
        self.spans.append(span)

    def arrange(self, texts: Held) -> None:
        """Give the columns their texts, all spans being known."""
        size = self.fragment.texts
        if len(self.spans) == 1:
            begin, end = self.spans[0].at, self.spans[0].at + size * self.count
            self.columns = [texts[at:end:size] for at in range(begin, begin + size)]
        else:
            rows = [texts[at : at + size] for span in self.spans for at in span.begins()]
            self.columns = list(zip(*rows, strict=True))


class Passed(NamedTuple):
    """What a screen says of a run: the section and path of its units, the few texts kept of each by role, and which of
    its rows must be looked at closely.
    """

    section: Section
    path: str
    roles: tuple[str, ...]
    kept: Sequence[Sequence[str]]
    but: set[int]


Screener = Callable[[Run], Passed | None]


@dataclass(slots=True, kw_only=True)
class Extract:
    """What a message holds: its units, the texts the hash covers, and the pieces and runs it was read in."""

    whole: Unit
    parts: list[str]
    texts: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    blank: bool = False

    @property
    def identifiers(self) -> list[tuple[str, str, int]]:
        """All identifiers as (check, text, position of its element)."""
        found, element = [], 0
        for span in self.spans:
            for at in span.begins():
                checks = span.fragment.checks
                found += [(check, self.texts[at + index], element + inner) for check, index, inner in checks]
                element += span.fragment.elements
        return found

    def blanks(self, names: frozenset[str] | None) -> bool:
        """Whether a leaf is empty or holds blanks only; `names`: in no other elements can blanks stand alone."""
        if self.blank or names is None:
            return self.blank or any(map(str.isspace, self.parts))
        return any(
            any(map(str.isspace, run.columns[index]))
            for run in self.runs
            for name, index in run.fragment.leaves
            if not name or name in names
        )

    def distinct(self) -> Iterator[tuple[str, str]]:
        """The checks and different texts of the identifiers."""
        texts: dict[str, set[str]] = {}
        for run in self.runs:
            for check, index, _ in run.fragment.checks:
                texts.setdefault(check, set()).update(run.columns[index])
        return ((check, text) for check, known in texts.items() for text in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """A message and the pieces it is made of, in its order (`spans`) and by their markup (`runs`)."""

    message: Tiss
    raw: bytes
    marked: Marked
    spans: list[Span]
    runs: list[Run]


def runs_of(spans: list[Span], texts: Held) -> list[Run]:
    """The pieces by their markup."""
    runs: dict[int, Run] = {}
    position = 0
    for span in spans:
        run = runs.get(id(span.fragment))
        if run is None:
            run = runs[id(span.fragment)] = Run(span.fragment)
        run.add(position, span)
        position += span.pieces
    for run in runs.values():
        run.arrange(texts)
    return list(runs.values())
