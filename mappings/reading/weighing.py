"""What is judged of a message when all its records are made: whose numbers count, how grave a lost part is, what it
should say and does not."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from canonical.problem import Problem
from canonical.records import Draft
from hl7.er7 import Message
from mappings.convert.registry import Context
from mappings.reading.grouping import Occurrence
from mappings.tables.plan import Plan
from mappings.tables.table import codes

_TAKEN = ("OK", "RR")  # table 0119: accepted and OK; request received
_UNDER_WAY = ("", "active", "completed")
_EVENT = re.compile(r"[A-Z][A-Z0-9][0-9]\Z")


def own_numbers(drafts: Sequence[Draft]) -> None:
    """Who is merged is found by the numbers that the survivor does not have, too: both may say one person's CPF."""
    named = {draft.local: draft for draft in drafts}
    for draft in drafts:
        survivor = named.get(draft.merge_into)
        if draft.type == "Patient" and draft.action == "merge" and survivor is not None:
            draft.keys = tuple(key for key in draft.keys if key not in survivor.keys) or draft.keys


def weigh(drafts: Sequence[Draft], occurrences: Sequence[Occurrence], context: Context) -> None:
    """A lost part does not hold up the rest of its message; a message that says nothing else is an error."""
    told = {occurrence.local for occurrence in occurrences if not occurrence.plan.fill}
    if not any(draft.local in told for draft in drafts):
        return
    essential = {place(o) for o in occurrences if o.plan.essential}
    context.problems[:] = [
        dataclasses.replace(problem, level="warning")
        if problem.code == "structure.element" and problem.where not in essential
        else problem
        for problem in context.problems
    ]


def settle(context: Context) -> None:
    """What stands in a field of another kind, and was read as what it is (`rescue`), is told so."""
    context.problems[:] = [
        Problem("field.out-of-place", problem.where)
        if problem.code == "field.misplaced" and problem.where in context.rescued
        else problem
        for problem in context.problems
    ]


def look_for_what_is_missing(message: Message, plan: Plan, drafts: Sequence[Draft], context: Context) -> None:
    """Tell what a message of this type should say and does not: an expected segment, the record it is about."""
    context.problems += [Problem("structure.segment-expected", n) for n in plan.expects if not message.first(n)]
    if (told := _other_event(message, context.event)) is not None:
        context.problems.append(told)
    made = {draft.local.removeprefix(context.prefix).partition("/")[0] for draft in drafts}
    if not plan.about & made and _only_acknowledges(message, plan):
        context.ignored.update(segment.index for segment in message.named("ORC"))
        return
    if plan.about and not plan.about & made and all(p.code != "semantic.not-a-record" for p in context.problems):
        types = sorted({record.type for record in plan.records if record.name in plan.about})
        context.problems.append(Problem("semantic.no-record", "MSH-9", args=(("type", ", ".join(types)),)))


def _only_acknowledges(message: Message, plan: Plan) -> bool:
    """Whether an answer says of all that it answers that it was taken, and nothing more: the numbers and the status
    beside that are of an order, of which its own answer tells."""
    orders = message.named("ORC") if message.type in plan.acknowledges else ()
    states = {"": "", **codes("hl70038")}
    return bool(orders) and all(orc.text(1) in _TAKEN and states.get(orc.text(5)) in _UNDER_WAY for orc in orders)


def _other_event(message: Message, read: str) -> Problem | None:
    """The finding for an EVN-1 (kept for old receivers, 2.5.1 §3.4.1.1) that says another event than MSH-9, by
    which the message was `read`."""
    told, event = message.text("EVN", 1).strip().upper(), message.type.partition("^")[2]
    if told == event or event != read or not event or _EVENT.match(told) is None:
        return None
    return Problem("type.event-differs", "EVN-1", args=(("other", told), ("event", event[:3])))


def place(occurrence: Occurrence) -> str:
    """The segment that makes a record, by name and index."""
    return f"{occurrence.anchor.name}#{occurrence.anchor.index}"
