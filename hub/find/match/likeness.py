"""How alike two patients are: points in `likeness.csv`, each worth bits for or against one person, and their sum.

The sum of the bits, less what chance alone would bring, is the probability that both are one person. A grade is more
than a number: certain needs an identifier that agrees and nothing that differs.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any, Literal

from canonical.codes import CNS, CPF, MOTHER_EXTENSION, aliases
from canonical.identity import fold
from canonical.names import stated

Verdict = Literal["agree", "near", "differ"]
Grade = Literal["certain", "probable", "possible", "certainly-not"]
Body = Mapping[str, Any]
CHANCE = 12.0  # bits a pair must bring to be as likely one person as two
_CERTAIN, _PROBABLE, POSSIBLE = 0.95, 0.85, 0.5
_ALIKE = 0.88  # how much of two words must be the same letters in order
_PARTICLES = frozenset(("da", "de", "do", "das", "dos", "e"))
_IDENTIFIERS = ("cpf", "cns", "number")
_WHO = frozenset(("name", "birth", "sex", "mother", "multiple", "cpf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """The verdict on each point that both sides state, and what they come to."""

    verdicts: Mapping[str, Verdict]
    score: float

    @property
    def grade(self) -> Grade:
        """The grade (R4 value set match-grade)."""
        agreed = any(self.verdicts.get(point) == "agree" for point in _IDENTIFIERS)
        differs = any(self.verdicts.get(point) == "differ" for point in _WHO)
        if agreed and not differs and self.score >= _CERTAIN:
            return "certain"
        if self.score >= _PROBABLE and not (differs and not agreed):
            return "probable"
        return "possible" if self.score >= POSSIBLE else "certainly-not"


def likeness(one: Body, two: Body) -> Likeness:
    """How alike two Patient bodies are."""
    verdicts = {point: found for point, compare in _POINTS.items() if (found := compare(one, two)) is not None}
    bits = sum(weights()[point][verdict] for point, verdict in verdicts.items())
    return Likeness(verdicts=verdicts, score=round(1 / (1 + math.pow(2, CHANCE - bits)), 4))


@cache
def weights() -> dict[str, dict[str, float]]:
    """The bits of each point and verdict."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {
            row["point"]: {name: float(row[name]) for name in ("agree", "near", "differ")}
            for row in csv.DictReader(file)
        }


def _set_of(read: Callable[[Body], set[str]]) -> Callable[[Body, Body], Verdict | None]:
    """One value in common agrees; several that have none in common differ."""

    def compare(one: Body, two: Body) -> Verdict | None:
        ours, theirs = read(one), read(two)
        if not ours or not theirs:
            return None
        return "agree" if ours & theirs else "differ"

    return compare


def _identifiers(body: Body, systems: frozenset[str]) -> set[str]:
    return {
        "".join(c for c in str(item["value"]) if c.isalnum())
        for item in body.get("identifier", ())
        if item.get("system") in systems and item.get("value") and item.get("use") != "old"
    }


def _numbers(body: Body) -> set[str]:
    """Numbers under a system, other than the national ones."""
    national = aliases(CPF) | aliases(CNS)
    return {
        f"{item['system']}|{item['value']}"
        for item in body.get("identifier", ())
        if item.get("value") and item.get("system") and item["system"] not in national
    }


def _telecom(body: Body, kinds: tuple[str, ...]) -> set[str]:
    return {value for item in body.get("telecom", ()) if item.get("system") in kinds and (value := _dialled(item))}


def _dialled(item: Body) -> str:
    """A mail address in small letters; of a telephone number the last eight digits (the rest varies in writing)."""
    text = str(item.get("value", ""))
    if item.get("system") == "email":
        return text.strip().lower()
    digits = "".join(c for c in text if c.isdigit())
    return digits[-8:] if len(digits) >= 8 else ""


def _postal(body: Body) -> set[str]:
    codes = ("".join(c for c in str(a.get("postalCode", "")) if c.isdigit()) for a in body.get("address", ()))
    return {code for code in codes if code}


def _sex(body: Body) -> set[str]:
    return {body["gender"]} if body.get("gender") in ("male", "female") else set()


def _order(body: Body) -> set[str]:
    return {str(body["multipleBirthInteger"])} if "multipleBirthInteger" in body else set()


def names_of(body: Body) -> list[list[str]]:
    """The names of a patient as folded words without particles."""
    texts = (
        " ".join([*stated(name, "given"), str(name.get("family", ""))]).strip() or str(name.get("text", ""))
        for name in body.get("name", ())
    )
    return [words for text in texts if (words := [w for w in fold(text).split() if w not in _PARTICLES])]


def _mothers(body: Body) -> list[list[str]]:
    texts = (str(e.get("valueString", "")) for e in body.get("extension", ()) if e.get("url") == MOTHER_EXTENSION)
    return [words for text in texts if (words := [w for w in fold(text).split() if w not in _PARTICLES])]


def _names(read: Callable[[Body], list[list[str]]]) -> Callable[[Body, Body], Verdict | None]:
    def compare(one: Body, two: Body) -> Verdict | None:
        pairs = [(ours, theirs) for ours in read(one) for theirs in read(two)]
        found = {_name(ours, theirs) for ours, theirs in pairs}
        return next((verdict for verdict in ("agree", "near", "differ") if verdict in found), None)

    return compare


def _name(ours: list[str], theirs: list[str]) -> Verdict:
    """Whole names agree; shortened or slightly misspelt ones are near."""
    if ours == theirs:
        return "agree"
    if SequenceMatcher(None, " ".join(ours), " ".join(theirs)).ratio() >= _ALIKE:
        return "near"
    ends = _alike(ours[0], theirs[0]) and (1 in (len(ours), len(theirs)) or _alike(ours[-1], theirs[-1]))
    middle = _within(ours[1:-1], theirs[1:-1]) or _within(theirs[1:-1], ours[1:-1])
    return "near" if ends and middle else "differ"


def _alike(one: str, two: str) -> bool:
    return one == two or SequenceMatcher(None, one, two).ratio() >= _ALIKE


def _within(short: Iterable[str], long: Iterable[str]) -> bool:
    """Whether each word of `short`, or what it abbreviates, comes in `long` in the same order."""
    rest = iter(long)
    return all(any(word.startswith(each.rstrip(".")) for word in rest) for each in short)


def _birth(one: Body, two: Body) -> Verdict | None:
    ours, theirs = str(one.get("birthDate", ""))[:10], str(two.get("birthDate", ""))[:10]
    if not ours or not theirs:
        return None
    if ours == theirs:
        return "agree" if len(ours) == len("2000-01-01") else "near"
    if len(ours) != len(theirs):
        return "near" if ours.startswith(theirs) or theirs.startswith(ours) else "differ"
    swapped = "-".join((ours[:4], ours[8:], ours[5:7]))
    slips = sum(a != b for a, b in zip(ours, theirs, strict=True))
    turned = slips == 2 and sorted(ours) == sorted(theirs)
    return "near" if swapped == theirs or slips == 1 or turned else "differ"


_POINTS: dict[str, Callable[[Body, Body], Verdict | None]] = {
    "cpf": _set_of(lambda body: _identifiers(body, aliases(CPF))),
    "cns": _set_of(lambda body: _identifiers(body, aliases(CNS))),
    "number": _set_of(_numbers),
    "name": _names(names_of),
    "birth": _birth,
    "sex": _set_of(_sex),
    "mother": _names(_mothers),
    "multiple": _set_of(_order),
    "phone": _set_of(lambda body: _telecom(body, ("phone", "sms", "fax"))),
    "email": _set_of(lambda body: _telecom(body, ("email",))),
    "postal": _set_of(_postal),
}
