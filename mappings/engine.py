"""Applies a plan to an HL7 message: drafts of records, findings, and an account of every segment.

Silent loss is a bug: each segment ends as mapped, ignored by declaration, or unmapped with a Problem.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from canonical.problem import Problem
from canonical.records import DRAFT, Draft, Key
from hl7.er7 import NULL, Message, Segment
from mappings.body import Body
from mappings.convert import CONVERSIONS, Value
from mappings.convert.registry import Context
from mappings.convert.text import parse_dtm
from mappings.plan import Plan, RecordPlan, plans
from mappings.table import Row, table


@dataclass(slots=True)
class Account:
    """What became of each segment: index → mapped, ignored or unmapped."""

    fate: dict[int, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """`total`, `mapped`, `ignored`, `unmapped`; the last three add up to the first."""
        fates = list(self.fate.values())
        return {"total": len(fates), **{name: fates.count(name) for name in ("mapped", "ignored", "unmapped")}}


@dataclass(slots=True)
class Translation:
    """The outcome of mapping one message."""

    drafts: list[Draft]
    problems: list[Problem]
    account: Account


@dataclass(slots=True)
class _Occurrence:
    plan: RecordPlan
    anchor: Segment
    local: str
    attached: list[Segment] = field(default_factory=list)
    parents: dict[str, str] = field(default_factory=dict)

    def segments(self, name: str) -> list[Segment]:
        own = [self.anchor] if self.anchor.name == name else []
        return own + [segment for segment in self.attached if segment.name == name]


def translate(message: Message, *, zone: str, prefix: str = "") -> Translation:
    """Map `message` by its plan; a type without a plan maps nothing and says so.

    `prefix` starts the local name of every draft, so that drafts of several messages can be settled together.
    """
    account = Account({segment.index: "unmapped" for segment in message.segments})
    plan = plans().get(message.type)
    if plan is None:
        kind = message.type[:20]
        problem = Problem("type.unmapped", "MSH-9", args=(("type", kind),))
        return Translation([], [problem], account)
    context = Context(message, zone)
    drafts: list[Draft] = []
    for occurrence in _occurrences(message, plan, account, prefix):
        draft = _draft(occurrence, message, context)
        if draft is not None:
            drafts.append(draft)
    _settle(message, plan, account, context.problems)
    return Translation(drafts + context.emitted, context.problems, account)


def _occurrences(message: Message, plan: Plan, account: Account, prefix: str) -> list[_Occurrence]:
    """One occurrence for each anchor segment, with the segments that belong to it by position."""
    found: list[_Occurrence] = []
    leading: dict[str, list[Segment]] = {}
    counters: dict[str, int] = {}
    anchors = {record.anchor for record in plan.records}
    for segment in message.segments:
        if segment.name in plan.header:
            account.fate[segment.index] = "mapped"
        if segment.name not in anchors:
            if not _attach(segment, found, plan, leading, account):
                continue
            continue
        for record in (r for r in plan.records if r.anchor == segment.name):
            account.fate[segment.index] = "mapped"
            if _joins(segment, record, found):
                continue
            counters[record.name] = counters.get(record.name, 0) + 1
            number = counters[record.name]
            local = prefix + (record.name if number == 1 else f"{record.name}/{number}")
            occurrence = _Occurrence(record, segment, local)
            for name in record.lead:
                occurrence.attached += leading.get(name, [])
            occurrence.parents = {o.plan.name: o.local for o in found}
            found.append(occurrence)
        for record in (r for r in plan.records if r.anchor == segment.name):
            for name in record.lead:
                leading.pop(name, None)
    return found


def _attach(
    segment: Segment, found: list[_Occurrence], plan: Plan, leading: dict[str, list[Segment]], account: Account
) -> bool:
    attached = False
    for occurrence in reversed(found):
        if segment.name in occurrence.plan.follow:
            occurrence.attached.append(segment)
            account.fate[segment.index] = "mapped"
            attached = True
            break
    if any(segment.name in record.lead for record in plan.records):
        leading.setdefault(segment.name, []).append(segment)
        account.fate[segment.index] = "mapped"
        attached = True
    return attached


def _joins(segment: Segment, record: RecordPlan, found: list[_Occurrence]) -> bool:
    """Whether this anchor continues the previous record (several OBX of one text)."""
    if not record.join or not found or found[-1].plan is not record:
        return False
    last = found[-1]
    for place in record.join:
        number = int(place.partition("-")[2])
        if segment.raw_field(number) != last.anchor.raw_field(number):
            return False
    last.attached.append(segment)
    return True


def _draft(occurrence: _Occurrence, message: Message, context: Context) -> Draft | None:
    body = Body(occurrence.plan.type)
    draft = Draft(local=occurrence.local, type=occurrence.plan.type, body=body.value)
    for name in occurrence.plan.tables:
        for row in table(name):
            _apply(row, occurrence, message, context, body, draft)
    if not draft.keys and not draft.body:
        return None
    draft.sources = tuple(f"{s.name}#{s.index}" for s in (occurrence.anchor, *occurrence.attached))
    return draft


def _apply(row: Row, occurrence: _Occurrence, message: Message, context: Context, body: Body, draft: Draft) -> None:
    path = row.target.partition(".")[2]
    if row.reference:
        local = occurrence.parents.get(row.reference)
        if local:
            body.put(path, {"reference": DRAFT + local})
        return
    if row.source is None:
        if row.when != "absent" or path.split(".")[0].split("[")[0] not in body.value:
            body.put(path, _constant(row.constant))
        return
    for segment in occurrence.segments(row.source.segment) or _shared(row, message, occurrence):
        _field(row, segment, context, body, draft, path)


def _constant(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _shared(row: Row, message: Message, occurrence: _Occurrence) -> Iterator[Segment]:
    """Header segments (MSH, EVN, PID, PV1) are shared by all records of their group: the nearest one above."""
    source = row.source
    if source is None or source.segment == occurrence.anchor.name:
        return
    above = None
    for segment in message.segments:
        if segment.name == source.segment and (above is None or segment.index < occurrence.anchor.index):
            above = segment
    if above is not None:
        yield above


def _field(row: Row, segment: Segment, context: Context, body: Body, draft: Draft, path: str) -> None:
    source = row.source
    if source is None:
        return
    if segment.raw_field(source.field) == NULL:
        draft.cleared += (path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0],)
        return
    if row.when == "absent" and path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0] in body.value:
        return
    function = CONVERSIONS.get(row.convert)
    if function is None:
        raise LookupError(f"{row.place}: conversion {row.convert!r}")
    for raw in segment.repetitions(source.field):
        value = Value(raw, source, segment.delimiters, segment)
        if row.when.startswith("equals:") and value.whole() != row.when[7:]:
            continue
        converted = function(value, context, row.argument)
        if converted is None:
            continue
        _store(converted, path, value, context, body, draft)


def _store(converted: Any, path: str, value: Value, context: Context, body: Body, draft: Draft) -> None:
    if path == "@key" and isinstance(converted, Key):
        draft.keys += (converted,)
    elif path == "@from" and isinstance(converted, Key):
        draft.merged_from += (converted,)
    elif path == "@time":
        moment = parse_dtm(value.whole(), context.zone)
        if isinstance(moment, datetime.datetime) and draft.event_at is None:
            draft.event_at = moment
    elif path == "@must-exist":
        draft.must_exist = draft.must_exist or converted == "true"
    elif path.endswith("[x]"):
        name, chosen = converted
        body.put(path[:-3] + name, chosen)
    elif not body.put(path, converted):
        context.problems.append(value.problem("structure.repetition-lost", target=path))


def _settle(message: Message, plan: Plan, account: Account, problems: list[Problem]) -> None:
    """Every segment left over is ignored by declaration or reported."""
    for segment in message.segments:
        if account.fate[segment.index] != "unmapped":
            continue
        if segment.name in plan.ignored:
            account.fate[segment.index] = "ignored"
        else:
            problems.append(Problem("structure.segment-unmapped", f"{segment.name}#{segment.index}"))
