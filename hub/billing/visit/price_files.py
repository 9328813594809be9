"""Reads a price list of a contract from CSV: columns by their names, money and days as Brazilian offices write them.

Lists of one's own contracts, and of publishers the provider subscribes (Brasíndice, Simpro), have the same form. Code
and price are needed; separator and encoding are found out.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from canonical.codes import tuss_table
from canonical.problem import Problem
from tiss.sheets.sheets import title

_NAMES = {
    "table": ("tabela", "table"),
    "code": ("codigo", "codigo do item", "code"),
    "price": ("valor", "preco", "valor unitario", "preco unitario", "preco fracao", "price"),
    "since": ("inicio de vigencia", "vigencia inicio", "vigencia", "desde", "since"),
    "until": ("fim de vigencia", "vigencia fim", "ate", "until"),
    "description": ("descricao", "termo", "nome", "description"),
    "unit": ("unidade", "unidade de medida", "unit"),
    "billed_table": ("tabela tiss", "tabela de cobranca", "tabela tuss", "billed table"),
    "billed_code": ("codigo tiss", "codigo de cobranca", "codigo tuss", "tuss", "billed code"),
}
_DAY = re.compile(r"(?:(\d{4})-(\d\d)-(\d\d)|(\d\d)/(\d\d)/(\d{4}))\Z", re.ASCII)
_CODE = re.compile(r"[0-9A-Za-z.\-]{1,20}\Z", re.ASCII)
_TABLE = re.compile(r"[0-9]{2}\Z", re.ASCII)
_MONEY = re.compile(r"(?:R\$\s*)?(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d{1,4}))?\Z|(?:R\$\s*)?(\d+)\.(\d{1,4})\Z", re.ASCII)
_CHARGED = ("00", "18", "19", "20", "22", "90", "98")  # dm_tabela: what a guide may name
_OWN = "00"
_MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """One price: an item by the table and code it is charged under, the table and code a guide names, its days."""

    item_table: str
    item_code: str
    valid_from: datetime.date
    valid_until: datetime.date | None
    billed_table: str
    billed_code: str
    unit_cents: int
    unit: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds for rows whose file has no column for it: the table, and the first day."""

    table: str
    since: datetime.date


def read(raw: bytes, defaults: Defaults) -> tuple[list[PriceRow], list[Problem]]:
    """The rows of a CSV, and what is wrong with it by line; nothing of a file with findings should be taken."""
    text = _text(raw)
    separator = max(";,\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        places = _places(next(reader, []))
    except csv.Error:
        places = {}
    if lacking := _lacking(places, defaults):
        return [], [Problem("price.column", "linha 1", args=(("column", lacking),))]
    rows: list[PriceRow] = []
    problems: list[Problem] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found = _row({name: _cell(cells, place) for name, place in places.items()}, defaults)
                if isinstance(found, PriceRow):
                    rows.append(found)
                elif len(problems) < _MOST_PROBLEMS:
                    problems.append(Problem("price.row", f"linha {reader.line_num}", args=(("column", found),)))
    except csv.Error:
        problems.append(Problem("price.row", f"linha {reader.line_num}", args=(("column", "CSV"),)))
    return rows, problems


def _lacking(places: Mapping[str, int], defaults: Defaults) -> str:
    """The column a file cannot do without and does not have; empty for none."""
    if "code" not in places:
        return "código"
    if "price" not in places:
        return "valor"
    return "" if "table" in places or defaults.table else "tabela"


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _places(names: Sequence[str]) -> dict[str, int]:
    folded = [title(name) for name in names]
    return {
        column: folded.index(next(known for known in others if known in folded))
        for column, others in _NAMES.items()
        if any(known in folded for known in others)
    }


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place].strip() if place < len(cells) else ""


def _row(told: Mapping[str, str], defaults: Defaults) -> PriceRow | str:
    """The row, or the column that is wrong."""
    table, code, price = told.get("table") or defaults.table, told["code"], _cents(told["price"])
    since = _day(told["since"]) if told.get("since") else defaults.since
    until = _day(told["until"]) if told.get("until") else None
    if not _TABLE.match(table) or not _CODE.match(code):
        return "código" if _TABLE.match(table) else "tabela"
    if price is None:
        return "valor"
    if since is None:
        return "início de vigência"
    if told.get("until") and (until is None or until < since):
        return "fim de vigência"
    billed = _billed(told, table, code)
    if billed is None:
        return "código TISS"
    return PriceRow(
        item_table=table,
        item_code=code,
        valid_from=since,
        valid_until=until,
        billed_table=billed[0],
        billed_code=billed[1],
        unit_cents=price,
        unit=told.get("unit", ""),
        description=" ".join(told.get("description", "").split())[:300],
    )


def _billed(told: Mapping[str, str], table: str, code: str) -> tuple[str, str] | None:
    """The table and code a guide names the item by; a table no guide may name becomes the payer's own, 00."""
    stated = told.get("billed_table", "")
    billed = told.get("billed_code") or code
    if not _CODE.match(billed) or (stated and stated not in _CHARGED):
        return None
    found = stated or (tuss_table(billed) if told.get("billed_code") else table)
    return (found if found in _CHARGED else _OWN), billed


def _cents(text: str) -> int | None:
    """`1.234,56`, `1234.56`, `R$ 12` as whole cents, fractions of a cent rounded half up; None for anything else."""
    match = _MONEY.match(text)
    if match is None:
        return None
    whole, part = (match[1].replace(".", ""), match[2]) if match[1] else (match[3], match[4])
    try:
        amount = Decimal(f"{whole}.{part or '0'}").quantize(Decimal("0.01"), ROUND_HALF_UP)
    except InvalidOperation:
        return None
    return int(amount * 100)


def _day(text: str) -> datetime.date | None:
    match = _DAY.match(text)
    if match is None:
        return None
    parts = [match[1], match[2], match[3]] if match[1] else [match[6], match[5], match[4]]
    try:
        return datetime.date(*(int(part) for part in parts))
    except ValueError:
        return None
