"""What a message profile says, whatever XML it is written in: segments, fields and their parts, and conditions.

A condition is judged where a profile states it in elements (the schema of NIST's tools); in words it is only told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lxml import etree

_STEP = re.compile(r"([0-9]{1,3})(?:\[([0-9]{1,4}|\*)\])?\Z")
_CHOICE = re.compile(r"C\(\s*(\w+)\s*/\s*(\w+)\s*\)\Z")
Ask = Callable[[str], list[str] | None]
"""The values at a path below the place a condition is judged at (`5[1].2[1]`); None for a path that is none."""


class BadProfile(ValueError):
    """The text is no message profile; the message says why, in English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One test of a condition: its kind as the schema names it, the path it looks at, its words, and what it joins."""

    kind: str
    path: str = ""
    words: tuple[str, ...] = ()
    any_case: bool = False
    inner: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition with what follows: the usage of a part when it holds and when not, or the name of a constraint."""

    condition: Condition
    holds: str = ""
    fails: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a profile says of a field, component or subcomponent; `most` and `length` are 0 where it sets no limit.

    `table` names the HL7 table of its values, `values` are those the profile itself lists. `rules` say, for the parts
    below by number, when one is used; `constraints` are what must hold of the whole.
    """

    usage: str
    least: int
    most: int
    length: int
    constant: str
    parts: tuple[Part, ...]
    table: str = ""
    values: frozenset[str] = frozenset()
    rules: Mapping[int, Rule] = field(default_factory=dict)
    constraints: tuple[Rule, ...] = ()

    def choice(self) -> tuple[str, str]:
        """The two usages of `C(R/X)`; for `C` and `CE` (2.5.1 §2.12.7) required, or required but may be empty, else not
        supported."""
        match = _CHOICE.match(self.usage)
        return (match[1], match[2]) if match else ("RE" if self.usage == "CE" else "R", "X")

    @property
    def conditional(self) -> bool:
        """Whether a condition says how it is used."""
        return self.usage[:1] == "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A message profile: the type and version it is for, its structure as a line, its segments by name (each as a part
    whose parts are fields), and the acknowledgements agreed on (MSH-15, MSH-16; empty: nothing is said)."""

    type: str
    version: str
    line: str
    segments: dict[str, tuple[Part, ...]]
    accept: str = ""
    application: str = ""


def evaluate(condition: Condition, ask: Ask) -> bool | None:
    """Whether a condition holds; None when it cannot be judged."""
    if condition.kind in _JOINED:
        return _JOINED[condition.kind]([evaluate(each, ask) for each in condition.inner])
    if condition.kind not in _TESTS:
        return None
    values = ask(condition.path)
    return None if values is None else _TESTS[condition.kind](values, condition)


def _all(results: list[bool | None]) -> bool | None:
    return False if False in results else None if None in results else True


def _any(results: list[bool | None]) -> bool | None:
    return True if True in results else None if None in results else False


def _not(results: list[bool | None]) -> bool | None:
    return None if results[:1] in ([], [None]) else not results[0]


def _one(results: list[bool | None]) -> bool | None:
    return None if None in results else results.count(True) == 1


def _if(results: list[bool | None]) -> bool | None:
    return _any([_not(results[:1]), *results[1:2]])


def _among(values: list[str], condition: Condition) -> bool:
    """A value that is not there breaks no rule about it: the schema asks for its presence apart."""
    words = [word.lower() for word in condition.words] if condition.any_case else condition.words
    return all((value.lower() if condition.any_case else value) in words for value in values)


def _numbered(values: list[str], condition: Condition) -> bool | None:
    try:
        return {float(value) for value in values} <= {float(word) for word in condition.words}
    except ValueError:
        return False if values else None


def _compared(values: list[str], condition: Condition) -> bool | None:
    """`SimpleValue`: equal or not; other comparisons are not judged."""
    operator, *words = condition.words
    if operator not in ("EQ", "NE"):
        return None
    return all((value in words) == (operator == "EQ") for value in values)


def _formed(values: list[str], condition: Condition) -> bool | None:
    try:
        pattern = re.compile(condition.words[0])
    except (re.error, IndexError):
        return None
    return all(len(value) <= _LONGEST and pattern.fullmatch(value) for value in values)


_LONGEST = 500  # characters of a value that a profile's pattern is tried on
_JOINED: dict[str, Callable[[list[bool | None]], bool | None]] = {
    "AND": _all, "OR": _any, "NOT": _not, "XOR": _one, "IMPLY": _if, "FORALL": _all, "EXIST": _any,
}  # fmt: skip
_TESTS: dict[str, Callable[[list[str], Condition], bool | None]] = {
    "Presence": lambda values, _: bool(values),
    "PlainText": _among,
    "StringList": _among,
    "NumberList": _numbered,
    "SimpleValue": _compared,
    "Format": _formed,
}


def steps(path: str) -> list[tuple[int, str]] | None:
    """`5[1].2[*]` as numbers and repetitions; None when it is no such path."""
    matches = [_STEP.match(part) for part in path.split(".")]
    if not all(matches) or len(matches) > 3:
        return None
    return [(int(match[1]), match[2] or "*") for match in matches if match]


def parsed(raw: bytes) -> etree._Element:
    """The root of an XML text, read without entities and network; raises BadProfile."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        return etree.fromstring(raw, parser)
    except etree.XMLSyntaxError:
        raise BadProfile("it is no well-formed XML") from None


def name_of(node: etree._Element) -> str:
    """An element's name without its namespace."""
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def number_of(node: etree._Element, *names: str) -> int:
    """A whole number in the first of these attributes that has one; 0 for `*`, `NA`, nothing, and what is none."""
    texts: Iterable[str] = (node.get(name, "") for name in names)
    return next((int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 10), 0)
