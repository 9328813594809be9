"""Segments a separator too many or too few (`shapes.csv` names them): what follows is one field off (2.5.1 §2.5.3).

What each field cannot hold is in `shapes.csv`. Where two fields or more hold what they cannot, and taking an empty
field out (or putting one in) leaves none that does, the segment is read that way, and it is told. Several places of
the separator may explain it: then only what must be moved is, and the first field that may be off too is told. Where
one too many explains it as well as one too few, nothing is moved. Where no one place explains it, two may (`places`),
or three fields off at one (`_far`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from canonical.problem import Problem
from hl7.er7 import NULL, Delimiters, Message, Segment
from mappings.convert.misplaced.shapes import SURE, cannot, is_day, table_of
from mappings.reading import places
from mappings.tables.table import HERE, TableError, overlay_folder, read_rows

FILE = HERE / "shapes.csv"
_COLUMNS = ["segment", "field", "shape", "needed", "note", "spec"]
_LEAST = 2  # fields that hold what they cannot
_FAR = 3  # fields off, by which three fields must show it
_LONGEST = 100  # fields: no segment has more, and the places grow with their square
_TYPE = 2  # OBX-2
_NUMBER = "NM"
_SOURCE = re.compile(r"\b([A-Z][A-Z0-9]{2})-[0-9]")


def aligned(message: Message, overlay: str = "") -> tuple[Message, list[Problem]]:
    """The message with such segments as they were meant, and what is told; the message itself where there is none.

    A segment that the sender's `overlay` reads by rows or codes of its own is as that says, and stays.
    """
    moved: dict[int, Segment] = {}
    told: list[Problem] = []
    known = _shapes()
    own = of_overlay(overlay) if overlay else frozenset()
    for segment in message.segments:
        shapes = known.get(segment.name)
        if shapes is None or segment.name in own or _as_sent(segment):
            continue
        if sum(1 for _ in _wrong(segment.fields(), shapes, segment.delimiters)) < _LEAST:
            continue
        if len(_kept(segment)) > _LONGEST:
            continue
        ways = _ways(segment, shapes)
        if not ways and (run := _run(segment, shapes)):
            line = segment.delimiters.field.join(run.way)
            moved[segment.index] = Segment(line, segment.index, segment.delimiters)
            told += [Problem(code, f"{segment.name}#{segment.index}-{first}") for code, first in run.told]
            continue
        if not (ways := ways or _far(segment, shapes)):
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


def _as_sent(segment: Segment) -> bool:
    """Whether a segment is looked at only where a field is empty that is filled here, not by words for a number."""
    value = _only_without().get(segment.name)
    said = segment.raw_field(value) if value is not None else ""
    return bool(said) and not (segment.raw_field(_TYPE) == _NUMBER and _without_digit(said))


def _ways(segment: Segment, shapes: Shapes) -> list[tuple[str, ...]]:
    """The fields by each way that leaves nothing wrong and keeps filled what a segment needs, what moves most first."""
    kept = _kept(segment)
    one = _right(_tries(kept, 1), kept, segment, shapes)
    return one or [
        way for way in _right(_tries(kept, 2), kept, segment, shapes) if _explains(way, kept, segment, shapes)
    ]


def _far(segment: Segment, shapes: Shapes) -> list[tuple[str, ...]]:
    """The same by three separators too many or too few at one place: three fields that move surely are what those they
    come to are for, and none that moves surely is in its place."""
    kept = _kept(segment)
    return [way for way in _right(_tries(kept, _FAR), kept, segment, shapes) if _shown(way, kept, segment, shapes)]


def _shown(way: Sequence[str], kept: Sequence[str], segment: Segment, shapes: Shapes) -> bool:
    off, sure = len(way) - len(kept), 0
    for number, content in enumerate(kept):
        if not content or content in way[number : number + 1]:
            continue
        there, here = shapes.get(number + off), shapes.get(number)
        parts = _parts(content, segment.delimiters)
        if here is not None and any(is_one(parts) for is_one in SURE.get(here.name, ())):
            return False
        sure += there is not None and any(is_one(parts) for is_one in SURE.get(there.name, ()))
    return sure >= _FAR


def _run(segment: Segment, shapes: Shapes) -> places.Run | None:
    """The fields by separators too many or too few at two places. What holds what it cannot comes to a field of which
    something is known."""
    kept, marks = _kept(segment), segment.delimiters
    amiss = set(_wrong(kept, shapes, marks))

    def stands(number: int, at: int) -> bool:
        shape = shapes.get(at)
        if shape is None or kept[number] == NULL:
            return number not in amiss
        return not shape.cannot(_parts(kept[number], marks))

    def surely(number: int, at: int) -> bool:
        name = shapes[at].name if at in shapes else ""
        return any(is_one(_parts(kept[number], marks)) for is_one in SURE.get(name, ()))

    needed = [n for n, shape in shapes.items() if shape.needed and n < len(kept) and kept[n] and n not in amiss]
    return places.best(places.Row(kept, lambda way: _wrong(way, shapes, marks), stands, surely), needed)


def _kept(segment: Segment) -> list[str]:
    """The fields up to the last that is filled."""
    fields = segment.fields()
    return fields[: max((n for n, content in enumerate(fields) if content), default=0) + 1]


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
    right = [way for way in found if all(n < len(way) and way[n] for n in needed) and _known(way, kept, wrong, shapes)]
    right = [way for way in right if not any(_wrong(way, shapes, segment.delimiters))]
    return [way for way in right if not any(_alone(way, kept, n, shape.behind) for n, shape in shapes.items())]


def _alone(way: Sequence[str], kept: Sequence[str], number: int, behind: int) -> bool:
    """Whether a way moves something to a field that says nothing without another one (an end without its start), and
    leaves that empty: more separators are wrong than it puts right."""
    moved = "".join(way[number : number + 1])
    return bool(behind and moved) and moved not in kept[number : number + 1] and not any(way[behind : behind + 1])


def _known(way: Sequence[str], kept: Sequence[str], wrong: Iterable[int], shapes: Shapes) -> bool:
    """Whether what cannot stand where it was sent comes to fields of which something is known."""
    off = len(way) - len(kept)
    return all((n if way[n : n + 1] == [kept[n]] else n + off) in shapes for n in wrong)


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
        sure += any(is_one(parts) for is_one in SURE.get(shape.name, ()))
    return sure >= _LEAST


def _wrong(fields: Sequence[str], shapes: Shapes, delimiters: Delimiters) -> Iterator[int]:
    """The fields that hold what they cannot."""
    for number, shape in shapes.items():
        content = fields[number] if number < len(fields) else ""
        if not content or content == NULL:
            continue
        parts = _parts(content, delimiters)
        if any(parts) and (shape.cannot(parts) or _off(fields, number, shape.name)):
            yield number


def _off(fields: Sequence[str], number: int, name: str) -> bool:
    """Whether a day is the other end of a span: an end where its start is missing and a day stands behind it, or a
    start where its end is missing and a day stands before it, where none belongs (IN1-11 to 14); or a value that is a
    number by its type (OBX-2) has no digit."""
    if name == "value":
        return fields[_TYPE] == _NUMBER and _without_digit(fields[number])
    step = {"start": -1, "end": 1}.get(name)
    if step is None:
        return False
    missing, behind = ("".join(fields[n : n + 1]) for n in (number - step, number + step))
    return not missing and is_day(fields[number]) and is_day(behind)


def _without_digit(text: str) -> bool:
    return not any(map(str.isdigit, text))


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


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What a field cannot hold, whether no way may leave it empty that is not, and the field that a way must fill to
    move something here (`with:44`)."""

    name: str
    cannot: Callable[[Sequence[str]], bool]
    needed: bool
    behind: int = 0


Shapes = dict[int, Shape]


@cache
def _shapes() -> dict[str, Shapes]:
    found: dict[str, Shapes] = {}
    for line, values in read_rows(FILE, _COLUMNS):
        tells = cannot(values["shape"])
        if tells is None or not values["field"].isdigit():
            raise TableError(f"shapes.csv:{line}: a field number and a known shape are needed")
        beside = values["needed"].removeprefix("with:") if values["needed"].startswith("with:") else ""
        shape = Shape(values["shape"], tells, values["needed"] == "yes", int(beside or 0))
        found.setdefault(values["segment"], {})[int(values["field"])] = shape
    return found


@cache
def _only_without() -> dict[str, int]:
    """The field of segments that are looked at only where it is empty (`empty`): of results, those without a value."""
    rows = read_rows(FILE, _COLUMNS)
    return {values["segment"]: int(values["field"]) for _, values in rows if values["needed"] == "empty"}


@cache
def of_overlay(name: str) -> frozenset[str]:
    """The segments of which an overlay has rows, or has codes in a table that their shapes tell by."""
    folder = overlay_folder(name)
    rows = [path.read_text(encoding="utf-8-sig") for path in folder.glob("hl7/*.csv") if path.stem != "ignored"]
    tables = {path.stem.partition("-")[0] for path in folder.glob("codes/*.csv")}
    coded = {
        segment for segment, shapes in _shapes().items() if any(table_of(s.name) in tables for s in shapes.values())
    }
    return frozenset(coded | {found[1] for text in rows for found in _SOURCE.finditer(text)})
