"""Reads units, leaf texts and identifiers from a message; each different piece of markup is understood once.

The document is cut where a section can begin. A piece that was seen before, in the same surroundings, costs one
comparison; pieces with the same markup are a Run, whose texts are looked at column by column: a batch of 100 guides
has few different ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice

from lxml import etree

from tiss.rules import layout, marked
from tiss.rules.identifiers import elements
from tiss.rules.layout import Unit
from tiss.rules.marked import Marked
from tiss.rules.pieces import Context, Fragment, Group, Open, Piece, Template, Unmatched
from tiss.rules.runs import Extract, Held, Pieces, Run, Screener, Span, runs_of
from tiss.wire.message import Tiss, first

_LARGEST = 64 * 1024
_MOST = 8 * 1024 * 1024  # characters of markup that are remembered of one root and prefix
_MOST_ONCE = 20_000


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
        at, here = self.at, self.here
        count, step, first = 0, 1, here
        while step and self._stands(template, step):
            first = first if count else self.here
            count += step
            self.at += step * template.fragment.texts
            step = template.more(count, len(self.spelled) - self.at)
        return Span(template.fragment, at, count, here, first, self.here) if count else None

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

    def span(self, fragment: Fragment, begin: int) -> Span:
        """A piece that is gone past, with its texts; `begin` is where it begins, -1 for a part of one."""
        at, self.at = self.at, self.at + fragment.texts
        return Span(fragment, at, 1, begin, self.here, self.here)


class _Reader:
    """The pieces and contexts of messages with one root and prefix."""

    def __init__(self, root: str, prefix: str) -> None:
        self._prefix = prefix
        self._names = elements()
        self._contexts: dict[tuple[Open, ...], Context] = {}
        self._known = 0
        self._once: set[str] = set()
        self._outer = Open("", layout.top(root), "", begins=False, quiet=False, place="")
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
            begin = walk.here
            parts = list(self._of(context, walk.piece(), walk, inner))
            for fragment in parts:
                yield walk.span(fragment, begin if len(parts) == 1 else -1)
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


def pieces(message: Tiss, raw: bytes) -> Pieces:
    """The pieces of a message; `raw` are the bytes it came from."""
    try:
        return cut(marked.of(message, raw), message, raw)
    except Unmatched:
        return cut(marked.spelled(message.root), message, raw)


def cut(held: Marked, message: Tiss, raw: bytes) -> Pieces:
    """The pieces of a message that was read in one of the two ways; raises Unmatched."""
    name = etree.QName(message.root).localname
    spans = list(_reader(name, held.prefix).pieces(held, *_beginnings(name, message.root)))
    return Pieces(message=message, raw=raw, marked=held, spans=spans, runs=runs_of(spans, held.texts))


def extract(held: Pieces, screen: Screener | None = None) -> Extract:
    """Everything the rules ask of a message.

    `screen` is asked first about each run of equal markup: what it answers for is not taken apart.
    """
    name = etree.QName(held.message.root).localname
    texts = held.marked.texts
    found = Extract(whole=Unit(layout.top(name), None, f"/{name}", {}), parts=texts, texts=texts, spans=held.spans)
    found.runs = held.runs
    found.blank = any(run.fragment.blank for run in found.runs)
    passed = dict(_passed(found.runs, screen, found.whole)) if screen is not None else {}
    unit, position = found.whole, 0
    for span in held.spans:
        for at in span.begins():
            known = passed.get(position)
            position += 1
            if known is not None and unit is found.whole:
                unit.rows.append(known)
                continue
            mine = texts[at : at + span.fragment.texts]
            for group in span.fragment.groups:
                unit = _turn(group, unit, mine)
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
    likely = _likely(name, frozenset(_bodies(root)))
    return _named(likely, tuple(first(root, path) is not None for path, _ in likely))


Likely = tuple[tuple[tuple[str, ...], frozenset[str]], ...]


@lru_cache(maxsize=256)
def _likely(name: str, bodies: frozenset[tuple[str, ...]]) -> Likely:
    """The outermost sections a message with these bodies can have: the path of each, and the names inside."""
    return tuple(
        (path, inner) for path, inner in layout.outermost(name).items() if path[:2] in bodies or path[:1] in bodies
    )


@lru_cache(maxsize=256)
def _named(likely: Likely, there: tuple[bool, ...]) -> tuple[frozenset[str], frozenset[str]]:
    here = [(path[-1].rpartition("}")[2], inner) for (path, inner), found in zip(likely, there, strict=True) if found]
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


__all__ = ["Unmatched", "cut", "extract", "pieces"]
