"""Message profiles (2.5.1 §2.12): what two sides agreed a message holds, told in XML, and a message judged by one.

Usage, cardinality, length, constant values, tables and structured conditions are judged down to the subcomponent, and
the acknowledgements asked for. Of a segment that a profile defines at several places the definition that fits best is
taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml import etree

from canonical.problem import Problem
from hl7 import profile_nist
from hl7.er7 import NULL, Message, Segment
from hl7.escapes import unescape
from hl7.grammar import misfits_of
from hl7.profile_parts import BadProfile, Part, Profile, Rule, evaluate, name_of, number_of, parsed, steps
from hl7.structure import structure

_FORBIDDEN = frozenset(("X", "W"))  # not supported; withdrawn
_SEGMENTS, _GROUP = "Segment", "SegGroup"
_PARTS = frozenset(("Field", "Component", "SubComponent"))
Lists = Callable[[str, str], bool | None]
"""Whether an HL7 table (`0001`) has a code; None where nobody can say."""
_UNKNOWN: Lists = lambda table, code: None  # noqa: E731


def read(raw: bytes, *more: bytes) -> Profile:
    """The profile in `raw`; raises BadProfile.

    It is an HL7v2xConformanceProfile or HL7v2xStaticDef, or a ConformanceProfile of NIST's tools, which may have `more`
    files: its conditions and constraints, its value sets.
    """
    root, others = parsed(raw), [parsed(each) for each in more]
    if profile_nist.is_one(root):
        return profile_nist.read(root, others)
    if others:
        raise BadProfile("only a ConformanceProfile has files beside it")
    found = next((node for node in root.iter() if name_of(node) == "HL7v2xStaticDef"), None)
    if found is None:
        raise BadProfile("it holds neither HL7v2xStaticDef nor ConformanceProfile, the definition of a message")
    segments: dict[str, tuple[Part, ...]] = {}
    line = _sequence(found, segments)
    if not segments:
        raise BadProfile("its definition names no segment")
    kind = "^".join(part for part in (found.get("MsgType", ""), found.get("EventType", "")) if part)
    dynamic = next((node for node in root.iter() if name_of(node) == "DynamicDef"), None)
    accept, application = (dynamic.get(name, "") if dynamic is not None else "" for name in ("AccAck", "AppAck"))
    version = root.get("HL7Version", "")
    return Profile(type=kind, version=version, line=line, segments=segments, accept=accept, application=application)


def judge(message: Message, profile: Profile, lists: Lists = _UNKNOWN) -> list[Problem]:
    """What of `message` deviates from the profile; places are as in `hl7.grammar.conform`.

    `lists` knows the codes of HL7's tables.
    """
    if profile.type and not f"{message.type}^".startswith(f"{profile.type}^"):
        return [Problem("profile.type", "MSH-9", args=(("type", profile.type),))]
    shape = structure(profile.line)
    judged = [s for s in message.segments if s.name in shape.names or s.name[0] != "Z"]
    found = [*misfits_of(shape, judged, profile.type), *_acknowledgements(message, profile)]
    for segment in message.segments:
        ways = [list(_segment(segment, whole, lists)) for whole in profile.segments.get(segment.name, ())]
        found += sorted(ways, key=len)[0] if ways else []
    return found


def _acknowledgements(message: Message, profile: Profile) -> Iterator[Problem]:
    """MSH-15 and MSH-16 against the dynamic definition; both empty ask for an application's answer alone (§2.9.2)."""
    accept, application = message.header.text(15).strip(), message.header.text(16).strip()
    asked = (accept or "NE", application or "NE") if accept or application else ("NE", "AL")
    for number, said, agreed in zip((15, 16), asked, (profile.accept, profile.application), strict=True):
        if agreed and said != agreed:
            yield Problem("profile.acknowledgement", f"MSH#1-{number}", args=(("agreed", agreed[:2]),))


def _sequence(node: etree._Element, segments: dict[str, tuple[Part, ...]]) -> str:
    return " ".join(filter(None, (_element(child, segments) for child in node)))


def _element(node: etree._Element, segments: dict[str, tuple[Part, ...]]) -> str:
    """A segment or group as part of a structure line; empty for what the profile does not support."""
    kind, usage, name = name_of(node), node.get("Usage", "O"), node.get("Name", "")
    if kind not in (_SEGMENTS, _GROUP) or usage in _FORBIDDEN:
        return ""
    if kind == _SEGMENTS:
        if len(name) != 3:
            raise BadProfile("a segment has no name of three letters")
        segments[name] = (*segments.get(name, ()), _part(node))
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
        least=number_of(node, "Min"),
        most=number_of(node, "Max"),
        length=number_of(node, "Length"),
        constant=node.get("ConstantValue", ""),
        parts=tuple(_part(child) for child in node if name_of(child) in _PARTS),
        table=node.get("Table", ""),
    )


def _segment(segment: Segment, whole: Part, lists: Lists) -> Iterator[Problem]:
    place = f"{segment.name}#{segment.index}"

    def ask(path: str) -> list[str] | None:
        return _values(segment, path)

    for number, field in enumerate(whole.parts, start=1):
        raw = segment.raw_field(number)
        if segment.name == "MSH" and number <= 2:
            continue
        usage = _usage(field, whole.rules.get(number), ask)
        yield from _field(segment, raw, field, usage, f"{place}-{number}", lists)
    for number in range(len(whole.parts) + 1, len(segment.fields())):
        if whole.parts and segment.raw_field(number):
            yield Problem("profile.not-supported", f"{place}-{number}")
    yield from _constraints(whole, ask, place)


def _usage(part: Part, rule: Rule | None, ask: Callable[[str], list[str] | None]) -> str:
    """How a part is used here: as its condition decides; where that cannot be judged `C`, of what may be empty `RE`."""
    if not part.conditional:
        return part.usage
    holds = evaluate(rule.condition, ask) if rule else None
    if holds is None or rule is None:
        return "RE" if part.usage == "CE" else "C"
    yes, no = part.choice()
    return (rule.holds or yes) if holds else (rule.fails or no)


def _constraints(part: Part, ask: Callable[[str], list[str] | None], place: str) -> Iterator[Problem]:
    for rule in part.constraints:
        if evaluate(rule.condition, ask) is False:
            yield Problem("profile.constraint", place, args=(("name", rule.name[:40]),))


def _field(segment: Segment, raw: str, field: Part, usage: str, place: str, lists: Lists) -> Iterator[Problem]:
    if not raw:
        yield from _missing(usage, place)
        return
    if usage in _FORBIDDEN:
        yield Problem("profile.not-supported", place)
        return
    repetitions = segment.split(raw, int(place.rpartition("-")[2]))
    if field.most and len(repetitions) > field.most:
        yield Problem("field.repeat", place, args=(("most", str(field.most)),))
    if len([each for each in repetitions if each]) < field.least:
        yield Problem("profile.too-few", place, args=(("least", str(field.least)),))
    marks = (segment.delimiters.component, segment.delimiters.sub)
    for nth, each in enumerate(repetitions, start=1):
        yield from _value(segment, each, field, f"{place}[{nth}]", marks, lists)


def _missing(usage: str, place: str) -> Iterator[Problem]:
    """What is to be said of a place that is empty."""
    if usage == "R":
        yield Problem("structure.required", place)
    elif usage == "C":
        yield Problem("profile.condition", place)


def _value(
    segment: Segment, raw: str, part: Part, place: str, marks: tuple[str, ...], lists: Lists
) -> Iterator[Problem]:
    """The deviations of one value; `marks` are the separators that still divide it."""
    if not raw or raw == NULL:
        return
    text = unescape(raw, segment.delimiters)
    if part.length and len(text) > part.length:
        yield Problem("field.length", place, args=(("most", str(part.length)),))
    if part.constant and text != part.constant:
        yield Problem("profile.constant", place)
    code = unescape(raw.split(marks[0], maxsplit=1)[0], segment.delimiters) if marks else text
    yield from _code(code.strip(), part, place, lists)
    if part.parts and marks:
        yield from _inner(segment, raw, part, place, marks, lists)


def _code(code: str, part: Part, place: str, lists: Lists) -> Iterator[Problem]:
    """A code that the profile's value set, or the HL7 table it names, does not have."""
    table = part.table.removeprefix("HL7")
    if not code or not table:
        return
    missing = code not in part.values if part.values else lists(table.zfill(4), code) is False
    if missing:
        yield Problem("profile.table", place, args=(("table", part.table[:20]),))


def _inner(
    segment: Segment, raw: str, part: Part, place: str, marks: tuple[str, ...], lists: Lists
) -> Iterator[Problem]:
    """The deviations of the components or subcomponents of a value."""
    given = raw.split(marks[0])

    def ask(path: str) -> list[str] | None:
        return _below(given, steps(path), marks[1:], segment)

    for number, inner in enumerate(part.parts, start=1):
        own, where = given[number - 1] if number <= len(given) else "", f"{place}.{number}"
        usage = _usage(inner, part.rules.get(number), ask)
        if own and usage in _FORBIDDEN:
            yield Problem("profile.not-supported", where)
        elif own:
            yield from _value(segment, own, inner, where, marks[1:], lists)
        else:
            yield from _missing(usage, where)
    for number in range(len(part.parts) + 1, len(given) + 1):
        if given[number - 1]:
            yield Problem("profile.not-supported", f"{place}.{number}")
    yield from _constraints(part, ask, place)


def _values(segment: Segment, path: str) -> list[str] | None:
    """The values at a path below a segment: field, component, subcomponent."""
    way = steps(path)
    if way is None:
        return None
    (number, nth), rest = way[0], way[1:]
    repetitions = segment.split(segment.raw_field(number), number) if segment.raw_field(number) else []
    chosen = repetitions if nth == "*" else repetitions[int(nth) - 1 : int(nth)]
    marks = (segment.delimiters.component, segment.delimiters.sub)
    found = [_below(each.split(marks[0]), rest, marks[1:], segment) if rest else [each] for each in chosen]
    return [unescape(text, segment.delimiters) for texts in found for text in texts or [] if text]


def _below(
    given: list[str], way: list[tuple[int, str]] | None, marks: tuple[str, ...], segment: Segment
) -> list[str] | None:
    """The values at a path below a value that is divided already."""
    if way is None:
        return None
    (number, _), rest = way[0], way[1:]
    own = given[number - 1] if 0 < number <= len(given) else ""
    if rest and marks:
        return _below(own.split(marks[0]), rest, marks[1:], segment)
    return [own] if own else []


__all__ = ["BadProfile", "Part", "Profile", "judge", "read"]
