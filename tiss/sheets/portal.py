"""Sheets as payers' portals hand them out under the name .xls: workbooks of old Excel (BIFF in OLE), and HTML tables.

Of a workbook only values are read: no macros, no formulas, no links. Both are bounded like other sheets.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lxml import etree

from canonical.problem import Problem
from tiss.sheets.cells import MOST_COLUMNS, MOST_ROWS, Cell, Row, Sheet, TooManyRows, cell_of, decoded, told_too_large

LARGEST_WORKBOOK = 16 * 1024 * 1024
_HTML = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype\s+html|html|head|meta|body|table|div|style)\b",
    re.I | re.S,
)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_\-]+)", re.I)


def is_html(raw: bytes) -> bool:
    """Whether a file is a page with a table, whatever its name says."""
    return _HTML.match(raw[:4096]) is not None and b"<table" in raw.lower()


def workbook(raw: bytes) -> list[Sheet] | Problem:
    """The sheets of a workbook of old Excel; a Problem when it is encrypted, damaged or too large."""
    import xlrd

    if len(raw) > LARGEST_WORKBOOK:
        return Problem("sheet.too-large", args=(("limit", f"{LARGEST_WORKBOOK // 1024 // 1024} MB"),))
    try:
        book = xlrd.open_workbook(file_contents=raw, logfile=io.StringIO(), formatting_info=True, on_demand=True)
        found = [_sheet(book, number) for number in range(book.nsheets)]
    except TooManyRows:
        return told_too_large()
    except Exception:  # the library raises what its parsers raise; its texts can hold cells
        return Problem("sheet.old-excel")
    return [sheet for sheet in found if sheet.rows] or Problem("sheet.empty")


def _sheet(book: Any, number: int) -> Sheet:
    """A sheet, let go once it is read; every cell of a merged range has the range's value."""
    sheet = book.sheet_by_index(number)
    if sheet.nrows > MOST_ROWS or sheet.ncols > MOST_COLUMNS:
        raise TooManyRows
    merged = {
        (row, column): (top, left)
        for top, bottom, left, right in sheet.merged_cells
        for row in range(top, min(bottom, sheet.nrows))
        for column in range(left, min(right, sheet.ncols))
    }
    rows = []
    for at in range(sheet.nrows):
        cells = tuple(_value(book, sheet, merged.get((at, column), (at, column))) for column in range(sheet.ncols))
        if any(cell not in (None, "") for cell in cells):
            rows.append(Row(number=at + 1, cells=cells))
    book.unload_sheet(number)
    return Sheet(name=str(sheet.name), rows=tuple(rows))


def _value(book: Any, sheet: Any, place: tuple[int, int]) -> Cell:
    import xlrd

    kind, value = sheet.cell_type(*place), sheet.cell_value(*place)
    if kind in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK, xlrd.XL_CELL_ERROR):
        return None
    if kind == xlrd.XL_CELL_DATE:
        return cell_of(xlrd.xldate_as_datetime(value, book.datemode))
    return cell_of(bool(value) if kind == xlrd.XL_CELL_BOOLEAN else value)


def page(raw: bytes, encoding: str) -> list[Sheet] | Problem:
    """The tables of a page, each as a sheet; numbers and days stay texts."""
    stated = _CHARSET.search(raw[:4096])
    text = decoded(raw, encoding or (stated[1].decode("ascii") if stated else ""))
    if text is None:
        return Problem("sheet.encoding", args=(("encoding", encoding or "UTF-8, Windows-1252"),))
    root = etree.fromstring(text.encode(), etree.HTMLParser(encoding="utf-8", no_network=True))
    if root is None:
        return Problem("sheet.unreadable")
    try:
        found = [Sheet(name="", rows=tuple(_rows(table))) for table in root.iter("table")]
    except TooManyRows:
        return told_too_large()
    return [sheet for sheet in found if sheet.rows] or Problem("sheet.empty")


def _rows(table: etree._Element) -> Iterator[Row]:
    lines = [line for line in table.iter("tr") if next(line.iterancestors("table")) is table]
    if len(lines) > MOST_ROWS:
        raise TooManyRows
    for number, line in enumerate(lines, start=1):
        cells = list(_cells(line))
        if len(cells) > MOST_COLUMNS:
            raise TooManyRows
        if any(cells):
            yield Row(number=number, cells=tuple(cells))


def _cells(line: etree._Element) -> Iterator[Cell]:
    parts: Sequence[etree._Element] = [cell for cell in line if cell.tag in ("td", "th")]
    for cell in parts:
        wide = cell.get("colspan", "1")
        text = " ".join("".join(map(str, cell.itertext())).split())
        yield from [text] * (min(int(wide), MOST_COLUMNS + 1) if wide.isascii() and wide.isdigit() else 1)
