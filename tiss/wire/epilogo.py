"""The epilogo hash (Componente Organizacional, item 146): MD5 over the leaf texts in the declared encoding.

```
<r><a>AÇÃO</a><b> x </b><c/><d>1</d></r>  ->  "AÇÃO x 1"  ->  ISO-8859-1  84420eb54bee17b575c22dec20d74852
```
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from lxml import etree

from tiss.wire.versions import NAMESPACE, SIGNATURE

HASH = f"{{{NAMESPACE}}}hash"
SIGNATURES = frozenset(
    (
        f"{{{SIGNATURE}}}Signature",
        f"{{{NAMESPACE}}}Signature",
        f"{{{NAMESPACE}}}Signatures",
        f"{{{NAMESPACE}}}assinaturaDigitalGuia",
    )
)
SKIPPED = SIGNATURES | {HASH}
_ALL_TEXTS = etree.XPath("//text()", smart_strings=False)
_LEAF_TEXTS = etree.XPath("//text()[not(../*)]", smart_strings=False)


def leaf_text(root: etree._Element) -> str:
    """The text the hash covers: leaves in document order, hash elements and signatures left out."""
    return "".join(leaf_parts(root))


def leaf_parts(root: etree._Element, *, valid: bool = False) -> list[str]:
    """The same in pieces, one or more for each leaf that is not empty.

    `valid`: the official schema found nothing, so that only blanks can stand between elements.
    """
    hashes = list(root.iter(HASH))
    signed = next(root.iter(*SIGNATURES), None) is not None
    if len(hashes) != 1 or signed or len(hashes[0]) or root.getparent() is not None:
        return [text for text in leaf_texts(root) if text]
    texts: Any = _ALL_TEXTS(root) if valid else _LEAF_TEXTS(root)
    if valid and any(map(str.isspace, texts)):
        texts = _LEAF_TEXTS(root)
    stated = hashes[0].text or ""
    if not stated:
        return list(texts)
    if texts and texts[-1] == stated:
        return list(texts[:-1])
    return [text for text in leaf_texts(root) if text]  # the hash is not last: the long way


def leaf_texts(root: etree._Element) -> Iterator[str]:
    """The texts of elements without child elements, in document order; hash elements and signatures give nothing."""
    stack = [root]
    while stack:
        node = stack.pop()
        if not isinstance(node.tag, str) or node.tag == HASH or node.tag in SIGNATURES:
            continue
        children = [child for child in node if isinstance(child.tag, str)]
        if children:
            stack.extend(reversed(children))
        else:
            yield own_text(node)


def own_text(node: etree._Element) -> str:
    """Text of a leaf, comments and processing instructions inside it left out."""
    return (node.text or "") + "".join(child.tail or "" for child in node)


def compute(root: etree._Element, encoding: str = "iso-8859-1") -> str:
    """The hash in lower-case hexadecimal; raises UnicodeEncodeError when the text does not fit `encoding`."""
    return digest(leaf_text(root), encoding)


def digest(text: str, encoding: str = "iso-8859-1") -> str:
    """MD5 of `text` in `encoding`, lower-case hexadecimal; raises UnicodeEncodeError or LookupError."""
    return hashlib.md5(text.encode(encoding), usedforsecurity=False).hexdigest()


def file_name(batch: str, digest: str) -> str:
    """The standard name of a batch file: numeroLote padded to 20, and the hash in upper case."""
    return f"{batch.strip().zfill(20)}_{digest.upper()}.xml"


def stated(root: etree._Element) -> str:
    """The hash the message carries (the last hash element), stripped; empty when there is none."""
    node = last_hash(root)
    return (node.text or "").strip() if node is not None else ""


def last_hash(root: etree._Element) -> etree._Element | None:
    """The last hash element of a message, which is looked for from its end; None when there is none."""
    for child in reversed(root):
        found = list(child.iter(HASH))
        if found:
            return found[-1]
    return root if root.tag == HASH else None
