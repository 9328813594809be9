"""Reads units, leaf texts and identifiers from a marked message; each different piece of markup is understood once.

The markup is cut where a section can begin. A piece that was seen before, in the same surroundings, costs one look-up:
a batch of 100 guides has few different ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from lxml import etree

from tiss.rules import layout
from tiss.rules.identifiers import elements
from tiss.rules.layout import Section, Unit
from tiss.rules.marked import MARK, QUIET, Marked

_TOKEN = re.compile(rb"<(/?)([^<>/\s]+)[^<>]*?(/?)>(\x01?)")
_LARGEST = 64 * 1024
_MOST = 20_000
Getter = Callable[[list[str]], tuple[str, ...]]


class Unmatched(Exception):
    """The markup does not nest as it should: an attribute holds what looks like a tag."""


class Open(NamedTuple):
    """An element that is open: its name, the section it stands in and its path there."""

    name: bytes
    section: Section
    path: str
    begins: bool
    quiet: bool


class Group(NamedTuple):
    """Texts of one unit: how many units end first, the section that begins (None: the unit goes on), its roles."""

    ends: int
    section: Section | None
    path: str
    roles: tuple[str, ...]
    texts: Getter
    empty: tuple[str, ...]
    indexes: tuple[int, ...]


class Context:
    """What is open where a piece begins; pieces are known by the context they stand in."""

    __slots__ = ("pieces", "stack")

    def __init__(self, stack: tuple[Open, ...]) -> None:
        self.stack = stack
        self.pieces: dict[bytes, Fragment] = {}


class Fragment(NamedTuple):
    """A piece understood: `drops` are texts that are no leaf's or not hashed, `checks` (check, text, element) to judge,
    `blank` whether a leaf without text is in it; `screens` is for those who keep notes on it.
    """

    texts: int
    elements: int
    groups: tuple[Group, ...]
    drops: tuple[int, ...]
    checks: tuple[tuple[str, int, int], ...]
    blank: bool
    after: Context
    screens: dict[frozenset[str], object]


Screener = Callable[[Fragment, list[str]], tuple[Section, str, dict[str, str]] | None]


@dataclass(slots=True, kw_only=True)
class Extract:
    """What a message holds: its units, the texts the hash covers, identifiers as (check, text, element)."""

    whole: Unit
    parts: list[str]
    identifiers: list[tuple[str, str, int]] = field(default_factory=list)
    blank: bool = False


class _Reader:
    """The pieces and contexts of messages with one root and prefix."""

    def __init__(self, root: str, prefix: bytes) -> None:
        self._prefix = prefix
        self._names = elements()
        self._contexts: dict[tuple[Open, ...], Context] = {}
        self._known = 0
        self._once: set[bytes] = set()
        self._outer = Open(b"", layout.top(root), "", begins=False, quiet=False)
        self._cuts: dict[frozenset[str], re.Pattern[bytes]] = {}
        self.begin = self._context(())

    def fragments(self, markup: bytes, outer: frozenset[str], inner: frozenset[str]) -> Iterator[Fragment]:
        """What a markup is made of: whole outermost sections where they were seen before, else their parts."""
        context = self.begin
        for whole in self._pieces(markup, outer):
            known = context.pieces.get(whole)
            if known is None and whole in self._once:
                known = self._keep(context, whole)
            if known is not None:
                yield known
                context = known.after
                continue
            self._remember(whole)
            for piece in self._pieces(whole, inner):
                known = context.pieces.get(piece) or self._keep(context, piece)
                yield known
                context = known.after

    def _pieces(self, markup: bytes, names: frozenset[str]) -> list[bytes]:
        """The markup cut before every element with one of these names."""
        cut = self._cuts.get(names)
        if cut is None:
            choice = b"|".join(sorted(re.escape(name.encode()) for name in names)) or b"\\Z"
            cut = self._cuts[names] = re.compile(b"(<" + re.escape(self._prefix) + b"(?:" + choice + b")[ >/])")
        parts = cut.split(markup)
        return [parts[0], *map(bytes.__add__, parts[1::2], parts[2::2])]

    def _remember(self, whole: bytes) -> None:
        if len(self._once) > _MOST:
            self._once.clear()
        if len(whole) <= _LARGEST:
            self._once.add(whole)

    def _context(self, stack: tuple[Open, ...]) -> Context:
        return self._contexts.setdefault(stack, Context(stack))

    def _keep(self, context: Context, piece: bytes) -> Fragment:
        """What a piece means in its context, kept for the next time; raises Unmatched."""
        made = self._understand(context, piece)
        if len(piece) <= _LARGEST:
            self._known += 1
            if self._known > _MOST:
                self._known = 0
                for known in self._contexts.values():
                    known.pieces.clear()
            context.pieces[piece] = made
        return made

    def _understand(self, context: Context, piece: bytes) -> Fragment:
        work = _Piece(context.stack, self._outer, self._prefix, self._names)
        for closing, name, alone, mark in _TOKEN.findall(piece):
            if closing:
                work.close(name)
            else:
                work.open(name)
                if alone:
                    work.close(name)
            if mark:
                work.text()
        return work.done(self._context(tuple(work.stack)))


class _Piece:
    """Follows the tokens of one piece."""

    def __init__(self, stack: tuple[Open, ...], outer: Open, prefix: bytes, names: dict[str, str]) -> None:
        self.stack = list(stack)
        self._outer, self._prefix, self._names = outer, prefix, names
        self._texts = self._elements = self._ends = 0
        self._leaf: Open | None = None  # the element just opened, a leaf as long as nothing opens inside it
        self._leaf_text = -1
        self._groups: list[tuple[int, Section | None, str, dict[str, int], list[str]]] = [(0, None, "", {}, [])]
        self._drops: list[int] = []
        self._checks: list[tuple[str, int, int]] = []
        self._blank = False

    def open(self, name: bytes) -> None:
        self._not_leaf()
        self._elements += 1
        above = self.stack[-1] if self.stack else self._outer
        local = name.removeprefix(self._prefix) if name.startswith(self._prefix) else b""
        quiet = above.quiet or name.rpartition(b":")[2] in QUIET
        text = local.decode("utf-8", "replace") if b":" not in local else ""
        # the path of what stands at the root leaves the root's own name out
        path = f"{above.path}/{text}" if above.path else (text if self.stack else "")
        inner = above.section.children.get(path) if text and not quiet else None
        if inner is not None:
            self._groups.append((self._ends, inner, path, {}, []))
            self._ends = 0
        here = Open(name, inner or above.section, "" if inner else path, inner is not None, quiet)
        self.stack.append(here)
        self._leaf, self._leaf_text = here, -1

    def text(self) -> None:
        if self._leaf is not None and self._leaf_text < 0:
            self._leaf_text = self._texts
        else:
            self._drops.append(self._texts)
        self._texts += 1

    def _not_leaf(self) -> None:
        if self._leaf is not None and self._leaf_text >= 0:
            self._drops.append(self._leaf_text)
        self._leaf = None

    def close(self, name: bytes) -> None:
        if not self.stack or self.stack[-1].name != name:
            raise Unmatched
        here = self.stack.pop()
        if self._leaf is not None:
            self._keep(here)
            self._leaf = None
        if here.begins:
            self._ends += 1

    def _keep(self, leaf: Open) -> None:
        """Give a leaf's text to its role and its check."""
        index = self._leaf_text
        if leaf.quiet:
            if index >= 0:
                self._drops.append(index)
            return
        if index < 0:
            self._blank = True
        role = leaf.section.roles.get(leaf.path)
        if role is not None:
            if self._ends:
                self._groups.append((self._ends, None, "", {}, []))
                self._ends = 0
            _, _, _, roles, empty = self._groups[-1]
            if index < 0:
                empty.append(role)
            else:
                roles.setdefault(role, index)
        name = leaf.name.removeprefix(self._prefix).decode("utf-8", "replace")
        check = self._names.get(name) if leaf.name.startswith(self._prefix) else None
        if check is not None and index >= 0:
            self._checks.append((check, index, self._elements - 1))

    def done(self, after: Context) -> Fragment:
        self._not_leaf()
        if self._ends:
            self._groups.append((self._ends, None, "", {}, []))
        groups = [
            Group(
                ends, section, path, tuple(roles), _getter(tuple(roles.values())), tuple(empty), tuple(roles.values())
            )
            for ends, section, path, roles, empty in self._groups
            if ends or section is not None or roles or empty
        ]
        return Fragment(
            self._texts, self._elements, tuple(groups), tuple(self._drops), tuple(self._checks), self._blank, after, {}
        )


def _getter(indexes: tuple[int, ...]) -> Getter:
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return (lambda texts: (texts[indexes[0]],)) if indexes else (lambda _texts: ())


@cache
def _reader(root: str, prefix: bytes) -> _Reader:
    return _Reader(root, prefix)


def extract(marked: Marked, root: etree._Element, screen: Screener | None = None) -> Extract:
    """Everything the rules ask of the message with this root element; raises Unmatched.

    `screen` is asked first about each outermost section: what it answers for is not taken apart.
    """
    name = etree.QName(root).localname
    found = Extract(whole=Unit(layout.top(name), None, f"/{name}", {}), parts=marked.texts)
    unit, at, element, drops = found.whole, 0, 0, list[int]()
    texts = marked.texts
    for fragment in _reader(name, marked.prefix).fragments(marked.markup, *_beginnings(name, root)):
        count, size, groups, dropped, checks, blank, _, _ = fragment
        held = texts[at : at + count]
        known = screen(fragment, held) if screen is not None and unit is found.whole else None
        if known is not None:
            _passed(known, unit)
        else:
            for group in groups:
                unit = _turn(group, unit, held)
        if dropped:
            drops += [at + index for index in dropped]
        if checks:
            found.identifiers += [(check, held[i], element + e) for check, i, e in checks]
        found.blank |= blank
        at += count
        element += size
    if drops:
        found.parts = texts.copy()
        for index in drops:
            found.parts[index] = ""
    return found


def _passed(known: tuple[Section, str, dict[str, str]], whole: Unit) -> None:
    """A unit nothing is wrong with: its own few texts are enough."""
    section, path, texts = known
    unit = Unit(section, whole, path, texts)
    unit.passed = True
    whole.rows.append(unit)


def _turn(group: Group, unit: Unit, held: list[str]) -> Unit:
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
    bodies = tuple(_bodies(root))
    here = [
        (path.rpartition("}")[2], inner)
        for path, inner in layout.outermost(name).items()
        if path.startswith(bodies) and root.find(path) is not None
    ]
    outer = frozenset(element for element, _ in here)
    return outer, outer.union(*(inner for _, inner in here))


def _bodies(root: etree._Element) -> Iterator[str]:
    """The search paths of what stands one and two levels below the root."""
    for child in root:
        if isinstance(child.tag, str):
            inner = [below.tag for below in islice(child, 2) if isinstance(below.tag, str)]
            yield from (f"{child.tag}/{tag}" for tag in inner)
            if not inner:
                yield child.tag


__all__ = ["MARK", "Extract", "Unmatched", "extract"]
