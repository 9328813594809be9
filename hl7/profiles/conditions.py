"""The tests that conditions and constraints of a profile are made of, as NIST's schema names them (Expressions.xsd)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(r"([0-9]{1,3})(?:\[([0-9]{1,4}|\*)\])?\Z")
_DEEPEST = 9  # groups within groups, then segment, field, component, subcomponent
_LONGEST = 500  # characters of a value that a profile's pattern is tried on
_MOST = 1000  # groups whose numbering is looked at
ORDINAL = "#"  # the path that asks which of its kind a segment is
Ask = Callable[[str], list[str] | None]
"""The values at a path below the place a condition is judged at (`5[1].2[1]`); None for a path that is none."""
_ABSENT: dict[str, bool | None] = {"FAIL": False, "INCONCLUSIVE": None}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq, "NE": operator.ne, "GT": operator.gt, "LT": operator.lt, "GE": operator.ge, "LE": operator.le,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One test of a condition: its kind as the schema names it, the path it looks at, its words, and what it joins.

    `once`: one value that fits is enough. `absent`: what a value that is not there makes of it (FAIL, INCONCLUSIVE;
    else it breaks no rule). `places` are the paths of codes, each with that of their system or "", below the field of a
    bound code.
    """

    kind: str
    path: str = ""
    words: tuple[str, ...] = ()
    any_case: bool = False
    once: bool = False
    absent: str = ""
    places: tuple[tuple[str, str], ...] = ()
    inner: tuple[Condition, ...] = ()


def evaluate(condition: Condition, ask: Ask) -> bool | None:
    """Whether a condition holds; None when it cannot be judged."""
    if condition.kind in _JOINED:
        return _JOINED[condition.kind]([evaluate(each, ask) for each in condition.inner])
    if condition.kind in _ASKING:
        return _ASKING[condition.kind](condition, ask)
    if condition.kind not in _TESTS:
        return None
    values = ask(condition.path)
    if values == [] and condition.absent in _ABSENT:
        return _ABSENT[condition.absent]
    return None if values is None else _TESTS[condition.kind](values, condition)


def steps(path: str) -> list[tuple[int, str]] | None:
    """`5[1].2[*]` as numbers and repetitions; None when it is no such path."""
    matches = [_STEP.match(part) for part in path.split(".")]
    if not all(matches) or len(matches) > _DEEPEST:
        return None
    return [(int(match[1]), match[2] or "*") for match in matches if match]


def below(path: str, more: str) -> str:
    """A path below another; `.` is the place itself."""
    return ".".join(part for part in (path, more) if part not in ("", "."))


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


def _enough(fits: list[bool], condition: Condition) -> bool:
    """A value that is not there breaks no rule about it: the schema asks for its presence apart."""
    return not fits or (any(fits) if condition.once else all(fits))


def _among(values: list[str], condition: Condition) -> bool:
    words = [word.lower() for word in condition.words] if condition.any_case else condition.words
    return _enough([(value.lower() if condition.any_case else value) in words for value in values], condition)


def _numbered(values: list[str], condition: Condition) -> bool | None:
    try:
        words = {float(word) for word in condition.words}
    except ValueError:
        return None
    return _enough([_number(value) in words for value in values], condition)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _compare(left: str, sign: str, right: str, *, numbers: bool) -> bool | None:
    """Two values compared, as numbers or as texts: moments of HL7 v2 of one form are in order of their text."""
    if sign not in _COMPARISONS:
        return None
    if not numbers:
        return _COMPARISONS[sign](left, right)
    pair = (_number(left), _number(right))
    return None if pair[1] is None else pair[0] is not None and _COMPARISONS[sign](*pair)


def _compared(values: list[str], condition: Condition) -> bool | None:
    """`SimpleValue`: each value beside the one that is given, as numbers where the schema says so."""
    sign, word, kind = (*condition.words, "")[:3]
    results = [_compare(value, sign, word, numbers=kind == "Number") for value in values]
    return None if None in results or sign not in _COMPARISONS else all(results)


def _formed(values: list[str], condition: Condition) -> bool | None:
    try:
        pattern = re.compile(condition.words[0])
    except (re.error, IndexError):
        return None
    return _enough([len(v) <= _LONGEST and pattern.fullmatch(v) is not None for v in values], condition)


def _paths(condition: Condition, ask: Ask) -> bool | None:
    """`PathValue`: the values of two places beside one another."""
    sign, other = condition.words
    left, right = ask(condition.path), ask(other)
    if left is None or right is None or sign not in _COMPARISONS:
        return None
    if not (left and right) and condition.absent in _ABSENT:
        return _ABSENT[condition.absent]
    if not left or not right:
        return left == right if sign == "EQ" else sign == "NE" and left != right
    numbers = sign not in ("EQ", "NE") and all(_number(value) is not None for value in (*left, *right))
    results = [_compare(one, sign, another, numbers=numbers) for one in left for another in right]
    return None if None in results else all(results)


def _ordinal(condition: Condition, ask: Ask) -> bool | None:
    """`SetID`: the value is which of its kind the segment is."""
    told, due = ask(condition.path), ask(ORDINAL)
    return None if told is None or due is None else not told or told == due


def _numbering(condition: Condition, ask: Ask) -> bool | None:
    """`IZSetID`: the values below all parents count up from 1, or those below each parent do."""
    parent, element = condition.words
    base = parent.removesuffix("[*]")
    everything = ask(below(parent, element))
    if everything is None or steps(f"{base}[1]") is None:
        return None
    each: list[list[str]] = []
    while len(each) < _MOST and ask(f"{base}[{len(each) + 1}]"):
        each.append(ask(below(f"{base}[{len(each) + 1}]", element)) or [])
    return _counts(everything) or all(map(_counts, each))


def _counts(values: list[str]) -> bool:
    return values == [str(number) for number in range(1, len(values) + 1)]


def _bound(condition: Condition, ask: Ask) -> bool | None:
    """A field whose code is one of `words`, in one of its places; None where nobody listed the codes."""
    if not condition.words:
        return None
    found = []
    for place, _ in condition.places:
        values = ask(below(condition.path, place))
        if values is None:
            return None
        if values:
            found.append(all(value in condition.words for value in values))
    return not found or any(found)


def _coded(condition: Condition, ask: Ask) -> bool | None:
    """A field that holds the code `words[0]` of the system `words[1]` (empty: of any), in one of its places."""
    code, system = condition.words
    if not ask(condition.path):
        return True
    for place, named in condition.places:
        if code not in (ask(below(condition.path, place)) or ()):
            continue
        if not system or not named or system in (ask(below(condition.path, named)) or ()):
            return True
    return False


_JOINED: dict[str, Callable[[list[bool | None]], bool | None]] = {
    "AND": _all, "OR": _any, "NOT": _not, "XOR": _one, "IMPLY": _if, "FORALL": _all, "EXIST": _any,
}  # fmt: skip
_ASKING: dict[str, Callable[[Condition, Ask], bool | None]] = {
    "PathValue": _paths, "SetID": _ordinal, "IZSetID": _numbering, "ValueSet": _bound, "Code": _coded,
}  # fmt: skip
_TESTS: dict[str, Callable[[list[str], Condition], bool | None]] = {
    "Presence": lambda values, _: bool(values),
    "PlainText": _among,
    "StringList": _among,
    "NumberList": _numbered,
    "SimpleValue": _compared,
    "Format": _formed,
}
