"""What a piece of markup means: the texts of its units by role, what is hashed, which identifiers are in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

from tiss.rules.layout import Section
from tiss.rules.marked import MARK, QUIET

_TOKEN = re.compile(rf"<(/?)([^<>/\s]+)[^<>]*?(/?)>({MARK}?)", re.ASCII)
_TEMPLATES = 8
_AT_ONCE = 32  # pieces compared with a document together: more would not stay in the processor's cache
Getter = Callable[[list[str]], tuple[str, ...]]


class Unmatched(Exception):
    """The markup does not nest as it should: an attribute holds what looks like a tag."""


class Open(NamedTuple):
    """An element that is open: its name, the section it stands in and its path there, and its place: local names from
    the root, None inside anything of another namespace.
    """

    name: str
    section: Section
    path: str
    begins: bool
    quiet: bool
    place: str | None


class Group(NamedTuple):
    """Texts of one unit: how many units end first, the section that begins (None: the unit goes on), its roles."""

    ends: int
    section: Section | None
    path: str
    roles: tuple[str, ...]
    texts: Getter
    empty: tuple[str, ...]
    indexes: tuple[int, ...]


class Fragment(NamedTuple):
    """A piece understood: `drops` are texts that are no leaf's or not hashed, `checks` (check, text, element) to judge,
    `leaves` the names and texts of leaves (no name: of another namespace), `blank` whether one without text is in it;
    `places` of each text that of its leaf, empty between elements, None for what is not told; `place` that of the only
    outermost element when the piece is that one element and no attribute stands in it; `screens` is for those who keep
    notes on it.
    """

    texts: int
    elements: int
    groups: tuple[Group, ...]
    drops: tuple[int, ...]
    checks: tuple[tuple[str, int, int], ...]
    leaves: tuple[tuple[str, int], ...]
    blank: bool
    after: Context
    places: tuple[str | None, ...]
    place: str
    screens: dict[frozenset[str], object]


class Template(NamedTuple):
    """A piece as a document spells it: what stands before, between and behind its texts, with room for those.

    `between` has room for a text at every other place, and ends with what stands between two such pieces; `closed`:
    each closes all it opens and leaves the context it stands in, so that another may follow at once.
    """

    begin: str
    between: list[str]
    end: str
    closed: bool
    fragment: Fragment

    def spelled(self, texts: list[str], at: int, times: int = 1) -> str:
        """So many of these pieces with their texts, which are those from `at` on; empty when there are not as many."""
        size = self.fragment.texts * times
        held = texts[at : at + size]
        if len(held) != size:
            return ""
        if not held:
            return self.begin
        whole = self.between * times
        whole[::2] = held
        whole[-1] = self.end
        return self.begin + "".join(whole)

    def more(self, done: int, texts: int) -> int:
        """How many further pieces are worth a look after so many, when so many texts are left."""
        return min(2 * done, _AT_ONCE, texts // self.fragment.texts) if self.closed else 0


def _template(markup: str, fragment: Fragment, context: Context) -> Template:
    """How a piece with this markup is spelled where it begins in `context`."""
    begin, *rest = markup.split(MARK)
    if not rest:
        return Template(begin, [], "", False, fragment)
    between = [""] * (2 * len(rest))
    between[1::2] = [*rest[:-1], rest[-1] + begin]
    closed = fragment.after is context and markup.startswith("</", markup.rfind("<"))
    return Template(begin, between, rest[-1], closed, fragment)


class Context:
    """What is open where a piece begins; pieces are known by the context they stand in, by their markup and, quicker,
    by their spelling.
    """

    __slots__ = ("latest", "pieces", "stack", "templates")

    def __init__(self, stack: tuple[Open, ...]) -> None:
        self.stack = stack
        self.pieces: dict[str, Fragment] = {}
        self.templates: dict[int, tuple[Template, ...]] = {}
        self.latest: Template | None = None

    def recall(self, piece: str, texts: list[str], at: int) -> Fragment | None:
        """A piece that was spelled so before; its texts are those from `at` on."""
        for template in self.templates.get(piece.count("<"), ()):
            if template.spelled(texts, at) == piece:
                self.latest = template
                return template.fragment
        return None

    def learn(self, markup: str, fragment: Fragment) -> None:
        """Know a piece by its spelling from now on."""
        self.latest = _template(markup, fragment, self)
        size = markup.count("<")
        self.templates[size] = (self.latest, *self.templates.get(size, ())[: _TEMPLATES - 1])

    def forget(self) -> None:
        """Let go what was learned."""
        self.latest = None
        self.templates.clear()
        self.pieces.clear()


class Piece:
    """Follows the tokens of one piece of markup."""

    def __init__(self, stack: tuple[Open, ...], outer: Open, prefix: str, names: dict[str, str]) -> None:
        self.stack = list(stack)
        self._outer, self._prefix, self._names = outer, prefix, names
        self._texts = self._elements = self._ends = 0
        self._leaf: Open | None = None  # the element just opened, a leaf as long as nothing opens inside it
        self._leaf_text = -1
        self._groups: list[tuple[int, Section | None, str, dict[str, int], list[str]]] = [(0, None, "", {}, [])]
        self._drops: list[int] = []
        self._checks: list[tuple[str, int, int]] = []
        self._leaves: list[tuple[str, int]] = []
        self._blank = False
        self._places: list[str | None] = []
        self._depth = self._lowest = len(stack)
        self._tops: list[str | None] = []
        self._attributes = False

    def read(self, markup: str) -> None:
        """Follow a whole piece; raises Unmatched."""
        self._attributes = "=" in markup
        for closing, name, alone, mark in _TOKEN.findall(markup):
            if closing:
                self._close(name)
            else:
                self._open(name)
                if alone:
                    self._close(name)
            if mark:
                self._text()

    def _open(self, name: str) -> None:
        self._not_leaf()
        self._elements += 1
        above = self.stack[-1] if self.stack else self._outer
        local = name.removeprefix(self._prefix) if name.startswith(self._prefix) else ""
        quiet = above.quiet or name.rpartition(":")[2] in QUIET
        text = local if ":" not in local else ""
        # the path of what stands at the root leaves the root's own name out
        path = f"{above.path}/{text}" if above.path else (text if self.stack else "")
        inner = above.section.children.get(path) if text and not quiet else None
        if inner is not None:
            self._groups.append((self._ends, inner, path, {}, []))
            self._ends = 0
        place = f"{above.place}/{text}" if text and above.place is not None else None
        here = Open(name, inner or above.section, "" if inner else path, inner is not None, quiet, place)
        if len(self.stack) == self._depth:
            self._tops.append(place)
        self.stack.append(here)
        self._leaf, self._leaf_text = here, -1

    def _text(self) -> None:
        if self._leaf is not None and self._leaf_text < 0:
            self._leaf_text = self._texts
            self._places.append(None)
        else:
            self._drops.append(self._texts)
            self._places.append("")
        self._texts += 1

    def _not_leaf(self) -> None:
        if self._leaf is not None and self._leaf_text >= 0:
            self._drops.append(self._leaf_text)
            self._places[self._leaf_text] = ""
        self._leaf = None

    def _close(self, name: str) -> None:
        if not self.stack or self.stack[-1].name != name:
            raise Unmatched
        here = self.stack.pop()
        self._lowest = min(self._lowest, len(self.stack))
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
        if index < 0:
            return
        self._places[index] = leaf.place
        name = leaf.name.removeprefix(self._prefix) if leaf.name.startswith(self._prefix) else ""
        self._leaves.append((name if ":" not in name else "", index))
        check = self._names.get(name)
        if check is not None:
            self._checks.append((check, index, self._elements - 1))

    def done(self, after: Context) -> Fragment:
        """What it means; `after` is the context it leaves behind."""
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
            self._texts,
            self._elements,
            tuple(groups),
            tuple(self._drops),
            tuple(self._checks),
            tuple(self._leaves),
            self._blank,
            after,
            tuple(self._places),
            self._place(),
            {},
        )

    def _place(self) -> str:
        """The place of the only outermost element; empty when there is more, or less, than one whole element."""
        whole = len(self.stack) == self._lowest == self._depth and len(self._tops) == 1 and not self._attributes
        return (self._tops[0] or "") if whole else ""


def _getter(indexes: tuple[int, ...]) -> Getter:
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return (lambda texts: (texts[indexes[0]],)) if indexes else (lambda _texts: ())
