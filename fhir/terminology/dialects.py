"""Language reference sets of SNOMED CT: the language of the names that each one ranks, and its aliases in ECL."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path


@cache
def languages() -> dict[str, str]:
    """The language tag of the names that a language reference set ranks, where it is known."""
    return {row["refset"]: row["language"] for row in _rows() if row["language"]}


@cache
def aliases() -> dict[str, str]:
    """The language reference set that an alias of ECL means."""
    return {alias: row["refset"] for row in _rows() for alias in row["aliases"].split()}


def _rows() -> list[dict[str, str]]:
    with Path(__file__).with_name("dialects.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
