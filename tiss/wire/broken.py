"""Why bytes are no readable XML: another kind of file, a wrong declaration, or the place where the XML breaks.

The parser's own words can carry content and are never passed on; its kinds of error (`broken.csv`) are.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lxml import etree

from canonical.problem import Problem

DEEPEST = 256
BOM = b"\xef\xbb\xbf"
_FOLDER = Path(__file__).parent
_DECLARED = re.compile(rb"\A(?:\xef\xbb\xbf)?<\?xml\s[^>]*?encoding\s*=")
_HTML = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype\s+html|html)\b", re.I | re.S)
_JSON = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:\{\s*\"|\[\s*[\[{\"])")
_PREFIX = re.compile(r"Namespace prefix ([A-Za-z][\w.-]{0,19}) ")
_NUMBER = re.compile(r"Char value (\d+)\Z")
_TAG = re.compile(r"mismatch: ([A-Za-z_][\w.:-]{0,60}) line \d+ and ")
_OF_A_CUT = ("", "crossed", "less-than")  # what the parser says of a file that ends within a tag


@cache
def _kinds() -> dict[bytes, str]:
    with (_FOLDER / "kinds.csv").open(encoding="utf-8", newline="") as file:
        return {bytes.fromhex(row["starts"]): row["kind"] for row in csv.DictReader(file)}


@cache
def _reasons() -> dict[tuple[str, str], str]:
    """The last part of our code by the parser's kind of error and the fixed beginning of its words."""
    with (_FOLDER / "broken.csv").open(encoding="utf-8", newline="") as file:
        return {(row["kind"], row["begins"]): row["reason"] for row in csv.DictReader(file)}


def other_kind(raw: bytes) -> str:
    """What a file is that is plainly no XML, as a person calls it; empty when it may be XML."""
    found = next((kind for start, kind in _kinds().items() if raw.startswith(start)), "")
    if found:
        return found
    return "HTML" if _HTML.match(raw[:4096]) else "JSON" if _JSON.match(raw[:256]) else ""


def unreadable(
    error: etree.XMLSyntaxError, log: Iterable[etree._LogEntry], raw: bytes, encoding: str, *, whole: bool = True
) -> Problem:
    """Why the parser gave up on `raw` (its beginning only, unless `whole`); `log` is that parser's own."""
    line, column = error.position
    where = f"line {line}, column {column}"
    entries = list(log)
    if any(_too_much(entry) for entry in entries):
        return Problem("encoding.too-deep", where, args=(("limit", str(DEEPEST)),))
    if any(entry.type_name in ("ERR_UNSUPPORTED_ENCODING", "ERR_UNKNOWN_ENCODING") for entry in entries):
        return Problem("encoding.unknown", args=(("encoding", encoding),))
    if b"\0" not in raw and not raw.removeprefix(BOM).lstrip().startswith(b"<"):
        return _syntax(entries, where, cut=False)
    if (encoding in ("utf-8", "utf8") or raw.startswith(BOM)) and (wrong := _not_utf8(raw)):
        return _wrong_declaration(raw, wrong, encoding)
    if b"\0" in raw:
        return Problem("encoding.nul", f"line {raw.count(bytes([10]), 0, raw.index(0)) + 1}")
    return _syntax(entries, where, cut=whole and not raw.rstrip().endswith(b">"))


def _too_much(entry: etree._LogEntry) -> bool:
    return entry.type_name in ("ERR_RESOURCE_LIMIT", "ERR_NAME_TOO_LONG") or "depth" in entry.message


def _wrong_declaration(raw: bytes, line: int, encoding: str) -> Problem:
    """UTF-8 is what a declaration, its absence or a byte order mark says, and the bytes are not."""
    if raw.startswith(BOM):
        return Problem("encoding.bom-only", f"line {line}")
    code = "encoding.latin1-as-utf8" if _DECLARED.match(raw[:512]) else "encoding.latin1-undeclared"
    return Problem(code, f"line {line}", args=(("encoding", encoding),))


def _syntax(entries: list[etree._LogEntry], where: str, *, cut: bool) -> Problem:
    reason, said = _reason(entries)
    if cut and reason in _OF_A_CUT:
        reason = "cut"
    return Problem(f"encoding.not-xml.{reason}" if reason else "encoding.not-xml", where, args=_args(reason, said))


def _reason(entries: list[etree._LogEntry]) -> tuple[str, str]:
    """The first of the parser's errors that the table knows, and its words."""
    for entry in entries:
        for (kind, begins), reason in _reasons().items():
            if entry.type_name == kind and entry.message.startswith(begins):
                return reason, entry.message
    return "", ""


def _args(reason: str, message: str) -> tuple[tuple[str, str], ...]:
    """What the words name: a prefix, a tag or a character's number, each of a shape that is no content."""
    if reason == "prefix":
        match = _PREFIX.match(message)
        return (("prefix", match[1] if match else "?"),)
    if reason == "character":
        match = _NUMBER.search(message)
        return (("character", f"U+{int(match[1]):04X}" if match else "?"),)
    if reason == "crossed":
        match = _TAG.search(message)
        return (("tag", match[1] if match else "?"),)
    return ()


def _not_utf8(raw: bytes) -> int:
    """The line of the first byte that is no UTF-8; 0 when all are."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end == len(raw) and "end of data" in error.reason:
            return 0  # the beginning of a file, cut within a character
        return raw.count(b"\n", 0, error.start) + 1
    return 0
