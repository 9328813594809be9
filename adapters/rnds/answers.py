"""Answers of RNDS: kept as an HTTP message (status line, headers, body), since the id of a document stands in a header.

The header is also what DATASUS asks for as evidence of homologação.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from adapters.rnds.errors import codes_in
from fhir import jsontext

_KEPT = ("content-location", "content-type", "date", "location", "retry-after", "x-request-id")
_ID = re.compile(r"(?:Bundle|Composition)/([A-Za-z0-9.-]{1,64})")
_EXISTING = re.compile(r"(?:id|ID) existente é:? ?([A-Za-z0-9.-]{8,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an answer says: its status, the RNDS id it gives, the error codes it names, and its own words.

    The words may name a person: they are for the eyes of who asks, never for rows or logs.
    """

    status: int
    document: str = ""
    codes: tuple[str, ...] = ()
    words: tuple[str, ...] = field(default=(), repr=False)


def kept(status: int, reason: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """An answer as the bytes that are kept; of the headers, those that tell of the document and the time."""
    lines = [f"HTTP/1.1 {status} {reason}".rstrip()]
    lines += [f"{name}: {value}" for name, value in headers if name.lower() in _KEPT]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def read(content: bytes) -> Said:
    """What a kept answer says; an unreadable one has status 0."""
    head, _, body = content.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = re.match(r"HTTP/1\.[01] ([0-9]{3})", lines[0])
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:]}
    document = jsontext.parse(body) if body[:1] in (b"{", b"[") else None
    diagnostics = _diagnostics(document)
    found = _ID.search(headers.get("location") or headers.get("content-location") or "")
    named = found[1] if found else _existing(diagnostics) or _found(document)
    return Said(
        status=int(status[1]) if status else 0,
        document=named,
        codes=tuple(dict.fromkeys(code for text in diagnostics for code in codes_in(text))),
        words=tuple(dict.fromkeys(text for text in diagnostics if text)),
    )


def _diagnostics(document: Any) -> list[str]:
    if not isinstance(document, dict) or document.get("resourceType") != "OperationOutcome":
        return []
    issues = [issue for issue in document.get("issue", ()) if isinstance(issue, dict)]
    texts = [issue.get("diagnostics") or (issue.get("details") or {}).get("text") or "" for issue in issues]
    return [str(text) for text in texts]


def _existing(diagnostics: Iterable[str]) -> str:
    """The id that an error about a used identifier names (ERR866)."""
    return next((found[1].rstrip(".") for text in diagnostics if (found := _EXISTING.search(text))), "")


def _found(document: Any) -> str:
    """The id of the newest document in an answer to a question: the Composition itself, or the first of a Bundle."""
    if not isinstance(document, dict):
        return ""
    if document.get("resourceType") == "Bundle":
        entries = [entry for entry in document.get("entry", ()) if isinstance(entry, dict)]
        return next((name for entry in entries if (name := _found(entry.get("resource")))), "")
    return str(document.get("id") or "") if document.get("resourceType") == "Composition" else ""
