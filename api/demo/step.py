"""A step of the demonstration and what was checked in it: every figure shown stands beside the one it must equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison; `name` says of what, values are counts, sums and codes, never a patient's data."""

    name: str
    expected: Any
    found: Any

    @property
    def held(self) -> bool:
        """Whether both are equal."""
        return bool(self.expected == self.found)


@dataclass(slots=True)
class Step:
    """One step: its name, what it found, and how long it took."""

    name: str
    title: str
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    seconds: float = 0.0

    def same(self, name: str, expected: Any, found: Any) -> None:
        """`found` must equal `expected`; it is also shown as a figure."""
        self.checks.append(Check(name=name, expected=expected, found=found))
        self.figures[name] = found

    def true(self, name: str, held: bool) -> None:
        """A condition that must hold, without a figure."""
        self.checks.append(Check(name=name, expected=True, found=held))

    def at_least(self, name: str, least: int, found: int) -> None:
        """A figure with a floor."""
        self.checks.append(Check(name=f"{name} >= {least}", expected=True, found=found >= least))
        self.figures[name] = found

    @property
    def held(self) -> bool:
        """Whether every check held, at least one was made, and nothing failed."""
        return not self.failure and bool(self.checks) and all(check.held for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The step for `--json`: what failed is listed, what held is counted."""
        failed = [{"check": c.name, "expected": c.expected, "found": c.found} for c in self.checks if not c.held]
        document: dict[str, Any] = {
            "step": self.name,
            "ok": self.held,
            "seconds": round(self.seconds, 2),
            "checks": len(self.checks),
            "figures": self.figures,
        }
        if failed:
            document["failed"] = failed
        if self.failure:
            document["failure"] = self.failure
        return document
