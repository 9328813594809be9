"""Reads mapping tables and code tables strictly: an unknown column, conversion, path or code table stops the start.

A table row says: this target comes from this source, by this conversion, when. A code row says: this code of that
system becomes that, and who decided so. No conditions beyond present, absent and equals.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
_COLUMNS = ["target", "source", "convert", "when", "note", "spec"]
_CODE_COLUMNS = ["system", "from", "to", "note", "decided"]
_SOURCE = re.compile(r"([A-Z][A-Z0-9]{2})-(\d+)(?:\.(\d+))?(?:\.(\d+))?\Z")


class TableError(Exception):
    """A mapping table is wrong; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Source:
    """An HL7 place: segment, field, and optionally component and subcomponent (0: the whole repetition)."""

    segment: str
    field: int
    component: int = 0
    sub: int = 0

    def __str__(self) -> str:
        text = f"{self.segment}-{self.field}"
        if self.component:
            text += f".{self.component}"
        return f"{text}.{self.sub}" if self.sub else text


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `constant` and `reference` are alternatives to `source`."""

    target: str
    source: Source | None
    constant: str
    reference: str
    convert: str
    argument: str
    when: str
    place: str


@cache
def table(path: str) -> tuple[Row, ...]:
    """The rows of `mappings/<path>.csv`, in file order."""
    file = HERE / f"{path}.csv"
    return tuple(_row(values, f"{path}.csv:{line}") for line, values in _read(file, _COLUMNS))


@cache
def codes(name: str) -> dict[str, str]:
    """The code table `mappings/codes/<name>.csv` as from → to; an empty `to` is deliberately unmapped."""
    found: dict[str, str] = {}
    for line, values in _read(HERE / "codes" / f"{name}.csv", _CODE_COLUMNS):
        if not values["decided"]:
            raise TableError(f"codes/{name}.csv:{line}: `decided` is empty")
        found[values["from"]] = values["to"]
    return found


def _read(file: Path, columns: list[str]) -> list[tuple[int, dict[str, str]]]:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if reader.fieldnames != columns:
                raise TableError(f"{file.name}:1: columns must be {','.join(columns)}")
            rows = list(enumerate(reader, start=2))
    except FileNotFoundError:
        raise TableError(f"{file.relative_to(HERE)} does not exist") from None
    for line, values in rows:
        if None in values or None in values.values():
            raise TableError(f"{file.name}:{line}: wrong number of columns")
    return rows


def _row(values: dict[str, str], place: str) -> Row:
    source, constant, reference = None, "", ""
    text = values["source"]
    if text.startswith("="):
        constant = text[1:]
    elif text.startswith("@"):
        reference = text[1:]
    elif match := _SOURCE.match(text):
        source = Source(match[1], int(match[2]), int(match[3] or 0), int(match[4] or 0))
    else:
        raise TableError(f"{place}: source {text!r}")
    when = values["when"]
    if when not in ("", "present", "absent") and not when.startswith("equals:"):
        raise TableError(f"{place}: when {when!r}")
    convert, _, argument = values["convert"].partition(":")
    return Row(values["target"], source, constant, reference, convert, argument, when, place)
