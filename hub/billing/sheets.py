"""Lists of billing as sheets that a Brazilian Excel opens as they are: UTF-8 with its mark, semicolons, decimal commas,
days as DD/MM/AAAA, numbers that are names (guides, protocols, payers) kept digit by digit.

Which columns a sheet has, and their titles, is data (`sheets.csv`).
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from hub.billing.writing import glosa_name
from mappings.tables.table import codes

Language = Literal["pt", "en"]


def _status(row: Mapping[str, Any]) -> str:
    """dm_statusProtocolo with its term."""
    code = str(row.get("payer_status") or "")
    return f"{code} {codes('status-protocolo').get(code, '')}".strip()


_TERMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "glosa_name": lambda row: glosa_name(str(row.get("glosa_code") or "")),
    "payer_status": _status,
}
_WORDS = {"pt": {True: "sim", False: "não"}, "en": {True: "yes", False: "no"}}
_DAY = re.compile(r"^([0-9]{4})-([0-9]{2})-([0-9]{2})$")
# a sheet would drop their leading zeros, or show them as 9.8E+11
_NAME = re.compile(r"^(0[0-9]+|[0-9]{12,})$")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a sheet: the name of its value in a row, and its titles."""

    name: str
    pt: str
    en: str


@cache
def columns() -> Mapping[str, tuple[Column, ...]]:
    """The columns of every sheet, by list."""
    found: dict[str, list[Column]] = {}
    with (Path(__file__).resolve().parent / "sheets.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["list"], []).append(Column(name=row["column"], pt=row["pt"], en=row["en"]))
    return {name: tuple(listed) for name, listed in found.items()}


def sheet(name: str, rows: Sequence[Mapping[str, Any]], language: Language, zone: str) -> bytes:
    """Rows of a list (as `listing` and `board` give them) as a CSV, moments as in `zone`."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=";", lineterminator="\r\n")
    listed = columns()[name]
    writer.writerow(getattr(column, language) for column in listed)
    place = ZoneInfo(zone)
    for row in rows:
        told = {**row, **{name: term(row) for name, term in _TERMS.items()}}
        writer.writerow(_cell(column.name, told.get(column.name), language, place) for column in listed)
    return stream.getvalue().encode("utf-8-sig")


def _cell(name: str, value: Any, language: Language, zone: ZoneInfo) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _WORDS[language][value]
    if name.endswith("_cents"):
        return f"{'-' if value < 0 else ''}{abs(value) // 100},{abs(value) % 100:02d}"
    if isinstance(value, int | float):
        return str(value).replace(".", ",")
    if name == "problems":
        return _safe("; ".join(_finding(one) for one in value))
    return _text(name, str(value), zone)


def _text(name: str, text: str, zone: ZoneInfo) -> str:
    if name.endswith("_at"):
        return f"{datetime.datetime.fromisoformat(text).astimezone(zone):%d/%m/%Y %H:%M}"
    if found := _DAY.match(text):
        return "/".join(reversed(found.groups()))
    return f'="{text}"' if _NAME.match(text) else _safe(text)


def _finding(problem: Mapping[str, Any]) -> str:
    """What a finding says, and where."""
    text = str(problem.get("text") or problem.get("code", ""))
    return f"{text} [{problem['where']}]" if problem.get("where") else text


def _safe(text: str) -> str:
    """A text that no sheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
