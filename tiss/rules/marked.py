"""A message as its document and its texts, in order; marked, a piece of it has a mark wherever text stood.

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

from tiss.wire import epilogo
from tiss.wire.message import Tiss
from tiss.wire.versions import NAMESPACE

MARK = "\x01"
_TEXT = re.compile(r">[^<]+<")
_TEXTS = etree.XPath("//text()", smart_strings=False)
_NS = f"{{{NAMESPACE}}}"
_DECLARED = re.compile(rb"=[\"']" + re.escape(NAMESPACE.encode()) + rb"[\"']")
_ADDRESS = NAMESPACE.encode()
_HEAD = 4096
_BYTEWISE = frozenset(("iso-8859-1", "latin1", "latin-1", "utf-8", "utf8", "us-ascii", "ascii", "windows-1252"))


@dataclass(frozen=True, slots=True)
class Marked:
    """A document whose texts are `texts`; its TISS elements bear `prefix` (with its colon), others another one. The
    root element stands at `begin`. `plain`: the texts stand in it, else it has a MARK for each.
    """

    document: str
    texts: list[str]
    prefix: str
    begin: int = 0
    plain: bool = False

    def spelled(self) -> list[str]:
        """The texts as a document usually spells them."""
        return self.texts if "&" not in self.document else list(map(_escaped, self.texts))

    def mark(self, piece: str) -> str:
        """A piece that begins with an element, with a mark for each text."""
        # a text at its end is closed by what follows the piece
        return _TEXT.sub(f">{MARK}<", f"{piece}<")[:-1] if self.plain else piece


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def of(message: Tiss, raw: bytes) -> Marked:
    """The message as document and texts."""
    return _quickly(message, raw) or spelled(message.root)


def _quickly(message: Tiss, raw: bytes) -> Marked | None:
    """From the bytes themselves; None where comments, CDATA or several prefixes make them hard to read."""
    if message.encoding not in _BYTEWISE or _holds_more(raw):
        return None
    if _declarations(raw) != 1 or message.root.getparent() is not None:
        return None
    try:
        document = raw.decode(message.encoding).rstrip()
    except UnicodeDecodeError:
        return None
    texts: Any = _TEXTS(message.root)
    prefix = message.root.prefix
    begin = document.index("<", document.index("?>") if "<?" in document[:8] else 0)
    return Marked(document, texts, f"{prefix}:" if prefix else "", begin, plain=True)


# single bytes are looked for first: that is far quicker than a string
def _holds_more(raw: bytes) -> bool:
    """Whether comments, CDATA or instructions may stand in it."""
    return (b"!" in raw and b"<!" in raw) or (raw.find(b"?", raw.find(b"?>") + 2) >= 0 and raw.count(b"<?") > 1)


def _declarations(raw: bytes) -> int:
    """How often the namespace of TISS is declared."""
    end = _HEAD if max(raw.rfind(b'"'), raw.rfind(b"'")) < _HEAD else len(raw)  # no attribute beyond
    return 1 if raw.count(_ADDRESS, 0, end) == 1 else len(_DECLARED.findall(raw, 0, end))


def spelled(root: etree._Element) -> Marked:
    """From the tree, element by element: right for every message, and the measure of the quick way."""
    markup: list[str] = []
    texts: list[str] = []

    def put(text: str) -> None:
        if text:
            texts.append(text)
            markup.append(MARK)

    def walk(node: etree._Element) -> None:
        name = _name(node)
        markup.append(f"<{name}>")
        held = node.text or ""
        for child in node:
            if isinstance(child.tag, str):
                put(held)
                walk(child)
                held = child.tail or ""
            else:
                held += child.tail or ""
        put(held)
        markup.append(f"</{name}>")

    walk(root)
    return Marked("".join(markup), texts, "")


def _name(node: etree._Element) -> str:
    tag = str(node.tag)
    local = tag.rpartition("}")[2]
    return local if tag.startswith(_NS) else f"other:{local}"


def leaves(root: etree._Element) -> list[etree._Element]:
    """The elements of a message in document order; the position of one is what `fragments` counts."""
    return list(root.iter(etree.Element))


QUIET = frozenset(tag.rpartition("}")[2] for tag in epilogo.SKIPPED)
