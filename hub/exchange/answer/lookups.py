"""Patient look-ups over HL7, answered from the current records: QBP^Q21 to Q23 by RSP, QRY^A19 by ADR^A19.

QPD-3 says by what is asked, RCP-2 how many are wanted at once (QRD-8 and QRD-7 in QRY^A19). What is left is fetched by
the same query with the pointer of DSC-1, which holds all that is needed: any process can go on with it, also after a
restart. Only what identifies a person goes out; records under a security label, and those merged into others, do not.
Each answer is in the audit trail.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from canonical.codes import RESTRICTED
from canonical.errors import PonteError
from canonical.identity import bytes_number, fold
from canonical.names import stated
from canonical.problem import Problem
from fhir import jsontext
from fhir.search.conditions import BadQuery, Setting
from fhir.search.query import Query, parse
from fhir.search.values import escaped
from hl7 import ack
from hl7.ack import Stamp
from hl7.er7 import Message, Segment
from hl7.writer import SegmentWriter
from hub.exchange.out.matter import place_of
from hub.find.search import matching
from hub.guard import audit
from hub.records import blocked
from hub.store.database import Transaction
from mappings.convert.keys import cx_key
from mappings.convert.registry import Context, Value
from mappings.outward import events
from mappings.outward.outbound import out_plan, render
from mappings.tables.table import Source, codes

MOST = 100
_COUNTED = 500
OLD = "QRY^A19"
KINDS = {
    "QBP^Q21": ("RSP", "K21", "RSP_K21"),
    "QBP^Q22": ("RSP", "K22", "RSP_K21"),
    "QBP^Q23": ("RSP", "K23", "RSP_K23"),
    OLD: ("ADR", "A19", "ADR_A19"),
}
_EXPLAINED = ("QBP^Q21", "QBP^Q22")
_PLANS = {"QBP^Q23": "out/corresponding", OLD: "out/patient-query"}
_POINTER = re.compile(r"([0-9]{1,18})\.([0-9]{1,9})\.([0-9a-f]{16})\Z")
_VISIT = (
    "SELECT r.body FROM encounter e JOIN resource r ON r.tenant_id = $1 AND r.type = 'Encounter' AND r.id = e.id "
    "AND NOT r.deleted WHERE e.tenant_id = $1 AND e.patient_id = $2 AND e.status IN ('in-progress', 'onleave') "
    "ORDER BY e.start_at DESC NULLS LAST, e.id LIMIT 1"
)
Body = dict[str, Any]


@dataclasses.dataclass(slots=True)
class _Asked:
    """What a look-up asks for: search parameters, the exact words behind them, and what is wrong with it.

    `after` and `told` are where a continued look-up goes on: behind which record, and how many were told before it.
    """

    pairs: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    words: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    after: int | None = None
    told: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A page: the records shown with their internal numbers, how many were found from here on, at most _COUNTED."""

    shown: Sequence[tuple[int, Body]] = ()
    count: int = 0


async def answer(tx: Transaction, message: Message, stamp: Stamp) -> bytes:
    """The answer to a look-up as bytes, without framing."""
    query = message.first("QRD" if message.type == OLD else "QPD")
    asked, mark = _read(message, query), _mark(message, query)
    _continue(asked, message.text("DSC", 1), mark)
    found = _Found()
    if query is not None and not asked.problems:
        try:
            found = await _people(tx, asked, stamp.now, _limit(message))
        except (BadQuery, PonteError):
            asked.problems.append(Problem("query.value", "QRD-8" if message.type == OLD else "QPD-3"))
    await _note(tx, asked, [body for _, body in found.shown])
    segments = [*_head(message, query, asked, found), *await _persons(tx, message, asked, found)]
    if found.count > len(found.shown):
        pointer = SegmentWriter("DSC")
        pointer.put(1, f"{found.shown[-1][0]}.{asked.told + len(found.shown)}.{mark}")
        pointer.put(2, "I")
        segments.append(pointer)
    more = tuple(segment.text(message.delimiters) for segment in segments)
    kind = message.delimiters.component.join(KINDS[message.type])
    stamp = stamp._replace(kind=kind, more=more)
    return ack.build(ack.envelope(message), "AE" if asked.problems else "AA", asked.problems, stamp)


def _head(message: Message, query: Segment | None, asked: _Asked, found: _Found) -> list[SegmentWriter]:
    """QAK, and the query as it came."""
    state = "AE" if asked.problems else "OK" if found.count else "NF"
    segments = []
    if message.type != OLD or ack.since(message.version, (2, 4)):  # the answer to A19 had none before
        segments.append(_acknowledged(message, query, state, (asked.told, found.count, len(found.shown))))
    if query is not None:
        segments.append(copied(query, len(query.fields())))
    return segments


def _read(message: Message, query: Segment | None) -> _Asked:
    if message.type == OLD:
        return _who(message, query)
    return _corresponding(message, query) if message.type == "QBP^Q23" else _asked(query)


def _asked(query: Segment | None) -> _Asked:
    """QPD-3: repetitions of `@PID.5.1^MOORE`, each through `codes/query-parameter.csv`."""
    asked = _Asked()
    for raw in query.repetitions(3) if query is not None else ():
        value = Value(raw, Source("QPD", 3), query)  # type: ignore[arg-type]
        place, text = value.text(1).lstrip("@"), value.text(2)
        if not place or not text:
            continue
        parameter = codes("query-parameter").get(place)
        if not parameter:
            asked.problems.append(Problem("query.field", "QPD-3", args=(("field", place[:20]),)))
            continue
        _add(asked, parameter, text)
    if not asked.pairs and not asked.problems:
        asked.problems.append(Problem("query.empty", "QPD-3"))
    return asked


def _add(asked: _Asked, parameter: str, text: str) -> None:
    asked.pairs.append((parameter, _search_value(parameter, text)))
    if parameter in ("family", "given"):
        asked.words.append((parameter, text))


def _search_value(parameter: str, text: str) -> str:
    if parameter == "birthdate":
        return "-".join(part for part in (text[:4], text[4:6], text[6:8]) if part)
    if parameter == "gender":
        return codes("query-gender").get(text.upper(), text)
    return escaped(text.rstrip("*"))


def _corresponding(message: Message, query: Segment | None) -> _Asked:
    """QPD-3 of Q23: the identifier whose bearer is asked for."""
    asked = _Asked()
    raw = query.raw_field(3) if query is not None else ""
    key = cx_key(Value(raw, Source("QPD", 3), query), Context(message, "UTC"), "PI") if raw and query else None
    if key is None:
        asked.problems.append(Problem("query.empty", "QPD-3"))
    else:
        asked.pairs.append(("identifier", f"{key.system}|{key.value}"))
    return asked


def _who(message: Message, query: Segment | None) -> _Asked:
    """QRD-8 of A19 (2.5.1 §5.10.5.3.8): numbers of those asked for, any of them; else one name. QRD-9 must be DEM."""
    asked, numbers = _Asked(), []
    subject = query.text(9).upper() if query is not None else ""
    if subject not in ("", "DEM"):
        asked.problems.append(Problem("query.subject", "QRD-9", args=(("subject", subject[:20]),)))
    for raw in query.repetitions(8) if query is not None else ():
        value = Value(raw, Source("QRD", 8), query)  # type: ignore[arg-type]
        number, authority, kind = value.text(1), value.text(9), value.text(13)
        if number and (authority or kind):
            d = value.delimiters.component
            key = cx_key(
                Value(d.join((number, "", "", authority, kind)), value.source, value.segment), _no(message), "PI"
            )
            numbers.append(f"{escaped(key.system)}|{escaped(key.value)}" if key is not None else escaped(number))
        elif number:
            numbers.append(escaped(number))
        elif not asked.pairs:
            for parameter, component in (("family", 2), ("given", 3)):
                if text := value.text(component):
                    _add(asked, parameter, text)
    if numbers:
        asked.pairs, asked.words = [("identifier", ",".join(numbers))], []
    if not asked.pairs and not asked.problems:
        asked.problems.append(Problem("query.who", "QRD-8"))
    return asked


def _no(message: Message) -> Context:
    """A context for reading one number."""
    return Context(message, "UTC")


def _mark(message: Message, query: Segment | None) -> str:
    """What tells one query from another, whatever tag or time it carries: what it asks for."""
    places = (8, 9, 10) if message.type == OLD else (1, *range(3, len(query.fields()) if query is not None else 3))
    said = [query.raw_field(number) for number in places] if query is not None else []
    return f"{bytes_number(chr(30).join([message.type, *said]).encode()) & (1 << 64) - 1:016x}"


def _continue(asked: _Asked, pointer: str, mark: str) -> None:
    """Go on where DSC-1 points; a pointer that is not one of this query's is a finding."""
    if not pointer:
        return
    match = _POINTER.match(pointer)
    if match is None or match[3] != mark:
        asked.problems.append(Problem("query.continuation", "DSC-1"))
        return
    asked.after, asked.told = int(match[1]), int(match[2])


async def _people(tx: Transaction, asked: _Asked, now: datetime.datetime, limit: int) -> _Found:
    """The patients that meet what is asked, from the pointer on: `limit` of them, and how many there are."""
    zone = await tx.value("SELECT zone FROM tenant WHERE id = $1")
    setting = Setting(zone=ZoneInfo(zone), now=now, base="")
    query = parse("Patient", asked.pairs, setting)
    if query.unknown:
        raise BadQuery(query.unknown[0])
    hidden = blocked.outside("Patient", await blocked.within(tx))
    query = dataclasses.replace(query, branches=tuple((kind, (*each, *hidden)) for kind, each in query.branches))
    found, after = await _some(tx, query, asked, asked.after)
    while after is not None and len(found) <= limit:  # a page of restricted records must not look like the end
        more, after = await _some(tx, query, asked, after)
        found += more
    return _Found(shown=found[:limit], count=len(found))


async def _some(
    tx: Transaction, query: Query, asked: _Asked, after: int | None
) -> tuple[list[tuple[int, Body]], int | None]:
    """Those of the next _COUNTED records that may be told, and behind which record there may be more."""
    rows = await matching(tx, query, _COUNTED, after)
    bodies = [(int(row["rid"]), jsontext.stored(row["body"])) for row in rows]
    told = [(rid, b) for rid, b in bodies if _may_be_told(b) and _meant(b, asked.words)]
    return told, int(rows[-1]["rid"]) if len(rows) == _COUNTED else None


def _may_be_told(body: Body) -> bool:
    labels = {label.get("code") for label in body.get("meta", {}).get("security", ())}
    return body.get("active", True) is not False and not labels & RESTRICTED


def _meant(body: Body, words: Sequence[tuple[str, str]]) -> bool:
    """Whether the names are those asked for: whole words, accents or not; `*` at the end is any rest."""
    for kind, text in words:
        wanted = fold(text.rstrip("*"))
        told = [fold(item) for name in body.get("name", ()) for item in _names(name, kind)]
        if not any(item.startswith(wanted) if text.endswith("*") else item == wanted for item in told):
            return False
    return True


def _names(name: Body, kind: str) -> list[str]:
    if kind == "given":
        given = stated(name, "given")
        return [*given, " ".join(given), *(word for item in given for word in item.split())]
    family = str(name.get("family", ""))
    return [family, *family.split()]


def _limit(message: Message) -> int:
    """RCP-2 or QRD-7: how many records are wanted; MOST when it does not say, and never more."""
    text = message.text("QRD", 7) if message.type == OLD else message.text("RCP", 2)
    return min(MOST, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 and int(text) else MOST


def _acknowledged(message: Message, query: Segment | None, state: str, counts: tuple[int, int, int]) -> SegmentWriter:
    """QAK: the query's tag and name, OK, NF or AE, and how many were found, shown and left."""
    writer = SegmentWriter("QAK")
    told, found, shown = counts
    if query is not None and message.type == OLD:
        writer.put(1, query.text(4))
    elif query is not None:
        writer.put(1, query.text(2))
        for component in (1, 2, 3):
            writer.put(3, query.text(1, component), component)
    writer.put(2, state)
    for number, count in ((4, told + found), (5, shown), (6, found - shown)):
        writer.put(number, str(count))
    return writer


async def _persons(tx: Transaction, message: Message, asked: _Asked, found: _Found) -> list[SegmentWriter]:
    """PID for each person; in the answer to A19 followed by the visit they are in, or by a PV1 that says none; in that
    to Q21 and Q22 by why they are meant, which 2.5 and later ask for."""
    plan = out_plan(_PLANS.get(message.type, "out/look-up"))
    segments: list[SegmentWriter] = []
    for number, (_, body) in enumerate(found.shown, start=1):
        sources: Body = {"patient": body}
        if message.type == OLD:
            visit = await _visit(tx, str(body["id"]))
            sources.update(encounter=visit, place=await place_of(tx, events.place(visit)))
        rendered, _ = render(plan, sources)
        for segment in rendered:
            segment.put(1, str(number))
        segments += rendered
        if message.type in _EXPLAINED and ack.since(message.version, (2, 5)):
            segments.append(_candidate(asked))
    return segments


def _candidate(asked: _Asked) -> SegmentWriter:
    """QRI (2.5.1 §5.5.5): whoever is shown meets all that was asked; by which parts, as table 0392 names them."""
    writer = SegmentWriter("QRI")
    writer.put(1, "100")
    reasons = dict.fromkeys(codes("query-reason").get(parameter, "") for parameter, _ in asked.pairs)
    for place, reason in enumerate(filter(None, reasons)):
        writer.put(2, reason, 1, 1, place)
    return writer


async def _visit(tx: Transaction, patient: str) -> Body:
    """The visit a patient is in; one of class N where there is none that may be told."""
    row = await tx.row(_VISIT, patient)
    body = jsontext.stored(row["body"]) if row is not None else None
    return body if body is not None and _may_be_told(body) else {"class": {"code": "N"}}


def copied(segment: Segment, last: int, name: str = "") -> SegmentWriter:
    """The first `last` fields of a segment as they came, under its own or another name."""
    writer = SegmentWriter(name or segment.name)
    for number in range(1, last + 1):
        for place, raw in enumerate(segment.repetitions(number)):
            value = Value(raw, Source(segment.name, number), segment)
            for component in range(1, raw.count(segment.delimiters.component) + 2):
                writer.put(number, value.text(component), component, 1, place)
    return writer


async def _note(tx: Transaction, asked: _Asked, shown: Sequence[Body]) -> None:
    """The audit trail: by which parameters was asked, and who was shown; never the values."""
    names = "&".join(sorted({parameter for parameter, _ in asked.pairs}))
    entries = [("hl7", "search", f"Patient?{names}", "success")]
    entries += [("hl7", "read", f"Patient/{body['id']}", "success") for body in shown]
    await audit.note_all(tx, entries)
