"""encoding.*: declared and real encoding, characters beyond ISO-8859-1, control characters, blank texts.

The leaf text as a whole is looked at first; elements are visited only when it holds something to find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from lxml import etree

from tiss.rules.case import Findings
from tiss.wire import epilogo, shapes, versions
from tiss.wire.broken import BOM
from tiss.wire.message import Tiss, place
from tiss.wire.shapes import Shape, Shapes

_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f]|[^\x00-\xff]")
_POSITION = re.compile(r"\[\d+\]")
_TWICE = re.compile("[ÂÃ][\x80-\xbf\u2018-\u2122\u0152-\u017e\u0192\u02c6\u02dc]")
_FREE = 21  # a text this long is free: a name or a description
_GOOD = bytes(range(0x20, 0x7F)) + bytes(range(0xA0, 0x100))
_UTF8 = re.compile(rb"(?:[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+")
_HIGH = re.compile(rb"[\x80-\xff]+")
LATIN = frozenset(("iso-8859-1", "latin1", "latin-1", "iso8859-1", "iso_8859-1", "l1"))


def check(message: Tiss, raw: bytes, text: str, found: Findings) -> None:
    """Record what encoding and characters have wrong; `text` is the leaf text."""
    if message.encoding not in LATIN:
        found.add("encoding.declared", "", encoding=message.encoding)
    elif raw.startswith(BOM):
        found.add("encoding.bom", "line 1", encoding=message.encoding)
    elif lies_utf8(raw):
        found.add("encoding.utf8-as-latin1", _line_of_high(raw))
        return  # every accent would be a finding of its own
    odd(message.root, text, found)


def odd(root: etree._Element, text: str, found: Findings) -> None:
    """encoding.not-latin1, encoding.cp1252, encoding.control in any text below `root`; `text` is all of it."""
    if _is_odd(text):
        _odd_texts(root, found)


def once(text: str) -> str | None:
    """A text whose accents were encoded twice, as it was meant; None for one that shows no such thing."""
    if not _TWICE.search(text):
        return None
    raw = b"".join(c.encode("latin-1") if c < "\u0100" else c.encode("cp1252", "replace") for c in text)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def edges(message: Tiss, parts: Iterable[str], version: str, found: Findings) -> None:
    """encoding.padded: blanks around a code or number; `parts` are all leaf texts. Free texts are left alone."""
    joined = "\0".join(parts)
    if not ("\0 " in joined or " \0" in joined or joined[:1] == " " or joined[-1:] == " "):
        return
    if version not in versions.installed():
        return
    table = shapes.of(version, service=message.service)
    for node in _leaves(message.root):
        text = epilogo.own_text(node)
        if text.strip() and text != text.strip() and _is_code(shape_at(place(node), table)):
            found.add("encoding.padded", place(node))


def shape_at(where: str, table: Shapes) -> Shape | None:
    """The shape of the element at a place."""
    return shapes.at(table, _POSITION.sub("", where).strip("/").split("/"))


def _is_code(shape: Shape | None) -> bool:
    """Whether a type holds a number, date or code: neither free text nor a list, of which the schema tells."""
    return shape is not None and not shape.codes and (shape.base != "string" or (shape.longest or _FREE) < _FREE)


def _is_odd(text: str) -> bool:
    """Whether `text` holds anything but printable ISO-8859-1, or shows accents that were encoded twice."""
    if ("Ã" in text or "Â" in text) and _TWICE.search(text):
        return True
    try:
        return bool(text.encode("iso-8859-1").translate(None, _GOOD))
    except UnicodeEncodeError:
        return True


def lies_utf8(raw: bytes) -> bool:
    """Whether bytes declared as ISO-8859-1 are UTF-8: every run of high bytes is well-formed UTF-8."""
    runs = 0
    for match in _HIGH.finditer(raw):
        if _UTF8.fullmatch(match.group()) is None:
            return False
        runs += 1
    return runs > 0


def _line_of_high(raw: bytes) -> str:
    match = _HIGH.search(raw)
    return f"line {raw.count(bytes([10]), 0, match.start()) + 1}" if match else ""


def _leaves(root: etree._Element) -> Iterator[etree._Element]:
    """Elements without child elements; hash and signatures left out."""
    for node in root.iter(etree.Element):
        inner = any(isinstance(child.tag, str) for child in node)
        if not inner and node.tag not in epilogo.SKIPPED and not _signed(node):
            yield node


def _signed(node: etree._Element) -> bool:
    return any(parent.tag in epilogo.SKIPPED for parent in node.iterancestors())


def _odd_texts(root: etree._Element, found: Findings) -> None:
    for node in _leaves(root):
        text = epilogo.own_text(node)
        if once(text) is not None:
            found.add("encoding.twice", place(node))
            continue
        for match in _ODD.finditer(text):
            char = match.group()
            code = "encoding.not-latin1"
            if char < "\x80":
                code = "encoding.control"
            elif char < "\xa0":
                code = "encoding.cp1252"
            found.add(code, place(node), character=f"U+{ord(char):04X}", position=match.start() + 1)
            break


def blanks(elements: Iterable[etree._Element], known: set[str], table: Shapes | None, found: Findings) -> None:
    """encoding.blank, encoding.blank-optional for every empty leaf among `elements`, signatures and hash left out.

    `known` are places the schema already told of, `table` the shapes that say what is required.
    """
    # one pass over all elements on every message: kept to what is cheapest to ask of a node
    blank = [node for node in elements if (not (text := node.text) or text.isspace()) and not len(node)]
    for node in blank:
        if isinstance(node.tag, str) and node.tag not in epilogo.SKIPPED and not _signed(node):
            where = place(node)
            if where not in known:
                found.add("encoding.blank" if _required(where, table) else "encoding.blank-optional", where)


def may_be_blank(version: str, *, service: bool) -> frozenset[str] | None:
    """The names of the elements in which the schema accepts blanks alone: any text, and no list of codes. None when
    the schema of this version is not here.
    """
    return _may_be_blank(version, service) if version in versions.installed() else None


@cache
def _may_be_blank(version: str, service: bool) -> frozenset[str]:
    table = shapes.of(version, service=service)
    parts = (part for shape in table.types.values() for part in shape.parts)
    return frozenset(part.name for part in parts if _open(table.types[part.type]))


def _open(shape: Shape) -> bool:
    listed = bool(shape.codes) and all(map(str.strip, shape.codes))
    return not shape.parts and shape.base in ("", "string", "base64Binary") and not listed


def _required(where: str, table: Shapes | None) -> bool:
    """Whether the element at a place must stand there; also when no shape is known."""
    *path, name = _POSITION.sub("", where).strip("/").split("/")
    shape = shapes.at(table, path) if table is not None else None
    return shape is None or any(part.name == name and part.minimum > 0 for part in shape.parts)
