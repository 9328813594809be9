"""Problem: a finding about data, as a value with an address and without patient data.

The words of a finding live in `problems.csv` of the package that finds it (code, severity, Portuguese and
English text and remedy), so an analyst can mend a sentence without touching code.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning", "information"]
LANGUAGES = ("pt", "en")
_ROOMS = ("canonical", "hl7", "tiss", "fhir", "signatures", "mappings", "adapters", "hub", "api")
_PLACE = re.compile(r"\{[a-z_\-]+\}")


@dataclass(frozen=True, slots=True)
class Wording:
    """One row of a `problems.csv`: how a code is said in each language."""

    code: str
    severity: Severity
    text: Mapping[str, str]
    remedy: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding: `code` is dotted, `where` a place in the input, `args` non-personal values named in the text."""

    code: str
    where: str = ""
    spec: str = field(default="", kw_only=True)
    level: Severity | None = field(default=None, kw_only=True)
    args: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)

    @property
    def severity(self) -> Severity:
        """The severity set for this finding, else the one of its row in the catalogue."""
        return self.level or wording(self.code).severity

    @property
    def blocks(self) -> bool:
        """Whether the data may not go on with this finding."""
        return self.severity == "error"

    def text(self, language: str = "pt") -> str:
        """What is wrong, for a person."""
        return _fill(wording(self.code).text, language, self.args)

    def remedy(self, language: str = "pt") -> str:
        """How to repair it, for a person."""
        return _fill(wording(self.code).remedy, language, self.args)

    def as_json(self, language: str = "pt") -> dict[str, str]:
        """The five keys of the command-line contract: code, severity, where, text, remedy."""
        return {
            "code": self.code,
            "severity": self.severity,
            "where": self.where,
            "text": self.text(language),
            "remedy": self.remedy(language),
        }


def blocking(problems: Iterable[Problem]) -> list[Problem]:
    """Those of `problems` that stop the data."""
    return [problem for problem in problems if problem.blocks]


def wording(code: str) -> Wording:
    """The catalogue row of `code`, or of its nearest dotted ancestor; a code without any row is an error finding."""
    table = _catalogue()
    key = code
    while key:
        if key in table:
            return table[key]
        key = key.rpartition(".")[0]
    return Wording(code, "error", {"pt": code, "en": code}, {"pt": "", "en": ""})


def in_general(code: str, language: str = "pt") -> tuple[str, str]:
    """Text and remedy of a code where no single finding is meant; what would name a value of one is left open (…)."""
    words = wording(code)
    text, remedy = (_PLACE.sub("…", _fill(each, language, ())) for each in (words.text, words.remedy))
    return text, remedy


def catalogue() -> Mapping[str, Wording]:
    """All known codes with their words."""
    return _catalogue()


def _fill(words: Mapping[str, str], language: str, args: tuple[tuple[str, str], ...]) -> str:
    text = words.get(language) or words["pt"]
    for name, value in args:
        text = text.replace("{" + name + "}", value)
    return text


@cache
def _catalogue() -> dict[str, Wording]:
    root = Path(__file__).resolve().parent.parent
    table: dict[str, Wording] = {}
    for room in _ROOMS:
        path = root / room / "problems.csv"
        if path.exists():
            table.update(_rows(path))
    return table


def _rows(path: Path) -> dict[str, Wording]:
    rows: dict[str, Wording] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            severity = row["severity"]
            if severity not in ("error", "warning", "information"):
                raise ValueError(f"{path.parent.name}/{path.name}:{number}: severity")
            rows[row["code"]] = Wording(
                row["code"],
                severity,  # type: ignore[arg-type]  # checked above
                {"pt": row["text_pt"], "en": row["text_en"]},
                {"pt": row["remedy_pt"], "en": row["remedy_en"]},
            )
    return rows
