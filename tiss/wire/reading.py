"""Reading TISS elements by local names: texts, amounts in cents, whole numbers, each finding with its place."""

from __future__ import annotations

from lxml import etree

from canonical.problem import Problem
from tiss.wire.amounts import cents
from tiss.wire.message import place
from tiss.wire.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"


class Reader:
    """Reads numbers of a message; collects Problems of those that are none."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def money(self, node: etree._Element, path: str) -> int:
        """The amount at `path` in cents; 0 when absent."""
        found = find(node, path)
        return 0 if found is None else self._cents(found)

    def money_or_none(self, node: etree._Element, path: str) -> int | None:
        """The amount at `path` in cents; None when absent."""
        found = find(node, path)
        return None if found is None else self._cents(found)

    def number(self, node: etree._Element, path: str) -> int:
        """The whole number at `path`; 0 with a Problem when it is none."""
        found = find(node, path)
        text = (found.text or "").strip() if found is not None else ""
        if text.isascii() and text.isdigit():
            return int(text)
        self.problems.append(Problem("sum.not-a-number", place(found if found is not None else node)))
        return 0

    def _cents(self, node: etree._Element) -> int:
        amount = cents(node.text)
        if amount is None:
            self.problems.append(Problem("sum.not-an-amount", place(node)))
            return 0
        return amount


def local(node: etree._Element) -> str:
    """The local name of an element; empty for comments and instructions."""
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def find(node: etree._Element, path: str) -> etree._Element | None:
    """The first element at a path of local names below `node`."""
    return node.find("/".join(_NS + step for step in path.split("/")))


def every(node: etree._Element, path: str) -> list[etree._Element]:
    """All elements at a path of local names below `node`."""
    return node.findall("/".join(_NS + step for step in path.split("/")))


def value(node: etree._Element, path: str) -> str:
    """The stripped text at a path; empty when absent."""
    found = find(node, path)
    return (found.text or "").strip() if found is not None else ""
