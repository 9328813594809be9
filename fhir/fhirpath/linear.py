"""Replacing by a regular expression from outside (`replaceMatches`), in steps that are counted and never explode.

Python's own engine tries ways over again: `(a|a)*b` on forty letters holds a process for years, and nothing can end it.
Here each place of the text is looked at once for each place of the expression (bounded backtracking, as in RE2), with
the same choice among matches: the leftmost, and of its ways the first.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

LONGEST = 1000
MOST_CODES = 2000
_parser: Any = importlib.import_module("re._parser")  # reads what Python takes for an expression; matching is ours
_GROUP = re.compile(r"\$(\d{1,3})|\$\{(\w{1,64})\}")
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "DIGIT": str.isdecimal,
    "SPACE": str.isspace,
    "WORD": lambda char: char.isalnum() or char == "_",
}
Test = Callable[[str], bool]


class Unusable(Exception):
    """The expression is none, is too long, or looks around or back; or the replacement names no group of it."""


@dataclass(frozen=True, slots=True)
class Program:
    """An expression as codes: `test` of a character, `split` (two ways, the first is tried first), `jump`, `save` of a
    place, `at` a place, `done`."""

    codes: tuple[tuple[str, Any, Any], ...]
    groups: int
    names: dict[str, int]


@lru_cache(maxsize=200)
def program(expression: str) -> Program:
    """The codes of an expression, in which a point is any character; raises Unusable."""
    if len(expression) > LONGEST:
        raise Unusable
    try:
        tree = _parser.parse(expression, re.DOTALL)
    except (re.error, OverflowError, RecursionError):
        raise Unusable from None
    made = _Codes(tree.state.flags)
    made.sequence(tree)
    made.add("done")
    return Program(tuple(made.codes), tree.state.groups, dict(tree.state.groupdict))


def replaced(value: str, expression: str, other: str, spend: Callable[[int], None]) -> str:
    """`value` with all matches replaced; `$1` and `${name}` in `other` are groups. `spend` is told each step and each
    character made, and ends it by raising; raises Unusable."""
    found = program(expression)
    pieces = _pieces(other, found)
    kept: list[str] = []
    last, barred = 0, -1
    while (match := _found(found, value, (last, barred), spend)) is not None:
        begin, end = match[0], match[1]
        made = "".join(each if isinstance(each, str) else _part(value, match, each) for each in pieces)
        spend(len(made) + end - begin + 1)
        kept += [value[last:begin], made]
        last, barred = end, end if begin == end else -1  # after nothing, something may follow at the same place
    return "".join((*kept, value[last:]))


def _pieces(other: str, found: Program) -> list[str | int]:
    """A replacement as texts and numbers of groups; raises Unusable for a group there is not."""
    made: list[str | int] = []
    last = 0
    for match in _GROUP.finditer(other):
        number = int(match[1]) if match[1] else found.names.get(match[2], int(match[2]) if match[2].isdecimal() else -1)
        if not 0 <= number < found.groups:
            raise Unusable
        made += [other[last : match.start()], number]
        last = match.end()
    return [*made, other[last:]]


def _part(value: str, match: Sequence[int], group: int) -> str:
    begin, end = match[2 * group], match[2 * group + 1]
    return value[begin:end] if 0 <= begin <= end else ""


def _found(found: Program, value: str, start: tuple[int, int], spend: Callable[[int], None]) -> tuple[int, ...] | None:
    """The places of the next match and of its groups; None when there is none from the first number of `start` on.
    Where the second is there is no empty one."""
    seen: set[int] = set()  # a place of expression and text that led nowhere leads nowhere from any beginning
    nowhere = (-1,) * (2 * found.groups)
    for begin in range(start[0], len(value) + 1):
        before = len(seen)
        match = _attempt(found.codes, value, (begin, start[1]), nowhere, seen)
        spend(1 + len(seen) - before)
        if match is not None:
            return match
    return None


def _attempt(
    codes: Sequence[tuple[str, Any, Any]], value: str, start: tuple[int, int], nowhere: tuple[int, ...], seen: set[int]
) -> tuple[int, ...] | None:
    width, (begin, barred) = len(value) + 1, start
    stack = [(0, begin, nowhere)]
    while stack:
        code, at, marks = stack.pop()
        if code * width + at in seen:
            continue
        seen.add(code * width + at)
        kind, one, two = codes[code]
        if kind == "done" and at != barred:
            return (begin, at, *marks[2:])
        if kind == "split":
            stack += [(two, at, marks), (one, at, marks)]
        elif kind == "jump":
            stack.append((one, at, marks))
        elif kind == "save":
            stack.append((code + 1, at, (*marks[:one], at, *marks[one + 1 :])))
        elif kind == "at" and one(value, at):
            stack.append((code + 1, at, marks))
        elif kind == "test" and at < len(value) and one(value[at]):
            stack.append((code + 1, at + 1, marks))
    return None


class _Codes:
    """The codes of a tree under way."""

    def __init__(self, flags: int) -> None:
        self.codes: list[tuple[str, Any, Any]] = []
        self._flags = flags
        self._sequences = 0

    def add(self, kind: str, one: Any = None, two: Any = None) -> int:
        """Add a code; returns its place. Raises Unusable when there are too many."""
        if len(self.codes) >= MOST_CODES:
            raise Unusable
        self.codes.append((kind, one, two))
        return len(self.codes) - 1

    def sequence(self, tree: Any) -> None:
        """The codes of nodes one after the other; raises Unusable."""
        self._sequences += 1
        if self._sequences > MOST_CODES:  # what is empty may be repeated without a code
            raise Unusable
        for operation, value in tree:
            name = str(operation)
            if name in ("MAX_REPEAT", "MIN_REPEAT"):
                self._repeat(*value, greedy=name == "MAX_REPEAT")
            elif name == "BRANCH":
                self._branch(value[1])
            elif name == "SUBPATTERN":
                self._group(*value)
            elif name == "AT":
                self.add("at", _place(str(value), bool(self._flags & re.MULTILINE)))
            else:
                self.add("test", _test(name, value, bool(self._flags & re.IGNORECASE)))

    def _repeat(self, least: int, most: int, inner: Any, *, greedy: bool) -> None:
        for _ in range(least):
            self.sequence(inner)
        if most >= _parser.MAXREPEAT:
            split = self.add("split")
            self.sequence(inner)
            self.add("jump", split)
            self._choose(split, greedy=greedy)
            return
        splits = []
        for _ in range(most - least):
            splits.append(self.add("split"))
            self.sequence(inner)
        for split in splits:
            self._choose(split, greedy=greedy)

    def _choose(self, split: int, *, greedy: bool) -> None:
        """Let a split go on behind itself or here."""
        ways = (split + 1, len(self.codes))
        self.codes[split] = ("split", *(ways if greedy else reversed(ways)))

    def _branch(self, ways: Sequence[Any]) -> None:
        jumps = []
        for way in ways[:-1]:
            split = self.add("split")
            self.sequence(way)
            jumps.append(self.add("jump"))
            self._choose(split, greedy=True)
        self.sequence(ways[-1])
        for jump in jumps:
            self.codes[jump] = ("jump", len(self.codes), None)

    def _group(self, number: int | None, added: int, taken: int, inner: Any) -> None:
        before = self._flags
        self._flags = (before | added) & ~taken
        if number is not None:
            self.add("save", 2 * number)
        self.sequence(inner)
        if number is not None:
            self.add("save", 2 * number + 1)
        self._flags = before


def _test(name: str, value: Any, loose: bool) -> Test:
    """Whether a character is meant by a node; `loose` is without regard to case. Raises Unusable."""
    if name == "ANY":
        return lambda char: True
    if name in ("LITERAL", "NOT_LITERAL"):
        listed: Sequence[Any] = [("LITERAL", value)]
    elif name == "IN":
        listed = [(str(kind), one) for kind, one in value]
    else:
        raise Unusable
    wanted = name != "NOT_LITERAL" and ("NEGATE", None) not in listed
    tests = [_one(kind, one) for kind, one in listed if kind != "NEGATE"]

    def test(char: str) -> bool:
        spelled = {char, char.lower(), char.upper()} if loose else (char,)
        return any(each(one) for each in tests for one in spelled) is wanted

    return test


def _one(kind: str, value: Any) -> Test:
    if kind == "LITERAL":
        return lambda char: char == chr(value)
    if kind == "RANGE":
        return lambda char: len(char) == 1 and value[0] <= ord(char) <= value[1]
    if kind != "CATEGORY":
        raise Unusable
    name = str(value).removeprefix("CATEGORY_")
    inner, wanted = _CATEGORIES[name.removeprefix("NOT_")], not name.startswith("NOT_")
    return lambda char: inner(char) is wanted


def _place(name: str, lines: bool) -> Callable[[str, int], bool]:
    if name in ("AT_BOUNDARY", "AT_NON_BOUNDARY"):
        word, wanted = _CATEGORIES["WORD"], name == "AT_BOUNDARY"
        return lambda text, at: ((at > 0 and word(text[at - 1])) != (at < len(text) and word(text[at]))) is wanted
    if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return lambda text, at: at == 0 or (lines and name == "AT_BEGINNING" and text[at - 1] == "\n")
    if name == "AT_END_STRING":
        return lambda text, at: at == len(text)
    return lambda text, at: at == len(text) or (text[at] == "\n" and (lines or at == len(text) - 1))
