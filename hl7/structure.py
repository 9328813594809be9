"""Compares a sequence of segments with a structure line (`MSH {[SFT]} EVN PID [PD1]`): the cheapest way through it.

The line becomes a graph whose steps take a segment, skip something optional for nothing, or skip something required
at a price. The way with the lowest price through all segments tells what is missing and what stands out of place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heappop, heappush

_TOKEN = re.compile(r"[A-Z][A-Z0-9]{2}|[\[\]{}()<>|]")
_CLOSING = {"[": "]", "{": "}", "(": ")", "<": ">"}
_ANY = "ANY"  # stands for any segment
_MISSING = 2
_STRANDED = 5


@dataclass(frozen=True, slots=True)
class Misfit:
    """One deviation: kind `missing`, `unknown`, `order` or `repeat`, the segment's name, its place in the sequence."""

    kind: str
    name: str
    at: int


@dataclass(slots=True)
class _Graph:
    takes: list[list[tuple[str, int]]] = field(default_factory=list)
    skips: list[list[tuple[int, str]]] = field(default_factory=list)

    def node(self) -> int:
        self.takes.append([])
        self.skips.append([])
        return len(self.takes) - 1


@dataclass(frozen=True, slots=True)
class _Reach:
    """What can be taken from a node: per segment name the node after it and the required segments skipped."""

    takes: dict[str, tuple[tuple[int, tuple[str, ...]], ...]]
    end: tuple[str, ...]


class Structure:
    """A structure line, ready to compare sequences with."""

    def __init__(self, line: str) -> None:
        self._graph = _Graph()
        tokens = _TOKEN.findall(line)
        self.names = frozenset(token for token in tokens if len(token) == 3)
        start = self._graph.node()
        self._end = self._sequence(tokens, start)
        self._start = start
        self._reached: dict[int, _Reach] = {}

    def misfits(self, names: Sequence[str]) -> list[Misfit]:
        """Where the segments `names` deviate from the structure, in their order; empty when they conform."""
        live: dict[int, tuple[int, _Trail | None]] = {self._start: (0, None)}
        found = []
        for at, name in enumerate(names):
            if name not in self.names and _ANY not in self.names:
                found.append(Misfit("unknown", name, at))
                continue
            live = self._step(live, name, at)
        found += self._finish(live, len(names), names)
        return sorted(found, key=lambda misfit: misfit.at)

    def _step(self, live: _Live, name: str, at: int) -> _Live:
        after: _Live = {}
        for node, (price, trail) in live.items():
            takes = self._reach(node).takes
            for target, missing in (*takes.get(name, ()), *takes.get(_ANY, ())):
                cost = price + _MISSING * len(missing)
                if target not in after or cost < after[target][0]:
                    after[target] = (cost, _Trail("missing", missing, at, trail) if missing else trail)
            cost = price + _STRANDED
            if node not in after or cost < after[node][0]:
                after[node] = (cost, _Trail("order", (name,), at, trail))
        cheapest = min(price for price, _ in after.values())
        return {node: way for node, way in after.items() if way[0] <= cheapest + 4 * _STRANDED}

    def _finish(self, live: _Live, length: int, names: Sequence[str]) -> list[Misfit]:
        ways = [
            (price + _MISSING * len(missing), missing, trail)
            for node, (price, trail) in live.items()
            for missing in (self._reach(node).end,)
        ]
        _, missing, trail = min(ways, key=lambda way: way[0])
        found = [Misfit("missing", name, length) for name in missing]
        stranded: set[str] = set()
        while trail:
            found += [Misfit(trail.kind, name, trail.at) for name in trail.names]
            if trail.kind == "order":
                stranded.update(trail.names)
            trail = trail.before
        placed = _placed(names, found)
        return [
            Misfit("repeat", m.name, m.at) if m.kind == "order" and m.name in placed else m
            for m in found
            if not (m.kind == "missing" and m.name in stranded)
        ]

    def _reach(self, node: int) -> _Reach:
        known = self._reached.get(node)
        if known is None:
            known = self._reached[node] = self._explore(node)
        return known

    def _explore(self, start: int) -> _Reach:
        """All nodes that skipping leads to, cheapest first, and what each of them takes."""
        seen: set[int] = set()
        takes: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        end: tuple[str, ...] = ()
        queue: list[tuple[int, int, tuple[str, ...]]] = [(0, start, ())]
        while queue:
            price, node, missing = heappop(queue)
            if node in seen:
                continue
            seen.add(node)
            if node == self._end:
                end = missing
            for name, target in self._graph.takes[node]:
                takes.setdefault(name, []).append((target, missing))
            for target, name in self._graph.skips[node]:
                if target not in seen:
                    heappush(queue, (price + bool(name), target, (*missing, name) if name else missing))
        return _Reach({name: tuple(targets) for name, targets in takes.items()}, end)

    def _sequence(self, tokens: list[str], node: int) -> int:
        """Add the elements of `tokens` after `node`; the node behind them."""
        for part in _split(tokens):
            node = self._element(part, node)
        return node

    def _element(self, tokens: list[str], node: int) -> int:
        least, repeats = True, False
        while tokens[0] in "[{(" and len(tokens) > 1:
            least = least and tokens[0] != "["
            repeats = repeats or tokens[0] == "{"
            inner = tokens[1:-1]
            if tokens[0] == "(" or len(_split(inner)) > 1 or len(inner) == 1:
                tokens = inner
                break
            tokens = inner
        entry, leave = self._graph.node(), self._graph.node()
        self._graph.skips[node].append((entry, ""))
        if tokens[0] == "<" and len(_split(tokens)) == 1:
            for branch in _branches(tokens[1:-1]):
                self._graph.skips[self._sequence(branch, entry)].append((leave, ""))
        elif len(tokens) == 1:
            self._graph.takes[entry].append((tokens[0], leave))
        else:
            self._graph.skips[self._sequence(tokens, entry)].append((leave, ""))
        self._graph.skips[entry].append((leave, _anchor(tokens) if least else ""))
        if repeats:
            self._graph.skips[leave].append((entry, ""))
        return leave


@dataclass(frozen=True, slots=True)
class _Trail:
    """What went wrong on a way, last first."""

    kind: str
    names: tuple[str, ...]
    at: int
    before: _Trail | None


_Live = dict[int, tuple[int, _Trail | None]]


@lru_cache(maxsize=128)
def structure(line: str) -> Structure:
    """The structure of a line, kept once made."""
    return Structure(line)


def _placed(names: Sequence[str], found: list[Misfit]) -> set[str]:
    """The names of segments that found a place."""
    stranded = {misfit.at for misfit in found if misfit.kind == "order"}
    return {name for at, name in enumerate(names) if at not in stranded}


def _anchor(tokens: list[str]) -> str:
    """What is named when a required element is missing: the first segment of it that is required, else its first."""
    depth = 0
    first = ""
    for mark in tokens:
        depth += (mark == "[") - (mark == "]")
        if len(mark) == 3:
            first = first or mark
            if not depth:
                return mark
    return first


def _split(tokens: list[str]) -> list[list[str]]:
    """The elements of a sequence, each with its brackets."""
    found: list[list[str]] = []
    open_marks: list[str] = []
    for token in tokens:
        if open_marks:
            found[-1].append(token)
        else:
            found.append([token])
        if token in _CLOSING:
            open_marks.append(_CLOSING[token])
        elif open_marks and token == open_marks[-1]:
            open_marks.pop()
    return found


def _branches(tokens: list[str]) -> list[list[str]]:
    """The branches of a choice."""
    found: list[list[str]] = [[]]
    for part in _split(tokens):
        if part == ["|"]:
            found.append([])
        else:
            found[-1] += part
    return found
