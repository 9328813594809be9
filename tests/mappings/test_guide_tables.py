"""Guide tables are read strictly, and each conversion says what has no form instead of bending it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mappings.billing import guides
from mappings.billing.guide_values import CONVERSIONS, Unmapped
from mappings.tables.table import TableError

HEADER = "target,source,convert,when,note,spec\n"


@pytest.mark.parametrize(
    ("name", "argument", "value", "expected"),
    [
        ("text", "", "  a  b ", "a b"),
        ("date", "", datetime.date(2026, 2, 28), "2026-02-28"),
        ("date", "", "2026-02-28", "2026-02-28"),
        ("time", "", "10:30:00.5", "10:30:00"),
        ("money", "", 5, "0.05"),
        ("decimal", "2", Decimal("1.5"), "1.50"),
        ("decimal", "4", "0.3333", "0.3333"),
        ("integer", "", "3.0", "3"),
        ("code", "tiss-uf", "SP", "35"),
        ("prefix", "tiss-tipo-atendimento", "10101012", "04"),
        ("prefix", "tiss-tipo-atendimento", "40304361", "23"),
    ],
)
def test_values(name: str, argument: str, value: Any, expected: str) -> None:
    assert CONVERSIONS[name](value, argument) == expected


@pytest.mark.parametrize(
    ("name", "argument", "value", "code"),
    [
        ("date", "", "28/02/2026", "guide.date"),
        ("date", "", "2026-02-28T23:00:00Z", "guide.date"),  # whose day it is nobody knows here
        ("time", "", "25:00:00", "guide.date"),
        ("decimal", "2", "1.005", "guide.number"),
        ("decimal", "2", "NaN", "guide.number"),
        ("integer", "", "0.5", "guide.number"),
        ("code", "tiss-uf", "XX", "guide.code"),
        ("prefix", "tiss-tipo-atendimento", "x", "guide.code"),
    ],
)
def test_what_has_no_form_is_told(name: str, argument: str, value: Any, code: str) -> None:
    with pytest.raises(Unmapped) as caught:
        CONVERSIONS[name](value, argument)
    assert caught.value.code == code and str(value) not in str(caught.value)


@pytest.fixture
def own_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in the place of `mappings/`; what was read from it is forgotten."""
    monkeypatch.setattr(guides, "HERE", tmp_path)
    guides.rows.cache_clear()
    yield tmp_path
    guides.rows.cache_clear()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("target,source\n", "columns must be"),
        (HEADER + "a,b,shout,,,\n", "convert 'shout'"),
        (HEADER + "a,b,text,sometimes,,\n", "when 'sometimes'"),
        (HEADER + "a,b,text\n", "wrong number of columns"),
    ],
)
def test_a_wrong_table_names_file_and_line(own_tables: Path, text: str, says: str) -> None:
    (own_tables / "tiss").mkdir()
    (own_tables / "tiss" / "wrong.csv").write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=f"tiss/wrong.csv:.*{says}"):
        guides.rows("wrong", "4.03.00")
    with pytest.raises(TableError, match="does not exist"):
        guides.rows("absent", "4.03.00")


def test_a_version_replaces_and_removes_rows(own_tables: Path) -> None:
    (own_tables / "tiss" / "9.00.00").mkdir(parents=True)
    (own_tables / "tiss" / "t.csv").write_text(HEADER + "a,x,text,,A,\nb,=1,text,,B,\nc,y,text,present,C,\n")
    (own_tables / "tiss" / "9.00.00" / "t.csv").write_text(HEADER + "a,z,text,,A,\nb,,text,,B,\nd,w,text,,D,\n")
    assert [(row.target, row.source) for row in guides.rows("t", "9.00.00")] == [("a", "z"), ("c", "y"), ("d", "w")]
    assert [row.target for row in guides.rows("t", "1.00.00")] == ["a", "b", "c"]


def test_missing_values_are_told_with_their_label_and_never_with_data() -> None:
    plan = guides.plan("consulta")
    tree, problems = guides.guide_tree(plan, {"coverage": {"member_number": "123456789"}}, "4.03.00")
    assert tree["dadosBeneficiario"]["numeroCarteira"] == "123456789"
    assert {p.code for p in problems} == {"guide.missing"}
    assert any("CNES" in p.text() for p in problems)
    assert not any("123456789" in p.text() + p.remedy() + p.where for p in problems)


@pytest.mark.parametrize("plan", ["consulta", "sp-sadt", "internacao", "honorarios", "odonto"])
def test_a_card_number_goes_out_without_its_blanks(plan: str) -> None:
    tree, _ = guides.guide_tree(guides.plan(plan), {"coverage": {"member_number": "0 123\t4567 "}}, "4.03.00")
    assert "'numeroCarteira': '01234567'" in str(tree)
