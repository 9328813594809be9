"""Reads units, leaf texts and identifiers from a message; each different piece of markup is understood once.

The document is cut where a section can begin. A piece that was seen before, in the same surroundings, costs one
comparison; pieces with the same markup are a Run, whose texts are looked at column by column: a batch of 100 guides
has few different ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

from lxml import etree

from tiss.message import first
from tiss.rules import layout
from tiss.rules.identifiers import elements
from tiss.rules.layout import Section, Unit
from tiss.rules.marked import Marked
from tiss.rules.pieces import Context, Fragment, Group, Open, Piece, Template, Unmatched

_LARGEST = 64 * 1024
_MOST = 8 * 1024 * 1024  # characters of markup that are remembered of one root and prefix
_MOST_ONCE = 20_000
Held = list[str]


class Span(NamedTuple):
    """Pieces with the same markup that follow each other: which of all texts is their first, and how many they are."""

    fragment: Fragment
    at: int
    pieces: int

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


class _Walk:
    """Where the reading of a document has come to: `here` in it, `at` in its texts."""

    __slots__ = ("_cut", "_document", "at", "end", "here", "marked", "spelled")

    def __init__(self, marked: Marked, cut: re.Pattern[str]) -> None:
        self.marked, self._document, self._cut = marked, marked.document, cut
        self.spelled = marked.spelled()
        self.here, self.end = marked.begin, len(marked.document)
        self.at = 0

    def again(self, template: Template | None) -> Span | None:
        """The next pieces, as many as are spelled as this one; None when the very next is not."""
        if template is None or not self.marked.plain:
            return None
        begin, count, step = self.at, 0, 1
        while step and self._stands(template, step):
            count += step
            self.at += step * template.fragment.texts
            step = template.more(count, len(self.spelled) - self.at)
        return Span(template.fragment, begin, count) if count else None

    def _stands(self, template: Template, times: int) -> bool:
        """Whether so many pieces spelled as this one come next; they are gone past then."""
        pieces = template.spelled(self.spelled, self.at, times)
        stop = self.here + len(pieces)
        if not pieces or not self._document.startswith(pieces, self.here):
            return False
        closed = template.closed and self._document.startswith("<", stop)
        if stop < self.end and not closed and self._cut.match(self._document, stop) is None:
            return False
        self.here = stop
        return True

    def piece(self) -> str:
        """The next piece as it stands in the document."""
        found = self._cut.search(self._document, self.here + 1)
        begin, self.here = self.here, found.start() if found is not None else self.end
        return self._document[begin : self.here]

    def span(self, fragment: Fragment) -> Span:
        """A piece that is gone past, with its texts."""
        begin, self.at = self.at, self.at + fragment.texts
        return Span(fragment, begin, 1)


class _Reader:
    """The pieces and contexts of messages with one root and prefix."""

    def __init__(self, root: str, prefix: str) -> None:
        self._prefix = prefix
        self._names = elements()
        self._contexts: dict[tuple[Open, ...], Context] = {}
        self._known = 0
        self._once: set[str] = set()
        self._outer = Open("", layout.top(root), "", begins=False, quiet=False)
        self._cuts: dict[frozenset[str], re.Pattern[str]] = {}
        self.begin = self._context(())

    def pieces(self, marked: Marked, outer: frozenset[str], inner: frozenset[str]) -> Iterator[Span]:
        """What a message is made of: whole outermost sections where they were seen before, else their
        parts. Raises Unmatched.
        """
        context, walk = self.begin, _Walk(marked, self._cut(outer))
        while walk.here < walk.end:
            span = walk.again(context.latest)
            if span is not None:  # most pieces are like the one before
                yield span
                context = span.fragment.after
                continue
            for fragment in self._of(context, walk.piece(), walk, inner):
                yield walk.span(fragment)
                context = fragment.after
        if walk.at != len(marked.texts):
            raise Unmatched

    def _of(self, context: Context, piece: str, walk: _Walk, inner: frozenset[str]) -> Iterator[Fragment]:
        """A piece that was seen before, or its parts."""
        plain = walk.marked.plain
        known = context.recall(piece, walk.spelled, walk.at) if plain else None
        if known is not None:
            yield known
            return
        whole = walk.marked.mark(piece)
        known = context.pieces.get(whole)
        if known is None and whole in self._once:
            known = self._keep(context, whole)
        if known is None:
            self._remember(whole)
            yield from self._parts(context, whole, inner)
            return
        if plain:
            context.learn(whole, known)
        yield known

    def _parts(self, context: Context, whole: str, inner: frozenset[str]) -> Iterator[Fragment]:
        cut = self._cut(inner).split(whole)
        for piece in (cut[0], *map(str.__add__, cut[1::2], cut[2::2])):
            known = context.pieces.get(piece) or self._keep(context, piece)
            yield known
            context = known.after

    def _cut(self, names: frozenset[str]) -> re.Pattern[str]:
        """What finds the beginning of every element with one of these names."""
        cut = self._cuts.get(names)
        if cut is None:
            choice = "|".join(sorted(map(re.escape, names))) or "\\Z"
            cut = self._cuts[names] = re.compile(f"(<{re.escape(self._prefix)}(?:{choice})[ >/])")
        return cut

    def _remember(self, whole: str) -> None:
        if len(self._once) > _MOST_ONCE:
            self._once.clear()
        if len(whole) <= _LARGEST:
            self._once.add(whole)

    def _context(self, stack: tuple[Open, ...]) -> Context:
        return self._contexts.setdefault(stack, Context(stack))

    def _keep(self, context: Context, piece: str) -> Fragment:
        """What a piece means in its context, kept for the next time; raises Unmatched."""
        work = Piece(context.stack, self._outer, self._prefix, self._names)
        work.read(piece)
        made = work.done(self._context(tuple(work.stack)))
        if len(piece) <= _LARGEST:
            self._known += len(piece)
            if self._known > _MOST:
                self._known = 0
                for known in self._contexts.values():
                    known.forget()
            context.pieces[piece] = made
        return made


@lru_cache(maxsize=16)
def _reader(root: str, prefix: str) -> _Reader:
    return _Reader(root, prefix)


def extract(marked: Marked, root: etree._Element, screen: Screener | None = None) -> Extract:
    """Everything the rules ask of the message with this root element; raises Unmatched.

    `screen` is asked first about each run of equal markup: what it answers for is not taken apart.
    """
    name = etree.QName(root).localname
    spans = list(_reader(name, marked.prefix).pieces(marked, *_beginnings(name, root)))
    texts = marked.texts
    found = Extract(whole=Unit(layout.top(name), None, f"/{name}", {}), parts=texts, texts=texts, spans=spans)
    found.runs = _runs(spans, texts)
    found.blank = any(run.fragment.blank for run in found.runs)
    passed = dict(_passed(found.runs, screen, found.whole)) if screen is not None else {}
    unit, position = found.whole, 0
    for span in spans:
        for at in span.begins():
            known = passed.get(position)
            position += 1
            if known is not None and unit is found.whole:
                unit.rows.append(known)
                continue
            held = texts[at : at + span.fragment.texts]
            for group in span.fragment.groups:
                unit = _turn(group, unit, held)
    if any(run.fragment.drops for run in found.runs):
        found.parts = _hashed(found)
    return found


def _hashed(found: Extract) -> list[str]:
    """The texts, those left out that are no leaf's or not hashed."""
    parts = found.parts.copy()
    for span in found.spans:
        for at in span.begins() if span.fragment.drops else ():
            for index in span.fragment.drops:
                parts[at + index] = ""
    return parts


def _runs(spans: list[Span], texts: Held) -> list[Run]:
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


def _passed(runs: list[Run], screen: Screener, whole: Unit) -> Iterator[tuple[int, Unit]]:
    """Units nothing is wrong with, by the position of their piece: their own few texts are enough."""
    for run in runs:
        known = screen(run)
        if known is None:
            continue
        positions = chain.from_iterable(run.positions)
        for row, (position, texts) in enumerate(zip(positions, zip(*known.kept, strict=True), strict=True)):
            if row not in known.but:
                unit = Unit(known.section, whole, known.path, dict(zip(known.roles, texts, strict=True)))
                unit.passed = True
                yield position, unit


def _turn(group: Group, unit: Unit, held: Held) -> Unit:
    """The unit that stands after a group of texts: the same, one around it, or a new one inside."""
    ends, section, path, roles, get, empty, _ = group
    for _ in range(ends):
        unit = unit.parent or unit
    if section is not None:
        above = unit
        unit = Unit(section, above, path, dict(zip(roles, get(held), strict=False)))
        above.rows.append(unit)
    else:
        unit.texts.update(zip(roles, get(held), strict=False))
    if empty:
        unit.texts.update(dict.fromkeys(empty, "") | unit.texts)
    return unit


def _beginnings(name: str, root: etree._Element) -> tuple[frozenset[str], frozenset[str]]:
    """The names of elements that begin an outermost section in this very message, and any section."""
    bodies = frozenset(_bodies(root))
    here = [
        (path[-1].rpartition("}")[2], inner)
        for path, inner in layout.outermost(name).items()
        if (path[:2] in bodies or path[:1] in bodies) and first(root, path) is not None
    ]
    outer = frozenset(element for element, _ in here)
    return outer, outer.union(*(inner for _, inner in here))


def _bodies(root: etree._Element) -> Iterator[tuple[str, ...]]:
    """The paths of what stands one and two levels below the root."""
    for child in root:
        if isinstance(child.tag, str):
            inner = [below.tag for below in islice(child, 2) if isinstance(below.tag, str)]
            yield from ((child.tag, tag) for tag in inner)
            if not inner:
                yield (child.tag,)


__all__ = ["Extract", "Fragment", "Passed", "Run", "Unmatched", "extract"]
