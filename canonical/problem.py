"""Problem: a finding about data, as a value with an address and without patient data.

The words of a finding live in `problems.csv` of the package that finds it (code, severity, Portuguese and
English text and remedy), so an analyst can mend a sentence without touching code.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning", "information"]
LANGUAGES = ("pt", "en")
_ROOMS = ("canonical", "hl7", "tiss", "fhir", "signatures", "mappings", "adapters", "hub", "api")
_AMOUNT = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?")
_PLACE = re.compile(r"\{([a-z_\-]+)(?::([^{}]*))?\}")


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


def json_of(problems: Iterable[Problem]) -> str:
    """Findings as the JSON kept in a row."""
    return json.dumps([problem.as_json() for problem in problems], ensure_ascii=False)


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
    text, remedy = (_PLACE.sub(_left_open, _fill(each, language, ())) for each in (words.text, words.remedy))
    return text, remedy


def catalogue() -> Mapping[str, Wording]:
    """All known codes with their words."""
    return _catalogue()


def filled(text: str, values: Mapping[str, str], language: str) -> str:
    """A text with its places filled; a place without a value stays as it is.

    `{n}` is the value, `{n:guia|guias}` the word for one or for any other number, `{sum:money}` an amount (`1234.50`)
    as it is written in the language.
    """

    def put(place: re.Match[str]) -> str:
        value, form = values.get(place[1]), place[2]
        if value is None or form is None:
            return place[0] if value is None else value
        if form == "money":
            return _money(value) if language == "pt" else value
        one, _, many = form.partition("|")
        return one if value == "1" else many

    return _PLACE.sub(put, text)


def _money(value: str) -> str:
    """An amount as it is written in Brazil; what is none stays as it was stated."""
    if not _AMOUNT.fullmatch(value):
        return value
    whole, _, cents = value.partition(".")
    marked = f"{int(whole):,}".replace(",", ".")
    return f"{'-' if whole == '-0' else ''}{marked}{',' + cents if cents else ''}"


def _left_open(place: re.Match[str]) -> str:
    """What stands for a value that is not known: the word for many, or an ellipsis."""
    form = place[2] or ""
    return form.partition("|")[2] if "|" in form else "…"


def _fill(words: Mapping[str, str], language: str, args: tuple[tuple[str, str], ...]) -> str:
    return filled(words.get(language) or words["pt"], dict(args), language)


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
