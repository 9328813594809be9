"""Whether a message conforms to its HL7 version: segments against the structure, fields against their definitions.

A judgement for people who connect systems (`ponte hl7 conform`); the doors are more tolerant on purpose (chapter 2: a
receiver ignores what it does not expect). Z segments are allowed anywhere, `""` satisfies a required field.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping

from canonical.problem import Problem
from hl7.er7 import NULL, Message, Segment
from hl7.escapes import unescape
from hl7.structure import Misfit, Structure, structure
from hl7.versions.table import Item, Version, version_named

_CODES = {
    "missing": "structure.segment-missing",
    "unknown": "structure.segment-unknown",
    "order": "structure.segment-order",
    "repeat": "structure.segment-repeat",
}
_CONTINUED = ("ADD",)
_MOMENT = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d(?:\.\d{1,4})?)?([+-]\d{4})?\Z", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,4})?)?)?([+-]\d{4})?\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d++\.?\d*+|\.\d++)\Z", re.ASCII)
_SEQUENCE = re.compile(r"\d{1,4}\Z", re.ASCII)


def conform(message: Message, version: str = "") -> list[Problem]:
    """What of `message` deviates from HL7 `version` (default: the one of MSH-12), in the order of the message.

    Places are `PID#2-3[1].4`: segment name and number, field, repetition, component, subcomponent, each from 1.
    """
    known = version_named(version or message.version)
    if known is None:
        return [Problem("version.unsupported", "MSH-12")]
    found = _structure_problems(message, known)
    for segment in message.segments:
        fields = known.segments.get(segment.name)
        if fields is not None:
            found += _segment_problems(segment, fields, known)
    return found


def structure_name(message: Message, version: str = "") -> str:
    """The message structure (`ADT_A01`) that `message` is judged by; empty when its version knows none."""
    known = version_named(version or message.version)
    code, _, event = message.type.partition("^")
    return known.structure_of(code, event, message.header.text(9, 3)) if known else ""


def _structure_problems(message: Message, version: Version) -> list[Problem]:
    name = structure_name(message, version.name)
    if not name:
        return [Problem("structure.type-unknown", "MSH-9", args=(("version", version.name),))]
    judged = [s for s in message.segments if not s.name.startswith("Z") and s.name not in _CONTINUED]
    return misfits_of(structure(version.structures[name]), judged, name)


def misfits_of(shape: Structure, judged: list[Segment], name: str) -> list[Problem]:
    """Where segments deviate from a structure of that name."""
    return [_misfit(misfit, judged, name) for misfit in shape.misfits([segment.name for segment in judged])]


def _misfit(misfit: Misfit, judged: list[Segment], name: str) -> Problem:
    place = misfit.name if misfit.kind == "missing" else f"{misfit.name}#{judged[misfit.at].index}"
    return Problem(_CODES[misfit.kind], place, args=(("structure", name),))


def _segment_problems(segment: Segment, fields: Mapping[int, Item], version: Version) -> Iterator[Problem]:
    place = f"{segment.name}#{segment.index}"
    for number, item in fields.items():
        raw = segment.raw_field(number)
        if not raw:
            if item.use == "R":
                yield Problem("structure.required", f"{place}-{number}")
        elif not (segment.name == "MSH" and number <= 2):
            yield from _field_problems(segment, number, item, version)
    last = max(fields)
    for number in range(last + 1, len(segment.fields())):
        if segment.raw_field(number):
            yield Problem("field.beyond", f"{place}-{number}", args=(("version", version.name), ("last", str(last))))


def _field_problems(segment: Segment, number: int, item: Item, version: Version) -> Iterator[Problem]:
    place = f"{segment.name}#{segment.index}-{number}"
    if item.use == "X":
        yield Problem("field.withdrawn", place, args=(("version", version.name),))
        return
    if item.leaves:
        yield Problem("field.leaving", place, args=(("version", item.leaves),))
    repetitions = segment.repetitions(number)
    if item.most and len(repetitions) > item.most:
        yield Problem("field.repeat", place, args=(("most", str(item.most)),))
    kind = item.type
    if segment.name == "OBX" and number == 5:
        kind = segment.text(2)
    for nth, raw in enumerate(repetitions, start=1):
        if item.length and len(unescape(raw, segment.delimiters)) > item.length:
            yield Problem("field.length", f"{place}[{nth}]", args=(("most", str(item.length)),))
        marks = (segment.delimiters.component, segment.delimiters.sub)
        yield from _value_problems(raw, kind, f"{place}[{nth}]", marks, version)


def _value_problems(raw: str, kind: str, place: str, marks: tuple[str, ...], version: Version) -> Iterator[Problem]:
    """The deviations of one value of a type; `marks` are the separators that may still divide it."""
    if not raw or raw == NULL or kind == "varies":
        return
    items = version.types.get(kind)
    if items is None:
        yield from _primitive_problems(raw, kind, place, marks)
        return
    if not marks:
        return
    parts = raw.split(marks[0])
    for number, item in enumerate(items, start=1):
        part = parts[number - 1] if number <= len(parts) else ""
        if part and item.use == "X":
            yield Problem("field.withdrawn", f"{place}.{number}", args=(("version", version.name),))
        elif part:
            yield from _value_problems(part, item.type, f"{place}.{number}", marks[1:], version)
        elif item.use == "R":
            yield Problem("field.component-required", f"{place}.{number}", args=(("type", kind),))
    yield from _beyond(parts, len(items), place, kind)


def _primitive_problems(raw: str, kind: str, place: str, marks: tuple[str, ...]) -> Iterator[Problem]:
    for mark in marks:
        parts = raw.split(mark)
        yield from _beyond(parts, 1, place, kind)
        raw = parts[0]
    check = _FORMATS.get(kind)
    if raw and raw != NULL and check and not check(raw):
        yield Problem("field.format", place, args=(("type", kind),))


def _beyond(parts: list[str], last: int, place: str, kind: str) -> Iterator[Problem]:
    for number in range(last + 1, len(parts) + 1):
        if parts[number - 1]:
            yield Problem("field.component-beyond", f"{place}.{number}", args=(("type", kind), ("last", str(last))))


def _is_date(text: str) -> bool:
    return len(text) in (4, 6, 8) and _is_moment(text)


def _is_moment(text: str) -> bool:
    match = _MOMENT.match(text)
    if match is None:
        return False
    year, month, day, hour, minute, second, zone = match.groups()
    if zone and (int(zone[1:3]) > 14 or int(zone[3:]) > 59):
        return False
    try:
        whole = int(second[:2]) if second else 0
        datetime.datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), whole)  # noqa: DTZ001
    except ValueError:
        return False
    return True


_FORMATS: dict[str, Callable[[str], object]] = {
    "DT": _is_date,
    "TM": _TIME.match,
    "DTM": _is_moment,
    "NM": _NUMBER.match,
    "SI": _SEQUENCE.match,
    "ID": lambda text: text == text.strip(),
}
