"""A draft under construction, and what the rows with a target of the form `@name` say about it.

They say which stored record it is, when it happened and what the event does, and state no element of it.
"""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass, field
from typing import Any

from canonical.records import Draft, Key, Movement
from hl7.er7 import Segment
from mappings.convert import Value
from mappings.convert.registry import Context
from mappings.convert.text import parse_dtm
from mappings.reading.account import Made
from mappings.reading.grouping import Occurrence
from mappings.reading.step import Step
from mappings.tables.body import Body

Taken = tuple[Any, Value] | None  # what a field said that gave a path its value; None: a constant or a link


@dataclass(slots=True)
class Work:
    """A draft under construction: stated and initial elements, the paths that have a value and from where, what to
    skip; what was `made` of which fields, and which were `passed` over, since others had said it."""

    occurrence: Occurrence
    context: Context
    body: Body
    initial: Body
    draft: Draft
    done: dict[str, Taken] = field(default_factory=dict)
    skip: bool = False
    essential: bool = False
    stated: bool = False
    made: list[Made] = field(default_factory=list)
    passed: list[tuple[int, int]] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)

    def note(self, segment: Segment, step: Step, value: Any) -> None:
        """`value` was made of a field of `segment`, and of what its conversion asked for beside it."""
        self.made.append((segment.index, segment.asked | step.bit, None if step.special else value))


def _key(converted: Any, value: Value, work: Work) -> None:
    if isinstance(converted, Key) and converted not in work.keys:
        work.keys.add(converted)
        work.draft.keys += (converted,)


def _part(converted: Any, value: Value, work: Work) -> None:
    work.draft.part += ("|" if work.draft.part else "") + str(converted)


def _time(converted: Any, value: Value, work: Work) -> None:
    moment = parse_dtm(value.whole(), work.context.zone)
    if isinstance(moment, datetime.datetime) and work.draft.event_at is None:
        work.draft.event_at = moment


def _occurred(converted: Any, value: Value, work: Work) -> None:
    moment = parse_dtm(value.whole(), work.context.zone)
    if isinstance(moment, datetime.datetime) and work.draft.occurred_at is None:
        work.draft.occurred_at = moment


def _action(converted: Any, value: Value, work: Work) -> None:
    work.draft.action = work.draft.action or str(converted)


def _movement(converted: Any, value: Value, work: Work) -> None:
    """What a field of ZBE says of the movement; numbers and what describes it add up."""
    present = work.draft.movement or Movement()
    more = {name: (*getattr(present, name), *said) for name, said in converted.items() if isinstance(said, tuple)}
    work.draft.movement = dataclasses.replace(present, **{**converted, **more})


def _must_exist(converted: Any, value: Value, work: Work) -> None:
    work.draft.must_exist = work.draft.must_exist or converted == "true"


def _known_only(converted: Any, value: Value, work: Work) -> None:
    work.draft.known_only = work.draft.known_only or converted == "true"


def _skip(converted: Any, value: Value, work: Work) -> None:
    work.skip = work.skip or converted == "true"


def _essential(converted: Any, value: Value, work: Work) -> None:
    work.essential = work.essential or converted == "true"


def _clear_paths(converted: Any, value: Value, work: Work) -> None:
    work.draft.cleared += tuple(str(converted).split())


def _distinct(converted: Any, value: Value, work: Work) -> None:
    work.draft.distinct = work.draft.distinct or str(converted)


SPECIAL = {
    "@key": _key,
    "@part": _part,
    "@time": _time,
    "@occurred": _occurred,
    "@action": _action,
    "@must-exist": _must_exist,
    "@known-only": _known_only,
    "@skip": _skip,
    "@essential": _essential,
    "@clear": _clear_paths,
    "@distinct": _distinct,
    "@movement": _movement,
}
