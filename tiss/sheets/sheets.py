"""Rows of a sheet, from CSV, XLSX or what portals call XLS: cells as text, number or day, each row with its number.

Encoding and separator of a CSV are found out unless told. Of an XLSX every cell of a merged range has the range's
value. A workbook is opened only within limits of size and growth, and without DTD.
"""

from __future__ import annotations

import csv
import io
import posixpath
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from lxml import etree

from canonical.identity import unaccented
from canonical.problem import Problem
from tiss.sheets import portal
from tiss.sheets.cells import MOST_COLUMNS, MOST_ROWS, Cell, Row, Sheet, TooManyRows, cell_of, decoded, told_too_large

LARGEST = 64 * 1024 * 1024
_GROWN = 512 * 1024 * 1024
_RATIO = 200
_MEMBERS = 2000
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_SEPARATORS = ";,\t|"


def read(raw: bytes, *, encoding: str = "", separator: str = "") -> list[Sheet] | Problem:
    """The sheets of a CSV (one), XLSX, XLS or HTML file; a Problem when it is none of these, or too large."""
    if len(raw) > LARGEST:
        return Problem("sheet.too-large", args=(("limit", f"{LARGEST // 1024 // 1024} MB"),))
    if raw.startswith(_OLE):
        return portal.workbook(raw)
    if portal.is_html(raw):
        return portal.page(raw, encoding)
    if raw.startswith(_ZIP):
        return _workbook(raw)
    return _csv(raw, encoding, separator)


def title(text: str) -> str:
    """A column's title as titles are compared: no case, accents, underscores or needless blanks."""
    return " ".join(unaccented(text.lower()).replace("_", " ").split())


def _csv(raw: bytes, encoding: str, separator: str) -> list[Sheet] | Problem:
    text = decoded(raw, encoding)
    if text is None or "\x00" in text:
        return Problem("sheet.encoding", args=(("encoding", encoding or "UTF-8, Windows-1252"),))
    head = [line for line in text.splitlines()[:60] if line.strip()]
    if not head:
        return Problem("sheet.empty")
    found = separator or max(_SEPARATORS, key=lambda mark: max(line.count(mark) for line in head))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=found)
    rows: list[Row] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(number=reader.line_num, cells=tuple(cell.strip() for cell in cells)))
            if len(rows) > MOST_ROWS or len(cells) > MOST_COLUMNS:
                return told_too_large()
    except csv.Error:
        return Problem("sheet.csv", f"linha {reader.line_num}", args=(("row", str(reader.line_num)),))
    return [Sheet(name="", rows=tuple(rows))]


def _workbook(raw: bytes) -> list[Sheet] | Problem:
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if wrong := _unsafe(archive, len(raw)):
                return wrong
            merged = _merged(archive)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions nobody reads
            book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
            try:
                found = [_sheet(sheet, merged.get(sheet.title, ())) for sheet in book.worksheets]
            finally:
                book.close()
    except TooManyRows:
        return told_too_large()
    except Exception:  # the library raises what its parsers raise; its texts can hold cells
        return Problem("sheet.unreadable")
    return [sheet for sheet in found if sheet.rows] or Problem("sheet.empty")


def _unsafe(archive: zipfile.ZipFile, size: int) -> Problem | None:
    """Why a workbook may not be opened: it grows too much, is encrypted, declares a DTD or is no workbook."""
    members = archive.infolist()
    grown = sum(member.file_size for member in members)
    if len(members) > _MEMBERS or grown > _GROWN or grown > max(size, 1024 * 1024) * _RATIO:
        return Problem("sheet.too-large", args=(("limit", f"{_GROWN // 1024 // 1024} MB"),))
    if "xl/workbook.xml" not in archive.namelist() or any(member.flag_bits & 1 for member in members):
        return Problem("sheet.unreadable")
    for member in members:
        if member.filename.endswith((".xml", ".rels")):
            with archive.open(member) as file:
                head = file.read(4096)
            if b"<!DOCTYPE" in head or b"<!ENTITY" in head or not head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
                return Problem("sheet.unreadable")
    return None


def _sheet(sheet: object, merged: Sequence[tuple[int, int, int, int]]) -> Sheet:
    """The rows of an open sheet; `merged` are its ranges (first row, first column, last row, last column)."""
    held: dict[tuple[int, int], Cell] = {}
    rows: list[Row] = []
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):  # type: ignore[attr-defined]
        cells = [cell_of(value) for value in values[: MOST_COLUMNS + 1]]
        for top, left, bottom, right in merged:
            if top <= number <= bottom:
                if number == top:
                    held[(top, left)] = cells[left - 1] if left <= len(cells) else None
                cells += [None] * (right - len(cells))
                cells[left - 1 : right] = [held.get((top, left))] * (right - left + 1)
        if any(cell not in (None, "") for cell in cells):
            rows.append(Row(number=number, cells=tuple(cells)))
        if len(rows) > MOST_ROWS or len(values) > MOST_COLUMNS:
            raise TooManyRows
    return Sheet(name=str(sheet.title), rows=tuple(rows))  # type: ignore[attr-defined]


def _merged(archive: zipfile.ZipFile) -> Mapping[str, list[tuple[int, int, int, int]]]:
    """The merged ranges of each sheet by its title: the library's streaming reader does not tell them."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    relations = etree.fromstring(archive.read("xl/_rels/workbook.xml.rels"), parser)
    targets = {node.get("Id", ""): node.get("Target", "") for node in relations}
    book = etree.fromstring(archive.read("xl/workbook.xml"), parser)
    found: dict[str, list[tuple[int, int, int, int]]] = {}
    for node in book.iter(f"{_MAIN}sheet"):
        target = targets.get(node.get(_RELATED, ""), "")
        path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
        if path in archive.namelist():
            with archive.open(path) as file:
                found[node.get("name", "")] = list(_ranges(file))
    return found


def _ranges(file: IO[bytes]) -> Iterator[tuple[int, int, int, int]]:
    tags = (f"{_MAIN}mergeCell", f"{_MAIN}row")
    for _, node in etree.iterparse(file, tag=tags, resolve_entities=False, no_network=True):
        if node.tag == f"{_MAIN}mergeCell":
            first, _, last = node.get("ref", "").partition(":")
            start, end = _place(first), _place(last or first)
            if start and end and end[1] <= MOST_COLUMNS:
                yield (*start, *end)
        node.clear()


def _place(reference: str) -> tuple[int, int] | None:
    """Row and column, from 1, of a reference such as `B12`."""
    letters = reference.rstrip("0123456789")
    digits = reference[len(letters) :]
    if not letters.isalpha() or not letters.isascii() or not digits or len(letters) > 3:
        return None
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - 64
    return int(digits), column
