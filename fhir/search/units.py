"""Common UCUM units and their base units, so that `5.4 g/dL` finds `54 g/L`; others compare as written."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: a value times `factor` plus `offset` is the value in `base`."""

    base: str
    factor: float
    offset: float

    def of(self, value: float) -> float:
        """`value` in the base unit, rounded to what a conversion leaves exact."""
        return float(f"{value * self.factor + self.offset:.12g}")

    def back(self, value: float) -> float:
        """A value of the base unit in this one."""
        return float(f"{(value - self.offset) / self.factor:.12g}")


@cache
def _table() -> dict[str, Unit]:
    with (Path(__file__).with_name("units.csv")).open(encoding="utf-8", newline="") as file:
        return {
            row["code"]: Unit(row["base"], float(row["factor"]), float(row["offset"])) for row in csv.DictReader(file)
        }


@cache
def of_base(base: str) -> tuple[tuple[str, Unit], ...]:
    """The units of one kind, by their UCUM codes."""
    return tuple((code, unit) for code, unit in _table().items() if unit.base == base)


def known(code: str) -> Unit | None:
    """The unit of a UCUM code, or None when it is not in the table."""
    return _table().get(code)
