"""Moving through a tree that is still being read: what stands between two places, and what stands around one."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

from lxml import etree

from tiss.wire import epilogo


def ancestors(node: etree._Element) -> list[etree._Element]:
    """The element and those around it, from the root to itself."""
    return [*reversed(list(node.iterancestors())), node]


def until(node: etree._Element) -> Iterator[str]:
    """The leaf texts of a message before an element, in document order."""
    chain = ancestors(node)
    for parent, child in pairwise(chain):
        for sibling in parent:
            if sibling is child:
                break
            yield from epilogo.leaf_texts(sibling)


def between(node: etree._Element, stop: etree._Element) -> Iterator[str]:
    """The leaf texts behind the end of an element and before the begin of a later one."""
    first, second = ancestors(node), ancestors(stop)
    shared = sum(1 for one, other in zip(first, second, strict=False) if one is other)
    if shared == len(second):  # `stop` holds it
        return
    for here in reversed(first[shared + 1 :]):
        for sibling in here.itersiblings():
            yield from epilogo.leaf_texts(sibling)
    if shared < len(first):
        for sibling in first[shared].itersiblings():
            if sibling is second[shared]:
                break
            yield from epilogo.leaf_texts(sibling)
    for parent, child in zip(second[shared:], second[shared + 1 :], strict=False):
        for sibling in parent:
            if sibling is child:
                break
            yield from epilogo.leaf_texts(sibling)


def behind(node: etree._Element, top: etree._Element) -> Iterator[str]:
    """The leaf texts behind the end of an element, inside `top`, which is around it."""
    here = node
    while here is not top:
        for sibling in here.itersiblings():
            yield from epilogo.leaf_texts(sibling)
        above = here.getparent()
        if above is None:
            return
        here = above


def since(mark: tuple[etree._Element, bool], top: etree._Element) -> list[str]:
    """The leaf texts from a mark to the end of an element; the mark is before its own element, with True behind it."""
    node, past = mark
    if not (node is top or top in node.iterancestors()):
        return [*between(node, top), *epilogo.leaf_texts(top)]
    own = [] if past else list(epilogo.leaf_texts(node))
    return [*own, *behind(node, top)]


def around(node: etree._Element, spent: Collection[etree._Element]) -> tuple[etree._Element, etree._Element]:
    """A copy of all that was read of a message before an element but `spent` ones: its root, and the element's parent.

    What stands behind is not in it: it may have been read in part only.
    """
    chain = ancestors(node)
    root = box = _bare(chain[0])
    for parent, child in pairwise(chain):
        for sibling in parent:
            if sibling is child:
                break
            if sibling not in spent:
                box.append(copy.deepcopy(sibling))
        if child is not node:
            inner = _bare(child)
            box.append(inner)
            box = inner
    return root, box


def _bare(node: etree._Element) -> etree._Element:
    """An element without what is inside it."""
    names: Any = node.nsmap  # as lxml takes them: the default namespace is that of None
    attributes: Any = dict(node.attrib)
    made = etree.Element(node.tag, attributes, names)
    made.text = node.text
    return made
