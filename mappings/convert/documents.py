"""Conversions of documents: ED and RP values (2.5.1 §2.A.24, §2.A.64), TXA (§9.6), the content an MDM message carries.

R4 Observation.value[x] has no Attachment, so ED and RP become a DocumentReference of their own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from canonical import codes as systems
from canonical.records import DRAFT
from mappings.convert.embedded import (
    ENCODINGS,
    FILE,
    Files,
    bare,
    is_rtf,
    rtf_and_rest,
    rtf_bytes,
    rtf_text,
    started,
    type_of,
)
from mappings.convert.keys import ei, ei_key
from mappings.convert.markup import marked
from mappings.convert.misplaced.plausible import misplaced_if
from mappings.convert.misplaced.results import early_document, late_document, lost_document, named_document
from mappings.convert.people import xcn
from mappings.convert.registry import Context, Value, conversion, gatherer, rescue
from mappings.convert.text import moment_text

_UNSAID = "/octet-stream"
_OF_PARTS = "multipart/"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ANY = "application/octet-stream"


@gatherer("attachments")
def attachments(values: list[Value], context: Context, argument: str) -> Any:
    """ED and RP of one document as its contents: pages sent apart stay apart, data cut over several OBX is joined."""
    found: list[Any] = []
    for group in _documents([value for value in values if value.raw]):
        rtf, rest = rtf_and_rest(_rtf(group)) if is_rtf(group[0].segment) else ("", "")
        attachment = _attachment(group, rtf, context)
        if attachment is not None:
            found.append(("content", {"attachment": attachment}))
        if rest:
            found.append(_words(rest))
    return found or None


def _documents(values: list[Value]) -> list[list[Value]]:
    """Values that are one file together: a piece follows when the file before it was cut and it starts no file."""
    groups: list[list[Value]] = []
    for value in values:
        piece = bool(groups) and value.other(2) == groups[-1][0].other(2) != "RP"
        if piece and _goes_on(groups[-1], value):
            groups[-1].append(value)
        else:
            groups.append([value])
    return groups


def _goes_on(group: list[Value], value: Value) -> bool:
    if is_rtf(group[0].segment):
        return value.segment is group[-1].segment or not (is_rtf(value.segment) or started(_data(value)))
    return started(_data(group[0])) and not started(_data(value))


def _data(value: Value) -> str:
    """The data of an ED; with type and subtype in one component it is the fourth; some send the bare data."""
    return value.text(5) or (value.text(4) if value.text(3).lower() in ENCODINGS else bare(value.raw))


def _attachment(group: list[Value], rtf: str, context: Context) -> dict[str, Any] | None:
    """A file as Attachment; `rtf` is its text where it is one."""
    value = group[0]
    kind = value.other(2)
    found: dict[str, Any] = {}
    if media := media_type(value, kind):
        found["contentType"] = media
    if kind == "RP":
        pointer = "".join(value.said(1).split())
        return {**found, "url": pointer} if pointer else None
    if rtf:
        data: bytes | None = rtf_bytes(rtf)
        found["contentType"] = type_of(data or b"")
    else:
        data = _bytes(value, "".join(_data(part) for part in group))
    if kind != FILE:
        context.problems.append(value.problem("structure.embedded-type"))
    if title := value.other(3, 2) or value.other(3):
        found["title"] = title
    if data is None:  # the results beside it must not wait for a mended document
        context.problems.append(value.problem("structure.embedded-data"))
        return {**found, **missing("error"), "contentType": found.get("contentType", _ANY)}
    stated = found.get("contentType", "")
    if stated.endswith(_UNSAID) or stated.startswith(_OF_PARTS):  # its bytes say more; one file has no parts
        found["contentType"] = type_of(data) or stated
    found.setdefault("contentType", type_of(data) or _ANY)
    return {**found, **stored(data)}


def _rtf(group: list[Value]) -> str:
    """The text of an RTF and what stands behind it; the repetitions of a field are one text."""
    lines = dict.fromkeys(part.segment for part in group)
    return "\n".join(rtf_text(line) for line in lines).strip()


def _words(text: str) -> tuple[str, Any]:
    """A text as a content of its own."""
    media = f"text/{'html' if marked(text) else 'plain'}; charset=utf-8"
    return ("content", {"attachment": {"contentType": media, **stored(text.encode())}})


def stored(data: bytes) -> dict[str, Any]:
    """Data, size and hash of an Attachment."""
    digest = hashlib.sha1(data, usedforsecurity=False).digest()
    return {
        "data": base64.b64encode(data).decode("ascii"),
        "size": len(data),
        "hash": base64.b64encode(digest).decode("ascii"),
    }


def missing(reason: str) -> dict[str, Any]:
    """An Attachment's data that is not there, and why; R4 wants its type all the same (att-1)."""
    return {"contentType": _ANY, "_data": {"extension": [{"url": _ABSENT, "valueCode": reason}]}}


def _bytes(value: Value, text: str) -> bytes | None:
    """The data of an ED; None when it cannot be read whole."""
    encoding = (value.text(4) if value.text(5) else value.text(3)).lower()
    try:
        if encoding == "hex":
            return bytes.fromhex(text) or None
        if encoding == "a":
            return text.encode() or None
        return base64.b64decode("".join(text.split()), validate=True) or None
    except (ValueError, binascii.Error):
        return None


def media_type_named(text: str) -> str:
    """A text that is a media type itself (RFC 6838), in small letters; empty for any other."""
    return text.lower() if re.fullmatch(r"[A-Za-z]+/[A-Za-z0-9.+-]+", text) else ""


def media_type(value: Value, kind: str) -> str:
    """From type and subtype (ED-2, ED-3; RP-3, RP-4); a bare `PDF` or `application/pdf` in one of them also tells."""
    major, minor = (value.text(3), value.text(4)) if kind == "RP" else (value.text(2), value.text(3))
    for text in (major, minor):
        if named := media_type_named(text):
            return named
    known = {"PDF": "application/pdf", "RTF": "application/rtf", "HTML": "text/html", "JPEG": "image/jpeg"}
    for text in (minor, major):
        if text.upper() in known:
            return known[text.upper()]
    major = {"TX": "text", "TEXT": "text", "IM": "image", "AP": "application", "AU": "audio"}.get(major.upper(), major)
    whole = f"{major}/{minor}".lower() if minor or major.lower() != "text" else "text/plain"
    return whole if re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", whole) else ""


@gatherer("document-content")
def document_content(values: list[Value], context: Context, argument: str) -> Any:
    """The OBX of an MDM message as contents, in order: texts joined as lines of one, each file by itself."""
    found: list[Any] = []
    lines: list[str] = []
    files: list[Value] = []
    held = Files()
    for value in values:
        if value.other(2) == "RP" or held.takes(value.segment):
            files.append(value)
        elif value.raw:
            lines.append(_line(value))
    if lines:
        found.append(_words("\n".join(lines).strip()))
    return [*found, *(attachments(files, context, argument) or ())] or None


def _line(value: Value) -> str:
    """A text as it is; another value with what it is and its unit."""
    if value.other(2) in ("TX", "FT", "ST", ""):
        return value.full().rstrip(value.delimiters.component)
    label = value.other(3, 2) or value.other(3)
    coded = value.other(2) in ("CE", "CWE", "CNE", "CF")
    shown = (coded and (value.text(2) or value.text(9) or value.text(1))) or value.full()
    unit = value.other(6, 2) or value.other(6)
    return " ".join(part for part in (f"{label}:" if label else "", shown, unit) if part)


@gatherer("no-content")
def no_content(values: list[Value], context: Context, argument: str) -> Any:
    """A notice of a document whose content was not sent (T01, T03…): R4 asks for an attachment, of the type that TXA-3
    names as such (`application/pdf`)."""
    attachment = missing("unknown")
    stated = values[0].other(3) if values else ""
    if stated and (found := media_type_named(stated)):
        attachment["contentType"] = found
    return {"attachment": attachment}


@conversion("early-document-key")
def early_document_key(value: Value, context: Context, argument: str) -> Any:
    """For TXA-16, a status one field early: TXA-11 as key of the document, where it is its number, early as well."""
    return ei_key(value.sibling(11), context, argument) if early_document(value.segment) else None


@conversion("early-document")
def early_document_number(value: Value, context: Context, argument: str) -> Any:
    """The same as Identifier; it is told."""
    if not early_document(value.segment):
        return None
    context.problems.append(value.sibling(11).problem("field.out-of-place"))
    return ei(value.sibling(11), context, argument)


@conversion("named-document-key")
def named_document_key(value: Value, context: Context, argument: str) -> Any:
    """TXA-10, 14 or 15 as key of the document, where it is its number by what it is called."""
    return ei_key(value, context, argument) if named_document(value) else None


@rescue("named-document")
def named_document_number(value: Value, context: Context, argument: str) -> Any:
    """The same as Identifier; it is told, as is a number there that may be the document's."""
    named = named_document(value)
    if not misplaced_if(named or lost_document(value), value, context) or not named:
        return None
    return ei(value, context, argument)


@conversion("must-authenticate")
def must_authenticate(value: Value, context: Context, argument: str) -> Any:
    """TXA-10 as reference; none where it is the number of the document."""
    return None if named_document(value) else xcn(value, context, argument)


@conversion("document-relation")
def document_relation(value: Value, context: Context, argument: str) -> Any:
    """TXA-13 as relatesTo, by the event: an addendum appends, a replacement retires the parent."""
    relation = context.codes("mdm-relation").get(context.event, "")
    key = ei_key(value, context, argument)
    own = ei_key(value.sibling(12), context, argument)
    if key is None or not relation or key == own or late_document(value.segment, context.event):
        return None
    retired = {"status": "superseded"} if relation == "replaces" else None
    local = context.mention("DocumentReference", key, retired)
    identifier = {"system": key.system, "value": key.value}
    return {
        "code": relation,
        "target": {"reference": DRAFT + local, "type": "DocumentReference", "identifier": identifier},
    }


@conversion("document-parent")
def document_parent(value: Value, context: Context, argument: str) -> Any:
    """TXA-13 as related document, of the events that name a parent without saying how (code table `mdm-related`)."""
    key, own = ei_key(value, context, argument), ei_key(value.sibling(12), context, argument)
    if key is None or key == own or late_document(value.segment, context.event):
        return None
    if not context.codes("mdm-related").get(context.event):
        return None
    reference = DRAFT + context.mention("DocumentReference", key)
    return {
        "reference": reference,
        "type": "DocumentReference",
        "identifier": {"system": key.system, "value": key.value},
    }


@conversion("availability-kept")
def availability_kept(value: Value, context: Context, argument: str) -> Any:
    """TXA-19 CA, OB and UN kept beside the status, whose code says less (v2-to-fhir TXA[DocumentReference])."""
    code = value.text(1)
    if code not in ("CA", "OB", "UN"):
        return None
    coding = {"system": f"{systems.V2}0273", "code": code}
    url = "http://hl7.org/fhir/StructureDefinition/alternate-codes"
    return {"extension": [{"url": url, "valueCodeableConcept": {"coding": [coding]}}]}


@conversion("presentation")
def presentation(value: Value, context: Context, argument: str) -> Any:
    """TXA-22 as authenticator: a PPN is an XCN with the moment in its fifteenth component."""
    return xcn(value, context, "")


@conversion("whole-instant")
def whole_instant(value: Value, context: Context, argument: str) -> Any:
    """TXA-6 as instant, only when it has a time (a date alone would claim midnight, and is told)."""
    found = moment_text(value.whole(), value, context)
    if found and "T" not in found:
        context.problems.append(value.problem("field.day-alone"))
        return None
    return found
