"""Statements as sheets: headers, totals, merged cells, encodings and bad cells; nothing dropped, each finding has its place."""

from __future__ import annotations

import datetime
import html
import io
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sheets_made import HEAD, as_csv, as_xlsx

from canonical.problem import Problem
from mappings.billing import sheet_plan
from mappings.billing.sheet_plan import parse, plan, plans
from mappings.billing.sheet_rows import number
from mappings.billing.sheet_statements import Read, statements
from mappings.tables.table import TableError
from tiss.answers import values as answers
from tiss.sheets import portal as portal_sheets
from tiss.sheets import sheets

TEXTS = [
    ["Demonstrativo nº: 42", "", ""],
    ["Emissão", "", "30/11/2026"],
    [],
    HEAD,
    ["9001", "7", "101", "1", "20/11/2026", "22", "40304361", "2", "1.254,00", "1.000,00", "254,00", "1705;1801"],
    ["", "", "", "2", "20/11/2026", "", "40302040", "1", "9,99", "9,99", "0,00", ""],
    ["Subtotal", "", "", "", "", "", "", "", "1.263,99", "1.009,99", "254,00", ""],
    HEAD,
    ["9001", "7", "102", "1", "21/11/2026", "22", "40302040", "1", "R$ 9,99", "-", "(9,99)", "3169"],
    ["Total geral", "", "", "", "", "", "", "", "1.273,98", "1.009,99", "263,99", ""],
    ["Documento emitido pelo portal"],
]  # fmt: skip


def read(raw: bytes, name: str = "exemplo", **changed: Any) -> Read:
    chosen = plan(name) if not changed else parse(name, {**RAW[name], **changed})
    opened = sheets.read(raw, encoding=chosen.encoding, separator=chosen.separator)
    assert not isinstance(opened, Problem), opened
    return statements(chosen, opened, "999806")


RAW = {name: __import__("tomllib").loads((sheet_plan.FOLDER / f"{name}.toml").read_text("utf-8")) for name in plans()}


def lines(found: Read) -> list[tuple[Any, ...]]:
    return [
        (protocol.number, guide.provider_number, item.sequence, item.table, item.code, item.billed_cents, item.paid_cents,
         [(glosa.code, glosa.cents) for glosa in item.glosas])
        for told in found.told if isinstance(told, answers.Statement)
        for protocol in told.protocols for guide in protocol.guides for item in guide.items
    ]  # fmt: skip


EXPECTED = [
    ("9001", "101", 1, "22", "40304361", 125400, 100000, [("1705", 25400), ("1801", 0)]),
    ("9001", "101", 2, "22", "40302040", 999, 999, []),
    ("9001", "102", 1, "22", "40302040", 999, 0, [("3169", 999)]),
]


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("utf-8", ";"), ("utf-8-sig", ","), ("cp1252", ";"), ("utf-16", "\t"), ("latin-1", "|")],
)
def test_a_csv_in_any_dress(encoding: str, separator: str) -> None:
    found = read(as_csv(TEXTS, encoding, separator))
    assert lines(found) == EXPECTED and found.rows == 3
    (told,) = found.told
    assert (told.number, told.issued_on) == ("42", "2026-11-30")
    assert [(p.code, p.where) for p in found.problems] == [("sheet.outside", "linha 11")]


def test_a_workbook_with_types_and_merged_cells() -> None:
    day, later = datetime.date(2026, 11, 20), datetime.datetime(2026, 11, 21, 8, 0)
    rows = [
        ["Demonstrativo nº: 42"], ["Emissão", None, datetime.date(2026, 11, 30)], [], HEAD,
        [9001, 7, 101, 1, day, 22, 40304361, 2, 1254, 1000.0, 254.0, "1705;1801"],
        [None, None, None, 2, day, None, "40302040", 1, 9.99, 9.99, 0, None],
        [9001, 7, "102", 1, later, "22", 40302040, 1, 9.99, 0, 9.990000000000002, 3169],
    ]  # fmt: skip
    found = read(
        as_xlsx(rows, ["A5:A6", "C5:C6"]),
        columns={**RAW["exemplo"]["columns"], "guide": {"names": ["Guia"], "required": True}},
    )
    assert lines(found) == EXPECTED and found.problems == () and found.told[0].issued_on == "2026-11-30"
    assert [i.on for p in found.told[0].protocols for g in p.guides for i in g.items] == [
        "2026-11-20",
        "2026-11-20",
        "2026-11-21",
    ]  # type: ignore[union-attr]


_OLD = Path(__file__).resolve().parents[1] / "cases" / "sheets" / "demonstrativo.xls"


def test_a_workbook_of_old_excel() -> None:
    """The same rows in a file of another library (`cases/sheets/make_xls.py`); a cut one is told."""
    raw = _OLD.read_bytes()
    found = read(raw, columns={**RAW["exemplo"]["columns"], "guide": {"names": ["Guia"], "required": True}})
    assert lines(found) == EXPECTED and found.problems == () and found.told[0].issued_on == "2026-11-30"
    for size in (600, 3000, len(raw) - 1500):
        cut = sheets.read(raw[:size])
        assert isinstance(cut, Problem) and cut.code in ("sheet.old-excel", "sheet.empty")
    large = sheets.read(raw[:8] + bytes(portal_sheets.LARGEST_WORKBOOK))
    assert isinstance(large, Problem) and large.code == "sheet.too-large"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_page_that_is_called_a_sheet(encoding: str) -> None:
    """Many portals give an HTML table the name .xls."""
    told = [row for row in TEXTS if row]
    table = "".join(
        "<tr>" + "".join(f"<td><b>{html.escape(cell)}</b>&nbsp;</td>" for cell in row) + "</tr>\n" for row in told
    )
    head = f"<html><head><meta http-equiv='Content-Type' content='text/html; charset={encoding}'></head>"
    found = read(f"{head}<body><table>{table}</table></body></html>".encode(encoding))
    assert lines(found) == EXPECTED and found.told[0].number == "42"
    empty = sheets.read(b"<html><body><table><tr><td></td></tr></table></body></html>")
    assert isinstance(empty, Problem) and empty.code == "sheet.empty"


def test_bad_cells_are_told_with_row_and_column_and_kept() -> None:
    rows = [
        HEAD,
        ["9001", "7", "101", "1", "31/02/2026", "22", "X", "1", "12.34,5", "1,005", "dois", ""],
        ["9001", "", "", "x", "", "", "", "", "1,00"],
    ]
    found = read(as_csv(rows))
    assert [(p.code, p.where) for p in found.problems] == [
        ("sheet.cell", "linha 2, coluna Data"), ("sheet.cell", "linha 2, coluna Valor informado"),
        ("sheet.cell", "linha 2, coluna Valor liberado"), ("sheet.cell", "linha 2, coluna Valor glosado"),
        ("sheet.blank", "linha 3, coluna Código"),
    ]  # fmt: skip
    assert len(lines(found)) == 2 and not any("dois" in p.text() for p in found.problems)


def test_totals_that_do_not_hold_are_told() -> None:
    found = read(as_csv([*TEXTS[:9], ["TOTAL", "", "", "", "", "", "", "", "1.273,97"]]))
    assert [(p.code, p.where) for p in found.problems] == [("sheet.total", "linha 10")]
    assert "1273.97" in found.problems[0].text() and "1273.98" in found.problems[0].text()


def test_a_row_for_each_glosa_is_one_item() -> None:
    row = ["9001", "7", "101", "1", "20/11/2026", "22", "1", "1", "10,00", "4,00"]
    found = read(as_csv([HEAD, [*row, "5,00", "1705"], [*row, "1,00", "1801"]]), one_row_per="glosa")
    assert lines(found) == [("9001", "101", 1, "22", "1", 1000, 400, [("1705", 500), ("1801", 100)])]


def test_a_payment_with_taxes() -> None:
    rows = [
        ["Demonstrativo: 77"], ["Data do pagamento", "Protocolo", "Guia", "Tipo", "Valor pago", "Glosa", "Lançamento"],
        ["05/12/2026", "9001", "101", "Normal", "1.009,99", "254,00", ""], ["", "", "102", "Recurso", "5,00", "", ""],
        ["", "", "", "", "50,00", "", "ISS"], ["06/12/2026", "9002", "103", "", "1,00", "", ""], ["", "", "", "", "-3,00", "", "Tarifa"],
    ]  # fmt: skip
    (told,) = read(as_csv(rows), "exemplo_pagamento").told
    assert isinstance(told, answers.Remittance) and (told.number, told.net_cents) == (
        "77",
        100999 + 500 - 5000 + 100 - 300,
    )
    assert [(day.on, day.net_cents, [(e.indicator, e.kind, e.cents) for e in day.entries]) for day in told.days] == [
        ("2026-12-05", 96499, [("1", "02", 5000)]), ("2026-12-06", -200, [("1", "", 300)]),
    ]  # fmt: skip
    assert [(g.provider_number, g.kind) for d in told.days for p in d.protocols for g in p.guides] == [
        ("101", "1"),
        ("102", "2"),
        ("103", "1"),
    ]


@pytest.mark.parametrize(
    ("text", "decimal", "expected"),
    [
        ("1.234,56", ",", "1234.56"), ("1,234.56", ".", "1234.56"), ("R$ 1.234,56", ",", "1234.56"), ("(12,30)", ",", "-12.30"),
        ("12,30-", ",", "-12.30"), ("-12,30", ",", "-12.30"), ("1234", ",", "1234"), ("1.234", ",", "1234"), ("1 234,5", ",", "1234.5"),
        ("1234.56", ",", None), ("12.34,5", ",", None), ("١٢", ",", None), ("", ",", None), ("1,2,3", ",", None), ("1e3", ",", None),
    ],
)  # fmt: skip
def test_amounts_as_people_write_them(text: str, decimal: str, expected: str | None) -> None:
    found = number(text, decimal)
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "sheet.empty"), (b"\x00\x01\x02", "sheet.encoding"), (b"\xd0\xcf\x11\xe0rest", "sheet.old-excel"),
        (b"PK\x03\x04garbage", "sheet.unreadable"), (b'a;b\r\n"x', "sheet.header"), (b"a;b;c\r\n1;2;3", "sheet.header"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(raw: bytes, code: str) -> None:
    opened = sheets.read(raw)
    found = [opened] if isinstance(opened, Problem) else statements(plan("exemplo"), opened, "999806").problems
    assert [problem.code for problem in found] == [code]


def workbook(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(as_xlsx([HEAD]))) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, members.pop(name.rpartition("/")[2].partition(".")[0], old.read(name)))
        for name, content in members.items():
            new.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("members", "code"),
    [
        (
            {"sheet1": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb">]><worksheet>&b;</worksheet>'},
            "sheet.unreadable",
        ),
        ({"bomb": b"\0" * (300 * 1024 * 1024)}, "sheet.too-large"),
        ({"workbook": b"<workbook/>"}, "sheet.empty"),
        ({"sheet1": "<worksheet/>".encode("utf-16")}, "sheet.unreadable"),
    ],
    ids=["entities", "growth", "no sheets", "another encoding"],
)
def test_a_workbook_that_may_not_be_opened(members: dict[str, bytes], code: str) -> None:
    opened = sheets.read(workbook(**members))
    assert isinstance(opened, Problem) and opened.code in (code, "sheet.unreadable")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "other"}, "kind"), ({"sum": 1}, "sum is unknown"), ({"columns": {"moon": {"names": ["x"]}}}, "columns.moon"),
        ({"columns": {"guide": {"names": []}}}, "names"), ({"columns": {"guide": {"names": ["x"], "wide": 1}}}, "columns.guide"),
        ({"decimal": ";"}, "decimal"), ({"dates": ["dd"]}, "dates"), ({"head": {"moon": "x"}}, "head.moon"), ({"columns": {}}, "columns"),
    ],
)  # fmt: skip
def test_a_plan_is_read_strictly(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        parse("exemplo", {**RAW["exemplo"], **changed})
    with pytest.raises(TableError, match="known"):
        plan("../secret")


CELLS = st.sampled_from(
    ("", "9001", "101", "1", "20/11/2026", "40304361", "1,00", "-2,50", "x", "Total", "1705;1801")
) | st.text(max_size=6)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(CELLS, max_size=13), max_size=8))
def test_every_row_is_a_line_a_total_or_a_finding(rows: list[list[str]]) -> None:
    opened = sheets.read(as_csv([list(HEAD), *rows]))
    if isinstance(opened, Problem):
        return
    found = statements(plan("exemplo"), opened, "999806")
    billed = sum(told.billed_cents for told in found.told)
    assert len(lines(found)) == found.rows and billed == sum(line[5] for line in lines(found))


@given(st.decimals(-(10**9), 10**9, places=2))
def test_an_amount_reads_back(value: Decimal) -> None:
    assert number(f"{value:,.2f}".translate(str.maketrans(",.", ".,")), ",") == value
