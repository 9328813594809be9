"""Which rows of a record run, in what order: of one that inherits what led another, its own segments' first.

One ORC may stand above several OBR (2.5.1 §4.4.1): who ordered, where, how urgent and when is said once, for each of
them. Its numbers are of the first: two examinations that shared them would be found as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mappings.reading.program import looked_at, telling
from mappings.reading.step import Step
from mappings.reading.work import Work

_OF_ONE = frozenset(("@key", "@part", "@distinct", "identifier"))  # what tells one record from another


def in_turn(work: Work) -> Iterable[Step]:
    """The steps that find something to read; while those of inherited segments run, `work` has only these."""
    occurrence = work.occurrence
    plan, around = occurrence.plan, (*occurrence.parents, "", *occurrence.children)
    steps = telling(plan, occurrence.said(looked_at(plan)), around)
    return _with_inherited(work, steps) if occurrence.inherited else steps


def _with_inherited(work: Work, steps: Sequence[Step]) -> Iterator[Step]:
    """What a record inherits fills gaps: what its own segments say counts, and is no contradiction to be told."""
    occurrence = work.occurrence
    plan = occurrence.plan
    yield from (step for step in steps if step.owned)
    work.occurrence = heir = occurrence.heir()
    for step in telling(plan, heir.said(looked_at(plan)), ("",)):
        if step.segment in heir.own and step.path not in _OF_ONE and (step.path not in work.done or _adds(step)):
            yield step
    work.occurrence = occurrence
    yield from (step for step in steps if not step.owned)


def _adds(step: Step) -> bool:
    """Whether a row adds to a list, beside what is there already."""
    return step.way is not None and step.way[-1][2] and not step.late
