"""What the schema would say beyond an element that does not fit: libxml2 passes over all that follows it in its parent.

A copy of the message is mended (what is missing put in empty, what does not belong taken out, what is called otherwise
renamed, what is out of order put in order) and judged again, so that one look tells all; places are those of the
message itself.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import replace

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
_MISSING = "xsd.missing"
_BEFORE, _ORDER, _UNKNOWN = "before", "order", "unknown"
_TAKEN_OUT = frozenset((_UNKNOWN, "elsewhere", "version", "choice"))
_RENAMED = frozenset(("renamed", "case"))
_OF_ITSELF = _TAKEN_OUT | _RENAMED  # an element that is wrong by its own name, whatever stands around it
_CLEAR = _OF_ITSELF - {"elsewhere"} | {_BEFORE}  # once mended they leave nothing behind that only follows from them
_STEP = re.compile(r"([^\[\]/]+)(?:\[(\d+)\])?")


def further(message: Tiss, version: str, found: Sequence[Problem]) -> list[Problem]:
    """`found` with what the schema says behind its findings; the same where none of them hides anything."""
    work = _Work(message, version)
    told = list(found)
    latest = [(problem, work.at(problem.where)) for problem in found]
    known = {(problem.code, problem.where) for problem in found}
    for _ in range(_ROUNDS):
        if not work.mend(latest) or len(told) >= MOST:
            break
        latest = [(problem, node) for problem, node in work.judged() if (problem.code, problem.where) not in known]
        known |= {(problem.code, problem.where) for problem, _ in latest}
        told += [said for problem, _ in latest if (said := _beside(problem, told)) is not None]
    return told[:MOST]


def _beside(problem: Problem, told: Sequence[Problem]) -> Problem | None:
    """A finding without what those of the same parent say already: after some misfits there, echoes follow."""
    kind = problem.code.removeprefix(_CONTENT)
    if not problem.code.startswith((_CONTENT, _MISSING)) or kind in _OF_ITSELF:
        return problem
    parent = problem.where if problem.code.startswith(_MISSING) else problem.where.rpartition("/")[0]
    here = [p for p in told if p.code.startswith(_CONTENT) and p.where.rpartition("/")[0] == parent]
    if not {p.code.removeprefix(_CONTENT) for p in here} <= _CLEAR:
        return None
    meant = {name for p in here if p.code == _CONTENT + _UNKNOWN for name in _names(p, "expected")}
    key = "expected" if problem.code.startswith(_MISSING) else "missing"
    left = [name for name in _names(problem, key) if name not in meant]  # the unknown one is one of these, misspelt
    args = tuple((name, _kept(name, value, key, left)) for name, value in problem.args)
    return replace(problem, args=args) if left or not meant else None


def _kept(name: str, value: str, key: str, left: Sequence[str]) -> str:
    """An argument of a finding of which only these elements are left: the list of them, and what they are called."""
    if name == key:
        return ", ".join(left)
    if name != f"{key}_names":
        return value
    return ", ".join(one for one in value.split(", ") if one.rpartition(" ")[2].strip("()") in left)


def _names(problem: Problem, key: str) -> list[str]:
    return [name for name in dict(problem.args).get(key, "").split(", ") if name]


class _Work:
    """The copy, what was put into it, and which element of the message each of the others is."""

    def __init__(self, message: Tiss, version: str) -> None:
        root = copy.deepcopy(message.root)
        self._message = Tiss(root, message.encoding, message.service)
        self._version = version
        self._of = dict(zip(root.iter(), message.root.iter(), strict=True))

    def judged(self) -> list[tuple[Problem, etree._Element | None]]:
        """What the schema says of the copy, at the places of the message, and where it says it in the copy.

        Nothing of what it says of the elements that were put in.
        """
        found = [(problem, self.at(problem.where)) for problem in schema_problems(self._message, self._version)]
        return [
            (problem if node is None else replace(problem, where=place(self._of[node])), node)
            for problem, node in found
            if node is None or node in self._of
        ]

    def mend(self, problems: Sequence[tuple[Problem, etree._Element | None]]) -> bool:
        """Mend the copy where elements do not fit; False where nothing was changed."""
        changed = [
            self._mended(problem, node)
            for problem, node in problems
            if node is not None and problem.code.startswith(_CONTENT)
        ]
        return any(changed)

    def _mended(self, problem: Problem, node: etree._Element) -> bool:
        parent, kind = node.getparent(), problem.code.removeprefix(_CONTENT)
        if parent is None:
            return False
        if kind == _BEFORE:
            for name in _names(problem, "missing"):
                node.addprevious(etree.Element(_NS + name))
            return True
        if kind in _RENAMED:
            node.tag = _NS + dict(problem.args)["right"]
            return True
        if kind in _TAKEN_OUT:
            parent.remove(node)
            return True
        return kind == _ORDER and self._ordered(parent)

    def _ordered(self, parent: etree._Element) -> bool:
        path = re.sub(r"\[\d+\]", "", place(parent)).strip("/").split("/")
        shape = shapes.at(shapes.of(self._version, service=self._message.service), path)
        return shape is not None and misplaced.ordered(parent, shape)

    def at(self, where: str) -> etree._Element | None:
        """The element of the copy at a place; None when there is none."""
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
