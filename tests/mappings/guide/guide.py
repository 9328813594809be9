"""HL7's v2-to-FHIR maps (the shared standards) as rows, and what of them is done otherwise, with the reason."""

from __future__ import annotations

import csv
import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from shared_files import standards

_KINDS = {"codesystems": r"Map_ (.*?) - ", "segments": r"R4_ (\w+\[[^\]]+\]) - ", "datatypes": r"R4_ (.*?) - "}
_DIFFERENCES = Path(__file__).with_name("guide_differences.csv")


class Difference(NamedTuple):
    """A row of `guide_differences.csv`: of which map and which of its rows, by patterns."""

    kind: str
    map: str
    rows: str
    ours: str
    reason: str

    def covers(self, name: str, row: str) -> bool:
        patterns = self.map.replace("[", "(").split()
        named = any(fnmatch.fnmatchcase(name.replace("[", "("), pattern) for pattern in patterns)
        return named and any(fnmatch.fnmatchcase(row, pattern) for pattern in self.rows.split())


def maps(kind: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Each map of a kind by its name, with the rows below its heading, padded."""
    folder = standards("v2-to-fhir") / "mappings" / kind
    for path in sorted(folder.glob("*.csv")):
        name = re.search(_KINDS[kind], path.name)
        assert name is not None, path
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield name[1], [[cell.strip() for cell in row] + [""] * 20 for row in list(csv.reader(file))[2:]]


def differences(kind: str) -> list[Difference]:
    with _DIFFERENCES.open(encoding="utf-8", newline="") as file:
        return [Difference(**row) for row in csv.DictReader(file) if row["kind"] == kind]


def walk(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every object and leaf of a body with its path; lists have no step of their own."""
    for one in node if isinstance(node, list) else [node]:
        yield path, one
        if isinstance(one, dict):
            for name, value in one.items():
                yield from walk(value, (*path, name))
