"""NTE segments as Annotations: consecutive ones that say the same kind of thing are one text, in order."""

from __future__ import annotations

from typing import Any

from mappings.convert.markup import unmarked
from mappings.convert.registry import Context, Value, gatherer

NOTE_EXTENSION = "http://hl7.org/fhir/StructureDefinition/note"
REPORT_NOTE_EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"


@gatherer("note")
def note(values: list[Value], context: Context, argument: str) -> Any:
    """All NTE-3 of a record as one Annotation, one line each, empty lines kept between paragraphs."""
    text = _plain(values, context)
    return {"text": text} if text else None


@gatherer("note-text")
def note_text(values: list[Value], context: Context, argument: str) -> Any:
    """All NTE-3 of a record as text."""
    return _plain(values, context) or None


@gatherer("note-extension")
def note_extension(values: list[Value], context: Context, argument: str) -> Any:
    """The same where R4 has no place: an extension with an Annotation; `argument` is `report` or blank."""
    text = _plain(values, context)
    url = REPORT_NOTE_EXTENSION if argument == "report" else NOTE_EXTENSION
    return {"url": url, "valueAnnotation": {"text": text}} if text else None


def _plain(values: list[Value], context: Context) -> str:
    return unmarked(joined(values), values[0], context)


def joined(values: list[Value]) -> str:
    """The texts as lines; separators behind a text are none of it."""
    return "\n".join(value.full().rstrip(value.delimiters.component) for value in values).strip()
