"""A TISS message inside something else: as escaped text or CDATA of a string, or below elements of another namespace.

Services that declare `string` where the ANS WSDL says document/literal answer this way; the message itself is whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from tiss.wire.epilogo import own_text
from tiss.wire.message import declared_encoding, parser
from tiss.wire.versions import NAMESPACE

_DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]*\?>")
_ANS = f"{{{NAMESPACE}}}*"
_HTTP = re.compile(rb"\AHTTP/\d(?:\.\d)? \d{3}[^\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n")
_MIME = re.compile(rb"\A\s*--([^\s]{1,200})\r?\n(?:[^\r\n]+\r?\n)*\r?\n")


def without_headers(raw: bytes) -> bytes:
    """What stands behind the headers of an HTTP answer, and the first part of a MIME one (MTOM); else `raw` itself."""
    if http := _HTTP.match(raw):
        raw = raw[http.end() :]
    if mime := _MIME.match(raw):
        end = raw.find(b"\n--" + mime[1], mime.end())
        raw = raw[mime.end() : end if end >= 0 else len(raw)].rstrip()
    return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The message's own bytes, in the encoding they declare; the element it stood in, and whether as text."""

    content: bytes
    holder: str
    escaped: bool


def within(raw: bytes) -> Packed | None:
    """The message inside `raw`, XML whose root is none of the ANS; None when there is none."""
    try:
        root = etree.fromstring(raw, parser())
    except (etree.XMLSyntaxError, LookupError, ValueError):
        return None
    below = next(root.iterdescendants(_ANS), None)
    if below is not None:
        encoding = declared_encoding(raw)
        below.tail = None
        content: bytes = etree.tostring(below, encoding=encoding, xml_declaration=True)  # type: ignore[assignment]
        return Packed(content=content, holder=_name(below.getparent()), escaped=False)
    for node in root.iter(etree.Element):
        text = own_text(node)
        if NAMESPACE in text and text.lstrip("\ufeff \t\r\n").startswith("<"):
            return Packed(content=_bytes(text.lstrip("\ufeff").strip()), holder=_name(node), escaped=True)
    return None


def _bytes(text: str) -> bytes:
    """A message that was text as the bytes its declaration names; as UTF-8 where that cannot hold it."""
    encoding = declared_encoding(text[:512].encode("ascii", "replace"))
    try:
        return text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _DECLARATION.sub("", text, count=1).strip().encode()


def _name(node: etree._Element | None) -> str:
    return etree.QName(node).localname[:60] if node is not None else ""
