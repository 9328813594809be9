"""What a row of a table does to the record under construction: reads its field, converts it, puts the value in place.

These few functions run for each row and each record of a feed; what they need of a row stands ready in its `Step`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from canonical.extensions import EXTENSIONS
from canonical.records import DRAFT
from hl7.er7 import NULL, Segment
from mappings.convert import Value
from mappings.convert.registry import LINKS
from mappings.reading.account import populated
from mappings.reading.nested import once
from mappings.reading.step import Step
from mappings.reading.twins import differs, place_of
from mappings.reading.work import SPECIAL, Work
from mappings.tables.body import Body, compiled, required

_GROUPED = frozenset(("participant", "telecom", "location"))


def read(step: Step, work: Work) -> None:
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


def apply(step: Step, work: Work) -> None:
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
    work.passed.append((segment.index, step.bit))
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
    converted = step.gather(values, work.context, step.argument) if values else None
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
    if step.special or step.path in ("identifier", "status") or step.new:
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
    if step.special:
        SPECIAL[step.path](converted, value, work)
        if work.context.trace is not None:
            _tell(step, work, step.path, converted, value)
    elif step.way is None:
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
