"""UCUM units and their base units, so that `5.4 g/dL` finds `54 g/L`; what is no unit of UCUM compares as written.

Base units are written into the index: `units.csv` names those of the common kinds, and units of each kind that are
asked for where only units as written are kept. Others are the product of what a unit is made of.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from fhir.search import ucum

_SHIFTED = {"Cel": (1.0, 273.15), "[degF]": (5 / 9, 459.67 * 5 / 9)}  # no multiple of K: alone, without prefix


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
def _common() -> tuple[tuple[str, str], ...]:
    """The common units with the name of their base unit."""
    with (Path(__file__).with_name("units.csv")).open(encoding="utf-8", newline="") as file:
        return tuple((row["code"], row["base"]) for row in csv.DictReader(file))


@cache
def _bases() -> dict[ucum.Powers, tuple[str, ucum.Measure]]:
    """The named base units by what they are made of."""
    read = ((base, ucum.read(base)) for base in dict.fromkeys(base for _, base in _common()))
    return {measure.powers: (base, measure) for base, measure in read if measure is not None}


@cache
def of_base(base: str) -> tuple[tuple[str, Unit], ...]:
    """The common units of one kind, by their UCUM codes."""
    found = ((code, known(code)) for code, named in _common() if named == base)
    return tuple((code, unit) for code, unit in found if unit is not None)


@lru_cache(maxsize=4096)
def known(code: str) -> Unit | None:
    """The unit of a UCUM code, or None when it is none that is known, or no multiple of its base unit."""
    if code in _SHIFTED:
        return Unit("K", *_SHIFTED[code])
    measure = ucum.read(code)
    if measure is None:
        return None
    base, one = _bases().get(measure.powers) or (_spelled(measure.powers), ucum.Measure(ucum.ONE))
    factor = float(measure.factor / one.factor)
    return Unit(base, factor, 0.0) if factor else None


def _spelled(powers: ucum.Powers) -> str:
    return ".".join(f"{code}{power}" if power != 1 else code for code, power in powers)
