"""What a rule is given and where it puts what it finds; `rules.csv` gives each code its severity, glosa and source."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

from canonical.problem import Problem, Severity
from tiss.contract import Contract
from tiss.tables import Tables

FOLDER = Path(__file__).resolve().parent
MOST = 200
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
    severity: Severity
    glosa: str
    source: str


class Row(NamedTuple):
    """One repeated line of a guide: its section's path, position and length of that section, texts by role."""

    layout: Section
    position: int
    place: str
    texts: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Lines of one kind: where they stand in the guide and where each role stands in a line."""

    role: str
    path: str
    paths: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """A guide reduced to what the rules ask: texts by role, and its lines."""

    kind: str
    position: int
    place: str
    paths: dict[str, str]
    texts: dict[str, str]
    rows: tuple[Row, ...]

    def at(self, role: str) -> str:
        """The place of a role in this guide, present or not."""
        return f"{self.place}/{self.paths[role]}" if role in self.paths else self.place

    def in_row(self, row: Row, role: str) -> str:
        """The place of a role in a line."""
        path = row.layout.paths.get(role)
        return f"{row.place}/{path}" if path else row.place


def shown(text: str) -> str:
    """A code or number of the message as words may show it; `?` for anything that could be more than that."""
    return text if _CODE.match(text) else "?"


class Findings:
    """Collects findings by code; at most MOST of one code, so that a broken export stays readable."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._count: Counter[str] = Counter()

    def add(self, code: str, where: str, /, **args: str | int) -> None:
        """Record a finding with the severity and glosa its row says."""
        self._count[code] += 1
        if self._count[code] > MOST:
            return
        row = rules().get(code) or rules().get(code.rpartition(".")[0])  # hash.wrong.utf-8 follows hash.wrong
        told = tuple((name, str(value)) for name, value in args.items())
        if row is None:
            self.problems.append(Problem(code, where, args=told))
        else:
            told += (("glosa", row.glosa),)
            self.problems.append(Problem(code, where, level=row.severity, spec=row.source, args=told))

    def close(self) -> list[Problem]:
        """All findings, with a note for each code that was cut off."""
        for code, count in self._count.items():
            if count > MOST:
                args = (("code", code), ("count", str(count)), ("most", str(MOST)))
                self.problems.append(Problem("more", "", args=args))
        return self.problems


@cache
def rules() -> dict[str, Rule]:
    """All rules by code."""
    with (FOLDER / "rules.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: _rule(row) for row in csv.DictReader(file)}


def _rule(row: dict[str, str]) -> Rule:
    return Rule(
        code=row["code"],
        rule=row["rule"],
        kinds=tuple(row["kinds"].split()),
        severity=row["severity"],  # type: ignore[arg-type]  # a test checks the column
        glosa=row["glosa"],
        source=row["source"],
    )
