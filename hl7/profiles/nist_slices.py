"""Divisions of a profile in the schema of NIST's tools (ProfileSlicing), and its data types by another field's value
(DynamicMapping): which definition a segment, or a value of a field, has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from hl7.profiles.conditions import Condition
from hl7.profiles.nist_rules import Values, condition_in
from hl7.profiles.parts import BadProfile, Part, Slice, name_of, number_of

_METHODS = frozenset(("AssertionSlicing", "OccurrenceSlicing"))
Defined = Callable[[str], Part | None]
"""The definition of this id; None where the profile has none."""


@dataclass(slots=True)
class Divided:
    """The slices of a file: of segments by message, group and position, of fields by segment and position."""

    segments: dict[tuple[str, str, int], list[etree._Element]] = field(default_factory=dict)
    fields: dict[tuple[str, int], list[etree._Element]] = field(default_factory=dict)


def read(root: etree._Element, into: Divided) -> None:
    """Adds what a ProfileSlicing says."""
    for context in root.iter():
        place, parent = context.get("ID", ""), context.getparent()
        for position, slices in _positions(context):
            if name_of(context) == "GroupContext" and parent is not None:
                into.segments.setdefault((parent.get("ID", ""), place, position), []).extend(slices)
            elif name_of(context) == "SegmentContext":
                into.fields.setdefault((place, position), []).extend(slices)


def _positions(context: etree._Element) -> Iterator[tuple[int, list[etree._Element]]]:
    for each in context:
        if name_of(each) in _METHODS:
            yield number_of(each, "Position"), [one for one in each if name_of(one) == "Slice"]


def slices(nodes: list[etree._Element], defined: Defined, values: Values) -> tuple[Slice, ...]:
    """The slices of one place, in their order; raises BadProfile where one names a definition that is not there."""
    found = []
    for node in nodes:
        part = defined(node.get("Ref", ""))
        if part is None:
            raise BadProfile("a slice names a definition that it does not hold")
        condition = condition_in(node, values)
        occurrence = number_of(node, "Occurrence")
        if condition is None and not occurrence:
            raise BadProfile("a slice says neither an occurrence nor an assertion")
        found.append(Slice(part=part, name=node.get("Ref", ""), occurrence=occurrence, condition=condition))
    return tuple(found)


def cases(segment: etree._Element, number: int, defined: Defined) -> Iterator[Slice]:
    """What the DynamicMapping of a segment makes of its field `number`: a data type for each value of another field."""
    for mapping in (each for each in segment.iter() if name_of(each) == "Mapping"):
        if number_of(mapping, "Position") != number:
            continue
        for case in (each for each in mapping if name_of(each) == "Case"):
            part = defined(case.get("Datatype", ""))
            pairs = [(mapping.get(f"{which}Reference"), case.get(f"{which}Value")) for which in ("", "Second")]
            tests = tuple(test for path, word in pairs if path and word for test in _is(path, word))
            if part is not None and tests:
                said = Condition(kind="AND", inner=tests)
                yield Slice(part=part, name=case.get("Datatype", ""), condition=said, beside=True)


def _is(path: str, word: str) -> tuple[Condition, Condition]:
    way = ".".join(step if "[" in step else f"{step}[1]" for step in path.split("."))
    return Condition(kind="Presence", path=way), Condition(kind="PlainText", path=way, words=(word,))
