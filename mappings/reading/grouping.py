"""Groups the segments of a message into record occurrences by position, as a plan tells (facts: OBX belongs to the
nearest OBR or SPM above). Segments that belong nowhere are left over, never dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from canonical.records import Draft
from hl7.er7 import Message, Segment
from mappings.convert.embedded import FILE, Files
from mappings.convert.misplaced.results import late_holder, measured, no_material
from mappings.convert.whose import named
from mappings.reading.prior import told_before
from mappings.tables.plan import Plan, RecordPlan

_NOTE = "NTE"
_TYPE = 2  # OBX
_SOURCE = ((1, 1), (1, 2), (2, 1), (3, 1), (4, 1))  # of SPS: a material, its words, additive, description, site
_MATERIAL = 15  # OBR
_PARTICIPATION = "PRT"
_ORDER = "request"
_INDEX = attrgetter("index")
_ENDS_EARLIER = frozenset(("PID", "ORC", "OBR"))
_STAY = frozenset(("MSH", "EVN", "SFT"))


@dataclass(slots=True)
class Occurrence:
    """One record to be: its own segments by name, the segments above it, and its relatives by record name.

    `inherited` is what led the first record of a run below one lead: it says of this one what it does not say itself.
    """

    plan: RecordPlan
    anchor: Segment
    local: str
    own: dict[str, list[Segment]]
    above: dict[str, Segment]
    parents: dict[str, Occurrence]
    children: dict[str, list[Occurrence]] = field(default_factory=dict)
    inherited: tuple[Segment, ...] = ()

    def attach(self, segment: Segment) -> None:
        """Add a segment that belongs to this record."""
        self.own.setdefault(segment.name, []).append(segment)

    def nearest(self, parent: Occurrence) -> bool:
        """Whether no other record above stands between `parent` and this one."""
        above = [held.anchor.index for held in self.parents.values() if held.anchor.index < self.anchor.index]
        return bool(above) and parent.anchor.index == max(above)

    def within_reach(self, name: str, owned: bool) -> Sequence[Segment]:
        """Own segments of that name; else the nearest one above, unless the record would own such segments itself."""
        own = self.own.get(name)
        if own is not None:
            return own
        above = None if owned else self.above.get(name)
        return () if above is None else (above,)

    def said(self, names: Sequence[tuple[str, bool]]) -> tuple[int, ...]:
        """The fields that are not empty, as bits, for each name of segments within reach."""
        found, own, above = [], self.own, self.above
        for name, owned in names:
            bits = 0
            if name in own:
                for segment in own[name]:
                    bits |= segment.said()
            elif not owned and name in above:
                bits = above[name].said()
            found.append(bits)
        return tuple(found)

    def segments(self) -> list[Segment]:
        """All own segments in message order."""
        found = [segment for group in self.own.values() for segment in group]
        return sorted(found, key=_INDEX) if len(found) > 1 else found

    def ordered(self, name: str) -> Sequence[Segment]:
        """The segments of that name that led it, or the record whose lead it inherits."""
        return self.own.get(name) or [segment for segment in self.inherited if segment.name == name]

    def heir(self) -> Occurrence:
        """The same record, with nothing but what it inherits."""
        own: dict[str, list[Segment]] = {}
        for segment in self.inherited:
            own.setdefault(segment.name, []).append(segment)
        return Occurrence(self.plan, self.anchor, self.local, own, {}, {})


class Grouper:
    """Walks a message once and collects occurrences."""

    def __init__(self, plan: Plan, prefix: str) -> None:
        self.found: list[Occurrence] = []
        self._plan = plan
        self._prefix = prefix
        self._leads = plan.leads()
        self._anchored: dict[str, list[RecordPlan]] = {}
        self._anchored_before: dict[str, list[RecordPlan]] = {}  # of results told before
        self._some = any(record.without or record.wants for record in plan.records)
        self._alone_first = [record for record in plan.records if record.alone]
        for record in plan.records:
            by_name = self._anchored_before if record.told_before else self._anchored
            by_name.setdefault(record.anchor, []).append(record)
        self._follow = frozenset(name for record in plan.records for name in record.follow)
        self._pending: list[Segment] = []
        self._above: dict[str, Segment] = {}
        self._current: dict[str, Occurrence] = {}  # the latest opened last
        self._at: dict[int, list[Occurrence]] = {}
        self._counters: dict[str, int] = {}
        self._last: Segment | None = None
        self._before: Segment | None = None  # the last that is no participation: 2.8 has them between OBR and its ORC
        self._files = Files()
        self._early: list[Segment] = []
        self._took: Occurrence | None = None  # the record that took the segment before, when it may have notes
        self._earlier: frozenset[int] = frozenset()
        self._asked, self._answer = (0, 0), ""  # what a condition asked last, and what it was told
        self._told_before = False  # whether what stands here is a result told before

    def walk(self, message: Message) -> list[Occurrence]:
        """All occurrences of `message` in order."""
        if self._some:
            self._leave_out(frozenset(segment.name for segment in message.segments))
        if self._anchored_before:
            self._earlier = told_before(message)
        for segment in message.segments:
            self._enter(segment)
            if segment.name == "OBX":
                self._files.takes_behind(segment, self._last)
            records = [r for r in self._anchored_here(segment.name) if self._admits(r, segment)]
            if segment.name == "PID" and self._plan.anonymous and not named(segment):
                records = []
            if records:
                self._keep(segment)
                self._anchor(segment, records)
            elif segment.name in self._leads and self._starts(segment):
                self._lead(segment)
            elif not (self._pending and segment.name in self._follow and self._joins_pending(segment)):
                self._attach(segment)
            self._last = segment
            if segment.name != _PARTICIPATION:
                self._before = segment
        self._flush()
        self._meet_late()
        self._take_early()
        self._put_below_first()
        self._take_beside()
        return self.found

    def _enter(self, segment: Segment) -> None:
        """What a segment begins, beside records: a patient's part of the message, an order, results told before."""
        if segment.name in _ENDS_EARLIER:
            self._told_before = segment.index in self._earlier
        if segment.name == "PID":
            self._flush()
            self._above = {name: held for name, held in self._above.items() if name in _STAY}
        self._above[segment.name] = segment

    def _anchored_here(self, name: str) -> list[RecordPlan]:
        """The records that such a segment begins; among results told before those that are made for them, if any."""
        return (self._told_before and self._anchored_before.get(name)) or self._anchored.get(name, [])

    def _put_below_first(self) -> None:
        """Of followers that stand on both sides of an anchor, those below it, which are its own, come first."""
        for occurrence in self.found:
            for name in occurrence.plan.below_first:
                if len(held := occurrence.own.get(name, ())) > 1:
                    anchor = occurrence.anchor.index
                    occurrence.own[name] = sorted(held, key=lambda one: (one.index < anchor, one.index))

    def _take_beside(self) -> None:
        """What stands with the order of a record, above or else below it, and is said of that record too."""
        for occurrence in [held for held in self.found if held.plan.takes]:
            above = occurrence.parents.get(_ORDER)
            for order in [above] if above else occurrence.children.get(_ORDER, ()):
                for segment in (each for name in occurrence.plan.takes for each in order.own.get(name, ())):
                    occurrence.attach(segment)

    def _take_early(self) -> None:
        """Notes above all records are of the whole message: the first record it is about that takes notes has them."""
        first = next((o for o in self.found if o.plan.name in self._plan.about and _NOTE in o.plan.follow), None)
        if first is not None and self._early:
            first.own[_NOTE] = [*self._early, *first.own.get(_NOTE, ())]

    def _leave_out(self, present: frozenset[str]) -> None:
        def made(record: RecordPlan) -> bool:
            return record.without not in present and (not record.wants or record.wants in present)

        for name, records in self._anchored.items():
            self._anchored[name] = [record for record in records if made(record)]
        self._alone_first = [record for record in self._alone_first if made(record)]

    def _meet_late(self) -> None:
        """Relatives that come below the record: the first of that name after it."""
        following: dict[str, Occurrence] = {}
        for occurrence in reversed(self.found):
            for name in occurrence.plan.late:
                met = following.get(name)
                if met is not None and met.parents.get("report") is occurrence.parents.get("report"):
                    occurrence.parents.setdefault(name, met)
            following[occurrence.plan.name] = occurrence

    def _anchor(self, segment: Segment, records: list[RecordPlan]) -> None:
        taken = [held for held in self._pending if any(held.name in r.lead for r in records)]
        waiting = self._pending
        if taken:
            self._pending = []
        for record in records:
            if not taken and self._continues(segment, record):
                continue
            leading = [s for s in waiting if taken and (s.name in record.lead or s.name in record.follow)]
            self._open(record, segment, leading)

    def _keep(self, segment: Segment) -> None:
        """A segment that begins a record is also one of the record above that keeps such segments."""
        for occurrence in self._current.values():
            if segment.name in occurrence.plan.keeps:
                occurrence.attach(segment)

    def _open(self, record: RecordPlan, anchor: Segment, leading: list[Segment]) -> None:
        number = self._counters.get(record.name, 0) + 1
        self._counters[record.name] = number
        inherited = self._inherited(record) if record.inherits and not leading else ()
        local = self._prefix + (record.name if number == 1 else f"{record.name}/{number}")
        for other in self._plan.records:
            if record.name in other.within:
                self._current.pop(other.name, None)
        parents = {name: held for name, held in self._current.items() if name != record.name}
        above = dict(self._above)
        leading = leading or [above[name] for name in record.lead if name in record.shared and name in above]
        occurrence = Occurrence(record, anchor, local, {}, above, parents, inherited=inherited)
        for segment in (*leading, anchor):
            occurrence.attach(segment)
        for parent in parents.values():
            parent.children.setdefault(record.name, []).append(occurrence)
        self._current.pop(record.name, None)
        self._current[record.name] = self._took = occurrence
        self._at.setdefault(anchor.index, []).append(occurrence)
        self.found.append(occurrence)

    def _inherited(self, record: RecordPlan) -> tuple[Segment, ...]:
        """What led the record of this kind before, if its lead is still the nearest above: ORC, OBR, OBR."""
        before = self._current.get(record.name)
        if before is None:
            return ()
        led = tuple(one for one in before.segments() if one.index < before.anchor.index) or before.inherited
        return led if any(one is self._above.get(record.lead[0]) for one in led) else ()

    def _continues(self, segment: Segment, record: RecordPlan) -> bool:
        """Whether this anchor continues the record just before it (several OBX of one text)."""
        last = self.found[-1] if self.found else None
        if not record.join or last is None or last.plan is not record or self._last is None:
            return False
        if self._last.name != segment.name or last.own[segment.name][-1] is not self._last:
            return False
        kind, *same = (int(place.partition("-")[2]) for place in record.join)
        if self._said(segment, kind) not in record.join_among:
            return False
        one = last.anchor.raw_field(kind)
        if one != segment.raw_field(kind) and one.strip() not in record.join_among:
            return False
        line = segment is self._files.last and self._files.piece  # some number the lines of one RTF in OBX-4
        if not line and any(segment.raw_field(number) != last.anchor.raw_field(number) for number in same):
            return False
        if measured(segment) or measured(last.anchor):
            return False
        last.attach(segment)
        return True

    def _admits(self, record: RecordPlan, segment: Segment) -> bool:
        """Whether a record's conditions let this segment be its anchor."""
        if not record.where:
            return True
        number = record.where_field
        if self._asked != (segment.index, number):  # records of one anchor mostly ask for the same
            self._asked, self._answer = (segment.index, number), self._said(segment, number)
        value = self._answer
        if record.below and record.below in self._current and value in record.unless_below:
            return False
        return value in record.among if record.among else value not in record.unless

    def _said(self, segment: Segment, number: int) -> str:
        """What a field says that decides over records; a file is one whatever type OBX-2 claims."""
        if segment is self._files.last and number == _TYPE:
            return FILE
        astray = (segment.name == "OBR" and number == _MATERIAL and no_material(segment)) or (
            segment.name == "IN1" and late_holder(segment)
        )
        if astray or segment.name != "OBR" or number != _MATERIAL:
            return "" if astray else segment.text(number).strip()
        return next((said for part in _SOURCE if (said := segment.text(number, *part).strip())), "")

    def _starts(self, segment: Segment) -> bool:
        """Whether a lead belongs to the record below it: always, unless it also follows and nothing is open.

        OUL puts ORC behind its OBR, other senders before it: just behind an anchor that takes it, it belongs to that
        one (behind SPM, which takes none, to the OBR below).
        """
        if self._pending or segment.name not in self._follow:
            return True
        before = self._anchored.get(self._before.name, ()) if self._before is not None else ()
        return self._begins(segment.name) and not any(segment.name in record.follow for record in before)

    def _lead(self, segment: Segment) -> None:
        again = any(held.name == segment.name for held in self._pending)
        if again and (self._alone(segment.name) or self._begins(segment.name)):
            self._flush()  # what the one before led to has no record here: it leads to nothing else
        self._pending.append(segment)

    def _joins_pending(self, segment: Segment) -> bool:
        first = self._pending[0].name
        if any(first in r.lead and segment.name in r.follow for r in self._plan.records):
            self._pending.append(segment)
            return True
        return False

    def _begins(self, name: str) -> bool:
        """Whether segments of that name are the first lead of some record."""
        return any(record.lead[:1] == (name,) for record in self._plan.records)

    def _alone(self, name: str) -> bool:
        return any(record.alone and record.lead[:1] == (name,) for record in self._plan.records)

    def _flush(self) -> None:
        """Leads without an anchor become a record by themselves where the plan says so."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        for record in self._alone_first:
            if record.lead[:1] == (pending[0].name,):
                self._open(record, pending[0], pending[1:])

    def _attach(self, segment: Segment) -> None:
        """To the nearest record above that takes such segments; a note to the one that took the segment above it."""
        if segment.name == _NOTE and not self.found and not self._pending:
            self._early.append(segment)
            return
        latest = [*reversed(self._current.values())]
        first = [held for held in latest if segment.name in held.plan.claims]
        if segment.name in (_NOTE, _PARTICIPATION) and self._took is not None and self._took in latest:
            first.append(self._took)
        for occurrence in (*first, *latest):
            if segment.name in occurrence.plan.follow:
                for other in self._at[occurrence.anchor.index]:
                    if segment.name in other.plan.follow:
                        other.attach(segment)
                        self._share(segment, other)
                self._took = occurrence
                return
        self._took = None

    def _share(self, segment: Segment, last: Occurrence) -> None:
        """What follows the last of a run of records is said of those before it too, up to one that has its own."""
        name, plan = segment.name, last.plan
        if name not in plan.shared:
            return
        for other in reversed([held for held in self.found if held.plan is plan and held is not last]):
            same = all(other.own.get(lead) == last.own.get(lead) for lead in plan.lead if lead in plan.shared)
            if not same or other.own.get(name, []) != last.own[name][:-1]:
                return
            other.attach(segment)


def unite(drafts: list[Draft], plan: Plan) -> list[tuple[str, str]]:
    """Make one record of those that `unite` says are one; returns the local names that went, each with its heir."""
    lists = {record.type: record.unite for record in plan.records if record.unite}
    first: dict[tuple[str, tuple[str, ...], str], Draft] = {}
    gone: list[tuple[str, str]] = []
    for draft in [each for each in drafts if lists.get(each.type) and not each.keys]:
        heir = first.setdefault((draft.type, draft.under[:1], draft.part), draft)
        if heir is not draft:
            heir.body.setdefault(lists[draft.type], []).extend(draft.body.get(lists[draft.type], ()))
            heir.sources += draft.sources
            drafts.remove(draft)
            gone.append((draft.local, heir.local))
    return gone
