"""The hierarchy of a release while it is brought in: numbers for codes, what stands above each, in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_INACTIVE, _ABSTRACT, _KNOWN = 1, 2, 4
Placed = tuple[int, str, bool, bool, Sequence[int], Sequence[int]]


@dataclass(slots=True)
class Hierarchy:
    """Codes numbered from `base` on as they are met; a code counts when its concept has been `known`."""

    base: int
    _numbers: dict[str, int] = field(default_factory=dict)
    _flags: bytearray = field(default_factory=bytearray)
    _children: array[int] = field(default_factory=lambda: array("i"))
    _parents: array[int] = field(default_factory=lambda: array("i"))

    def _place(self, code: str) -> int:
        place = self._numbers.get(code)
        if place is None:
            place = self._numbers[code] = len(self._flags)
            self._flags.append(0)
        return place

    def know(self, code: str, *, inactive: bool, abstract: bool) -> None:
        """A concept is there; of two statements about one the first counts."""
        place = self._place(code)
        if not self._flags[place]:
            self._flags[place] = _KNOWN | (_INACTIVE if inactive else 0) | (_ABSTRACT if abstract else 0)

    def number(self, code: str) -> int | None:
        """The number of a code whose concept is known."""
        place = self._numbers.get(code)
        return self.base + place if place is not None and self._flags[place] else None

    def link(self, child: str, parent: str) -> None:
        """`child` stands right below `parent`; either may be known later."""
        if child != parent:
            self._children.append(self._place(child))
            self._parents.append(self._place(parent))

    def placed(self) -> Iterator[Placed]:
        """Each known concept: number, code, inactive, abstract, the numbers right above it and of all above it."""
        up = self._up()
        above = self._above(up)
        for code, place in self._numbers.items():
            flags = self._flags[place]
            if flags:
                yield (
                    self.base + place,
                    code,
                    bool(flags & _INACTIVE),
                    bool(flags & _ABSTRACT),
                    [self.base + each for each in up[place]],
                    [self.base + each for each in above[place]],
                )

    def _up(self) -> list[Sequence[int]]:
        up: list[Sequence[int]] = [()] * len(self._flags)
        for child, parent in zip(self._children, self._parents, strict=True):
            if self._flags[child] and self._flags[parent] and parent not in up[child]:
                up[child] = (*up[child], parent)
        return up

    def _above(self, up: Sequence[Sequence[int]]) -> list[Sequence[int]]:
        """All above each place; whoever is in a circle stands above all of it but itself."""
        waiting = [len(parents) for parents in up]
        down: list[Sequence[int]] = [()] * len(up)
        for child, parents in enumerate(up):
            for parent in parents:
                down[parent] = (*down[parent], child) if len(down[parent]) < 8 else _more(down[parent], child)
        above: list[Sequence[int]] = [()] * len(up)
        ready = [place for place, left in enumerate(waiting) if not left]
        for place in ready:  # grows while it is walked
            found = set(up[place])
            for parent in up[place]:
                found.update(above[parent])
            above[place] = array("i", sorted(found))
            for child in down[place]:
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        for place, left in enumerate(waiting):
            if left:
                above[place] = array("i", sorted(_reached(place, up)))
        return above


def _more(found: Sequence[int], child: int) -> Sequence[int]:
    """A list with one more; from a certain length on it grows in place."""
    grown = found if isinstance(found, list) else list(found)
    grown.append(child)
    return grown


def _reached(place: int, up: Sequence[Sequence[int]]) -> set[int]:
    found: set[int] = set()
    waiting = list(up[place])
    for each in waiting:  # grows while it is walked
        if each not in found:
            found.add(each)
            waiting += up[each]
    return found - {place}
