"""Elements that lost the namespace of the ANS: `xmlns=""` from a serializer, a prefix on the root only, or none.

The rest of such a message is as good as any, so it is checked as if the namespace were there, and mended by putting it
there: local names and texts stay as they are, and so does the hash.
"""

from __future__ import annotations

import re

from lxml import etree

from tiss.wire import transactions
from tiss.wire.message import declared_encoding, nearly, parser
from tiss.wire.versions import NAMESPACE, SIGNATURE


def astray(root: etree._Element) -> list[etree._Element]:
    """The elements that should have the namespace of the ANS and have none, or one that is nearly it."""
    return [node for node in root.iter(etree.Element) if _strays(node)]


def _strays(node: etree._Element) -> bool:
    namespace = etree.QName(node).namespace or ""
    return namespace not in (NAMESPACE, SIGNATURE) and (not namespace or nearly(namespace)) and not _signed(node)


def _signed(node: etree._Element) -> bool:
    return any(etree.QName(parent).namespace == SIGNATURE for parent in node.iterancestors())


def is_message(root: etree._Element) -> bool:
    """Whether a root is that of a TISS message by its local name."""
    name = etree.QName(root).localname
    return name == "mensagemTISS" or name in {row.root for row in transactions.table().values()}


def housed(root: etree._Element, encoding: str) -> bytes:
    """The message with every stray element in the namespace of the ANS, in the encoding it declares."""
    near = {uri for node in root.iter(etree.Element) for uri in node.nsmap.values() if uri != NAMESPACE and nearly(uri)}
    if near:
        root = etree.fromstring(_respelled(_bytes(root, encoding), near), parser())
    if not etree.QName(root).namespace:
        bare, root = root, etree.Element(f"{{{NAMESPACE}}}{root.tag}", nsmap={"ans": NAMESPACE})
        root.text = bare.text
        root.extend(bare)
    for node in astray(root):
        node.tag = f"{{{NAMESPACE}}}{etree.QName(node).localname}"
    return _bytes(root, encoding)


def _respelled(raw: bytes, near: set[str]) -> bytes:
    for uri in near:
        raw = re.sub(rb"([\"'])" + re.escape(uri.encode()) + rb"\1", b'"' + NAMESPACE.encode() + b'"', raw)
    return raw


def _bytes(root: etree._Element, encoding: str) -> bytes:
    document: bytes = etree.tostring(root, encoding=encoding, xml_declaration=True)  # type: ignore[assignment]
    return document


def of_bytes(raw: bytes) -> bytes | None:
    """A message with elements outside the namespace of the ANS, brought into it; None when `raw` is no such message."""
    try:
        root = etree.fromstring(raw, parser())
    except (etree.XMLSyntaxError, LookupError, ValueError):
        return None
    headed = any(etree.QName(child).localname == "cabecalho" for child in root.iterchildren(etree.Element))
    return housed(root, declared_encoding(raw)) if is_message(root) and headed and astray(root) else None
