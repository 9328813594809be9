"""Sheets as payers export them: the same rows as CSV in any encoding, and as XLSX with types and merged cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from openpyxl import Workbook

HEAD = (
    "Protocolo", "Lote", "Guia", "Item", "Data", "Tabela", "Código", "Qtde", "Valor informado", "Valor liberado",
    "Valor glosado", "Código da glosa",
)  # fmt: skip


def as_csv(rows: Sequence[Sequence[Any]], encoding: str = "utf-8", separator: str = ";") -> bytes:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator="\r\n").writerows(rows)
    return stream.getvalue().encode(encoding)


def as_xlsx(rows: Sequence[Sequence[Any]], merged: Sequence[str] = (), title: str = "Plan1") -> bytes:
    book = Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    for place in merged:
        sheet.merge_cells(place)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


__all__ = ["HEAD", "as_csv", "as_xlsx"]
