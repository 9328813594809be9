"""Writes demonstrativo.xls, a workbook of old Excel with types and merged cells, by another library.

`uv run --isolated --no-project --with xlwt==1.3.0 python tests/cases/sheets/make_xls.py`
"""

import datetime
from pathlib import Path

import xlwt  # type: ignore[import-not-found]

HEAD = (
    "Protocolo", "Lote", "Guia", "Item", "Data", "Tabela", "Código", "Qtde", "Valor informado", "Valor liberado",
    "Valor glosado", "Código da glosa",
)  # fmt: skip
DAY, LATER = datetime.date(2026, 11, 20), datetime.datetime(2026, 11, 21, 8, 0)
ROWS = [
    ["Demonstrativo nº: 42"], ["Emissão", None, datetime.date(2026, 11, 30)], [], HEAD,
    [9001, 7, 101, 1, DAY, 22, 40304361, 2, 1254, 1000.0, 254.0, "1705;1801"],
    [None, None, None, 2, DAY, None, "40302040", 1, 9.99, 9.99, 0, None],
    [9001, 7, "102", 1, LATER, "22", 40302040, 1, 9.99, 0, 9.990000000000002, 3169],
]  # fmt: skip
MERGED = ((4, 5, 0), (4, 5, 2))  # first and last row, column, from 0

book = xlwt.Workbook(encoding="utf-8")
sheet = book.add_sheet("Plan1")
style = xlwt.easyxf(num_format_str="DD/MM/YYYY")
held = {(top, column) for top, _, column in MERGED}
for at, row in enumerate(ROWS):
    for column, value in enumerate(row):
        if value is not None and (at, column) not in held:
            sheet.write(at, column, value, style if isinstance(value, datetime.date) else xlwt.Style.default_style)
for top, bottom, column in MERGED:
    sheet.write_merge(top, bottom, column, column, ROWS[top][column])
book.save(str(Path(__file__).with_name("demonstrativo.xls")))
