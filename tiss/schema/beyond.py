"""What the schema would say beyond an element that does not fit: libxml2 passes over all that follows it in its parent.

A copy of the message is mended (what is missing put in empty, what does not belong taken out, what is out of order put
in order) and judged again, so that one look tells all; places are those of the message itself.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence

from lxml import etree

from canonical.problem import Problem
from tiss.schema import misplaced
from tiss.schema.check import MOST, schema_problems
from tiss.wire import shapes
from tiss.wire.message import Tiss, place
from tiss.wire.versions import NAMESPACE

LARGEST = 4 * 1024 * 1024  # bytes of a message that is copied and judged again
_ROUNDS = 6
_NS = f"{{{NAMESPACE}}}"
_CONTENT = "xsd.content."
_BEFORE, _ORDER = "before", "order"
_TAKEN_OUT = frozenset(("unknown", "elsewhere", "version", "choice", "renamed"))
_STEP = re.compile(r"([^\[\]/]+)(?:\[(\d+)\])?")


def further(message: Tiss, version: str, found: Sequence[Problem]) -> list[Problem]:
    """`found` with what the schema says behind its findings; the same where none of them hides anything."""
    work = _Work(message, version)
    told, latest = list(found), list(found)
    known = {(problem.code, problem.where) for problem in found}
    for _ in range(_ROUNDS):
        if not work.mend(latest) or len(told) >= MOST:
            break
        latest = [p for p in work.judged() if (p.code, p.where) not in known]
        known |= {(problem.code, problem.where) for problem in latest}
        told += [problem for problem in latest if _tells(problem, told)]
    return told[:MOST]


def _tells(problem: Problem, told: Sequence[Problem]) -> bool:
    """Whether a finding says more than one of the same parent: after another kind of misfit there, echoes follow."""
    parent = problem.where if problem.code.startswith("xsd.missing") else problem.where.rpartition("/")[0]
    here = {p.code for p in told if p.code.startswith(_CONTENT) and p.where.rpartition("/")[0] == parent}
    structural = problem.code.startswith((_CONTENT, "xsd.missing"))
    return not structural or here <= {f"{_CONTENT}{_BEFORE}"}


class _Work:
    """The copy, and what was put into it."""

    def __init__(self, message: Tiss, version: str) -> None:
        self._message = Tiss(copy.deepcopy(message.root), message.encoding, message.service)
        self._version = version
        self._made: set[etree._Element] = set()

    def judged(self) -> list[Problem]:
        """What the schema says of the copy, without what it says of the elements that were put in."""
        within = tuple(place(node) for node in self._made)
        return [
            problem
            for problem in schema_problems(self._message, self._version)
            if not any(problem.where == one or problem.where.startswith(f"{one}/") for one in within)
        ]

    def mend(self, problems: Sequence[Problem]) -> bool:
        """Mend the copy where elements do not fit; False where nothing was changed."""
        nodes = [(problem, self._at(problem.where)) for problem in problems if problem.code.startswith(_CONTENT)]
        changed = [self._mended(problem, node) for problem, node in nodes if node is not None]
        return any(changed)

    def _mended(self, problem: Problem, node: etree._Element) -> bool:
        parent, kind = node.getparent(), problem.code.removeprefix(_CONTENT)
        if parent is None:
            return False
        if kind == _BEFORE:
            for name in dict(problem.args).get("missing", "").split(", "):
                made = etree.Element(_NS + name)
                node.addprevious(made)
                self._made.add(made)
            return True
        if kind in _TAKEN_OUT:
            parent.remove(node)
            return True
        return kind == _ORDER and self._ordered(parent)

    def _ordered(self, parent: etree._Element) -> bool:
        path = re.sub(r"\[\d+\]", "", place(parent)).strip("/").split("/")
        shape = shapes.at(shapes.of(self._version, service=self._message.service), path)
        return shape is not None and misplaced.ordered(parent, shape)

    def _at(self, where: str) -> etree._Element | None:
        node: etree._Element | None = None
        for name, number in _STEP.findall(where):
            if node is None:
                node = self._message.root
                continue
            twins = node.findall(_NS + name)
            if int(number or 1) > len(twins):
                return None
            node = twins[int(number or 1) - 1]
        return node
