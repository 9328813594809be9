"""Every component and subcomponent of a field that is read has a place, a finding or a reason (`mappings/parts.csv`).

A message is made of each structure; each part of each of its fields is taken away, or put there, and what the mapping
says of the message must change: in whole fields, where nothing else is filled, beside the first component and without it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Collection, Iterator
from functools import partial

import pytest

from canonical.records import Draft
from hl7 import er7
from hl7.er7 import Message, Segment
from hl7.versions.table import Item, Version, version_named
from mappings.reading.engine import translate
from mappings.reading.parts import declared_parts, left, reason_for
from mappings.reading.program import program
from mappings.tables.plan import Plan
from mappings.tables.serving import plan_for, plans
from tests.mappings.accounted.test_hl7_every_segment import made, value

ZONE, VERSION = "America/Sao_Paulo", "2.5.1"
MOMENT = "202601021003"
COMMON = {"ADT^A01": ("PID", "PV1", "NK1", "DG1"), "ORU^R01": ("OBR", "OBX", "SPM"), "RDE^O11": ("RXE", "TQ1")}
AROUND = {
    "PID": (1, 3, 5),
    "PV1": (1, 2, 19),
    "ORC": (1, 2, 3),
    "OBR": (1, 2, 3, 4),
    "SCH": (1, 2, 25),
}  # else others would be nobody's
DIFFERS = "field.differs"  # that another field says other than this one gives its parts no place
ENOUGH = 8  # messages that show of a field nobody reads by some rows that it is so, as hundreds of the same rows do
LOST = {"field.nothing-made", "field.unmapped"}  # tell that a part is lost, and give it no place
Part = tuple[int, int]
Args = tuple[tuple[str, str], ...]
SAID: dict[
    bytes, tuple[bytes, bytes]
] = {}  # what the test of the common segments asked, the test of every field asks again


def told(lines: list[str]) -> tuple[Message, str, dict[int, int]]:
    """The message, all that its mapping says, and the fields that it reads of each segment."""
    message, drafts, findings, read = mapped(lines)
    return message, repr((drafts, findings)), read


def mapped(lines: list[str]) -> tuple[Message, list[Draft], list[tuple[str, str, Args]], dict[int, int]]:
    """The message, the records it makes, what is found (code, place, arguments), and the fields read of each segment."""
    message = er7.read(("\r".join(lines) + "\r").encode())
    assert isinstance(message, Message)
    translation = translate(message, zone=ZONE)
    account = translation.account
    read = {s.index: account.read.get(s.index, 0) | account.mapped(s) for s in message.segments}
    findings = [(p.code, p.where, p.args) for p in translation.problems if p.code != DIFFERS]
    drafts = [
        dataclasses.replace(draft, part="") for draft in translation.drafts
    ]  # what tells records apart says nothing
    return message, drafts, findings, {n: b for n, b in read.items() if account.fate[n] == "mapped"}


def said_of(lines: list[str]) -> tuple[bytes, bytes]:
    """What stands for all that the mapping says of a message, the same for the same message; and for that without the
    findings of fields that nothing became of."""
    key = digest("\r".join(lines))
    if key not in SAID:
        _, drafts, findings, _ = mapped(lines)
        kept = [one for one in findings if one[0] not in LOST]
        SAID[key] = digest(repr((drafts, findings))), digest(repr((drafts, kept)))
    return SAID[key]


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def parts_of(kind: str, version: Version) -> Iterator[tuple[Part, Item]]:
    for component, item in enumerate(version.types.get(kind, ()), start=1):
        inner = version.types.get(item.type, ())
        for sub, one in enumerate(inner if len(inner) > 1 else (item,), start=1):
            if item.use != "X" and one.use != "X":
                yield (component, sub), one


def filled(item: Item, place: str, nth: int) -> str:
    """A value for a part: a code of its table, else what is recognised."""
    if item.type in ("DT", "DTM", "TS"):
        return MOMENT[: 8 if item.type == "DT" else None]
    if item.type in ("NM", "SI", "TM"):
        return f"{10 + nth:02d}"
    return value("", Item("O", 1, "ID", item.table)) if item.table else f"Q{place[:3]}{nth}z"


def put(raw: str, part: Part, text: str) -> str:
    components = raw.split("^")
    components += [""] * (part[0] - len(components))
    subs = components[part[0] - 1].split("&")
    subs += [""] * (part[1] - len(subs))
    subs[part[1] - 1] = text
    components[part[0] - 1] = "&".join(subs).rstrip("&")
    return "^".join(components).rstrip("^")


def has(raw: str, part: Part) -> bool:
    components = raw.split("^")
    subs = components[part[0] - 1].split("&") if len(components) >= part[0] else []
    return len(subs) >= part[1] and bool(subs[part[1] - 1])


class Audit:
    """What of a field makes no difference to what a message says."""

    def __init__(self, lines: list[str], at: int, number: int) -> None:
        self._lines, self._at, self._number = lines, at, number
        self._known: dict[str, tuple[bytes, bytes]] = {}

    def says(self, raw: str, *, placed: bool = False) -> bytes:
        """What is said where the field is `raw`; with `placed` but for that nothing was made of it."""
        if raw not in self._known:
            fields = self._lines[self._at].split("|")
            fields[self._number] = raw
            lines = [*self._lines[: self._at], "|".join(fields), *self._lines[self._at + 1 :]]
            self._known[raw] = said_of(lines)
        return self._known[raw][placed]

    def matters(self, *, placed: bool = False) -> bool:
        """Whether the field makes a difference here."""
        raw = self._lines[self._at].split("|")[self._number]
        return self.says(raw, placed=placed) != self.says("", placed=placed)

    def silent(
        self, kind: str, place: str, version: Version, only: Collection[Part] = (), *, placed: bool = False
    ) -> list[Part]:
        """The parts without effect; none of a field that has itself none here, since another says it better.

        `only`: these are tried, the others may be whatever they are. `placed`: to be told as lost is no effect.
        """
        raw = self._lines[self._at].split("|")[self._number]
        parts = list(parts_of(kind, version))
        if len(parts) < 2 or not self.matters(placed=placed):
            return []
        texts = {part: filled(item, place, nth) for nth, (part, item) in enumerate(parts)}
        whole = raw
        for part, text in texts.items():
            whole = whole if has(whole, part) else put(whole, part, text)
        first = put("", (1, 1), raw.split("^")[0].split("&")[0])
        without = put(raw, (1, 1), "")
        says = partial(self.says, placed=placed)
        return [
            part
            for part, text in texts.items()
            if (not only or part in only)
            and all(says(put(b, part, "")) == says(put(b, part, text)) for b in (raw, first, without, ""))
            and says(put(whole, part, "")) == says(whole)
        ]


def audited(
    kind: str, version: Version, seen: Counter[object], only: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, Audit]]:
    """The fields of a message of `kind` that no message before had mapped by the same rows: place and type of each."""
    code, _, event = kind.partition("^")
    structure, plan = version.structure_of(code, event, ""), plan_for(kind)
    if not structure or plan is None or seen[plan.name, structure]:
        return
    seen[plan.name, structure] = ENOUGH
    lines = [numbered(segment) for segment in made(kind, version, structure).segments]
    message, _, read = told(lines)
    last = {segment.name: segment for segment in message.segments}
    for segment in message.segments[1:]:
        if only and segment.name not in only:
            continue
        fewer, at = alone(lines, segment.index - 1, read)
        for number, item in version.segments.get(segment.name, {}).items():
            key = (segment.name, number, rows_of(plan, segment.name, number))
            here, place = read.get(segment.index, 0) >> number & 1, f"{segment.name}-{number}"
            if (here or place in declared_parts()) and segment.raw_field(number) and seen[key] < ENOUGH:
                audit = Audit(fewer, at, number)
                if (here and segment is last[segment.name]) or audit.matters():  # else a later one says it better
                    seen[key] = ENOUGH
                elif not here:  # by these rows nobody reads it
                    seen[key] += 1
                yield place, item.type, audit


def alone(lines: list[str], at: int, read: dict[int, int]) -> tuple[list[str], int]:
    """The segment with the numbers of those it hangs on, and its place, where so the same is read of it: it takes a
    fifth of the time; else with some of those before it too, else the whole message. `read`: what is read of each."""
    for near in (0, 1, 3, 6):
        fewer, here = [], 0
        for n, line in enumerate(lines):
            name, *fields = line.split("|")
            if n == at:
                here = len(fewer)
            if at - near <= n <= at or name in ("MSH", "EVN"):
                fewer.append(line)
            elif name in AROUND:
                fewer.append("|".join([name, *(f if k in AROUND[name] else "" for k, f in enumerate(fields, 1))]))
        if told(fewer)[2].get(here + 1) == read.get(at + 1):
            return fewer, here
    return lines, at


def numbered(segment: Segment) -> str:
    """The segment with people and organizations of its own: what is told first of a number is what its record says."""
    return segment.raw.replace("XX^^^9", f"XX^^^9{segment.index}").replace("123^Lima", f"{segment.index}123^Lima")


def rows_of(plan: Plan, segment: str, number: int) -> frozenset[str]:
    steps = (step for record in plan.records for step in program(record))
    return frozenset(s.row.place for s in steps if s.row.source and (s.segment, s.number) == (segment, number))


def undeclared(kinds: dict[str, tuple[str, ...]]) -> tuple[dict[str, list[Part]], dict[str, set[Part]], int]:
    """The parts without effect or reason, those with a reason and without effect, and how many were tried; no segments
    named: all. One that was once seen to have no effect is not asked for again in other messages."""
    version, seen = version_named(VERSION), Counter[object]()
    assert version is not None
    lost: dict[str, list[Part]] = {}
    silent: dict[str, set[Part]] = {}
    tried = 0
    for kind, only in kinds.items():
        for place, item_type, audit in audited(kind, version, seen, only):
            parts = [part for part, _ in parts_of(item_type, version)]
            tried += len(parts)
            unexplained = [part for part in parts if reason_for(place, *part) is None]
            if unexplained and (found := audit.silent(item_type, place, version, unexplained)):
                lost[place] = found
            known = silent.setdefault(place, set())
            if asked := [part for part in parts if part not in unexplained and part not in known]:
                known.update(audit.silent(item_type, place, version, asked, placed=True))
    return lost, silent, tried


def test_parts_of_the_common_segments() -> None:
    lost, _, tried = undeclared(COMMON)
    assert lost == {} and tried > 1000


@pytest.mark.slow
def test_every_part_of_every_field_that_is_read() -> None:
    lost, silent, tried = undeclared(dict.fromkeys((*COMMON, *plans()), ()))
    assert lost == {} and tried > 7000
    version, read = version_named(VERSION), dict[str, list[Part]]()
    assert version is not None
    for place in declared_parts():
        segment, _, number = place.partition("-")
        if int(number) not in version.segments.get(segment, {}):
            continue  # a later version has it (`test_hl7_parts_of_versions`)
        known = dict(parts_of(version.segments[segment][int(number)].type, version))
        if stale := [p for p in known if reason_for(place, *p) is not None and p not in silent.get(place, set())]:
            read[place] = stale
    assert read == {}, "these are read: their declarations are out of date"


def test_what_is_left_of_a_field_is_told_with_its_reason() -> None:
    message = er7.read(b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5.1\rPID|1||7^4^M11^H&&ISO^MR~8^^^H\r")
    assert isinstance(message, Message)
    found = left(message.segments[1], 3)
    assert [one["part"] for one in found] == ["2", "3", "4.3"]
    assert all(one["reason"] and one["row"].startswith("parts.csv:") for one in found)
    assert left(message.segments[1], 5) == []
