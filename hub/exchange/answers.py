"""Answers that are more than an acknowledgement: RSP to patient look-ups (QBP), MFK to master files (MFN).

A look-up is answered from the current records: QPD-3 says by what, RCP-2 how many. Only what identifies a person goes
out; records under a security label, and those merged into others, do not. Each answer is in the audit trail.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from canonical.errors import PonteError
from canonical.identity import fold
from canonical.problem import Problem
from fhir import jsontext
from fhir.query import BadQuery, Setting, parse
from hl7 import ack
from hl7.ack import Stamp
from hl7.er7 import Message, Segment
from hl7.writer import SegmentWriter
from hub.find.search import matching
from hub.guard import audit
from hub.store.database import Transaction
from mappings.convert.keys import cx_key
from mappings.convert.registry import Context, Value
from mappings.outbound import OutPlan, out_plan, render
from mappings.table import Source, codes

MOST = 100
_COUNTED = 500
_KINDS = {
    "QBP^Q21": ("RSP", "K21", "RSP_K21"),
    "QBP^Q22": ("RSP", "K22", "RSP_K21"),
    "QBP^Q23": ("RSP", "K23", "RSP_K23"),
}
_RESTRICTED = frozenset(("R", "V"))
Body = dict[str, Any]


@dataclasses.dataclass(slots=True)
class _Asked:
    """What a look-up asks for: search parameters, the exact words behind them, and what is wrong with it."""

    pairs: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    words: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)


def more_than_acknowledged(kind: str) -> bool:
    """Whether messages of this type (`QBP^Q22`) get an answer of their own type once they have been worked."""
    return kind in _KINDS or kind.startswith("MFN^")


async def build(tx: Transaction, message: Message, stamp: Stamp) -> bytes:
    """The answer as bytes, without framing."""
    if message.type.startswith("MFN^"):
        event = message.type.partition("^")[2]
        more = tuple(_text(segment, message) for segment in _master_segments(message))
        stamp = dataclasses.replace(stamp, kind=message.delimiters.component.join(("MFK", event, "MFK_M01")), more=more)
        return ack.build(ack.envelope(message), "AA", [], stamp)
    return await _looked_up(tx, message, stamp)


def _master_segments(message: Message) -> Iterator[SegmentWriter]:
    """MFI as received, and MFA for each MFE: what was done (MFE-1), its number, when, and that it succeeded."""
    header = message.first("MFI")
    if header is not None:
        yield _copied(header, 6)
    for entry in message.named("MFE"):
        writer = _copied(entry, 2, name="MFA")
        writer.put(4, "S")
        for component, text in enumerate(entry.raw_field(4).split(message.delimiters.component), start=1):
            writer.put(5, text, component)
        writer.put(6, entry.text(5))
        yield writer


async def _looked_up(tx: Transaction, message: Message, stamp: Stamp) -> bytes:
    query = message.first("QPD")
    found: list[Body] = []
    asked = _corresponding(message, query) if message.type == "QBP^Q23" else _asked(query)
    if query is not None and not asked.problems:
        try:
            found = await _people(tx, asked, stamp.now)
        except (BadQuery, PonteError):
            asked.problems.append(Problem("query.value", "QPD-3"))
    limit = _limit(message)
    shown = found[:limit]
    await _note(tx, asked, shown)
    state = "AE" if asked.problems else "OK" if found else "NF"
    segments = [_acknowledged(query, state, len(found), len(shown))]
    if query is not None:
        segments.append(_copied(query, len(query.fields())))
    plan = out_plan("out/corresponding" if message.type == "QBP^Q23" else "out/look-up")
    for number, body in enumerate(shown, start=1):
        segments += _person(plan, body, number)
    more = tuple(_text(segment, message) for segment in segments)
    kind = message.delimiters.component.join(_KINDS[message.type])
    stamp = dataclasses.replace(stamp, kind=kind, more=more)
    return ack.build(ack.envelope(message), "AE" if asked.problems else "AA", asked.problems, stamp)


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
        asked.pairs.append((parameter, _search_value(parameter, text)))
        if parameter in ("family", "given"):
            asked.words.append((parameter, text))
    if not asked.pairs and not asked.problems:
        asked.problems.append(Problem("query.empty", "QPD-3"))
    return asked


def _search_value(parameter: str, text: str) -> str:
    if parameter == "birthdate":
        return "-".join(part for part in (text[:4], text[4:6], text[6:8]) if part)
    if parameter == "gender":
        return codes("query-gender").get(text.upper(), text)
    return text.rstrip("*").replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$")


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


async def _people(tx: Transaction, asked: _Asked, now: datetime.datetime) -> list[Body]:
    """The patients that meet what is asked, at most _COUNTED of them."""
    zone = await tx.value("SELECT zone FROM tenant WHERE id = $1")
    setting = Setting(zone=ZoneInfo(zone), now=now, base="")
    query = parse("Patient", asked.pairs, setting)
    if query.unknown:
        raise BadQuery(query.unknown[0])
    rows = await matching(tx, query, _COUNTED)
    bodies = [jsontext.parse(row["body"].encode()) for row in rows]
    return [body for body in bodies if isinstance(body, dict) and _may_be_told(body) and _meant(body, asked.words)]


def _may_be_told(body: Body) -> bool:
    labels = {label.get("code") for label in body.get("meta", {}).get("security", ())}
    return body.get("active", True) is not False and not labels & _RESTRICTED


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
        given = [str(item) for item in name.get("given", ())]
        return [*given, " ".join(given), *(word for item in given for word in item.split())]
    family = str(name.get("family", ""))
    return [family, *family.split()]


def _limit(message: Message) -> int:
    """RCP-2: how many records are wanted; MOST when it does not say, and never more."""
    control = message.first("RCP")
    text = control.text(2) if control is not None else ""
    return min(MOST, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 and int(text) else MOST


def _acknowledged(query: Segment | None, state: str, found: int, shown: int) -> SegmentWriter:
    """QAK: the query's tag and name, OK, NF or AE, and how many were found, shown and left."""
    writer = SegmentWriter("QAK")
    if query is not None:
        writer.put(1, query.text(2))
        for component in (1, 2, 3):
            writer.put(3, query.text(1, component), component)
    writer.put(2, state)
    for number, count in ((4, found), (5, shown), (6, found - shown)):
        writer.put(number, str(count))
    return writer


def _person(plan: OutPlan, body: Body, number: int) -> list[SegmentWriter]:
    segments, _ = render(plan, {"patient": body})
    for segment in segments:
        segment.put(1, str(number))
    return segments


def _copied(segment: Segment, last: int, name: str = "") -> SegmentWriter:
    writer = SegmentWriter(name or segment.name)
    for number in range(1, last + 1):
        for place, raw in enumerate(segment.repetitions(number)):
            value = Value(raw, Source(segment.name, number), segment)
            for component in range(1, raw.count(segment.delimiters.component) + 2):
                writer.put(number, value.text(component), component, 1, place)
    return writer


def _text(segment: SegmentWriter, message: Message) -> str:
    return segment.text(message.delimiters)


async def _note(tx: Transaction, asked: _Asked, shown: Sequence[Body]) -> None:
    """The audit trail: by which parameters was asked, and who was shown; never the values."""
    names = "&".join(sorted({parameter for parameter, _ in asked.pairs}))
    events = [("hl7", "search", f"Patient?{names}", "success")]
    events += [("hl7", "read", f"Patient/{body['id']}", "success") for body in shown]
    await audit.note_all(tx, events)
