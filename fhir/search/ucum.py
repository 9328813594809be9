"""UCUM units read by their grammar (UCUM §2, case sensitive): a code becomes a factor and powers of what it is made of.

`ucum.csv` says what each unit is, in the units above it, down to those made of nothing else; `ucum_prefixes.csv` the
prefixes of metric ones. Apart from UCUM, amounts (`mol`, `eq`, `osm`) and arbitrary units (`[IU]`, `[CFU]`, `[HPF]` …)
are kinds of their own: as plain numbers they would equal counts, and each other. Units that are no multiple of another
(`Cel`, `[pH]`, `B`, `Np`, `[p'diop]` …) are none here: `fhir.search.curves` has them.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path

LONGEST = 64
ONE = Fraction(1)
_MOST_DIGITS = 100  # of a factor
_TOKEN = re.compile(
    r"(?P<note>\{[\x21-\x7a|~]*\})|(?P<mark>[./()])"
    r"|(?P<unit>10[*^]|(?:[^\[\]{}()./+\-\d\s]|\[[^\[\]{}\s]+\])+)(?P<power>[+-]?[1-9]\d?)?|(?P<factor>[1-9]\d*)"
)
Powers = tuple[tuple[str, int], ...]


class _Wrong(Exception):
    """The code is no unit of UCUM that is known here."""


@dataclass(frozen=True, slots=True)
class Measure:
    """`factor` times a product of powers of units that are made of no others, in the order of their codes."""

    factor: Fraction
    powers: Powers = ()

    def times(self, other: Measure, sign: int = 1) -> Measure:
        """The product with another to the power of `sign`."""
        powers = Counter(dict(self.powers))
        for code, power in other.powers:
            powers[code] += sign * power
        left = tuple(sorted((code, power) for code, power in powers.items() if power))
        return Measure(_bounded(self.factor * other.factor**sign), left)

    def raised(self, power: int) -> Measure:
        """The same to a power."""
        if abs(power) * _digits(self.factor) > _MOST_DIGITS:
            raise _Wrong
        return Measure(self.factor**power, tuple((code, each * power) for code, each in self.powers))


def _digits(factor: Fraction) -> int:
    return max(len(str(factor.numerator)), len(str(factor.denominator))) - 1


def _bounded(factor: Fraction) -> Fraction:
    if _digits(factor) > _MOST_DIGITS:
        raise _Wrong
    return factor


@lru_cache(maxsize=4096)
def read(code: str) -> Measure | None:
    """What a unit is, or None for a code that is no unit of UCUM, or is one that is not known here."""
    if not code or len(code) > LONGEST:
        return None
    try:
        return _Reading(code).whole()
    except _Wrong:
        return None


class _Reading:
    """One code under way (the grammar of UCUM §2.1, Table "mainTerm")."""

    def __init__(self, code: str) -> None:
        self._tokens: list[re.Match[str]] = []
        place = 0
        while place < len(code):
            token = _TOKEN.match(code, place)
            if token is None:
                raise _Wrong
            self._tokens.append(token)
            place = token.end()
        self._next = 0

    def _take(self, *marks: str) -> str:
        """The mark that comes next if it is one of `marks`, which is then behind; else the empty text."""
        if self._next < len(self._tokens) and self._tokens[self._next]["mark"] in marks:
            self._next += 1
            return self._tokens[self._next - 1][0]
        return ""

    def whole(self) -> Measure:
        """All of the code: a term, or one divided into one."""
        found = Measure(ONE).times(self._term(), -1) if self._take("/") else self._term()
        if self._next < len(self._tokens):
            raise _Wrong
        return found

    def _term(self) -> Measure:
        """Components from left to right: `a/b.c` is `(a/b).c`."""
        found = self._component()
        while mark := self._take(".", "/"):
            found = found.times(self._component(), 1 if mark == "." else -1)
        return found

    def _component(self) -> Measure:
        """A unit, a number, a term in parentheses or a note; what stands in braces behind one changes nothing.

        The grammar has notes behind units only; UCUM's own table of common units has `/100{WBC}`.
        """
        if self._take("("):
            found = self._term()
            if not self._take(")"):
                raise _Wrong
        elif self._next >= len(self._tokens) or self._tokens[self._next]["mark"]:
            raise _Wrong
        else:
            token = self._tokens[self._next]
            self._next += 1
            if token["note"]:
                return Measure(ONE)
            found = _component(token)
        if self._next < len(self._tokens) and self._tokens[self._next]["note"]:
            self._next += 1
        return found


def _component(token: re.Match[str]) -> Measure:
    if token["factor"]:
        return Measure(_bounded(Fraction(int(token["factor"]))))
    return _unit(token["unit"]).raised(int(token["power"] or 1))


@lru_cache(maxsize=2048)
def _unit(code: str) -> Measure:
    """A unit by itself or, if it is metric, behind a prefix; by itself comes first (`cd`, `Pa`, `min`)."""
    atoms = _atoms()
    if code in atoms:
        return _atom(code)
    for length in (2, 1):
        value, rest = _prefixes().get(code[:length]), code[length:]
        if value is not None and rest in atoms and atoms[rest].metric:
            return Measure(value).times(_atom(rest))
    raise _Wrong


@cache
def _atom(code: str) -> Measure:
    """A unit of the table; one without a unit of its own is a kind of its own."""
    atom = _atoms()[code]
    if not atom.unit:
        return Measure(atom.value, ((code, 1),))
    return Measure(atom.value).times(_Reading(atom.unit).whole())


@dataclass(frozen=True, slots=True)
class _Atom:
    metric: bool
    value: Fraction
    unit: str


@cache
def _atoms() -> Mapping[str, _Atom]:
    return {r["code"]: _Atom(r["metric"] == "1", Fraction(r["value"]), r["unit"]) for r in _rows("ucum.csv")}


@cache
def _prefixes() -> Mapping[str, Fraction]:
    return {row["code"]: Fraction(row["value"]) for row in _rows("ucum_prefixes.csv")}


def _rows(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def prefix(code: str) -> Fraction | None:
    """What a prefix multiplies by; None for what is none."""
    return _prefixes().get(code)


def product(one: str, other: str, *, divided: bool = False) -> str:
    """The code of the product, or the quotient, of two units."""
    if other == "1":
        return one
    first = "" if one == "1" else f"(1{one})" if one.startswith("/") else one  # terms are read from left to right
    second = f"({'1' if other.startswith('/') else ''}{other})" if "/" in other or (divided and "." in other) else other
    return f"{first}/{second}" if divided else f"{first}.{second}" if first else other
