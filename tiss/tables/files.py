"""Reads a published table (TUSS, glosas, a domain) from CSV or XLSX, as the ANS gives it out, into rows with ISO dates.

Columns are known by their names without accents and case: code, term, begin and end of validity, and the table's
number where the file holds several; lines above the one with the names are passed over. Separator and encoding of a CSV
are found out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from canonical.problem import Problem
from schemas_xsd import catalogue
from tiss.sheets import cells, sheets

_LARGEST = sheets.LARGEST
_DEEPEST_HEADER = 30
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
    """Import a CSV or XLSX file; `table` is its number where no column tells. Raises UnreadableTable, OSError."""
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
    """The rows of a CSV or XLSX; raises UnreadableTable."""
    opened = sheets.read(raw)
    if isinstance(opened, Problem) and opened.code == "sheet.empty":
        opened = []
    if isinstance(opened, Problem):
        raise UnreadableTable(opened.text("en"))
    missing = "codigo"
    for sheet in opened:
        for position, row in enumerate(sheet.rows[:_DEEPEST_HEADER]):
            places = _places([cells.text_of(cell) for cell in row.cells])
            if {"codigo", "termo"} <= set(places):
                return _below(sheet.rows[position + 1 :], places, table)
            missing = "termo" if "codigo" in places else missing
    raise UnreadableTable(f"no line of the first {_DEEPEST_HEADER} names a column {missing!r}")


def _below(rows: Sequence[cells.Row], places: dict[str, int], table: str) -> list[dict[str, str]]:
    if "tabela" not in places and not _TABLE.match(table):
        raise UnreadableTable("no column names the table; say which with --table, such as 22")
    return [_row([cells.text_of(cell) for cell in row.cells], places, table, row.number) for row in rows]


def _places(names: list[str]) -> dict[str, int]:
    folded = [sheets.title(name) for name in names]
    return {
        column: folded.index(known)
        for column, others in _NAMES.items()
        for known in reversed(others)
        if known in folded
    }


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
