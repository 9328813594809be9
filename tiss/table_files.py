"""Reads a published table (TUSS, glosas, a domain) from CSV, as the ANS gives it out, into rows with ISO dates.

Columns are known by their names without accents and case: code, term, begin and end of validity, and the table's
number where the file holds several. Separator and encoding are found out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from schemas_xsd import catalogue

_LARGEST = 128 * 1024 * 1024
_NAMES = {
    "codigo": ("codigo", "codigo do termo", "code", "codigo tuss"),
    "termo": ("termo", "descricao", "nome", "term", "descricao do termo", "nome comercial"),
    "tabela": ("tabela", "numero da tabela", "table"),
    "vigencia_inicio": ("data de inicio de vigencia", "inicio de vigencia", "vigencia inicio", "since"),
    "vigencia_fim": ("data de fim de vigencia", "fim de vigencia", "vigencia fim", "until"),
}
_DAY = re.compile(r"(?:(\d{4})-(\d\d)-(\d\d)|(\d\d)/(\d\d)/(\d{4}))(?:[ T].*)?\Z", re.ASCII)
_CODE = re.compile(r"[0-9A-Za-z.\-]{1,20}\Z", re.ASCII)
_TABLE = re.compile(r"[0-9]{2}\Z", re.ASCII)


class UnreadableTable(Exception):
    """The file is no table this room knows; the text says why, with the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What an import brought: rows per table, and where they were put."""

    rows: dict[str, int]
    path: Path


def folder() -> Path:
    """Where imported tables stand, beside the published ones."""
    return catalogue.installed_root() / "tables" / "imported"


def take(source: Path, table: str = "") -> Taken:
    """Import a CSV file; `table` is its number where no column tells. Raises UnreadableTable, OSError."""
    if source.stat().st_size > _LARGEST:
        raise UnreadableTable(f"{source.name} is larger than {_LARGEST // 1024 // 1024} MB")
    raw = source.read_bytes()
    rows = read(raw, table)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["tabela"]] = counts.get(row["tabela"], 0) + 1
    name = f"{'-'.join(sorted(counts))}-{hashlib.sha256(raw).hexdigest()[:12]}.json"
    folder().mkdir(parents=True, exist_ok=True)
    partial = folder() / f".{name}.partial"
    partial.write_text(json.dumps({"records": rows}, ensure_ascii=False), encoding="utf-8")
    partial.replace(folder() / name)
    return Taken(rows=counts, path=folder() / name)


def read(raw: bytes, table: str = "") -> list[dict[str, str]]:
    """The rows of a CSV; raises UnreadableTable."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    head = text.splitlines()[0] if text.strip() else ""
    separator = max(";,\t", key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    places = _places(next(reader, []))
    for needed in ("codigo", "termo"):
        if needed not in places:
            raise UnreadableTable(f"the first line names no column {needed!r}")
    if "tabela" not in places and not _TABLE.match(table):
        raise UnreadableTable("no column names the table; say which with --table, such as 22")
    try:
        return [_row(cells, places, table, reader.line_num) for cells in reader if any(cells)]
    except csv.Error:
        raise UnreadableTable(f"line {reader.line_num} is no CSV") from None


def _places(names: list[str]) -> dict[str, int]:
    folded = [_fold(name) for name in names]
    return {
        column: folded.index(known)
        for column, others in _NAMES.items()
        for known in reversed(others)
        if known in folded
    }


def _fold(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join(plain.replace("_", " ").split())


def _row(cells: list[str], places: dict[str, int], table: str, line: int) -> dict[str, str]:
    def cell(column: str) -> str:
        index = places.get(column, -1)
        return cells[index].strip() if 0 <= index < len(cells) else ""

    code, number = cell("codigo"), cell("tabela") or table
    if not _CODE.match(code) or not _TABLE.match(number) or not cell("termo"):
        raise UnreadableTable(f"line {line} holds no code, table number or term")
    days = {name: _day(cell(name), line) for name in ("vigencia_inicio", "vigencia_fim")}
    return {"tabela": number, "codigo": code, "termo": cell("termo")} | days


def _day(text: str, line: int) -> str:
    if not text or text == "-":
        return ""
    match = _DAY.match(text)
    if match is None:
        raise UnreadableTable(f"line {line}: a date is neither DD/MM/AAAA nor AAAA-MM-DD")
    year, month, day = (match[1], match[2], match[3]) if match[1] else (match[6], match[5], match[4])
    return f"{year}-{month}-{day}"
