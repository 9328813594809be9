"""Applies a plan to an HL7 message: drafts of records, findings, and an account of every segment.

Silent loss is a bug: each segment ends as mapped, ignored by declaration, or unmapped with a Problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from canonical.extensions import EXTENSIONS
from canonical.problem import Problem
from canonical.records import DRAFT, Draft
from hl7.er7 import NULL, Message, Segment
from mappings.convert import Value
from mappings.convert.registry import LINKS, Context, Tracer
from mappings.reading import kinship
from mappings.reading.account import Account, close, close_whole, populated
from mappings.reading.aligned import aligned
from mappings.reading.dated import dated
from mappings.reading.grouping import Grouper, Occurrence
from mappings.reading.inheriting import in_turn
from mappings.reading.mentions import one_person
from mappings.reading.nested import drop_incomplete, drop_reversed, forget, nodes, once, stands
from mappings.reading.repeated import number_parts
from mappings.reading.repetitions import unheard
from mappings.reading.step import Step
from mappings.reading.twins import differs, place_of
from mappings.reading.uniting import united
from mappings.reading.weighing import look_for_what_is_missing, own_numbers, place, settle, weigh
from mappings.reading.work import SPECIAL, Work
from mappings.tables.body import Body, compiled, required
from mappings.tables.plan import RecordPlan
from mappings.tables.serving import plan_for, read_as
from mappings.tables.site import PLAIN, Site

_OF_NOBODY = frozenset(("patient", "active", "relationship"))  # what a RelatedPerson has of whom nothing is said
_GROUPED = frozenset(("participant", "telecom", "location"))


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
    message, days = dated(message, plan.dates)
    message, shifts = aligned(message, site.overlay)
    context = Context(message, zone, prefix, site)
    context.problems += days + shifts
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
            _read(step, work)
        else:
            _apply(step, work)
        if work.skip:
            context.problems.append(Problem("semantic.not-a-record", place(occurrence), args=(("type", plan.type),)))
            context.ignored.update(segment.index for segment in occurrence.segments())
            return None
    _finish(work)
    taken_away = draft.cleared and (draft.keys or draft.part)  # of nothing that could be found, nothing is taken away
    if not work.stated and not taken_away and draft.type != "Patient":
        return None
    return work if _complete(work) else None


def _read(step: Step, work: Work) -> None:
    """A row that reads a field, one repetition at a time."""
    number, occurrence, context = step.number, work.occurrence, work.context
    for segment in occurrence.own.get(step.segment) or occurrence.within_reach(step.segment, step.owned):
        fields = segment.fields()
        raw = fields[number] if number < len(fields) else ""
        if not raw:
            continue
        if step.late and step.path in work.done:
            _pass_over(step, segment, raw, work)
            continue
        if raw == NULL:
            _clear(step, work)
            continue
        repeats = segment.delimiters.repetition in raw
        heard = context.heard.setdefault((segment.index, number), set()) if repeats else None
        for repetition in once(segment.split(raw, number)) if repeats else (raw,):
            value = Value(repetition.strip(" "), step.source, segment)
            if step.equals and value.whole() != step.equals:
                continue
            before, told = segment.asked, len(context.problems)
            converted = step.function(value, context, step.argument)
            if converted is not None:
                _store(step, converted, value, work)
                work.note(segment, step, converted)
            if heard is not None and (converted is not None or len(context.problems) > told):
                heard.add(repetition)
            segment.asked = before


def _apply(step: Step, work: Work) -> None:
    """A row that reads no field, or all of them together."""
    row = step.row
    if row.reference or row.children:
        _relate(step, work)
    elif row.source is None:
        if not row.when or step.path not in work.done:
            _put(step, work, step.made, 0)
    elif not step.late or step.path not in work.done:
        _gather(step, work.occurrence.within_reach(step.segment, step.owned), work)
    else:
        for segment in work.occurrence.within_reach(step.segment, step.owned):
            if raw := segment.raw_field(step.number):
                _pass_over(step, segment, raw, work)


def _pass_over(step: Step, segment: Segment, raw: str, work: Work) -> None:
    """A field that only fills a gap, where an earlier one spoke: that is told where both should say the same and do
    not (`mappings.reading.twins`), and to the trace."""
    taken, context = work.done[step.path], work.context
    if raw == NULL or not populated(raw, segment.delimiters):
        return
    work.passed.append((segment.index, 1 << step.number))
    if context.trace is not None:
        context.trace.passed(step.row, segment.index, step.number, taken[1] if taken else None)
    if step.twins and taken is not None and place_of(taken[1]) in step.twins and differs(step, segment, taken, context):
        value = Value(raw, step.source, segment)
        context.problems.append(value.problem("field.differs", other=place_of(taken[1])))


def _relate(step: Step, work: Work) -> None:
    row, occurrence = step.row, work.occurrence
    if row.reference:
        parent = occurrence.parents.get(row.reference)
        if parent is not None and (not row.nearness or (row.nearness == "!") == occurrence.nearest(parent)):
            _put(step, work, {"reference": DRAFT + parent.local}, 0)
        return
    head, _, last = step.path.rpartition(".")
    for child in occurrence.children.get(row.children, ()):
        reference = {"reference": DRAFT + child.local}
        if head:
            more = LINKS[row.convert](child.anchor, work.context, row.argument) if row.convert else {}
            linked = {last: reference, **more}
            work.body.put(head, linked)
            _tell(step, work, head, linked, None)
        else:
            _put(step, work, reference, 0)


def _gather(step: Step, segments: Sequence[Segment], work: Work) -> None:
    """A conversion that reads all repetitions of all its segments together."""
    values = [Value(raw, step.source, s) for s in segments for raw in s.repetitions(step.number) or [""] if raw != NULL]
    before = {value.segment: value.segment.asked for value in values}
    converted = step.gather(values, work.context, step.row.argument) if values else None
    if converted is not None:
        _store_all(step, converted, values, work)
    several = isinstance(converted, list) and len(converted) > 1
    told = {values[0].segment, *(() if several else (value.segment for value in values if value.raw))} if values else ()
    for segment, asked in before.items():
        if converted is not None:
            work.note(segment, step, converted)
            if segment.delimiters.repetition in segment.raw_field(step.number):
                heard = work.context.heard.setdefault((segment.index, step.number), set())
                heard.update(segment.repetitions(step.number))
            if work.context.trace is not None and segment not in told:
                work.context.trace.gathered(step.row, segment, step.number)
        segment.asked = asked


def _store_all(step: Step, converted: Any, values: Sequence[Value], work: Work) -> None:
    """What a gatherer made: one value, or several with a path of its own each."""
    for path, value in converted if isinstance(converted, list) else [("", converted)]:
        if path:
            if not work.body.put(path, value):
                lost = values[0].problem("structure.repetition-lost", target=f"{work.draft.type}.{path}")
                work.context.problems.append(lost)
            work.done.setdefault(step.path, (value, values[0]))
            work.stated = True
            _tell(step, work, path, value, values[0])
        else:
            _store(step, value, values[0], work)
    if work.context.trace is not None and not (isinstance(converted, list) and len(converted) > 1):
        _tell_others(step, work, converted, values)


def _tell_others(step: Step, work: Work, converted: Any, values: Sequence[Value]) -> None:
    """Tell the trace of the further fields one value was made of: lines of a text or a note, pieces of a file."""
    path, made = step.path, converted
    if isinstance(made, list):
        path, made = next(((one or path, value) for one, value in made), (path, None))
    elif path.endswith("[x]"):
        path, made = path[:-3] + made[0], made[1]
    further = {value.segment.index: value for value in values[1:] if value.raw}
    for index, value in further.items():
        if index != values[0].segment.index:
            _tell(step, work, path, made, value)


def _clear(step: Step, work: Work) -> None:
    if step.path.startswith("@") or step.path in ("identifier", "status") or step.row.when == "new":
        return
    name = step.clears
    if step.path == "extension":
        address = EXTENSIONS.get(step.row.argument, step.row.argument)
        name = f"extension:{address}" if address else ""  # a row that looks for another field's content takes none away
    elif step.path in _GROUPED:
        name = f"{step.path}:{step.row.argument}"
    if name and not _needed(name, work.draft.type):  # R4 would refuse the rest
        work.draft.cleared += (name,)


@cache
def _needed(name: str, type_name: str) -> bool:
    """Whether a resource of this type must have the element, or one of the choice."""
    if name.endswith("[x]"):
        return any(other.startswith(name[:-3]) for names in required(type_name) for other in names)
    return any(name in names for names in required(type_name))


def _store(step: Step, converted: Any, value: Value, work: Work) -> None:
    if step.owned:
        work.stated = True
    work.done.setdefault(step.path, (converted, value))
    if step.path.startswith("@"):
        SPECIAL[step.path](converted, value, work)
        _tell(step, work, step.path, converted, value)
    elif step.path.endswith("[x]"):
        name, chosen = converted
        _put(step, work, chosen, value.segment.index, step.path[:-3] + name, value)
    elif isinstance(converted, list):
        for item in converted:
            _put(step, work, item, value.segment.index, "", value)
    else:
        _put(step, work, converted, value.segment.index, "", value)


def _put(step: Step, work: Work, converted: Any, segment: int, path: str = "", value: Value | None = None) -> None:
    target, context = work.initial if step.new else work.body, work.context
    work.done.setdefault(step.path, None)
    way = step.way if step.way is not None and not path else compiled(target.type, path)
    if not target.put_at(way, converted, segment) and value is not None:
        context.problems.append(value.problem("structure.repetition-lost", target=step.row.target))
    elif context.trace is not None:
        _tell(step, work, path or step.path, converted, value)
    if context.contained:
        _contain(step, work, target, value)


def _contain(step: Step, work: Work, target: Body, value: Value | None) -> None:
    """Put what the row's value refers to inside the record."""
    for resource in work.context.contained:
        target.put("contained", resource)
        _tell(step, work, "contained", resource, value)
    work.context.contained.clear()


def _tell(step: Step, work: Work, path: str, made: Any, value: Value | None) -> None:
    """Tell the trace, when there is one, what a row made and from where."""
    if work.context.trace is not None:
        work.context.trace.note(work.draft.local, path, step.row, made, value)


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
    if draft.type == "Encounter" and not draft.keys and "subject" not in (body | initial):
        missing.append("subject")  # it is nobody's, and could not be found again
    if draft.type == "RelatedPerson" and not draft.keys and body <= {"patient"} and initial <= _OF_NOBODY:
        missing.append("name")  # nothing is said of whom: what stood there was of other fields
    draft.partial = bool(missing and draft.keys) and not work.occurrence.plan.essential and not work.essential
    code = "structure.update-only" if draft.partial else "structure.element"
    for name in missing:
        problem = Problem(code, place(work.occurrence), args=(("target", f"{draft.type}.{name}"),))
        work.context.problems.append(problem)
    return draft.partial or not missing


__all__ = ["Account", "RecordPlan", "Translation", "translate", "untouched"]
