"""Segments a separator too many or too few (`shapes.csv` names them): what follows is one field off (2.5.1 §2.5.3).

What each field cannot hold is in `shapes.csv`. Where two fields or more hold what they cannot, and taking an empty
field out (or putting one in) leaves none that does, the segment is read that way, and it is told. Several places of
the separator may explain it: then only what must be moved is, and the first field that may be off too is told. Where
one too many explains it as well as one too few, nothing is moved.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from canonical.codes import coding_system
from canonical.problem import Problem
from hl7.er7 import NULL, Delimiters, Message, Segment
from mappings.convert.misplaced.plausible import SERVICES, says_minutes
from mappings.table import HERE, TableError, codes, read_rows

FILE = HERE / "shapes.csv"
_COLUMNS = ["segment", "field", "shape", "needed", "note", "spec"]
_OWN = "urn:ponte:"  # what a coding system that nobody knows is called
_LEAST = 2  # fields that hold what they cannot
_DAY = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{4}(?:[0-9]{2})?)?\Z")
_YEAR = re.compile(r"(?:1[89]|20|21)[0-9]{2}")
_BED = re.compile(r"[A-Z]{0,2}[0-9]{1,4}[A-Z]?\Z")
_WORD = re.compile(r"[^\W\d_]{2}[^\d_]*\Z")
_LETTERS = frozenset("BCEINOPRU")  # classes of a visit, table 0004
_SEXES = frozenset("AFIMNOU")  # table 0001
_SECTIONS = frozenset(
    ("LAB", "RAD", "HM", "CH", "MB", "MCB", "BLB", "IMM", "SR", "PAT", "CT", "RUS", "NMR")
)  # table 0074
_AMOUNT = re.compile(r"[+-]?[0-9][0-9.,]*\Z")


def aligned(message: Message) -> tuple[Message, list[Problem]]:
    """The message with such segments as they were meant, and what is told; the message itself where there is none."""
    moved: dict[int, Segment] = {}
    told: list[Problem] = []
    for segment in message.segments:
        shapes = _shapes().get(segment.name)
        if shapes is None or sum(1 for _ in _wrong(segment.fields(), shapes, segment.delimiters)) < _LEAST:
            continue
        ways = _ways(segment, shapes)
        if not ways:
            continue
        if len({len(way) for way in ways}) > 1:  # one too many as well as one too few would explain it
            told.append(_told("structure.shifted-unclear", segment, segment.fields(), ways[0]))
            continue
        moved[segment.index] = Segment(segment.delimiters.field.join(ways[-1]), segment.index, segment.delimiters)
        told.append(_told("structure.shifted", segment, segment.fields(), ways[-1]))
        if len(ways) > 1:
            told.append(_told("structure.shifted-partly", segment, segment.fields(), ways[0]))
    if not moved:
        return message, told
    return message.with_segments([moved.get(s.index, s) for s in message.segments]), told


def _ways(segment: Segment, shapes: Shapes) -> list[tuple[str, ...]]:
    """The fields by each way that leaves nothing wrong and keeps filled what a segment needs, what moves most first."""
    fields = segment.fields()
    last = max((n for n, content in enumerate(fields) if content), default=0)
    kept = fields[: last + 1]
    one = _right(_tries(kept, 1), kept, segment, shapes)
    return one or [
        way for way in _right(_tries(kept, 2), kept, segment, shapes) if _explains(way, kept, segment, shapes)
    ]


def _tries(kept: list[str], off: int) -> dict[tuple[str, ...], None]:
    """The fields with `off` empty ones taken out, or put in, at one place; each further one moves less."""
    last = len(kept) - 1
    tries = [kept[:n] + kept[n + off :] for n in range(1, last + 1 - off) if not any(kept[n : n + off])]
    tries += [[*kept[:n], *[""] * off, *kept[n:]] for n in range(1, last + 1)]
    return dict.fromkeys(tuple(way) for way in tries)


def _right(
    found: Iterable[tuple[str, ...]], kept: list[str], segment: Segment, shapes: Shapes
) -> list[tuple[str, ...]]:
    """Those that leave nothing wrong."""
    last = len(kept) - 1
    wrong = set(_wrong(kept, shapes, segment.delimiters))
    needed = [n for n, shape in shapes.items() if shape.needed and n <= last and kept[n] and n not in wrong]
    right = [way for way in found if all(n < len(way) and way[n] for n in needed)]
    return [way for way in right if not any(_wrong(way, shapes, segment.delimiters))]


def _explains(way: Sequence[str], kept: Sequence[str], segment: Segment, shapes: Shapes) -> bool:
    """Whether what cannot stand where it was sent is, two fields off, what its field is for: two of it surely, and none
    of it where nothing is known of the field. By two fields almost anything finds a place."""
    off, sure = len(way) - len(kept), 0
    for number in _wrong(kept, shapes, segment.delimiters):
        found = number if way[number : number + 1] == [kept[number]] else number + off
        shape = shapes.get(found)
        if shape is None or way[found] != kept[number]:
            return False
        parts = _parts(kept[number], segment.delimiters)
        sure += any(is_one(parts) for is_one in _SURE.get(shape.name, ()))
    return sure >= _LEAST


def _wrong(fields: Sequence[str], shapes: Shapes, delimiters: Delimiters) -> Iterator[int]:
    """The fields that hold what they cannot."""
    for number, shape in shapes.items():
        content = fields[number] if number < len(fields) else ""
        if not content or content == NULL:
            continue
        parts = _parts(content, delimiters)
        if any(parts) and shape.cannot(parts):
            yield number


def _parts(content: str, delimiters: Delimiters) -> list[str]:
    """The components of the first repetition, without blanks around them and without empty ones behind."""
    if delimiters.component not in content and delimiters.repetition not in content:
        return [content.strip()]
    parts = [part.strip() for part in content.split(delimiters.repetition, 1)[0].split(delimiters.component)]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def _told(code: str, segment: Segment, fields: Sequence[str], way: Sequence[str]) -> Problem:
    """The finding at the first field that a way moves."""
    first = next((n for n, (one, other) in enumerate(zip(fields, way, strict=False)) if one != other), 1)
    return Problem(code, f"{segment.name}#{segment.index}-{first}")


def _time(parts: Sequence[str]) -> bool:
    return len(parts) == 1 and bool(_DAY.match(parts[0]))


def _no_sequence(parts: Sequence[str]) -> bool:
    return not parts[0].isdigit()


def _no_number(parts: Sequence[str]) -> bool:
    return _time(parts) or not any(map(str.isdigit, parts[0]))


def _no_time(parts: Sequence[str]) -> bool:
    return not _YEAR.match(parts[0])


def _of_place(parts: Sequence[str]) -> bool:
    """Whether room or bed stand where a text or a name does: `UTI^101^A`."""
    return len(parts) > 1 and bool(_BED.match(parts[1]))


def _no_class(parts: Sequence[str]) -> bool:
    return _time(parts) or _of_place(parts)


def _no_place(parts: Sequence[str]) -> bool:
    return _time(parts) or (len(parts) == 1 and parts[0] in _LETTERS)


def _no_person(parts: Sequence[str]) -> bool:
    code = len(parts) == 1 and (parts[0] in SERVICES or parts[0] in _LETTERS)
    return code or _time(parts) or _of_place(parts) or _timed(parts)


def _timed(parts: Sequence[str]) -> bool:
    """Whether a quantity and timing stands there, with its moment in the fourth component."""
    return len(parts) > 3 and bool(_DAY.match(parts[3]))


def _no_visit(parts: Sequence[str]) -> bool:
    person = len(parts) > 2 and bool(_WORD.match(parts[1])) and bool(_WORD.match(parts[2]))
    return person or (len(parts) == 1 and (parts[0].upper() in SERVICES or parts[0] in _LETTERS))


def _no_name(parts: Sequence[str]) -> bool:
    alone = len(parts) == 1
    return _coded(parts) or (alone and (parts[0].isdigit() or len(parts[0]) == 1 or _relationship(parts[0])))


def _coded(parts: Sequence[str]) -> bool:
    """Whether the third component names a coding system: an HL7 table, or a list of the house."""
    return len(parts) > 2 and (parts[2].upper().startswith(("HL7", "99")) or parts[2] == "L")


def _no_relationship(parts: Sequence[str]) -> bool:
    """Whether a person's name stands there: two words, neither a code nor what it means, without a coding system."""
    if len(parts) < 2 or _coded(parts):
        return _time(parts)
    words = all(_WORD.match(part) for part in parts[:2])
    return words and len(parts[0]) > 3 and parts[0].casefold() != parts[1].casefold()


def _no_phone(parts: Sequence[str]) -> bool:
    """Whether neither an address nor six digits stand there."""
    said = "".join(parts)
    return _time(parts) or ("@" not in said and sum(map(str.isdigit, said)) < 6)


def _no_sex(parts: Sequence[str]) -> bool:
    return _time(parts) or len(parts) > 3


def _no_address(parts: Sequence[str]) -> bool:
    return _time(parts) or (len(parts) == 1 and (parts[0] in _SEXES or _relationship(parts[0])))


def _relationship(text: str) -> bool:
    return text.upper() in codes("hl70063") or text.casefold() == "self"


def _person(parts: Sequence[str]) -> bool:
    """Whether a number, a surname and a given name stand there, not a code with its name and system."""
    if len(parts) < 3 or not any(map(str.isdigit, parts[0])) or not all(_WORD.match(part) for part in parts[1:3]):
        return False
    given = parts[2]
    return not given.isupper() or (len(parts) > 6 and len(given) > 2 and coding_system(given).startswith(_OWN))


def _no_text(parts: Sequence[str]) -> bool:
    """Whether a moment or a person stands there."""
    return _time(parts) or _person(parts)


def _no_reason(parts: Sequence[str]) -> bool:
    """Whether a moment, a person or a number of minutes stands there."""
    return _no_text(parts) or (len(parts) == 1 and parts[0].isdigit() and len(parts[0]) < 4)


def _no_parent(parts: Sequence[str]) -> bool:
    """Whether a timing, with the moment in its fourth component, or a person stands there."""
    return _no_text(parts) or _timed(parts)


def _no_order_status(parts: Sequence[str]) -> bool:
    return _no_text(parts) or parts[0].isdigit()


def _no_letter(parts: Sequence[str]) -> bool:
    """Whether anything but one letter, or a word of letters, stands there."""
    return len(parts) > 1 or not parts[0].isalpha()


def _no_status(parts: Sequence[str]) -> bool:
    return _no_letter(parts) or parts[0] in _SECTIONS


def _no_section(parts: Sequence[str]) -> bool:
    return _no_text(parts) or (len(parts) == 1 and parts[0] in codes("hl70123"))


def _no_priority(parts: Sequence[str]) -> bool:
    return _no_text(parts) or _coded(parts)


def _no_control(parts: Sequence[str]) -> bool:
    return parts[0].upper() not in codes("hl70119")


def _no_charge_kind(parts: Sequence[str]) -> bool:
    return parts[0].upper() not in codes("hl70017")


def _no_charged_code(parts: Sequence[str]) -> bool:
    return _time(parts) or (len(parts) == 1 and parts[0].upper() in codes("hl70017"))


def _no_amount(parts: Sequence[str]) -> bool:
    """Whether no number stands first (a price may have its currency behind it)."""
    return _time(parts) or not _AMOUNT.match(parts[0].partition("&")[0])


def _no_words(parts: Sequence[str]) -> bool:
    return _time(parts) or not any(map(str.isalpha, "".join(parts)))


def _no_unit(parts: Sequence[str]) -> bool:
    return _no_words(parts) or _person(parts)


def _no_timing(parts: Sequence[str]) -> bool:
    return _person(parts) or (len(parts) == 1 and bool(parts[0]) and not _DAY.match(parts[0]) and parts[0].isalpha())


def _no_occasion(parts: Sequence[str]) -> bool:
    """Whether a person stands there, or one word or number that is no moment."""
    return _person(parts) or (len(parts) == 1 and not _time(parts))


_CANNOT: dict[str, Callable[[Sequence[str]], bool]] = {
    "any": lambda parts: False,
    "sequence": _no_sequence,
    "moment": _no_time,
    "number": _no_number,
    "no-time": _time,
    "code": _no_class,
    "place": _no_place,
    "person": _no_person,
    "visit": _no_visit,
    "name": _no_name,
    "phone": _no_phone,
    "relationship": _no_relationship,
    "sex": _no_sex,
    "address": _no_address,
    "text": _no_text,
    "reason": _no_reason,
    "parent": _no_parent,
    "order-status": _no_order_status,
    "letter": _no_letter,
    "status": _no_status,
    "section": _no_section,
    "priority": _no_priority,
    "control": _no_control,
    "charge": _no_charge_kind,
    "charged": _no_charged_code,
    "amount": _no_amount,
    "unit": _no_unit,
    "words": _no_words,
    "timing": _no_timing,
    "occasion": _no_occasion,
}


# What a field is surely for, by the name of its shape.
_SURE: dict[str, tuple[Callable[[Sequence[str]], bool], ...]] = {
    "moment": (_time,),
    "person": (_person,),
    "place": (_of_place,),
    "name": (lambda parts: len(parts) > 1 and all(_WORD.match(part) for part in parts[:2]),),
    "relationship": (lambda parts: _relationship(parts[0]),),
    "status": (lambda parts: len(parts) == 1 and parts[0] in codes("hl70123"),),
    "section": (lambda parts: len(parts) == 1 and parts[0] in _SECTIONS,),
    "charge": (lambda parts: not _no_charge_kind(parts),),
    "unit": (lambda parts: says_minutes(parts[0]),),
    "timing": (_timed,),
    "occasion": (_timed,),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What a field cannot hold, and whether no way may leave it empty that is not."""

    name: str
    cannot: Callable[[Sequence[str]], bool]
    needed: bool


Shapes = dict[int, Shape]


@cache
def _shapes() -> dict[str, Shapes]:
    found: dict[str, Shapes] = {}
    for line, values in read_rows(FILE, _COLUMNS):
        if values["shape"] not in _CANNOT or not values["field"].isdigit():
            raise TableError(f"shapes.csv:{line}: a field number and a known shape are needed")
        shape = Shape(values["shape"], _CANNOT[values["shape"]], values["needed"] == "yes")
        found.setdefault(values["segment"], {})[int(values["field"])] = shape
    return found
