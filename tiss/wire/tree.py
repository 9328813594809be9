"""A message as the plain tree `tiss.wire.build` makes messages from: element name to text, tree, or list of either."""

from __future__ import annotations

from typing import Any

from lxml import etree

from tiss.wire import epilogo
from tiss.wire.message import Tiss
from tiss.wire.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"


def description(message: Tiss) -> dict[str, Any]:
    """What `ponte tiss build` takes to make this message again; signatures are left out."""
    return {
        "version": message.version,
        "form": "service" if message.service else "file",
        "root": etree.QName(message.root).localname,
        "message": tree(message.root),
    }


def tree(node: etree._Element) -> Any:
    """The tree of an element: its text where it has no elements inside, else a dict in document order."""
    children = [child for child in node if isinstance(child.tag, str) and child.tag not in epilogo.SIGNATURES]
    if not children:
        return epilogo.own_text(node)
    made: dict[str, Any] = {}
    for child in children:
        tag = str(child.tag)
        name = tag.removeprefix(_NS)
        value = tree(child)
        if name not in made:
            made[name] = value
        elif isinstance(made[name], list):
            made[name].append(value)
        else:
            made[name] = [made[name], value]
    return made
