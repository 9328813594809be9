"""NTE segments as Annotations: consecutive ones that say the same kind of thing are one text, in order."""

from __future__ import annotations

from typing import Any

from mappings.convert.markup import unmarked
from mappings.convert.people import xcn
from mappings.convert.registry import Context, Value, gatherer
from mappings.convert.text import moment_text

NOTE_EXTENSION = "http://hl7.org/fhir/StructureDefinition/note"
REPORT_NOTE_EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"


@gatherer("note")
def note(values: list[Value], context: Context, argument: str) -> Any:
    """All NTE-3 of a record as one Annotation, one line each, empty lines kept between paragraphs; one for each who
    wrote (NTE-5) and when (NTE-6), where they say it."""
    return [("", found) for found in _annotations(values, context)]


@gatherer("note-text")
def note_text(values: list[Value], context: Context, argument: str) -> Any:
    """All NTE-3 of a record as text."""
    return _plain(values, context) or None


@gatherer("note-extension")
def note_extension(values: list[Value], context: Context, argument: str) -> Any:
    """The same where R4 has no place: an extension with an Annotation; `argument` is `report` or blank."""
    url = REPORT_NOTE_EXTENSION if argument == "report" else NOTE_EXTENSION
    return [("", {"url": url, "valueAnnotation": found}) for found in _annotations(values, context)]


def _annotations(values: list[Value], context: Context) -> list[dict[str, Any]]:
    """The notes of one record; a line that says neither who wrote it nor when goes on with the one above."""
    groups: list[list[Value]] = []
    last = ("", "")
    for value in values:
        told = (value.segment.raw_field(5), value.segment.raw_field(6))
        if not groups or (any(told) and told != last):
            groups.append([])
            last = told
        groups[-1].append(value)
    return [found for group in groups if (found := _annotation(group, context))]


def _annotation(values: list[Value], context: Context) -> dict[str, Any] | None:
    """Some lines as Annotation, with author and time of the first of them."""
    text = _plain(values, context)
    if not text:
        return None
    author, time = xcn(values[0].sibling(5), context, ""), values[0].sibling(6)
    moment = moment_text(time.whole(), time, context) if time.whole() else None
    found: dict[str, Any] = {"authorReference": author} if author else {}
    return {**found, **({"time": moment} if moment else {}), "text": text}


def _plain(values: list[Value], context: Context) -> str:
    return unmarked(joined(values), values[0], context)


def joined(values: list[Value]) -> str:
    """The texts as lines; separators behind a text are none of it."""
    return "\n".join(value.full().rstrip(value.delimiters.component) for value in values).strip()
