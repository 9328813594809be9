"""`ponte tiss tables`: search by code, words and day in every table; newer tables from CSV take their place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sheets_made import as_xlsx

from api.cli.main import main
from schemas_xsd import catalogue
from tiss.tables import files as table_files
from tiss.tables import tables


def found(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    code = main(["tiss", "tables", "find", "--json", *words])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == (0 if rows else 1)
    return rows


def test_find(capsys: pytest.CaptureFixture[str]) -> None:
    assert found(capsys, "consulta", "CONSULTORIO", "--table", "22")[0]["code"] == "10101012"
    assert found(capsys, "10101012")[0]["table"] == "22"
    assert found(capsys, "valor", "apresentado", "maior", "--table", "38")[0]["code"] == "1705"
    assert found(capsys, "un", "--table", "60")
    assert found(capsys, "10101012", "--on", "2001-01-01") == []
    assert found(capsys, "palavrainexistente") == []
    assert len(found(capsys, "a", "--most", "7")) == 7
    assert main(["tiss", "tables", "find", "consulta"]) == 0
    assert "10101012" in capsys.readouterr().out
    assert main(["tiss", "tables"]) == 2


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The published tables in a folder of their own."""
    shutil.copytree(catalogue.installed_root() / "tables", tmp_path / "tables")
    monkeypatch.setenv("PONTE_SCHEMAS", str(tmp_path))
    tables.installed.cache_clear()
    yield tmp_path
    tables.installed.cache_clear()


ANS = (
    "Código do Termo;Termo;Descrição Detalhada;Data de início de vigência;Data de fim de vigência\r\n"
    "10101012;Consulta em consultório nova;x;01/01/2026;31/12/2026\r\n"
    "99999990;Termo próprio com ação;;2026-02-01;\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_import(place: Path, tmp_path: Path, encoding: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "TUSS 22.csv"
    source.write_bytes(ANS.encode(encoding))
    before = tables.installed().version
    assert main(["tiss", "tables", "import", str(source), "--table", "22", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"] == {"22": 2}
    term = tables.installed().tuss("22", "10101012", date(2026, 5, 1))
    assert term is not None and (term.name, term.until) == ("Consulta em consultório nova", "2026-12-31")
    assert tables.installed().tuss("22", "10101012", date(2027, 1, 1)) is None
    assert found(capsys, "termo", "proprio", "acao", "--table", "22")[0]["since"] == "2026-02-01"
    assert tables.installed().version != before and "import:22-" in tables.installed().version


def test_a_workbook_with_lines_above_its_names(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "TUSS 38.xlsx"
    names = ["Código do Termo", "Termo", "Data de início de vigência", "Data de fim de vigência"]
    source.write_bytes(as_xlsx([["Tabela 38"], [], names, [9998, "Glosa nova", datetime(2026, 1, 1), "-"]]))
    assert main(["tiss", "tables", "import", str(source), "--table", "38", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"] == {"38": 1}
    glosa = tables.installed().glosa("9998")
    assert glosa is not None and (glosa.name, glosa.since) == ("Glosa nova", "2026-01-01")


def test_several_tables_in_one_file(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.csv"
    source.write_text("tabela,codigo,termo\n38,9998,Glosa nova\n60,900,CAIXA\n", encoding="utf-8")
    assert main(["tiss", "tables", "import", str(source)]) == 0
    glosa = tables.installed().glosa("9998")
    assert glosa is not None and glosa.name == "Glosa nova"
    assert tables.installed().domain("60", "900") is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "codigo"),
        ("a;b\n1;2\n", "codigo"),
        ("codigo;termo\n1;x\n", "--table"),
        ("tabela;codigo;termo\n22;<b>;x\n", "line 2"),
        ("tabela;codigo;termo;vigencia_inicio\n22;1;x;ontem\n", "line 2"),
        ("tabela;codigo;termo\n22;1;\n", "line 2"),
    ],
)
def test_what_is_no_table_is_said(text: str, told: str) -> None:
    with pytest.raises(table_files.UnreadableTable, match=told):
        table_files.read(text.encode())


def test_unreadable_files(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiss", "tables", "import", str(tmp_path / "nada.csv")]) == 2
    (tmp_path / "x.csv").write_bytes(bytes(range(256)))
    assert main(["tiss", "tables", "import", str(tmp_path / "x.csv"), "--table", "22"]) == 2
    assert not table_files.folder().exists()
