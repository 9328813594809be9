"""Builds messages from plain trees: the shape gives the order, texts become Latin-1, the epilogo hash is last.

A tree is a dict of element name to text, tree, or list of either. The output is compact (no blanks between tags), so
that every known hash recipe agrees on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

from tiss import epilogo, shapes
from tiss.latin1 import fit
from tiss.shapes import Shape, Shapes
from tiss.versions import NAMESPACE

Tree = Mapping[str, Any]
ENCODING = "ISO-8859-1"


class UnknownElement(Exception):
    """The tree names an element its type does not have; the text is the path."""


def build(root: str, tree: Tree, version: str, *, service: bool = False) -> bytes:
    """The message `root` as bytes, with its hash computed; raises UnknownElement."""
    element = element_of(root, tree, version, service=service)
    seal(element)
    return serialize(element)


def element_of(root: str, tree: Tree, version: str, *, service: bool = False) -> etree._Element:
    """The message as an element, without computing its hash."""
    found = shapes.of(version, service=service)
    element = etree.Element(f"{{{NAMESPACE}}}{root}", nsmap={"ans": NAMESPACE})
    _fill(element, found.root(root), tree, found, f"/{root}")
    return element


def seal(element: etree._Element) -> str:
    """Compute and set the hash of a message; returns it."""
    nodes = list(element.iter(epilogo.HASH))
    value = epilogo.compute(element)
    if nodes:
        nodes[-1].text = value
    return value


def serialize(element: etree._Element) -> bytes:
    """The exact bytes to send: compact, ISO-8859-1 declared and real."""
    document: bytes = etree.tostring(element, xml_declaration=True, encoding=ENCODING)  # type: ignore[assignment]
    return document


def _fill(element: etree._Element, shape: Shape, tree: Tree, found: Shapes, path: str) -> None:
    names = {part.name for part in shape.parts}
    strangers = [name for name in tree if name not in names]
    if strangers:
        raise UnknownElement(f"{path}/{strangers[0]}")
    for part in shape.parts:
        value = tree.get(part.name)
        if value is None:
            continue
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        for item in items:
            tag = part.name if part.name.startswith("{") else f"{{{NAMESPACE}}}{part.name}"
            child = etree.SubElement(element, tag)
            if isinstance(item, Mapping):
                _fill(child, found.types[part.type], item, found, f"{path}/{part.name}")
            else:
                child.text = fit(str(item), found.types[part.type].longest)
