"""Where slices stand in their file: findings of a slice are moved from their places in it to those in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lxml import etree

from canonical.problem import Problem
from tiss.streams.levels import Level, levels
from tiss.wire.message import Tiss
from tiss.wire.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"
_PORTIONS = "|".join(sorted({re.escape(tag.removeprefix(_NS)) for tag in levels()}, key=len, reverse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where portions stand: a message of all before them, the element they go into, its path there and in the file."""

    message: Tiss
    box: etree._Element
    before: str
    path: str
    real: str
    outermost: str


def below(level: Level) -> list[Level]:
    """The levels right inside a ring."""
    depth = level.number + 1
    return [
        other
        for found in levels().values()
        for other in found
        if other.number == depth and other.path[:depth] == level.path and other.upwards[-1] == level.upwards[-1]
    ]


class Moves:
    """Places in a slice as they are in the file."""

    def __init__(self, here: Place, by: int) -> None:
        self._here, self._by = here, by
        self._at = re.compile(rf"{re.escape(here.path)}/({_PORTIONS})(?:\[(\d+)\])?(?=/|\Z)")

    def inside(self, problem: Problem) -> bool:
        """Whether a finding is about what the slice is made of."""
        return self._at.match(problem.where) is not None

    def ours(self, problem: Problem) -> bool:
        """Whether a finding is told now: what stands in a ring around, but in no portion, is told when that ends."""
        return self.inside(problem) or not (self._here.outermost and problem.where.startswith(self._here.outermost))

    def own(self, problem: Problem, level: Level) -> bool:
        """Whether a finding is about a ring itself, not about portions or rings inside it."""
        match = self._at.match(problem.where)
        if match is None:
            return False
        rest = problem.where[match.end() :]
        inner = [f"/{other.step}" for other in below(level)]
        return not any(re.match(rf"{re.escape(path)}(?:\[\d+\])?(?:/|\Z)", rest) for path in inner)

    def moved(self, problem: Problem) -> Problem:
        """The finding at its place in the file."""
        match = self._at.match(problem.where)
        if match is None:
            return problem
        where = f"{self._here.real}/{match[1]}[{int(match[2] or 1) + self._by}]{problem.where[match.end() :]}"
        return replace(problem, where=where)
