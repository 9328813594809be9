"""One figure of a benchmark beside the floor that was measured in the same run: only their ratio means anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Round = TypeVar("Round")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """`value` of what Ponte does and `floor` of what the bare tool does, in the same `unit`; larger is faster."""

    name: str
    value: float
    unit: str
    floor: float
    floor_name: str

    @property
    def ratio(self) -> float:
        """The part of the floor that Ponte reaches; 0 when the floor could not be measured."""
        return self.value / self.floor if self.floor else 0.0

    def as_json(self) -> dict[str, str | float]:
        """The six keys of the command-line contract."""
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "floor": round(self.floor, 3),
            "floor_name": self.floor_name,
            "ratio": round(self.ratio, 4),
        }


def middle(rounds: Sequence[Round], ratio: Callable[[Round], float]) -> Round:
    """The round with the median ratio to its floor."""
    return sorted(rounds, key=ratio)[len(rounds) // 2]
