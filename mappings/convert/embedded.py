"""Files in OBX-5 (2.5.1 §2.A.24), also of senders that do not say ED in OBX-2 and put the bare Base64 there."""

from __future__ import annotations

import re

from hl7.er7 import Segment

FILE = "ED"
ENCODINGS = ("base64", "hex", "a")
_POINTED = "RP"
_MARKS = ("JVBER", "/9j/", "iVBOR", "UEsDB", "e1xyd", "SUkq", "TU0A", "R0lGO")
_UNTYPED = frozenset(("", "ST", "TX", "FT"))
_SHORTEST = 100  # characters: no word or number of a result is so long
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/=\s]|\\\.br\\|\\X0[AD]\\)*\Z")
_BREAKS = re.compile(r"\\\.br\\|\\X0[AD]\\|\s+")
_TYPES = (
    (b"%PDF", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)


def holds_file(segment: Segment, before: Segment | None) -> bool:
    """Whether an OBX holds a file, or the next piece of the one in the OBX `before`, whatever its type says."""
    kind = segment.text(2).strip()
    if kind in (FILE, _POINTED):
        return kind == FILE
    raw = segment.raw_field(5)
    if len(raw) < _SHORTEST or kind not in _UNTYPED:
        return not kind and segment.text(5, 4).lower() in ENCODINGS[:1]
    if not kind and segment.text(5, 4).lower() in ENCODINGS[:1]:
        return True
    piece = before is not None and before.raw_field(3) == segment.raw_field(3) and before.text(2).strip() == kind
    return (started(raw) or piece) and _BASE64.match(raw) is not None


def bare(raw: str) -> str:
    """The Base64 of a field that holds nothing else; empty for any other."""
    return _BREAKS.sub("", raw) if _BASE64.match(raw) else ""


def started(text: str) -> bool:
    """Whether Base64 begins as a file of a known kind does."""
    return text.lstrip().startswith(_MARKS)


def type_of(content: bytes) -> str:
    """The media type by which a file names itself; empty for others."""
    return next((media for mark, media in _TYPES if content.startswith(mark)), "")
