"""A last look at a copy: nothing that names one of the real people may stand in it.

What is looked for is taken from the real records: names as they are called, numbers, telecoms, streets, ids. It is a
second opinion on the walk by types, and reads the finished text, not its structure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from canonical.identity import fold
from canonical.names import stated

_WORD = re.compile(r"[a-z0-9]+")
_SHORTEST = 5
_MOST_WORDS = 12
Phrase = tuple[str, ...]


class Canaries:
    """What must not stand in a copy, by number of words."""

    def __init__(self) -> None:
        self._phrases: dict[int, set[Phrase]] = {}
        self.numbers: set[str] = set()

    def watch(self, body: Mapping[str, Any]) -> None:
        """Take what names somebody from a real record of a person."""
        for text in (str(body.get("id", "")), *_telling(body)):
            words = tuple(_WORD.findall(fold(text)))[:_MOST_WORDS]
            if sum(map(len, words)) >= _SHORTEST:
                self._phrases.setdefault(len(words), set()).add(words)
        for number in _numbers(body):
            self.numbers.add(number)

    def found(self, line: str) -> bool:
        """Whether a line of the copy holds one of them."""
        words = _WORD.findall(fold(line))
        return any(
            tuple(words[start : start + length]) in phrases
            for length, phrases in self._phrases.items()
            for start in range(len(words) - length + 1)
        )


def _telling(node: Any, key: str = "") -> Iterator[str]:
    """What names somebody within a record, by the key it stands under."""
    if isinstance(node, list):
        for each in node:
            yield from _telling(each, key)
    elif isinstance(node, dict):
        if key in _TELLING:
            yield from _TELLING[key](node)
        for name, each in node.items():
            if name not in ("text", "div"):
                yield from _telling(each, name)


def _name(node: Mapping[str, Any]) -> Iterator[str]:
    """A name as it is called, in both orders."""
    given, family = stated(node, "given"), str(node.get("family", ""))
    if given and family:
        yield from (f"{' '.join(given)} {family}", f"{family} {' '.join(given)}", f"{given[0]} {family}")
    yield str(node.get("text", ""))


def _address(node: Mapping[str, Any]) -> Iterator[str]:
    yield from stated(node, "line")
    yield from (str(node.get(name, "")) for name in ("postalCode", "text"))


def _telecom(node: Mapping[str, Any]) -> Iterator[str]:
    yield str(node.get("value", ""))


def _identifier(node: Mapping[str, Any]) -> Iterator[str]:
    """A number with and without its punctuation."""
    number = str(node.get("value", ""))
    yield from (number, re.sub(r"[^A-Za-z0-9]", "", number))


_TELLING: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "name": _name,
    "address": _address,
    "telecom": _telecom,
    "identifier": _identifier,
}


def _numbers(body: Mapping[str, Any]) -> Iterator[str]:
    """The values of a record's own identifiers, and the member's number."""
    for identifier in body.get("identifier", ()) if isinstance(body.get("identifier"), list) else ():
        if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
            yield identifier["value"]
    if isinstance(body.get("subscriberId"), str):
        yield body["subscriberId"]
