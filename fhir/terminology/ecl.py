"""Expression constraints (SNOMED CT ECL), the part that value sets use: lineage, members, and, or, minus, attributes.

Read are `*`, codes with or without their terms, `<` `<<` `<!` `<<!` `>` `>>` `>!` `>>!` `^`, parentheses, AND (also a
comma), OR, MINUS, comments, and attributes `: name = value` joined by AND or OR. Cardinalities, groups, reverse and
dotted attributes, comparisons with numbers and filters (`{{ }}`) are refused, never passed over.
"""

from __future__ import annotations

import re
from typing import Any

from fhir.terminology.selection import All, Codes, Either, Every, Lineage, MemberOf, Node, Valued, Without
from fhir.terminology.systems import Unanswered

LONGEST = 10_000
DEEPEST = 40
_TOKEN = re.compile(
    r"\s+|/\*.*?\*/|(?P<term>\|[^|]*\|)|(?P<op><<!|<<|<!|<|>>!|>>|>!|>)|(?P<mark>[\^()*:=,])"
    r"|(?P<code>\d{6,18})|(?P<word>and|or|minus)\b",
    re.IGNORECASE | re.DOTALL,
)
_WAYS = {
    "<": (True, True, False),
    "<<": (True, True, True),
    "<!": (True, False, False),
    "<<!": (True, False, True),
    ">": (False, True, False),
    ">>": (False, True, True),
    ">!": (False, False, False),
    ">>!": (False, False, True),
}


def parse(text: str) -> Node:
    """The tree of an expression; raises Unanswered for one that is malformed or says what is not read."""
    reader = _Reader(_tokens(text))
    found = reader.whole()
    if reader.here:
        raise _refused(reader.here)
    return found


def _refused(at: str) -> Unanswered:
    return Unanswered("unsupported", "fhir.terminology.expression", name=at[:40])


def _tokens(text: str) -> list[str]:
    if len(text) > LONGEST:
        raise _refused(text)
    found: list[str] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _refused(text[place:])
        place = match.end()
        if match.lastgroup not in (None, "term"):
            found.append(match[0].upper() if match.lastgroup == "word" else match[0])
    return [*found, ""]


class _Reader:
    """Walks the tokens; the last one is empty."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    @property
    def here(self) -> str:
        return self._tokens[self._place]

    def _next(self) -> str:
        piece = self.here
        self._place += 1
        return piece

    def _take(self, wanted: str) -> None:
        if self._next() != wanted:
            self._place -= 1
            raise _refused(self.here or wanted)

    def whole(self) -> Node:
        """An expression up to a closing parenthesis or the end."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise _refused(self.here)
        found = self._joined(self._refined, minus=True)
        self._depth -= 1
        return found

    def _joined(self, part: Any, *, minus: bool) -> Node:
        """Parts joined by one kind of word; two kinds want parentheses, as ECL has it."""
        found = part()
        word = "AND" if self.here == "," else self.here
        if word == "MINUS" and minus:
            self._next()
            return Without(found, part())
        if word not in ("AND", "OR"):
            return found  # type: ignore[no-any-return]
        parts = [found]
        while self.here == word or (word == "AND" and self.here == ","):
            self._next()
            parts.append(part())
        if self.here in ("AND", "OR", "MINUS", ","):
            raise _refused(self.here)
        return (All if word == "AND" else Either)(tuple(parts))

    def _refined(self) -> Node:
        focus = self._focus()
        if self.here != ":":
            return focus
        self._next()
        return All((focus, self._joined(self._attribute, minus=False)))

    def _attribute(self) -> Node:
        if self.here == "(":
            self._next()
            found = self._joined(self._attribute, minus=False)
            self._take(")")
            return found
        name = self._focus()
        self._take("=")
        return Valued(name, self._focus())

    def _focus(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _refused(self.here)
        found = self._of_token(self._next())
        self._depth -= 1
        return found

    def _of_token(self, piece: str) -> Node:
        if piece in _WAYS:
            return Lineage(self._focus(), *_WAYS[piece])
        if piece == "^":
            return MemberOf(self._focus())
        if piece == "*":
            return Every()
        if piece == "(":
            found = self.whole()
            self._take(")")
            return found
        if piece.isdigit():
            return Codes((piece,))
        raise _refused(piece)
