"""Whether a draft can be of the patient whose number it has: hospitals give a number again, to somebody else.

What tells two people apart is a birth date that is no slip of the other, a name of other words, and documents; one of
them alone is a correction as often as not (a birth date mended, a name on marriage, a social name).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import Any

from canonical.codes import CNS, CPF, MOTHER_EXTENSION
from canonical.identifiers import is_cns, is_cpf
from canonical.identity import fold
from canonical.names import stated, whole, words
from canonical.records import Draft
from hub.records.drafts.who.identify import as_stored, same_given
from mappings.tables.table import codes

Body = dict[str, Any]
_SLIP = 2
_DAY = 10
_NEWLY = datetime.timedelta(days=28)
_LASTING = "12"  # how a CNS begins that is given once; one of 7, 8 or 9 is given anew at each visit (Portaria 940/2011)


class Verdict(IntEnum):
    """What the evidence says; the higher, the less it is the same person."""

    SAME = 0
    UNSURE = 1
    OTHER = 2


def verdict(draft: Draft, stored: Body) -> Verdict:
    """Whether a draft tells of the stored patient; nothing said on either side tells nothing against it."""
    said = {**draft.initial, **draft.body}
    if not stored or all(said.get(name, stored.get(name)) == stored.get(name) for name in ("name", "birthDate")):
        return Verdict.SAME
    said = as_stored(draft)
    births, names = _births_apart(said, stored), _names_apart(said, stored)
    if not births and not names:
        return Verdict.SAME
    ours, theirs = _documents(said), _documents(stored)
    if ours & theirs:
        return Verdict.UNSURE if births and names else Verdict.SAME
    if births and names and not _one_mother(said, stored):
        return Verdict.OTHER
    if any(kind == other for kind, _ in ours for other, _ in theirs):
        return Verdict.OTHER
    return Verdict.UNSURE


def _births_apart(one: Body, other: Body) -> bool:
    """Whether two days of birth are two: more than two digits differ, and not as day and month exchanged."""
    first, second = (str(body.get("birthDate", "")).replace("-", "") for body in (one, other))
    if len(first) != len(second) or len(first) != _DAY - 2 or _is_filler(first) or _is_filler(second):
        return False
    if first[:4] == second[:4] and first[4:] == second[6:] + second[4:6]:
        return False
    return sum(a != b for a, b in zip(first, second, strict=True)) > _SLIP


def _is_filler(day: str) -> bool:
    """Whether a day of birth only fills the field: the first of a century."""
    return day[2:] == "000101"


def _names_apart(one: Body, other: Body) -> bool:
    """Whether two names have different given names, and neither has all words of the other.

    Somebody unidentified has no name, and a newborn (`RN de Ana`) gets another one.
    """
    ours, theirs = ([words(name) for name in body.get("name", ())] for body in (one, other))
    if not any(ours) or not any(theirs) or any(_says_nobody(name) for name in (*ours, *theirs)):
        return False
    if _same_first(one, other) or any(a <= b or b <= a for a in ours for b in theirs):
        return False
    born_together = _births_together(one, other)
    return not (born_together and any(_is_newborn(name) for name in (*ours, *theirs)))


def _same_first(one: Body, other: Body) -> bool:
    """Whether given names agree; where a whole name stands in one part (`RUI LIMA`), the first word counts for them."""
    ours, theirs = (_first_words(body) for body in (one, other))
    told = all(any(stated(name, "given") for name in body.get("name", ())) for body in (one, other))
    return same_given(one, other) if told else bool(ours & theirs)


def _first_words(body: Body) -> set[str]:
    texts = (fold(whole(name)).split() for name in body.get("name", ()))
    return {text[0] for text in texts if text}


def _births_together(one: Body, other: Body) -> bool:
    return bool(one.get("birthDate")) and bool(other.get("birthDate")) and not _births_apart(one, other)


def nameless(body: Body) -> bool:
    """Whether all that stands where a name belongs are words for none (`IGNORADO`, `NAO IDENTIFICADO`)."""
    told = [words(name) for name in body.get("name", ())]
    return bool(told) and all(_says_nobody(name) and name <= _no_names() for name in told)


@cache
def _no_names() -> frozenset[str]:
    return _placeholders("unidentified") | _placeholders("beside")


def _says_nobody(name: frozenset[str]) -> bool:
    return bool(name & _placeholders("unidentified"))


def newborn_at(body: Body, moment: datetime.datetime | None) -> bool:
    """Whether somebody was born in the weeks before that moment, or has no name yet but the mother's."""
    if any(_is_newborn(words(name)) for name in body.get("name", ())):
        return True
    born = str(body.get("birthDate", ""))[:_DAY]
    if moment is None or len(born) < _DAY:
        return False
    return abs(moment.date() - datetime.date.fromisoformat(born)) <= _NEWLY


def _is_newborn(name: frozenset[str]) -> bool:
    return bool(name & _placeholders("newborn"))


@cache
def _placeholders(kind: str) -> frozenset[str]:
    return frozenset(fold(word) for word, meant in codes("name-placeholder").items() if meant == kind)


def _documents(body: Body) -> set[tuple[str, str]]:
    """What a country gives one person once: CPF and definitive CNS."""
    return set(_lasting(body))


def _lasting(body: Body) -> Iterator[tuple[str, str]]:
    for item in body.get("identifier", ()):
        value = str(item.get("value", ""))
        if item.get("system") == CPF and is_cpf(value):
            yield CPF, value
        elif item.get("system") == CNS and value[:1] in _LASTING and is_cns(value):
            yield CNS, value


def _one_mother(one: Body, other: Body) -> bool:
    """Whether both have a mother of one name."""
    ours, theirs = (_mother(body) for body in (one, other))
    return bool(ours) and ours == theirs


def _mother(body: Body) -> str:
    texts = (item.get("valueString") for item in body.get("extension", ()) if item.get("url") == MOTHER_EXTENSION)
    return fold(str(next(texts, None) or ""))
