"""Separators too many or too few at two places of a segment: what stands between them, or behind, is a field off.

Two places that undo each other (one too few, then one too many) leave a run of fields one off, and what follows where
it was sent. Two that add up leave a run one off and all that follows two. What is moved comes to fields that can hold
it; what follows a run stays as it came, and is told field by field where it cannot stand there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

_STEPS = ((1, -1), (-1, 1), (1, 1), (-1, -1))
_LEAST = 2  # fields that hold what they cannot and surely are what the field they come to is for
_MANY = 3  # fields that hold what they cannot, where but one of them surely is


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A segment's fields, and what is known of them: `wrong` of any fields, whether one may come to another's place
    (`stands`), and whether it surely is for it."""

    kept: list[str]
    wrong: Callable[[Sequence[str]], Iterable[int]]
    stands: Callable[[int, int], bool]
    surely: Callable[[int, int], bool]


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """The fields as they were meant, the findings that tell of them, each with the first field off, and how many that
    held what they cannot came to where they can."""

    way: tuple[str, ...]
    told: tuple[tuple[str, int], ...]
    mended: int


def best(row: Row, needed: Sequence[int]) -> Run | None:
    """The one way by two places that mends most; None where there is none, or where steps of different kinds do."""
    amiss = sorted(row.wrong(row.kept))
    found = [run for steps in _STEPS if (run := _likeliest(row, amiss, steps, needed)) is not None]
    most = [run for run in found if run.mended == max(each.mended for each in found)]
    return most[0] if len({run.way for run in most}) == 1 else None


def _likeliest(row: Row, amiss: list[int], steps: tuple[int, int], needed: Sequence[int]) -> Run | None:
    """The way that mends most; of such the one whose second place is behind the longest row of empty fields, where
    separators are miscounted, and that moves least before the first field that is amiss."""
    first, last, back = amiss[0], len(row.kept) - 1, not sum(steps)
    found: list[tuple[int, int, int, Run]] = []
    for start in (n for n in range(first, 0, -1) if _may(row, n, steps[0])):
        for end in (n for n in range(first + 1, last + 1) if _may(row, n, steps[1])):
            mended = _mended(row, amiss, (start, end), steps)
            if not mended:
                continue
            way = _moved(row.kept, (start, end), steps)
            stays = {n for n in amiss if back and n >= end}
            if set(row.wrong(way)) <= stays and all(n < len(way) and way[n] for n in needed):
                told = _told(start, end, back)
                found.append((mended, _empty_before(row, end), start, Run(way, told, mended)))
    return max(found, key=lambda each: each[:3])[3] if found else None


def _told(start: int, end: int, back: bool) -> tuple[tuple[str, int], ...]:
    return (("structure.shifted-run", start),) if back else (("structure.shifted", start), ("structure.shifted", end))


def _empty_before(row: Row, number: int) -> int:
    """How many empty fields stand before one."""
    return next((n for n in range(number) if row.kept[number - 1 - n]), number)


def _may(row: Row, number: int, step: int) -> bool:
    """Whether a separator may be too few before a filled field, or the one too many make the empty one before it."""
    return bool(row.kept[number]) and (step > 0 or not row.kept[number - 1])


def _mended(row: Row, amiss: list[int], places: tuple[int, int], steps: tuple[int, int]) -> int:
    """How many fields that hold what they cannot come to where they can, by evidence enough; 0 for a way that is none.

    Each part that is moved needs a field that surely is for its new place.
    """
    (start, end), back = places, not sum(steps)
    parts = [(range(start, end), steps[0])] + ([] if back else [(range(end, len(row.kept)), sum(steps))])
    mended, sure = 0, []
    for part, off in parts:
        if not all(row.stands(n, n + off) for n in part if row.kept[n]):
            return 0
        here = [n for n in amiss if n in part]
        sure.append(sum(row.surely(n, n + off) for n in here))
        mended += len(here)
    enough = sum(sure) >= _LEAST or (back and mended >= _MANY)
    return mended if enough and all(sure) and mended > len(amiss) - mended else 0


def _moved(kept: list[str], places: tuple[int, int], steps: tuple[int, int]) -> tuple[str, ...]:
    """The fields with an empty one put in before each place, or that before it taken out."""
    way = list(kept)
    for place, step in reversed(list(zip(places, steps, strict=True))):
        way[place if step > 0 else place - 1 : place] = [""] if step > 0 else []
    return tuple(way)
