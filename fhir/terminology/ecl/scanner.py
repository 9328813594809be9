"""The text of an expression constraint, walked by patterns; what is not understood is refused with its place."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from functools import lru_cache

from fhir.terminology.systems import Unanswered

LONGEST = 10_000
DEEPEST = 40
_SPACE = re.compile(r"(?:\s+|/\*.*?\*/)+", re.DOTALL)
_PAIRS = re.compile(r'/\*.*?\*/|\|[^|]*\||"(?:[^"\\]|\\.)*"|[()]', re.DOTALL)


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


class Scanner:
    """A place in a text; patterns are looked for there, behind white space and comments, whatever their case."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._depth = 0
        if len(text) > LONGEST:
            raise self.refused()
        self._closed = self._pairs()

    def _pairs(self) -> dict[int, int]:
        """Where each opened parenthesis is closed."""
        opened: list[int] = []
        found: dict[int, int] = {}
        for match in _PAIRS.finditer(self._text):
            if match[0] == "(":
                opened.append(match.start())
            elif match[0] == ")" and opened:
                found[opened.pop()] = match.end()
        return found

    def refused(self) -> Unanswered:
        """That the text is not understood from here on."""
        here = self._text[self._place :].strip()[:40] or self._text.strip()[-40:]
        return Unanswered("unsupported", "fhir.terminology.expression", name=here, place=str(self._place + 1))

    def see(self, pattern: str) -> re.Match[str] | None:
        """The pattern at this place, if it stands here."""
        if (space := _SPACE.match(self._text, self._place)) is not None:
            self._place = space.end()
        return _pattern(pattern).match(self._text, self._place)

    def take(self, pattern: str) -> str | None:
        """The same, and the place behind it."""
        match = self.see(pattern)
        if match is None:
            return None
        self._place = match.end()
        return match[0]

    def need(self, pattern: str) -> str:
        """The same; raises Unanswered where it does not stand."""
        found = self.take(pattern)
        if found is None:
            raise self.refused()
        return found

    def closes_before(self, pattern: str) -> bool:
        """Whether the parenthesis that opens here is closed right before a pattern."""
        if self.see(r"\(") is None or self._place not in self._closed:
            return False
        before, self._place = self._place, self._closed[self._place]
        found = self.see(pattern) is not None
        self._place = before
        return found

    @contextlib.contextmanager
    def deeper(self) -> Iterator[None]:
        """One level further in; raises Unanswered beyond the deepest."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self.refused()
        yield
        self._depth -= 1
