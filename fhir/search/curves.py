"""UCUM's special units: a value is a function of a value of another unit (UCUM §21, §22), as `7 [pH]` is 1e-7 mol/L.

`ucum_special.csv` names the curve of each and the unit it leads to. Levels and potentials rise, `[pH]` and the
homeopathic ones fall: what is more of them is less of the other. Such units stand alone or behind a prefix.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

from fhir.search import ucum


@dataclass(frozen=True, slots=True)
class Special:
    """A value times `times` along `curve`, times `value` plus `offset`, is a value in `unit`."""

    curve: str
    base: float
    times: float
    value: Fraction
    unit: str
    offset: float

    @property
    def falls(self) -> bool:
        """Whether a greater value means less in `unit`."""
        return self.times < 0

    def bent(self, value: float) -> float:
        """`value` along the curve; not a number where there is none, infinity beyond what a number holds."""
        try:
            return _CURVES[self.curve](value * self.times, self.base)
        except OverflowError:
            return math.inf


def _power(value: float, base: float) -> float:
    return math.exp(value) if base == math.e else base**value


def _square(value: float, base: float) -> float:
    return value * value if value >= 0 else math.nan


_CURVES: Mapping[str, Callable[[float, float], float]] = {
    "line": lambda value, base: value,
    "power": _power,
    "angle": lambda value, base: math.atan(value),
    "square": _square,
}


@cache
def special(code: str) -> Special | None:
    """The special unit of a code, by itself or, where it is metric (`dB`, `mCel`), behind a prefix; else None."""
    found = _known().get(code)
    if found is not None:
        return found[0]
    for length in (2, 1):
        prefix, rest = ucum.prefix(code[:length]), _known().get(code[length:])
        if prefix is not None and rest is not None and rest[1]:
            unit = rest[0]
            return Special(unit.curve, unit.base, unit.times * float(prefix), unit.value, unit.unit, unit.offset)
    return None


@cache
def _known() -> Mapping[str, tuple[Special, bool]]:
    """The units of the table and whether they are metric."""
    with Path(__file__).with_name("ucum_special.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: (_special(row), row["metric"] == "1") for row in csv.DictReader(file)}


def _special(row: Mapping[str, str]) -> Special:
    base = math.e if row["base"] == "e" else float(row["base"] or 0)
    offset = float(Fraction(row["offset"]))
    return Special(row["curve"], base, float(Fraction(row["times"])), Fraction(row["value"]), row["unit"], offset)
