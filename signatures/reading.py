"""Reads XML to be signed or verified: no DTD, no entities, no network, bounded size; and canonicalises it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lxml import etree

from canonical.problem import Problem

LARGEST = 128 * 1024 * 1024  # a tree takes up to 25 times its document
DS = "http://www.w3.org/2000/09/xmldsig#"
_XML = "{http://www.w3.org/XML/1998/namespace}"


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its bytes, its tree and its root."""

    raw: bytes
    root: etree._Element

    @property
    def encoding(self) -> str:
        """The encoding of the bytes, in upper case."""
        info: Any = self.root.getroottree().docinfo
        return str(info.encoding or "UTF-8").upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonical:
    """A canonicalisation: exclusive or inclusive, with or without comments, and the prefixes treated inclusively."""

    exclusive: bool
    comments: bool = False
    prefixes: tuple[str, ...] = ()


EXCLUSIVE = Canonical(exclusive=True)
INCLUSIVE = Canonical(exclusive=False)


def read(raw: bytes) -> Document | Problem:
    """The document, or why it cannot be read. Library texts can carry content, so only the place is told."""
    if not raw.strip():
        return Problem("signature.unreadable.empty")
    if len(raw) > LARGEST:
        return Problem("signature.unreadable.too-large", args=(("limit", str(LARGEST // 1024 // 1024)),))
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=True, strip_cdata=False
    )
    try:
        if b"<!DOCTYPE" in raw:
            return Problem("signature.dtd")
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        return Problem("signature.unreadable", f"line {line}, column {column}")
    except (LookupError, ValueError):
        return Problem("signature.unreadable")
    info: Any = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        return Problem("signature.dtd")
    return Document(raw, root)


def canonical_document(root: etree._Element, method: Canonical = EXCLUSIVE) -> bytes:
    """The canonical octets of the whole document of `root` (W3C xml-c14n, xml-exc-c14n)."""
    return _canonical(root.getroottree(), method)


def canonical_part(node: etree._Element, method: Canonical = EXCLUSIVE) -> bytes:
    """The canonical octets of one element where it stands, with the namespaces of its ancestors."""
    if method.exclusive and not method.prefixes:
        return _canonical(node, method)
    # lxml canonicalises a shallow copy, which must declare what its ancestors declare
    lifted = _lifted(node)
    if not method.exclusive:
        _inherit(lifted, node)
    return _canonical(lifted, method)


def _lifted(node: etree._Element) -> etree._Element:
    """`node` as a document of its own that declares every namespace in scope."""
    text = etree.tostring(node, with_tail=False, encoding="utf-8")
    return etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


def _inherit(lifted: etree._Element, node: etree._Element) -> None:
    """Give `lifted` the xml:* attributes of the ancestors, as inclusive canonicalisation 1.0 wants (xml-c14n 2.4)."""
    for ancestor in node.iterancestors():
        for name, value in ancestor.attrib.items():
            if str(name).startswith(_XML) and name not in lifted.attrib:
                lifted.set(name, value)


def _canonical(node: Any, method: Canonical) -> bytes:
    octets: bytes = etree.tostring(
        node,
        method="c14n",
        exclusive=method.exclusive,
        with_comments=method.comments,
        with_tail=False,
        inclusive_ns_prefixes=list(method.prefixes) if method.exclusive and method.prefixes else None,
    )
    return octets


def path(node: etree._Element) -> str:
    """The path of an element by local names."""
    steps = [etree.QName(node).localname]
    for ancestor in node.iterancestors():
        steps.append(etree.QName(ancestor).localname)
    return "/" + "/".join(reversed(steps))
