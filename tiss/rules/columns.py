"""Many guides at once: what is asked of a text of theirs, the same one of each, is asked of a column of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import gcd
from operator import ge, mul
from typing import TypeGuard

from tiss.rules.amounts import SCALE, all_scaled

Column = Sequence[str]
Columns = Sequence[Column]
_CENT = SCALE**3 // 100  # in what the product of three numbers of `scaled` is counted


def apart(one: Sequence[int | None], other: Sequence[int]) -> Iterator[int]:
    """The rows in which two amounts differ."""
    if one == other:
        return iter(())
    return (row for row, (left, right) in enumerate(zip(one, other, strict=True)) if left != right)


def less(one: Column, other: Column) -> Iterator[int]:
    """The rows in which one text is less than the other."""
    if all(map(ge, one, other)):
        return iter(())
    return (row for row, (left, right) in enumerate(zip(one, other, strict=True)) if left < right)


def uniform(column: Column) -> bool:
    """Whether a column has one text in all its rows."""
    return column.count(column[0]) == len(column)


def different(columns: Iterable[Column]) -> list[Column]:
    """Columns without those that are equal to an earlier one: the lines of a guide mostly have one day."""
    found: list[Column] = []
    for column in columns:
        if column not in found:
            found.append(column)
    return found


def pairs(one: Column, other: Column) -> set[tuple[str, str]]:
    """The different pairs of two columns."""
    if uniform(one):
        return {(one[0], text) for text in set(other)}
    return set(zip(one, other, strict=True))


def others(column: Column, text: str) -> Iterator[int]:
    """The rows with another text."""
    if column.count(text) == len(column):
        return iter(())
    return (row for row, own in enumerate(column) if own != text)


def distinct(columns: list[Column]) -> bool:
    """Whether no row has one text twice."""
    if all(map(uniform, columns)):
        return len({column[0] for column in columns}) == len(columns)
    return set(map(len, map(set, zip(*columns, strict=True)))) == {len(columns)}


def exact(prices: Column, factors: tuple[Column, ...], totals: list[int]) -> bool:
    """Whether in all rows the price times the factors, which are positive, is exactly the total in cents."""
    read = all_scaled(prices)
    if not complete(read):
        return False
    numbers, whole = read, 1  # `whole` is what multiplies every row
    for column in factors:
        own = all_scaled(column[:1] if uniform(column) else column)
        if not complete(own) or min(own) <= 0:
            return False
        if len(own) == 1:
            whole *= own[0]
        else:
            numbers = list(map(mul, numbers, own))
    shared = gcd(whole, _CENT)
    return _multiplied(numbers, whole // shared) == _multiplied(totals, _CENT // shared)


def _multiplied(numbers: Sequence[int], by: int) -> Sequence[int]:
    return numbers if by == 1 else list(map(by.__mul__, numbers))


def complete(numbers: list[int | None]) -> TypeGuard[list[int]]:
    """Whether every text was a number."""
    return None not in numbers
