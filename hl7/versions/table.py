"""The only reader of the version tables: structures, fields and types of one HL7 version, the deltas laid together."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
NEWEST = VERSIONS[-1]
_HERE = Path(__file__).parent
_USE = re.compile(r"([ROX])(\*|\d+)?\Z")


@dataclass(frozen=True, slots=True)
class Item:
    """A field or component: use (R required, O optional, X withdrawn), most repetitions (0: any), type, HL7 table."""

    use: str
    most: int
    type: str
    table: str
    length: int = 0
    """Most characters; 0: the tables state none."""
    leaves: str = ""
    """The version that withdraws it, when a later one does."""


@dataclass(frozen=True, slots=True)
class Version:
    """One HL7 version: structures in bracket notation, fields by segment and number, components by type."""

    name: str
    structures: Mapping[str, str]
    segments: Mapping[str, Mapping[int, Item]]
    types: Mapping[str, tuple[Item, ...]]

    def structure_of(self, code: str, event: str, stated: str) -> str:
        """The name of the structure of a message type: the event's, or another of it where that is stated; else the one
        stated; empty when none is known."""
        own = f"{code}_{event}" if event else code
        names, chosen = _structure_names().get(f"{code}^{event}", ((), ()))
        for name in (stated if stated in chosen else own, own, *names, stated):
            if name in self.structures:
                return name
        return code if code in self.structures else ""


@cache
def version_named(name: str) -> Version | None:
    """The tables of `name` (`2.5.1`), or None when HL7 v2 has no such version here."""
    if name not in VERSIONS:
        return None
    tables = _laid(name)
    segments: dict[str, dict[int, Item]] = {}
    later = VERSIONS[VERSIONS.index(name) + 1 :]
    lengths = _lengths(name)
    for place, text in tables["fields"].items():
        segment, _, number = place.partition("-")
        use, most, kind, table = _parts(text)
        leaves = "" if use == "X" else next((v for v in later if _laid(v)["fields"].get(place, "O")[0] == "X"), "")
        segments.setdefault(segment, {})[int(number)] = Item(use, most, kind, table, lengths.get(place, 0), leaves)
    types = {
        kind: tuple(
            Item(*_parts(part), lengths.get(f"{kind}.{n}", 0)) for n, part in enumerate(row.split(", "), start=1)
        )
        for kind, row in tables["types"].items()
    }
    return Version(name, tables["structures"], segments, types)


@cache
def _laid(name: str) -> dict[str, dict[str, str]]:
    """The three tables of a version, laid over those of the version before it."""
    number = VERSIONS.index(name)
    found = {key: dict(rows) for key, rows in _laid(VERSIONS[number - 1]).items()} if number else {}
    with (_HERE / f"_{name}.toml").open("rb") as file:
        delta = tomllib.load(file)
    for key, rows in delta.items():
        merged = {**found.get(key, {}), **rows}
        found[key] = {place: text for place, text in merged.items() if text}
    return found


def _parts(text: str) -> tuple[str, int, str, str]:
    use, kind, table = (*text.split(" "), "")[:3]
    match = _USE.match(use)
    if match is None:
        raise ValueError(f"{text}: not a field")
    times = match[2] or "1"
    return match[1], 0 if times == "*" else int(times), kind, table


@cache
def _structure_names() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Structures by message type, first choice first, and those that MSH-9.3 may choose (`structures.csv`)."""
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    with (_HERE / "structures.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for event in row["events"].split():
                found[f"{row['code']}^{event}"] = (tuple(row["structures"].split()), tuple(row["chosen"].split()))
    return found


def _lengths(version: str) -> dict[str, int]:
    """The lengths that a version states, by place (`lengths.csv`)."""
    number = VERSIONS.index(version)
    found = {}
    with (_HERE / "lengths.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if VERSIONS.index(row["since"]) <= number <= VERSIONS.index(row["until"]):
                found[row["place"]] = int(row["most"])
    return found
