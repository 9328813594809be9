"""A message's segments put where a profile has them: groups within groups, so that rules of a group find its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hl7.er7 import Segment
from hl7.profiles.conditions import ORDINAL, Ask, steps
from hl7.profiles.parts import Place
from hl7.profiles.values import values_at

_STRANDED = 50  # segments without a place, after which the rest is not placed
Way = list[tuple[int, str]]


@dataclass(slots=True)
class Node:
    """One segment, or one group with what stands in it, by the position of the profile's places."""

    place: Place
    segment: Segment | None = None
    children: list[list[Node]] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """The node and all below it."""
        yield self
        for found in self.children:
            for child in found:
                yield from child.walk()

    def anchor(self) -> Segment | None:
        """The first segment of it."""
        return next((node.segment for node in self.walk() if node.segment is not None), None)

    def where(self) -> str:
        """Its first segment and the number of that in the message; the name of its place where it has none."""
        segment = self.anchor()
        return f"{segment.name}#{segment.index}" if segment is not None else self.place.name

    def ask(self, path: str) -> list[str] | None:
        """The values at a path below it; the name of each segment or group where the path ends at one."""
        if path in ("", "."):
            return [self.place.name]
        way = steps(path)
        return None if way is None else _values(self, way)

    def reached(self, way: Way) -> list[tuple[Node, Way]]:
        """The nodes a path leads to, each with the rest of the path, which lies within its segment."""
        if self.segment is not None or not way:
            return [(self, way)]
        (number, nth), rest = way[0], way[1:]
        return [found for child in self._chosen(number, nth) for found in child.reached(rest)]

    def _chosen(self, number: int, nth: str) -> list[Node]:
        found = self.children[number - 1] if 0 < number <= len(self.children) else []
        return found if nth == "*" else found[int(nth) - 1 : int(nth)]


def placed(root: Place, segments: Sequence[Segment]) -> Node:
    """The segments in the tree of a profile; those it does not name, or not there, are left out."""
    names = _names(root)
    left = [segment for segment in segments if segment.name in names]
    for _ in range(_STRANDED):
        reader = _Reader(left)
        whole = reader.group(root)
        if reader.at >= len(left):
            break
        del left[reader.at]
    return whole


def ordinals(root: Node) -> dict[int, str]:
    """Which of its kind each segment is, where it stands: the set id it should have, by its index."""
    return {
        child.segment.index: str(number)
        for node in root.walk()
        for found in node.children
        for number, child in enumerate(found, start=1)
        if child.segment is not None
    }


def asked_of(segment: Segment, ordinal: str = "") -> Ask:
    """The values at paths below a segment."""

    def ask(path: str) -> list[str] | None:
        return ([ordinal] if ordinal else None) if path == ORDINAL else values_at(segment, path)

    return ask


def _values(node: Node, way: Way) -> list[str] | None:
    found: list[str] = []
    for reached, rest in node.reached(way):
        if not rest:
            found.append(reached.place.name)
        elif reached.segment is not None:
            text = ".".join(f"{number}[{nth}]" for number, nth in rest)
            found += values_at(reached.segment, text) or []
    return found


class _Reader:
    """Takes segments in order, each at the next place that has its name."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self.at = 0

    def group(self, place: Place) -> Node:
        """The group that begins here; its places without a segment are empty."""
        node = Node(place)
        for position, child in enumerate(place.children):
            later = frozenset[str]().union(*(_names(other) for other in place.children[position + 1 :]))
            found: list[Node] = []
            while self._begins(child, later) and (not child.most or len(found) < child.most):
                before = self.at
                found.append(self._one(child))
                if self.at == before:
                    break
            node.children.append(found)
        return node

    def _one(self, place: Place) -> Node:
        if not place.segment:
            return self.group(place)
        self.at += 1
        return Node(place, self._segments[self.at - 1])

    def _begins(self, place: Place, later: frozenset[str]) -> bool:
        """Whether the next segment begins this place: as its first one, or as another that has no place behind it."""
        if self.at >= len(self._segments):
            return False
        name = self._segments[self.at].name
        return name in _first(place) or (name not in later and name in _names(place))


def _names(place: Place) -> frozenset[str]:
    if place.segment:
        return frozenset((place.name,))
    return frozenset[str]().union(*map(_names, place.children))


def _first(place: Place) -> frozenset[str]:
    """The names a place can begin with: up to the first that must come."""
    if place.segment:
        return frozenset((place.name,))
    found: frozenset[str] = frozenset()
    for child in place.children:
        found |= _first(child)
        if child.usage == "R" and child.least:
            break
    return found
