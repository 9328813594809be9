"""Files in OBX-5 (2.5.1 §2.A.24), also of senders that do not say ED in OBX-2 and put bare Base64 or RTF there."""

from __future__ import annotations

import re

from hl7.er7 import Segment
from hl7.escapes import unescape

FILE = "ED"
ENCODINGS = ("base64", "hex", "a")
_POINTED = "RP"
_MARKS = ("JVBER", "/9j/", "iVBOR", "UEsDB", "e1xyd", "SUkq", "TU0A", "R0lGO")
_UNTYPED = frozenset(("", "ST", "TX", "FT", "RTF", "PDF"))  # the last two are no types of HL7
_SHORTEST = 100  # characters: no word or number of a result is so long
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/=\s]|\\\.br\\|\\X0[AD]\\)*\Z")
_RTF = "{\\rtf"
_GROUP = re.compile(r"\\[\\{}]|[{}]")
_LITERAL = re.compile(r"\\[\\{}]")  # signs of the text, no groups
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


class Files:
    """Which OBX of a message hold files, asked in order: an RTF goes on in lines until its groups close."""

    __slots__ = ("_depth", "last", "piece")

    def __init__(self) -> None:
        self.last: Segment | None = None
        self.piece = False
        self._depth = 0

    def takes(self, segment: Segment) -> bool:
        """Whether this OBX holds a file or a piece of the last one; `piece` then says that it is a line of an RTF."""
        if segment is self.last:
            return True
        if not self._depth and _is_short(segment):
            self.piece = False
            return False
        open_rtf = self._depth > 0 and self.last is not None and _same(segment, self.last)
        begins = is_rtf(segment)
        self.piece = open_rtf and not begins
        if not begins and not self.piece and not holds_file(segment, self.last):
            return False
        text = rtf_text(segment) if begins or self.piece else ""
        groups = _LITERAL.sub("", text)
        self._depth = (self._depth if self.piece else 0) + groups.count("{") - groups.count("}")
        self.last = segment
        return True

    def takes_behind(self, segment: Segment, above: Segment | None) -> bool:
        """The same, where a piece stands right below the one before it (`above`)."""
        if above is not self.last:
            self.last, self.piece, self._depth = None, False, 0
        return self.takes(segment)


def _is_short(segment: Segment) -> bool:
    """Whether an OBX says its type and little else, as nearly all do, which is no file."""
    kind, raw = segment.text(2).strip(), segment.raw_field(5)
    return bool(kind) and kind not in (FILE, _POINTED) and len(raw) < _SHORTEST and "{" not in raw


def _same(segment: Segment, before: Segment) -> bool:
    return all(segment.raw_field(number).strip() == before.raw_field(number).strip() for number in (2, 3))


def is_rtf(segment: Segment) -> bool:
    """Whether an OBX of a text type begins an RTF, sent as it is."""
    typed = segment.text(2).strip() not in _UNTYPED
    return not typed and "{" in segment.raw_field(5)[:9] and rtf_text(segment).lstrip().startswith(_RTF)


def rtf_text(segment: Segment) -> str:
    """All of OBX-5 as one text: the separators of HL7 are signs of the RTF (`\\~` is a blank)."""
    return unescape(segment.raw_field(5), segment.delimiters)


def rtf_and_rest(text: str) -> tuple[str, str]:
    """An RTF up to the end of its groups, and the words behind it, which no reader of it would show."""
    depth = 0
    for match in _GROUP.finditer(text):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if not depth:
            rest = text[match.end() :].replace("~", "\n").strip()
            return (text[: match.end()], rest) if any(map(str.isalnum, rest)) else (text, "")
    return text, ""


def rtf_bytes(text: str) -> bytes:
    """An RTF as its file: seven bits, other letters by their number (`\\u225?`), whatever code page it declares."""
    return "".join(c if ord(c) < 128 else _numbered(c) for c in text).encode("ascii")


def _numbered(letter: str) -> str:
    units = letter.encode("utf-16-le")
    numbers = [int.from_bytes(units[n : n + 2], "little", signed=True) for n in range(0, len(units), 2)]
    return "".join(f"\\u{number}?" for number in numbers)


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
