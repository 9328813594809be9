"""The values at paths below a segment or a value, as conditions of profiles name them."""

from __future__ import annotations

from hl7.er7 import Segment
from hl7.escapes import unescape
from hl7.profiles.conditions import Ask, steps

Way = list[tuple[int, str]]
_DEEPEST = 3  # field, component, subcomponent


def values_at(segment: Segment, path: str) -> list[str] | None:
    """The values at a path below a segment: field, component, subcomponent; `.` is the segment; None for no path."""
    if path in ("", "."):
        return [segment.name]
    way = steps(path)
    if way is None:
        return None
    (number, nth), rest = way[0], way[1:_DEEPEST]
    repetitions = segment.split(segment.raw_field(number), number) if segment.raw_field(number) else []
    chosen = repetitions if nth == "*" else repetitions[int(nth) - 1 : int(nth)]
    marks = (segment.delimiters.component, segment.delimiters.sub)
    found = [values_below(each.split(marks[0]), rest, marks[1:]) if rest else [each] for each in chosen]
    return [unescape(text, segment.delimiters) for texts in found for text in texts or [] if text]


def asked_of_value(segment: Segment, raw: str) -> Ask:
    """The values at paths below one value of a field (`1[1].2[1]`); `.` is the value itself."""
    marks = (segment.delimiters.component, segment.delimiters.sub)
    given = raw.split(marks[0])

    def ask(path: str) -> list[str] | None:
        found = [raw] if path in ("", ".") else values_below(given, steps(path), marks[1:])
        return None if found is None else [unescape(text, segment.delimiters) for text in found]

    return ask


def values_below(given: list[str], way: Way | None, marks: tuple[str, ...]) -> list[str] | None:
    """The values at a path below a value that is divided already."""
    if way is None:
        return None
    (number, _), rest = way[0], way[1:]
    own = given[number - 1] if 0 < number <= len(given) else ""
    if rest and marks:
        return values_below(own.split(marks[0]), rest, marks[1:])
    return [own] if own else []
