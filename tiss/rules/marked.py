"""A message as its markup and its texts: the markup with a mark wherever text stood, and the texts in order.

```
<r><a>x</a><b/></r>   ->   <r><a>\\x01</a><b/></r>   and   ["x"]
```

Markup repeats from guide to guide where texts do not, so that what it means is worked out once (`fragments`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lxml import etree

from tiss import epilogo
from tiss.message import Tiss
from tiss.versions import NAMESPACE

MARK = b"\x01"
_TEXT = re.compile(rb">[^<]+<")
_TEXTS = etree.XPath("//text()", smart_strings=False)
_NS = f"{{{NAMESPACE}}}"
_DECLARED = re.compile(rb"=[\"']" + re.escape(NAMESPACE.encode()) + rb"[\"']")
_ADDRESS = NAMESPACE.encode()
_BYTEWISE = frozenset(("iso-8859-1", "latin1", "latin-1", "utf-8", "utf8", "us-ascii", "ascii", "windows-1252"))


@dataclass(frozen=True, slots=True)
class Marked:
    """`markup` with one MARK for each of `texts`; TISS elements bear `prefix` (with its colon), others another one."""

    markup: bytes
    texts: list[str]
    prefix: bytes


def of(message: Tiss, raw: bytes) -> Marked:
    """The message as markup and texts."""
    return _quickly(message, raw) or spelled(message.root)


def _quickly(message: Tiss, raw: bytes) -> Marked | None:
    """From the bytes themselves; None where comments, CDATA or several prefixes make them hard to read."""
    if message.encoding not in _BYTEWISE or _holds_more(raw):
        return None
    if (raw.count(_ADDRESS) != 1 and len(_DECLARED.findall(raw)) != 1) or message.root.getparent() is not None:
        return None
    texts: Any = _TEXTS(message.root)
    markup, marks = _TEXT.subn(b">" + MARK + b"<", raw)
    if marks != len(texts) + _before(markup, raw):
        return None
    prefix = message.root.prefix
    begin = markup.index(b"<", 1 if markup[:2] == b"<?" else 0)
    return Marked(markup[begin:], texts, f"{prefix}:".encode() if prefix else b"")


def _holds_more(raw: bytes) -> bool:
    """Whether comments, CDATA or instructions may stand in it; single bytes are looked for first, that is quick."""
    return (b"!" in raw and b"<!" in raw) or (raw.count(b"?") > 2 and raw.count(b"<?") > 1)


def _before(markup: bytes, raw: bytes) -> int:
    """Blanks between the XML declaration and the root are no text of the message, but leave a mark."""
    return int(raw[:5] == b"<?xml" and markup.find(MARK, 0, markup.index(b">") + 2) > 0)


def spelled(root: etree._Element) -> Marked:
    """From the tree, element by element: right for every message, and the measure of the quick way."""
    markup: list[bytes] = []
    texts: list[str] = []

    def put(text: str) -> None:
        if text:
            texts.append(text)
            markup.append(MARK)

    def walk(node: etree._Element) -> None:
        name = _name(node)
        markup.append(b"<" + name + b">")
        held = node.text or ""
        for child in node:
            if isinstance(child.tag, str):
                put(held)
                walk(child)
                held = child.tail or ""
            else:
                held += child.tail or ""
        put(held)
        markup.append(b"</" + name + b">")

    walk(root)
    return Marked(b"".join(markup), texts, b"")


def _name(node: etree._Element) -> bytes:
    tag = str(node.tag)
    local = tag.rpartition("}")[2]
    return (local if tag.startswith(_NS) else f"other:{local}").encode()


def leaves(root: etree._Element) -> list[etree._Element]:
    """The elements of a message in document order; the position of one is what `fragments` counts."""
    return list(root.iter(etree.Element))


QUIET = frozenset(tag.rpartition("}")[2].encode() for tag in epilogo.SKIPPED)
