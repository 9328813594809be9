"""Fields that only say that there is nothing (`nothing-said.csv`): `NULL`, `N/A`, a sign, `UNKNOWN` for a person.

HL7 leaves such a field empty (2.5.1 §2.5.3), and so it is read: a place, a payer, a card or a professional called NULL
would be one for all who have none. It is told. What an overlay reads by rows or codes of its own stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from canonical.identity import fold
from canonical.problem import Problem
from hl7.er7 import Delimiters, Message, Segment
from hl7.versions.table import NEWEST, version_named
from mappings.reading.aligned import of_overlay
from mappings.tables.table import HERE, TableError, read_rows, shown

FILE = HERE / "nothing-said.csv"
_COLUMNS = ["words", "where", "inside", "but", "note", "spec"]
_NOT_LOOKED_AT = frozenset(("MSH", "BHS", "FHS", "BTS", "FTS", "ADD", "DSC", "DSP", "MSA", "ERR", "QPD", "QRD", "QRF"))
_SHORT = 3  # characters of a word that is looked for as a whole field only
_ROOT = 7  # characters of a longer one that have no accent
_LONGEST = 120  # characters of a field that says nothing
_PLAIN = 4000  # characters of a segment that holds no file
_EVERYWHERE = "*"
_SURNAMES = {"XPN": 0, "XCN": 1}  # the component, from 0


@dataclass(frozen=True, slots=True)
class Row:
    """Words, in capitals without accents, of the types and fields of `where` (`*`: all) but those of `but`; whether one
    says nothing also as a part of a field that says more."""

    words: frozenset[str]
    where: frozenset[str]
    inside: bool
    but: frozenset[str]

    def of(self, segment: str, number: int) -> bool:
        """Whether the row speaks of a field."""
        place = f"{segment}-{number}"
        names = {segment, place, _type(segment, number)}
        kept = not names.isdisjoint(self.but) and place not in self.where
        return not kept and (_EVERYWHERE in self.where or not names.isdisjoint(self.where))


def emptied(message: Message, overlay: str = "") -> tuple[Message, list[Problem]]:
    """The message without such contents, and what is told; the message itself where there is none."""
    own = of_overlay(overlay) if overlay else frozenset()
    changed: dict[int, Segment] = {}
    told: list[Problem] = []
    for segment in message.segments:
        if not _perhaps(segment) or segment.name in _NOT_LOOKED_AT or segment.name in own or segment.name[0] == "Z":
            continue
        fields = list(segment.fields())
        for number, content in _found(segment):
            fields[number] = content
            told.append(Problem("field.says-nothing", f"{segment.name}#{segment.index}-{number}"))
        if fields != segment.fields():
            changed[segment.index] = Segment(segment.delimiters.field.join(fields), segment.index, segment.delimiters)
    if not changed:
        return message, []
    return message.with_segments([changed.get(s.index, s) for s in message.segments]), told


def _perhaps(segment: Segment) -> bool:
    """Whether a segment may say such a word: a look that costs little."""
    short, roots = _roots()
    fields = segment.fields()
    if not short.isdisjoint(fields):
        return True
    long = len(segment.raw) > _PLAIN  # a file within a field is not looked through
    said = " ".join(each for each in fields if len(each) <= _LONGEST) if long else segment.raw
    said = said.upper()
    return any(root in said for root in roots)


def _found(segment: Segment) -> Iterator[tuple[int, str]]:
    """The fields that say nothing, or nothing in a part, with what is left of them."""
    marks = segment.delimiters
    for number, content in enumerate(segment.fields()):
        if not number or not content or len(content) > _LONGEST:
            continue
        parts = {said for part in _leaves(content, marks) if (said := " ".join(fold(part).upper().split()))}
        if parts.isdisjoint(_words()):
            continue
        rows = [row for row in _rows() if row.of(segment.name, number)]
        if parts and parts <= {word for row in rows for word in row.words}:
            yield number, ""
            continue
        printed = {word for row in rows if row.inside for word in row.words}
        left = _without(content, printed, marks, _SURNAMES.get(_type(segment.name, number), -1))
        if left != content:
            yield number, left


def _leaves(content: str, marks: Delimiters) -> list[str]:
    """The parts of a field, of all repetitions."""
    for mark in (marks.repetition, marks.sub):
        content = content.replace(mark, marks.component) if mark else content
    return content.split(marks.component)


def _without(content: str, words: set[str], marks: Delimiters, surname: int) -> str:
    """A field without the components that are one of `words`; a surname alone is none of them."""
    repetitions = [repetition.split(marks.component) for repetition in content.split(marks.repetition)]
    for parts in repetitions:
        printed = [at for at, part in enumerate(parts) if fold(part).strip().upper() in words]
        alone = printed == [surname] and any(map(str.isalpha, parts[surname]))
        for at in () if alone else printed:
            parts[at] = ""
    return marks.repetition.join(marks.component.join(parts) for parts in repetitions)


@cache
def _type(segment: str, number: int) -> str:
    known = version_named("2.5.1"), version_named(NEWEST)
    found = [version.segments.get(segment, {}).get(number) for version in known if version is not None]
    return next((item.type for item in found if item is not None), "")


@cache
def _rows() -> Sequence[Row]:
    return understood(read_rows(FILE, _COLUMNS))


def understood(lines: Iterable[tuple[int, Mapping[str, str]]]) -> Sequence[Row]:
    """The rows of a table's lines, numbered; raises TableError where one lacks what each must say."""
    found: list[Row] = []
    for line, values in lines:
        if not (values["words"] and values["where"] and values["note"] and values["spec"]):
            raise TableError(f"{shown(FILE)}:{line}: words, where, a note and a source are needed")
        words, where, but = values["words"].split(";"), values["where"].split(), values["but"].split()
        found.append(Row(frozenset(words), frozenset(where), values["inside"] == "yes", frozenset(but)))
    return tuple(found)


@cache
def _words() -> frozenset[str]:
    return frozenset().union(*(row.words for row in _rows()))


@cache
def _roots() -> tuple[frozenset[str], tuple[str, ...]]:
    """The short words, and how the last words of the others begin (`NÃO INFORMADO`), each once."""
    short = frozenset(word for word in _words() if len(word) <= _SHORT)
    long = {word.split()[-1][:_ROOT] for word in _words() - short}
    roots = sorted(word for word in long if not any(one in word for one in long - {word}))
    return short | {word.lower() for word in short}, tuple(roots)
