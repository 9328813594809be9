"""The epilogo hash (Componente Organizacional, item 146): MD5 over the leaf texts in the declared encoding.

```
<r><a>AÇÃO</a><b> x </b><c/><d>1</d></r>  ->  "AÇÃO x 1"  ->  ISO-8859-1  84420eb54bee17b575c22dec20d74852
```
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from lxml import etree

from tiss.versions import NAMESPACE, SIGNATURE

HASH = f"{{{NAMESPACE}}}hash"
_SIGNATURES = frozenset(
    (
        f"{{{SIGNATURE}}}Signature",
        f"{{{NAMESPACE}}}Signature",
        f"{{{NAMESPACE}}}Signatures",
        f"{{{NAMESPACE}}}assinaturaDigitalGuia",
    )
)


def leaf_texts(root: etree._Element) -> Iterator[str]:
    """The texts of elements without child elements, in document order; hash elements and signatures give nothing."""
    stack = [root]
    while stack:
        node = stack.pop()
        if not isinstance(node.tag, str) or node.tag == HASH or node.tag in _SIGNATURES:
            continue
        children = [child for child in node if isinstance(child.tag, str)]
        if children:
            stack.extend(reversed(children))
        else:
            yield _own_text(node)


def _own_text(node: etree._Element) -> str:
    """Text of a leaf that holds comments or processing instructions: what stands around them."""
    return (node.text or "") + "".join(child.tail or "" for child in node)


def compute(root: etree._Element, encoding: str = "iso-8859-1") -> str:
    """The hash in lower-case hexadecimal; raises UnicodeEncodeError when the text does not fit `encoding`."""
    return hashlib.md5("".join(leaf_texts(root)).encode(encoding), usedforsecurity=False).hexdigest()


def stated(root: etree._Element) -> str:
    """The hash the message carries (the last hash element), stripped; empty when there is none."""
    found = [node.text or "" for node in root.iter(HASH)]
    return found[-1].strip() if found else ""
