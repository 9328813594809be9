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
from fhir.search.curves import Special, special


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: a value, along its curve if it has one, times `factor` plus `offset` is the value in `base`."""

    base: str
    factor: float
    offset: float
    curve: Special | None = None

    @property
    def falls(self) -> bool:
        """Whether a greater value means less in the base unit (`[pH]`)."""
        return self.curve is not None and self.curve.falls

    def of(self, value: float) -> float:
        """`value` in the base unit, rounded to what a conversion leaves exact; not finite where it has none there."""
        bent = value if self.curve is None else self.curve.bent(value)
        return float(f"{bent * self.factor + self.offset:.12g}")

    def back(self, value: float) -> float:
        """A value of the base unit in this one, which has no curve."""
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
    """The unit of a UCUM code, or None when it is none that is known."""
    curve = special(code)
    if curve is not None:
        return _along(curve)
    measure = ucum.read(code)
    if measure is None:
        return None
    base, one = _bases().get(measure.powers) or (_spelled(measure.powers), ucum.Measure(ucum.ONE))
    factor = float(measure.factor / one.factor)
    return Unit(base, factor, 0.0) if factor else None


def _along(curve: Special) -> Unit | None:
    """A special unit: what its curve leads to, in the base unit of that."""
    plain = known(curve.unit)
    if plain is None:
        return None
    return Unit(plain.base, float(curve.value) * plain.factor, curve.offset * plain.factor, curve)


def _spelled(powers: ucum.Powers) -> str:
    return ".".join(f"{code}{power}" if power != 1 else code for code, power in powers)
