"""What a rule is given and where it puts what it finds; `rules.csv` gives each code its severity, glosa and source."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal

from canonical.problem import Problem, Severity
from tiss.rules.contract import Contract
from tiss.rules.layout import Unit
from tiss.tables.tables import Tables

FOLDER = Path(__file__).resolve().parent
MOST = 200
OFF = "off"
_CODE = re.compile(r"[0-9A-Za-z.]{1,10}\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The circumstances of a check: the schema's version, tables and day where known, the operator's contract, and
    the day the message states as its own.
    """

    version: str
    tables: Tables | None
    today: date | None
    contract: Contract
    registered: str = ""

    @property
    def last_day(self) -> str:
        """The last day anything billed can have been done, as ISO text; empty when nothing is known."""
        days = [self.registered, self.today.isoformat() if self.today else ""]
        return min((day for day in days if day), default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of `rules.csv`; `kinds` empty: every guide kind, or the message as a whole."""

    code: str
    rule: str
    kinds: tuple[str, ...]
    severity: Severity | Literal["off"]
    glosa: str
    source: str


def shown(text: str) -> str:
    """A code or number of the message as words may show it; `?` for anything that could be more than that."""
    return text if _CODE.match(text) else "?"


def _outermost(unit: Unit) -> Unit:
    while unit.parent is not None and unit.parent.parent is not None:
        unit = unit.parent
    return unit


class Findings:
    """Collects findings by code; at most MOST of one code, so that a broken export stays readable."""

    def __init__(self, levels: Mapping[str, Severity] | None = None) -> None:
        self.problems: list[Problem] = []
        self._levels = levels or {}
        self._count: Counter[str] = Counter()

    def add(self, code: str, where: str, /, **args: str | int) -> None:
        """Record a finding with the severity and glosa its row says; one that is off must be asked for by contract."""
        if self._silent(code):
            return
        row = rules().get(ruled(code))
        self._count[code] += 1
        if self._count[code] > MOST:
            return
        told = tuple((name, str(value)) for name, value in args.items())
        if row is None:
            self.problems.append(Problem(code, where, args=told))
        else:
            told += (("glosa", row.glosa),)
            usual: Severity | None = None if row.severity == "off" else row.severity
            level = self._levels.get(code) or usual
            self.problems.append(Problem(code, where, level=level, spec=row.source, args=told))

    def _silent(self, code: str) -> bool:
        """Whether it is off and no contract asks for it, or was told of often enough."""
        if self._count[code] > MOST:
            self._count[code] += 1
            return True
        return code in off() and code not in self._levels

    def at(self, code: str, unit: Unit, role: str, /, **args: str | int) -> None:
        """Record a finding at a role of a unit, naming the unit as a person finds it."""
        if self._silent(code):
            return
        self.add(code, unit.at(role), at=unit.label, guide=_outermost(unit).position, item=unit.number, **args)

    def close(self) -> list[Problem]:
        """All findings, with a note for each code that was cut off."""
        for code, count in self._count.items():
            if count > MOST:
                args = (("code", code), ("count", str(count)), ("most", str(MOST)))
                self.problems.append(Problem("more", "", args=args))
        return self.problems


@cache
def off() -> frozenset[str]:
    """The codes nobody is told of unless a contract asks."""
    return frozenset(code for code, rule in rules().items() if rule.severity == OFF)


@cache
def rules() -> dict[str, Rule]:
    """All rules by code."""
    with (FOLDER / "rules.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: _rule(row) for row in csv.DictReader(file)}


def ruled(code: str) -> str:
    """The code of the rule a finding follows: hash.wrong.utf-8 follows hash.wrong."""
    return code if code in rules() else code.rpartition(".")[0]


def _rule(row: dict[str, str]) -> Rule:
    return Rule(
        code=row["code"],
        rule=row["rule"],
        kinds=tuple(row["kinds"].split()),
        severity=row["severity"],  # type: ignore[arg-type]  # a test checks the column
        glosa=row["glosa"],
        source=row["source"],
    )
