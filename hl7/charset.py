"""Character sets: what MSH-18 declares (table 0211), what the bytes are, and never a replacement character.

Silent or lying senders are common: the bytes decide, a warning tells, and what fits nothing is refused.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

from canonical.problem import Problem

_LATIN = {n: f"iso8859-{n}" for n in (*range(2, 10), 13, 15)} | {1: "latin-1"}
# Table 0211 name -> Python codec; the names senders really write.
NAMES = {
    "": "ascii",
    "ASCII": "ascii",
    "US-ASCII": "ascii",
    **{
        f"{prefix}8859{mark}{n}": c
        for n, c in _LATIN.items()
        for prefix in ("", "ISO-", "ISO", "ISO ")
        for mark in "/-"
    },
    **{f"{prefix}{n}": f"cp{n}" for n in range(1250, 1259) for prefix in ("WINDOWS-", "CP")},
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "BIG-5": "big5",
    "BIG5": "big5",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "KS X 1001": "euc_kr",
}
# A UTF-8 lead byte read as Windows-1252 or Mac Roman, and what may follow it.
_DOUBLED = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u2122]|[\u221a\u00ac\u201a][\u0080-\uffff]")
# A replacement character, as it is and as it looks after it was taken for Windows-1252 or Mac Roman once more.
_LOST = ("\ufffd", "\u00ef\u00bf\u00bd", "\u00d4\u00f8\u03a9", "\u221a?")
_LOST_BYTES = tuple(text.encode() for text in _LOST)
_DOUBLE_BYTE = frozenset(("big5", "gb18030", "gbk", "euc_kr"))
_BEYOND_TWO = re.compile("[\u0800-\U0010ffff]")  # letters that UTF-8 writes in three bytes or four
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_HEADER = 4000  # characters that hold MSH-18
_SAID = re.compile(rb"[^\x0b\x1c\r\n \t]")
_ISO_2022 = re.compile(rb"\x1b[$(),\-./]")  # an escape of ISO 2022 that switches the character set
# Sets that a text switches to by ISO 2022 (MSH-20), from ASCII and back before each delimiter: one codec reads them.
_SWITCHED = frozenset(("ISO IR6", "ISO IR14", "ISO IR87", "ISO IR159"))
_JAPANESE = "iso2022_jp_ext"
# Not possible in MLLP, or sets that switch within the text.
_REFUSED = (
    "UNICODE UTF-16",
    "UNICODE UTF-32",
    "UTF-16",
    "UTF-32",
    "ISO IR14",
    "ISO IR87",
    "ISO IR159",
    "CNS 11643-1992",
)


class Decoded(NamedTuple):
    """The text of a message, the codec that gave it, and what was noticed."""

    text: str
    name: str
    problems: tuple[Problem, ...] = ()


def decode(raw: bytes, *, fixed: str = "", fallback: str = "cp1252") -> Decoded | Problem:
    """`raw` as text by a fixed charset, MSH-18, strict UTF-8 or the channel's fallback, in that order.

    A fixed charset is the operator's word: nothing is guessed or mended then.
    """
    if _SAID.search(raw) is None:
        return Problem("er7.empty", "MSH")
    if b"\x00" in raw:
        return Problem("charset.nul", "MSH")
    if b"\x1b" in raw and _ISO_2022.search(raw):
        return _switched(raw, fixed) or Problem("charset.switching", "MSH-18")
    found = _decode(raw, fixed, fallback)
    return found if isinstance(found, Problem) or fixed or raw.isascii() else _mended(raw, found)


def _decode(raw: bytes, fixed: str, fallback: str) -> Decoded | Problem:
    if fixed:
        return _strict(raw, NAMES.get(fixed.upper(), fixed)) or Problem("charset.undecodable", "MSH-18")
    declared = declared_charset(raw)
    if declared in _REFUSED:
        return Problem("charset.unsupported", "MSH-18", args=(("charset", declared),))
    codec = NAMES.get(declared)
    if codec is None:
        return _guess(raw, fallback, (Problem("charset.unknown", "MSH-18"),))
    found = _strict(raw, codec)
    if found is None:
        code = "charset.undeclared" if not declared else "charset.lies"
        return _guess(raw, fallback, (Problem(code, "MSH-18", args=(("charset", declared or "ASCII"),)),))
    if codec in _DOUBLE_BYTE and declared_charset(found.text[:_HEADER].encode()) != declared:
        return Problem("charset.undecodable", "MSH-18")  # a letter of two bytes has taken a separator of the header
    return found if codec in ("ascii", "utf-8") else _second_look(raw, found, declared)


def _switched(raw: bytes, fixed: str) -> Decoded | None:
    """A text that switches between ASCII and the Japanese sets which MSH-18 names (2.5.1 §2.15.9.18, §2.15.9.20)."""
    declared = {name for name in declared_charsets(raw) if name not in ("", "ASCII")}
    if fixed or not declared or not declared <= _SWITCHED or not raw.isascii():
        return None
    return _strict(raw, _JAPANESE)


def _mended(raw: bytes, found: Decoded) -> Decoded | Problem:
    """Text that was UTF-8 once more than it says: mended where nothing was lost, refused where something was.

    A sender read its own UTF-8 as Windows-1252 (`Ã§` for ç) or as Mac Roman (`√ß`) and encoded that. All of the text
    must tell so: a single place that does not fit leaves it as it came.
    """
    if _lost(raw, found):
        return Problem("charset.lossy", "MSH-18")
    first = _BEYOND_ASCII.search(found.text) if found.name == "utf-8" else None
    if first is None or not _DOUBLED.match(found.text, first.start()):
        return found  # the first letter beyond ASCII would have to be one of a pair
    for back in (_windows, _mac_roman):
        try:
            text = back(found.text).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        if "\ufffd" in text:
            return Problem("charset.lossy", "MSH-18")
        return Decoded(text, found.name, (*found.problems, Problem("charset.double", "MSH-18")))
    return found


def _lost(raw: bytes, found: Decoded) -> bool:
    """Whether the bytes have a replacement character; UTF-8 is faster searched as text."""
    if found.name == "utf-8":
        return any(map(found.text.__contains__, _LOST))
    return any(mark in raw for mark in _LOST_BYTES)


def _windows(text: str) -> bytes:
    """The bytes of a text that was read as Windows-1252, its five unused bytes as the controls most readers make."""
    return text.encode("cp1252", "ponte_hl7_controls")


def _mac_roman(text: str) -> bytes:
    return text.encode("mac_roman")


def declared_charset(raw: bytes) -> str:
    """The first repetition of MSH-18 in upper case; empty when silent. ASCII is enough to find it."""
    return declared_charsets(raw)[0]


def declared_charsets(raw: bytes) -> tuple[str, ...]:
    """The repetitions of MSH-18 in upper case, one that is empty when it is silent."""
    start = raw.find(b"MSH")
    if start < 0:
        return ("",)
    end = raw.find(b"\r", start)
    header = raw[start : end if end >= 0 else len(raw)]
    if (end := header.find(b"\n")) >= 0:
        header = header[:end]
    if len(header) < 9:
        return ("",)
    fields = header.split(header[3:4], 18)
    return _names(fields[17], header[5:6]) if len(fields) > 17 else ("",)


@lru_cache(maxsize=1024)
def _names(value: bytes, repetition: bytes) -> tuple[str, ...]:
    """The repetitions, in upper case."""
    names = value.split(repetition) if repetition else [value]
    return tuple(name.decode("ascii", "replace").strip().upper() for name in names)


def encode(text: str, codec: str) -> bytes:
    """`text` in `codec`; what it cannot say is escaped as `\\X..\\` of its UTF-8 bytes, never replaced."""
    return text.encode(codec, "ponte_hl7_escape")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return f"\\X{lost.encode('utf-8').hex().upper()}\\", error.end


def _controls(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return error.object[error.start : error.end].encode("latin-1"), error.end


codecs.register_error("ponte_hl7_escape", _escape)
codecs.register_error("ponte_hl7_controls", _controls)


def _strict(raw: bytes, codec: str) -> Decoded | None:
    try:
        text = raw.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return None
    return None if "\ufffd" in text else Decoded(text, codec)


def _guess(raw: bytes, fallback: str, problems: tuple[Problem, ...]) -> Decoded | Problem:
    for codec in ("utf-8", fallback):
        found = _strict(raw, codec)
        if found is not None:
            return Decoded(found.text, codec, problems)
    return Problem("charset.undecodable", "MSH-18")


def _second_look(raw: bytes, found: Decoded, declared: str) -> Decoded:
    """A single-byte charset decodes anything: UTF-8 in disguise and Windows-1252 punctuation are still seen.

    Two bytes of a double-byte set may be a letter of UTF-8 by chance; three bytes for each are none.
    """
    if not raw.isascii():
        utf8 = _strict(raw, "utf-8")
        if utf8 is not None and (found.name not in _DOUBLE_BYTE or _BEYOND_TWO.search(utf8.text)):
            return Decoded(utf8.text, "utf-8", (Problem("charset.lies", "MSH-18", args=(("charset", declared),)),))
    if found.name in ("latin-1", "iso8859-15") and any("\x80" <= c <= "\x9f" for c in found.text):
        windows = _strict(raw, "cp1252")
        if windows is not None:
            return Decoded(windows.text, "cp1252", (Problem("charset.lies", "MSH-18", args=(("charset", declared),)),))
    return found
