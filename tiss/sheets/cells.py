"""What every kind of sheet becomes: rows of cells (text, number or day), and the limits all kinds share."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal

from canonical.problem import Problem

MOST_ROWS = 500_000
MOST_COLUMNS = 500
Cell = str | Decimal | datetime.date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its number in the file, from 1, and its cells."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One sheet with its rows, blank ones left out."""

    name: str
    rows: tuple[Row, ...]


def decoded(raw: bytes, encoding: str) -> str | None:
    """The text of a file, by the encoding told, by its mark, as UTF-8, else as what Windows writes."""
    marks = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    marked = [name for mark, name in marks if raw.startswith(mark)]
    for name in marked or ([encoding] if encoding else ["utf-8", "cp1252", "latin-1"]):
        try:
            return raw.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return None


def told_too_large() -> Problem:
    """A sheet has more rows or columns than are read."""
    return Problem("sheet.too-large", args=(("limit", f"{MOST_ROWS} linhas, {MOST_COLUMNS} colunas"),))


class TooManyRows(Exception):
    """A sheet beyond the limits."""


def cell_of(value: object) -> Cell:
    """A value of a workbook as a cell."""
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    if isinstance(value, bool) or value is None:
        return None if value is None else str(value)
    if isinstance(value, int | float):
        exact = Decimal(repr(value))
        return exact if exact.is_finite() else str(value)
    return " ".join(str(value).split())


def text_of(cell: Cell) -> str:
    """A cell as text: numbers without a needless fraction, days as AAAA-MM-DD."""
    if isinstance(cell, Decimal):
        return f"{cell.to_integral_value():f}" if cell == cell.to_integral_value() else f"{cell.normalize():f}"
    if isinstance(cell, datetime.date):
        return cell.isoformat()
    return " ".join((cell or "").split())
