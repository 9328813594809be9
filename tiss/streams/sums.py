"""What a ring sums up of units that have been let go: one stand-in for all units of a section, with their sums.

The rules over totals (`totals.csv`, `papers.appeal`) read texts of the units inside; a stand-in has these texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from tiss.rules import papers, sums
from tiss.rules.amounts import in_cents
from tiss.rules.layout import Unit, sections
from tiss.wire.amounts import text as money


@cache
def _summed() -> dict[str, frozenset[str]]:
    """The roles that others sum, by the section they stand in."""
    found: dict[str, frozenset[str]] = {name: frozenset((papers.TOTAL,)) for name in papers.APPEALED}
    for totals in sums.totals().values():
        for total in totals:
            for section in total.of:
                found[section] = found.get(section, frozenset()) | {*total.plus, *total.minus}
    return found


class Sums:
    """The sums of units that came and went, by section and role; None once a text was no amount."""

    def __init__(self) -> None:
        self._cents: dict[str, dict[str, int | None]] = {}
        self._whole: set[str] = set()

    def add(self, units: Iterable[Unit]) -> None:
        """Count these units in; those inside them are not looked for."""
        for unit in units:
            name = unit.section.name
            if unit.texts.get(papers.WHOLE):
                self._whole.add(name)
            if name not in _summed():
                continue
            held = self._cents.setdefault(name, dict.fromkeys(_summed()[name], 0))
            for role, cents in held.items():
                more = in_cents(unit.texts.get(role))
                held[role] = None if cents is None or more is None else cents + more

    def units(self) -> list[Unit]:
        """The stand-ins."""
        made = {name: Unit(sections()[name], None, "", _texts(held)) for name, held in self._cents.items()}
        for name in self._whole:
            made.setdefault(name, Unit(sections()[name], None, "", {})).texts[papers.WHOLE] = "S"
        return list(made.values())


def _texts(held: dict[str, int | None]) -> dict[str, str]:
    return {role: money(cents) for role, cents in held.items() if cents is not None}
