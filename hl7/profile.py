"""Message profiles (2.5.1 §2.12): what two sides agreed a message holds, told in XML, and a message judged by one.

Usage, cardinality, length and constant values are judged down to the subcomponent. Conditions (C, CE) are words in a
profile and are not judged, nor are tables, whose values a profile only names. Of a segment that a profile defines at
several places the definition that fits best is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from canonical.problem import Problem
from hl7.er7 import NULL, Message, Segment
from hl7.escapes import unescape
from hl7.grammar import misfits_of
from hl7.structure import structure

_FORBIDDEN = frozenset(("X", "W"))  # not supported; withdrawn
_SEGMENTS, _GROUP = "Segment", "SegGroup"
_PARTS = frozenset(("Field", "Component", "SubComponent"))


class BadProfile(ValueError):
    """The text is no message profile; the message says why, in English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a profile says of a field, component or subcomponent; `most` and `length` are 0 where it sets no limit."""

    usage: str
    least: int
    most: int
    length: int
    constant: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A message profile: the type and version it is for, its structure as a line, its segments' fields by name."""

    type: str
    version: str
    line: str
    segments: dict[str, tuple[tuple[Part, ...], ...]]


def read(raw: bytes) -> Profile:
    """The profile in `raw` (HL7v2xConformanceProfile or HL7v2xStaticDef); raises BadProfile."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError:
        raise BadProfile("it is no well-formed XML") from None
    found = next((node for node in root.iter() if _name(node) == "HL7v2xStaticDef"), None)
    if found is None:
        raise BadProfile("it holds no HL7v2xStaticDef, the definition of a message")
    segments: dict[str, tuple[tuple[Part, ...], ...]] = {}
    line = _sequence(found, segments)
    if not segments:
        raise BadProfile("its definition names no segment")
    kind = "^".join(part for part in (found.get("MsgType", ""), found.get("EventType", "")) if part)
    return Profile(type=kind, version=root.get("HL7Version", ""), line=line, segments=segments)


def judge(message: Message, profile: Profile) -> list[Problem]:
    """What of `message` deviates from the profile; places are as in `hl7.grammar.conform`."""
    if profile.type and not f"{message.type}^".startswith(f"{profile.type}^"):
        return [Problem("profile.type", "MSH-9", args=(("type", profile.type),))]
    shape = structure(profile.line)
    judged = [s for s in message.segments if s.name in shape.names or s.name[0] != "Z"]
    found = misfits_of(shape, judged, profile.type)
    for segment in message.segments:
        ways = [list(_segment(segment, fields)) for fields in profile.segments.get(segment.name, ())]
        found += sorted(ways, key=len)[0] if ways else []
    return found


def _sequence(node: etree._Element, segments: dict[str, tuple[tuple[Part, ...], ...]]) -> str:
    return " ".join(filter(None, (_element(child, segments) for child in node)))


def _element(node: etree._Element, segments: dict[str, tuple[tuple[Part, ...], ...]]) -> str:
    """A segment or group as part of a structure line; empty for what the profile does not support."""
    kind, usage, name = _name(node), node.get("Usage", "O"), node.get("Name", "")
    if kind not in (_SEGMENTS, _GROUP) or usage in _FORBIDDEN:
        return ""
    if kind == _SEGMENTS:
        if len(name) != 3:
            raise BadProfile("a segment has no name of three letters")
        segments[name] = (*segments.get(name, ()), tuple(_part(field) for field in node if _name(field) == "Field"))
        inner = name
    else:
        inner = _sequence(node, segments)
    if not inner:
        return ""
    repeats = node.get("Max", "1") not in ("1", "0")
    inner = f"{{{inner}}}" if repeats else f"({inner})" if kind == _GROUP else inner
    return inner if usage == "R" and node.get("Min", "1") != "0" else f"[{inner}]"


def _part(node: etree._Element) -> Part:
    return Part(
        usage=node.get("Usage", "O"),
        least=_number(node, "Min"),
        most=_number(node, "Max"),
        length=_number(node, "Length"),
        constant=node.get("ConstantValue", ""),
        parts=tuple(_part(child) for child in node if _name(child) in _PARTS),
    )


def _number(node: etree._Element, name: str) -> int:
    """A whole number; 0 for `*`, nothing, and what is none."""
    text = node.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _name(node: etree._Element) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def _segment(segment: Segment, fields: tuple[Part, ...]) -> Iterator[Problem]:
    place = f"{segment.name}#{segment.index}"
    for number, field in enumerate(fields, start=1):
        raw = segment.raw_field(number)
        if segment.name == "MSH" and number <= 2:
            continue
        yield from _field(segment, raw, number, field)
    for number in range(len(fields) + 1, len(segment.fields())):
        if fields and segment.raw_field(number):
            yield Problem("profile.not-supported", f"{place}-{number}")


def _field(segment: Segment, raw: str, number: int, field: Part) -> Iterator[Problem]:
    place = f"{segment.name}#{segment.index}-{number}"
    if not raw:
        if field.usage == "R":
            yield Problem("structure.required", place)
        return
    if field.usage in _FORBIDDEN:
        yield Problem("profile.not-supported", place)
        return
    repetitions = segment.split(raw, number)
    if field.most and len(repetitions) > field.most:
        yield Problem("field.repeat", place, args=(("most", str(field.most)),))
    if len([each for each in repetitions if each]) < field.least:
        yield Problem("profile.too-few", place, args=(("least", str(field.least)),))
    marks = (segment.delimiters.component, segment.delimiters.sub)
    for nth, each in enumerate(repetitions, start=1):
        yield from _value(segment, each, field, f"{place}[{nth}]", marks)


def _value(segment: Segment, raw: str, part: Part, place: str, marks: tuple[str, ...]) -> Iterator[Problem]:
    """The deviations of one value; `marks` are the separators that still divide it."""
    if not raw or raw == NULL:
        return
    text = unescape(raw, segment.delimiters)
    if part.length and len(text) > part.length:
        yield Problem("field.length", place, args=(("most", str(part.length)),))
    if part.constant and text != part.constant:
        yield Problem("profile.constant", place)
    if part.parts and marks:
        yield from _inner(segment, raw.split(marks[0]), part, place, marks[1:])


def _inner(segment: Segment, given: list[str], part: Part, place: str, marks: tuple[str, ...]) -> Iterator[Problem]:
    """The deviations of the components or subcomponents of a value."""
    for number, inner in enumerate(part.parts, start=1):
        own, where = given[number - 1] if number <= len(given) else "", f"{place}.{number}"
        if own and inner.usage in _FORBIDDEN:
            yield Problem("profile.not-supported", where)
        elif own:
            yield from _value(segment, own, inner, where, marks)
        elif inner.usage == "R":
            yield Problem("structure.required", where)
    for number in range(len(part.parts) + 1, len(given) + 1):
        if given[number - 1]:
            yield Problem("profile.not-supported", f"{place}.{number}")
