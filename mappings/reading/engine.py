"""Applies a plan to an HL7 message: drafts of records, findings, and an account of every segment.

Silent loss is a bug: each segment ends as mapped, ignored by declaration, or unmapped with a Problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canonical.problem import Problem
from canonical.records import Draft
from hl7.er7 import Message
from mappings.convert.registry import Context, Tracer
from mappings.reading import kinship
from mappings.reading.account import Account, close, close_whole
from mappings.reading.aligned import aligned
from mappings.reading.dated import dated
from mappings.reading.emptied import emptied
from mappings.reading.grouping import Grouper, Occurrence
from mappings.reading.inheriting import in_turn
from mappings.reading.mentions import one_person
from mappings.reading.nested import drop_incomplete, drop_reversed, forget, nodes, stands
from mappings.reading.repeated import number_parts
from mappings.reading.repetitions import unheard
from mappings.reading.rows import apply, read
from mappings.reading.uniting import united
from mappings.reading.weighing import look_for_what_is_missing, own_numbers, place, settle, weigh
from mappings.reading.work import Work
from mappings.tables.body import Body, required
from mappings.tables.plan import RecordPlan
from mappings.tables.serving import plan_for, read_as
from mappings.tables.site import PLAIN, Site

_OF_NOBODY = frozenset(("patient", "active", "relationship"))  # what a RelatedPerson has of whom nothing is said

# What a record without a number must say: a visit of nobody and a place without name could not be found again, and a
# diagnosis without code or words says nothing.
_OF_NO_NUMBER = {"Encounter": "subject", "Location": "name", "Condition": "code"}


@dataclass(slots=True)
class Translation:
    """The outcome of mapping one message; the account is of the segments of `message`."""

    drafts: list[Draft]
    problems: list[Problem]
    account: Account
    message: Message  # as it was read: with the segments in place that were a field off


def translate(
    message: Message, *, zone: str, prefix: str = "", site: Site = PLAIN, trace: Tracer | None = None
) -> Translation:
    """Map `message` by its plan; a type without a plan maps nothing and says so.

    `prefix` starts the local name of every draft, so that drafts of several messages can be settled together; `site`
    is what the sender's channel changes: overlay, plans, modes of repeating segments. `trace` is told of every value
    and of the row that made it.
    """
    account = Account({segment.index: "unmapped" for segment in message.segments})
    kind = read_as(message, site)
    plan = plan_for(kind, site)
    if plan is None:
        close_whole(message, account, "unmapped")
        return Translation(
            [], [Problem("type.unmapped", "MSH-9", args=(("type", message.type[:20]),))], account, message
        )
    message, empty = emptied(message, site.overlay)
    message, days = dated(message, plan.dates)
    message, shifts = aligned(message, site.overlay)
    context = Context(message, zone, prefix, site)
    context.problems += empty + days + shifts
    context.trace, context.event = trace, kind.partition("^")[2]
    occurrences = Grouper(plan, prefix).walk(message)
    works = [work for occurrence in occurrences if (work := _worked(occurrence, context)) is not None]
    drafts = [work.draft for work in works]
    if trace is not None:
        trace.begins(())
    if len(drafts) < len(occurrences):
        forget(drafts, {occurrence.local for occurrence in occurrences} - {draft.local for draft in drafts})
    own_numbers(drafts)
    weigh(drafts, occurrences, context)
    if plan.kin:
        drafts += kinship.join(occurrences, drafts, context)
    united(drafts, plan, works, trace)
    context.problems += number_parts(drafts, works, trace)
    for work in works:
        account.take(work.occurrence, work.made, work.passed)
    look_for_what_is_missing(message, plan, drafts, context)
    settle(context)
    context.problems[:] = dict.fromkeys(context.problems)  # a field two records read is told once
    account.fate.update(dict.fromkeys(context.ignored, "ignored"))
    close(message, plan, account, context.problems)
    context.problems += unheard(message, account, context.heard)
    named = _named(drafts, context)  # what is only mentioned comes last: it must not tell its number's code
    drafts = [*(d for d in named if not d.partial), *drafts, *(d for d in named if d.partial)]
    return Translation(drafts, context.problems, account, message)


def _named(drafts: Sequence[Draft], context: Context) -> list[Draft]:
    """The side records, each person once."""
    named = list(context.emitted.values())
    gone = dict(one_person(named, (*drafts, *named)))
    for went, heir in gone.items():
        if context.trace is not None:
            context.trace.united(went, heir)
    return [draft for draft in named if draft.local not in gone]


def untouched(message: Message) -> Translation:
    """The translation of a message that is only passed on: nothing stated, every segment ignored by declaration."""
    account = Account()
    close_whole(message, account, "ignored")
    return Translation([], [], account, message)


def _worked(occurrence: Occurrence, context: Context) -> Work | None:
    """The record of an occurrence and what it was made of; None where there is none, which is told."""
    plan = occurrence.plan
    if (plan.merge_into and plan.merge_into not in occurrence.parents) or set(plan.needs) - occurrence.children.keys():
        context.problems.append(Problem("semantic.merge-incomplete", place(occurrence)))
        return None
    body, initial = Body(plan.type), Body(plan.type)
    draft = Draft(local=occurrence.local, type=plan.type, body=body.value, initial=initial.value)
    work = Work(occurrence, context, body, initial, draft)
    for step in in_turn(work):
        if context.trace is not None:
            context.trace.begins(work.occurrence.within_reach(step.segment, step.owned))
        if step.plain:
            read(step, work)
        else:
            apply(step, work)
        if work.skip:
            context.problems.append(Problem("semantic.not-a-record", place(occurrence), args=(("type", plan.type),)))
            context.ignored.update(segment.index for segment in occurrence.segments())
            return None
    _finish(work)
    taken_away = draft.cleared and (draft.keys or draft.part)  # of nothing that could be found, nothing is taken away
    if not work.stated and not taken_away and draft.type != "Patient":
        return None
    return work if _complete(work) else None


def _finish(work: Work) -> None:
    """What follows from the plan: gaps only, whose part the record is, which record survives it."""
    draft, plan, parents = work.draft, work.occurrence.plan, work.occurrence.parents
    for path in draft.cleared:
        first, _, last = path.partition(".")
        if last and isinstance(draft.body.get(first), dict):
            draft.body[first].pop(last, None)
            if not draft.body[first]:
                del draft.body[first]
    left_out = [
        Problem("structure.part", place(work.occurrence), args=(("target", f"{draft.type}.{path}"),))
        for path in drop_incomplete(draft.body, draft.initial, plan)
    ]
    left_out += [Problem("field.period", place(work.occurrence)) for _ in drop_reversed(draft.body, plan)]
    if left_out:
        work.context.problems += left_out
        _forget_made(work)
    if plan.fill:
        kept = {name: value for name, value in draft.body.items() if name == "identifier"}
        draft.initial = {**draft.initial, **{n: v for n, v in draft.body.items() if n not in kept}}
        draft.body, draft.cleared = kept, ()
    if not draft.keys:
        draft.under = tuple(parents[name].local for name in plan.under if name in parents)
    if plan.merge_into:
        survivor = parents.get(plan.merge_into)
        draft.merge_into = survivor.local if survivor else ""
    draft.sources = tuple(f"{s.name}#{s.index}" for s in work.occurrence.segments())


def _forget_made(work: Work) -> None:
    """Of what was left out of the record nothing was made."""
    draft, trace = work.draft, work.context.trace
    there = nodes(draft.body, draft.initial)
    work.made = [made for made in work.made if stands(made[2], there)]
    if trace is not None:
        trace.left_out(draft.local, lambda value: stands(value, there))


def _complete(work: Work) -> bool:
    """Whether R4's required elements are there. Without them a numbered record can change what is known of it, but
    make nothing new; any other is reported, since it cannot be stored."""
    draft = work.draft
    if draft.merge_into or draft.action == "move":  # names a record by its number, to do something to it
        draft.partial = draft.type != "Patient" or draft.action not in ("", "merge")
        return True
    if draft.must_exist:
        return True
    body, initial = draft.body.keys(), draft.initial.keys()
    missing = [n[0] for n in required(draft.type) if body.isdisjoint(n) and initial.isdisjoint(n)]
    if (needed := _OF_NO_NUMBER.get(draft.type)) and not draft.keys and needed not in (body | initial):
        missing.append(needed)
    if draft.type == "RelatedPerson" and not draft.keys and body <= {"patient"} and initial <= _OF_NOBODY:
        missing.append("name")  # nothing is said of whom: what stood there was of other fields
    draft.partial = bool(missing and draft.keys) and not work.occurrence.plan.essential and not work.essential
    code = "structure.update-only" if draft.partial else "structure.element"
    for name in missing:
        problem = Problem(code, place(work.occurrence), args=(("target", f"{draft.type}.{name}"),))
        work.context.problems.append(problem)
    return draft.partial or not missing


__all__ = ["Account", "RecordPlan", "Translation", "translate", "untouched"]
