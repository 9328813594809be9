"""Lists as sheets: what a Brazilian Excel makes of every kind of value."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from canonical.errors import Refused
from canonical.problem import Problem
from hub.billing import listing, sheets
from hub.world import Tenant, World

ZONE = "America/Sao_Paulo"


def cell(name: str, column: str, value: Any) -> str:
    """The cell of a value, as a program that reads the sheet gets it."""
    text = sheets.sheet(name, [{column: value}], "pt", ZONE).decode("utf-8-sig")
    titles, row = csv.reader(io.StringIO(text), delimiter=";")
    told = next(one.pt for one in sheets.columns()[name] if one.name == column)
    return row[titles.index(told)]


@pytest.mark.parametrize(
    ("name", "column", "value", "expected"),
    [
        ("denials", "amount_cents", 123456, "1234,56"),
        ("denials", "amount_cents", 5, "0,05"),
        ("payment-entries", "amount_cents", -5, "-0,05"),
        ("denials", "granted_cents", None, ""),
        ("denials", "appeal_until", "2026-12-04", "04/12/2026"),
        ("guides", "created_at", "2026-11-21T01:30:00+00:00", "20/11/2026 22:30"),
        ("denials", "guide_number", "000123", '="000123"'),
        ("denials", "protocol", "980600000123", '="980600000123"'),
        ("denials", "code", "40304361", "40304361"),
        ("denials", "glosa_code", "=1+1", "'=1+1"),
        ("denials", "justification", "linha um\nlinha; dois", "linha um\nlinha; dois"),
        ("statement-lines", "replaced", False, "não"),
        ("submissions", "payer_status", "2", "2 Em análise"),
        ("submissions", "payer_status", None, ""),
        ("board", "percent", 12.5, "12,5"),
    ],
)
def test_values(name: str, column: str, value: Any, expected: str) -> None:
    assert cell(name, column, value) == expected


def test_findings_say_what_and_where() -> None:
    found = [Problem("guide.missing", "guia/x", args=(("field", "data"), ("source", "y"))).as_json()]
    assert cell("guides", "problems", found).endswith("[guia/x]") and "data" in cell("guides", "problems", found)


def test_every_list_has_a_sheet_of_columns_it_has() -> None:
    known = sheets.columns()
    assert set(known) == {*listing.KINDS, "board"}
    for name, kind in listing.KINDS.items():
        has = {"payer", "glosa_name", *kind.columns, *kind.joined, *(one for one, _ in kind.named)}
        assert {column.name for column in known[name]} <= has, name
        assert all(column.pt and column.en for column in known[name])


async def test_a_list_that_is_too_long_is_not_cut(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "ALL", -1)
    async with world.transaction(tenant) as tx:
        with pytest.raises(Refused) as caught:
            await listing.everything(tx, "guides", {})
    assert caught.value.code == "listing.too-many"
