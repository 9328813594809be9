"""Builds messages from plain trees: the shape gives the order, texts become Latin-1, the epilogo hash is last.

A tree is a dict of element name to text, tree, or list of either. The output is compact (no blanks between tags), so
that every known hash recipe agrees on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lxml import etree

from canonical.problem import Problem
from tiss.wire import epilogo, shapes
from tiss.wire.latin1 import fit
from tiss.wire.shapes import Shape, Shapes
from tiss.wire.versions import NAMESPACE

Tree = Mapping[str, Any]
ENCODING = "ISO-8859-1"


class UnknownElement(Exception):
    """The tree names an element its type does not have; the text is the path."""


def build(root: str, tree: Tree, version: str, *, service: bool = False, told: list[Problem] | None = None) -> bytes:
    """The message `root` as bytes, with its hash computed; raises UnknownElement.

    `told` gathers a warning for each text that had to be transliterated to ISO-8859-1 or cut.
    """
    element = element_of(root, tree, version, service=service, told=told)
    seal(element)
    return serialize(element)


def element_of(
    root: str, tree: Tree, version: str, *, service: bool = False, told: list[Problem] | None = None
) -> etree._Element:
    """The message as an element, without computing its hash."""
    found = shapes.of(version, service=service)
    if root not in found.roots:
        raise UnknownElement(f"/{root}")
    element = etree.Element(f"{{{NAMESPACE}}}{root}", nsmap={"ans": NAMESPACE})
    _fill(element, found.root(root), tree, found, _Place(f"/{root}", told if told is not None else []))
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


class _Place(NamedTuple):
    """Where the builder stands, and the list its warnings go to."""

    path: str
    told: list[Problem]

    def below(self, name: str, number: int, of: int) -> _Place:
        return _Place(f"{self.path}/{name}" + (f"[{number}]" if of > 1 else ""), self.told)


def _fill(element: etree._Element, shape: Shape, tree: Tree, found: Shapes, at: _Place) -> None:
    names = {part.name for part in shape.parts}
    strangers = [name for name in tree if name not in names]
    if strangers:
        raise UnknownElement(f"{at.path}/{strangers[0]}")
    for part in shape.parts:
        value = tree.get(part.name)
        if value is None:
            continue
        # most values are texts, and asking whether one is a Sequence or a Mapping costs more than writing it
        items = value if type(value) is not str and isinstance(value, Sequence) else [value]
        tag = part.name if part.name.startswith("{") else f"{{{NAMESPACE}}}{part.name}"
        for number, item in enumerate(items, start=1):
            child = etree.SubElement(element, tag)
            if type(item) is not str and isinstance(item, Mapping):
                _fill(child, found.types[part.type], item, found, at.below(part.name, number, len(items)))
            else:
                child.text = fitted = fit(str(item), found.types[part.type].longest)
                if fitted != str(item):
                    at.told.append(Problem("encoding.adjusted", at.below(part.name, number, len(items)).path))
