"""Which of its definitions a segment or a value has, where a profile divides it: by occurrence or by an assertion.

The first slice that fits counts; what fits none has the definition of its place, as NIST's tools judge it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from canonical.problem import Problem
from hl7.er7 import Segment
from hl7.profiles.conditions import Ask, evaluate
from hl7.profiles.parts import Part, Slice
from hl7.profiles.tree import Node, asked_of
from hl7.profiles.values import asked_of_value

Chosen = dict[int, Part]
"""The definition of a segment by its index, where a profile divides its place."""


def of_segments(tree: Node) -> tuple[Chosen, list[Problem]]:
    """The definitions of the segments at divided places, and the assertions that could not be judged."""
    chosen: Chosen = {}
    unsure: list[Problem] = []
    for node in tree.walk():
        for found in node.children:
            for nth, child in enumerate(found, start=1):
                if child.segment is None or not child.place.slices or child.place.part is None:
                    continue
                segment, ask = child.segment, asked_of(child.segment, str(nth))
                fit = _fitting(child.place.slices, nth, ask, ask)
                chosen[segment.index] = fit[0] or child.place.part
                unsure += told(fit[1], f"{segment.name}#{segment.index}")
    return chosen, unsure


def of_value(segment: Segment, raw: str, field: Part, nth: int) -> tuple[Part, list[str]]:
    """The definition of the `nth` repetition of a field, and the names of the slices that could not be judged."""
    fit = _fitting(field.slices, nth, asked_of_value(segment, raw), asked_of(segment))
    return fit[0] or field, fit[1]


def told(names: list[str], place: str) -> Iterator[Problem]:
    """The finding for each slice whose assertion cannot be judged."""
    return (Problem("profile.unjudged", place, args=(("name", name[:40]),)) for name in names)


def _fitting(slices: Sequence[Slice], nth: int, ask: Ask, beside: Ask) -> tuple[Part | None, list[str]]:
    unsure: list[str] = []
    for each in slices:
        if each.condition is None:
            holds: bool | None = each.occurrence == nth
        else:
            holds = evaluate(each.condition, beside if each.beside else ask)
        if holds:
            return each.part, unsure
        if holds is None:
            unsure.append(each.name)
    return None, unsure
