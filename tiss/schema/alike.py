"""The official schema on messages in which parts repeat: libxml2 judges one part of each markup, columns the others.

What a schema says of an element depends on its markup and its texts. Of parts with the same markup that follow each
other one is left in the message, which libxml2 judges; the texts of the others are held against what their types
surely take (`facets`). Only where both find nothing is the message called sound: else libxml2 judges all of it.
"""

from __future__ import annotations

from typing import NamedTuple

from lxml import etree

from canonical.problem import Problem
from tiss.rules.columns import uniform
from tiss.rules.pieces import Fragment
from tiss.rules.runs import Pieces, Run, Span
from tiss.schema import facets
from tiss.schema.check import passes, schema_problems
from tiss.wire.message import Tiss, parser

_LEAST = 16 * 1024  # characters that must be spared: a second, smaller document costs something too
_BLANKS = " \t\r\n"


def findings(held: Pieces, version: str) -> list[Problem]:
    """The schema findings of a message against `version`; at most `check.MOST`."""
    return [] if sound(held, version) else schema_problems(held.message, version)


class _Cut(NamedTuple):
    """Parts of one markup that are left out: from where to where in the document, and how many."""

    begin: int
    stop: int
    pieces: int
    fragment: Fragment


def sound(held: Pieces, version: str) -> bool:
    """Whether the schema surely finds nothing in a message; False also where only libxml2 can tell."""
    marked, service = held.marked, held.message.service
    if not marked.plain or len(marked.document) < 2 * _LEAST or facets.takers(version) is None:
        return False
    cuts = _cuts(held.spans)
    if sum(cut.stop - cut.begin for cut in cuts) < max(_LEAST, len(marked.document) // 2):
        return False
    rest = _rest(marked.document, cuts)
    answered = {id(cut.fragment) for cut in cuts}
    return (
        all(_bounded(place, rest, cuts, held, version) for place in {cut.fragment.place for cut in cuts})
        and all(_taken(run, version, service=service) for run in held.runs if id(run.fragment) in answered)
        and _passes(rest, held.message, version)
    )


def _cuts(spans: list[Span]) -> list[_Cut]:
    """The parts that others of their markup can answer for. The first of parts that follow each other is never cut."""
    found: list[_Cut] = []
    seen: set[int] = set()
    before: Span | None = None
    for span in spans:
        place = span.fragment.place
        if not place or span.begin < 0:
            before = None
            continue
        follows = before is not None and before.fragment.place == place and before.stop == span.begin
        whole = follows and id(span.fragment) in seen
        begin = span.begin if whole else span.first
        if begin < span.stop:
            found.append(_Cut(begin, span.stop, span.pieces - (not whole), span.fragment))
        seen.add(id(span.fragment))
        before = span
    return found


def _rest(document: str, cuts: list[_Cut]) -> str:
    """The document without what is cut."""
    kept, here = [], 0
    for cut in cuts:
        kept.append(document[here : cut.begin])
        here = cut.stop
    return "".join((*kept, document[here:]))


def _bounded(place: str, rest: str, cuts: list[_Cut], held: Pieces, version: str) -> bool:
    """Whether the message has no more of an element, all in all, than may follow each other."""
    left = rest.count(f"<{held.marked.prefix}{place.rpartition('/')[2]}")
    gone = sum(cut.pieces for cut in cuts if cut.fragment.place == place)
    return left + gone <= facets.most(version, held.message.service, place)


def _taken(run: Run, version: str, *, service: bool) -> bool:
    """Whether the schema surely takes every text of these parts, when it takes those of the first."""
    for place, column in zip(run.fragment.places, run.columns, strict=True):
        if uniform(column):
            continue
        if place == "":
            if any(text.strip(_BLANKS) for text in column):
                return False
            continue
        taker = facets.at(version, service, place) if place is not None else None
        if taker is None or not taker(column):
            return False
    return True


def _passes(rest: str, message: Tiss, version: str) -> bool:
    """Whether the schema finds nothing in what is left of a message."""
    try:
        root = etree.fromstring(rest.encode(message.encoding), parser())
    except etree.XMLSyntaxError:
        return False
    return passes(Tiss(root, message.encoding, message.service), version)
