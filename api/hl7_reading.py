"""HL7 v2 read offline, without a hub: the documents that `ponte hl7 read` prints, one for each message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from canonical.problem import Problem, blocking
from hl7 import batch, er7
from hl7.er7 import Message, Segment
from hl7.escapes import unescape
from hl7.fragments import whole
from hub.exchange.answer import late
from hub.exchange.door.receive import judge_header
from hub.records.drafts import offline
from mappings.reading import overlay_check, trace
from mappings.reading.account import Account
from mappings.reading.engine import translate, untouched
from mappings.tables.serving import plan_for
from mappings.tables.site import PLAIN, Site
from mappings.tables.table import TableError

_NOTHING = Account()


class ReadError(Exception):
    """A file cannot be read at all."""


def read_file(
    name: str, chunks: Iterable[bytes], *, to: str, zone: str, charset: str = "", site: Site = PLAIN
) -> Iterator[dict[str, Any]]:
    """One document per message of a file that comes in pieces; raises ReadError when it holds none.

    What is wrong with the file itself (a batch count) is said with its last message.
    """
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ReadError(f"{zone}: no such time zone") from None
    try:
        plan_for("", site)
        if site.overlay:
            overlay_check.check(site.overlay)
    except TableError as error:
        raise ReadError(str(error)) from None
    held: dict[str, Any] | None = None
    index, problems, way = 0, [], _Way(to, zone, charset, site)
    for item in whole(batch.messages(chunks), charset):
        if isinstance(item, Problem) and not item.code.startswith("er7.fragment"):
            problems.append(item.as_json())
            continue
        if held is not None:
            yield held
        index += 1
        said = _document(None, [item], None, _NOTHING) if isinstance(item, Problem) else _one(item, way)
        held = {"file": name, "index": index, **said}
    if held is None:
        raise ReadError(f"{name}: the file holds no message")
    held["problems"] += problems
    held["ok"] = held["ok"] and not problems
    yield held


@dataclass(frozen=True, slots=True)
class _Way:
    """How messages are read, and what is shown of them."""

    to: str
    zone: str
    charset: str
    site: Site


def _one(content: bytes, way: _Way) -> dict[str, Any]:
    message = er7.read(content, fixed_charset=way.charset)
    if isinstance(message, Problem):
        return _document(None, [message], None, _NOTHING)
    problems = [*message.problems, *judge_header(message, way.site)]
    answers = late.is_acknowledgement(message)
    translation = untouched(message) if answers else translate(message, zone=way.zone, site=way.site)
    seed = "|".join((message.header.text(3), message.header.text(4), message.control_id))
    found, wrong = offline.bundle(translation.drafts, seed)
    known = {problem.code for problem in problems}
    problems += [p for p in translation.problems if p.code not in known or not p.code.startswith("type.")]
    bundle = found if way.to == "fhir" else None
    document = _document(message, [*problems, *wrong], bundle, translation.account)
    if way.to == "tree":
        document["tree"] = [_tree(segment) for segment in message.segments]
    elif way.to == "problems":
        document["accounting"] = trace.fields(message, zone=way.zone, site=way.site)
    return document


def _document(
    message: Message | None, problems: list[Problem], bundle: dict[str, Any] | None, account: Account
) -> dict[str, Any]:
    return {
        "type": message.type if message else "",
        "control_id": message.control_id if message else "",
        "ok": not blocking(problems),
        "bundle": bundle,
        "problems": [problem.as_json() for problem in problems],
        "segments": account.counts(),
        "fields": account.field_counts(),
    }


def _tree(segment: Segment) -> dict[str, Any]:
    """A segment as JSON: fields by number, each a list of repetitions, each a list of components' subcomponents."""
    fields: dict[str, Any] = {}
    for number in range(1, len(segment.fields())):
        if not segment.raw_field(number):
            continue
        if segment.name == "MSH" and number in (1, 2):
            fields[str(number)] = [[[segment.raw_field(number)]]]
        else:
            fields[str(number)] = [_components(raw, segment) for raw in segment.repetitions(number)]
    return {"segment": segment.name, "index": segment.index, "fields": fields}


def _components(raw: str, segment: Segment) -> list[list[str]]:
    marks = segment.delimiters
    return [[unescape(sub, marks) for sub in part.split(marks.sub)] for part in raw.split(marks.component)]
