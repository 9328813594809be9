"""The ANS tables: what is in them, when it holds, how they are stored and what happens when they cannot be."""

from __future__ import annotations

import datetime
import gc
import json
import sqlite3
import time
from pathlib import Path

import pytest

from canonical.errors import Misconfigured
from canonical.identifiers import is_registro_ans
from schemas_xsd import catalogue
from tiss.rules.case import rules
from tiss.rules.sums import parts
from tiss.tables import tables
from tiss.tables.tables import installed


def test_terms_and_their_days() -> None:
    found = installed().tuss("22", "10101012")
    assert found is not None
    assert found.name.startswith("Consulta em consultório")
    assert found.in_force(datetime.date(2026, 11, 22))
    assert not found.in_force(datetime.date(2001, 1, 1))
    assert installed().tuss("22", "10101012", datetime.date(2001, 1, 1)) is None
    assert installed().tuss("20", "10101012") is None
    assert installed().tables_of("10101012") == ("22",)
    assert installed().tables_of("nada") == ()


def test_domains_glosas_operators() -> None:
    known = installed()
    unit, glosa = known.domain("60", "036"), known.glosa("1705")
    assert unit is not None and unit.name == "UN"
    assert glosa is not None and glosa.name == "VALOR APRESENTADO A MAIOR"
    assert known.glosa("9999") is None
    operator = known.operator("000515")
    assert operator is not None and is_registro_ans(operator.ans)
    assert known.operator("") is None
    assert "tuss:" in known.version


def test_every_glosa_of_the_rules_is_in_force() -> None:
    for code, rule in rules().items():
        assert not rule.glosa or installed().glosa(rule.glosa) is not None, code


def test_the_parts_name_real_tables() -> None:
    for part in parts().values():
        assert part.tables - {"00", "90", "98"} <= {"18", "19", "20", "22"}


@pytest.mark.parametrize("words", ["consulta consultorio", "CONSULTÓRIO consulta", "10101012", "1010101 consulta"])
def test_search(words: str) -> None:
    assert "10101012" in [term.code for term in installed().search(words, table="22")]


def test_search_is_bounded_and_ignores_wildcards() -> None:
    assert len(installed().search("a", most=7)) == 7
    assert installed().search("%_%", table="22", most=3) == installed().search("", table="22", most=3)
    assert installed().search("palavrainexistente") == []
    day = datetime.date(2001, 1, 1)
    assert all(term.in_force(day) for term in installed().search("consulta", on=day))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A folder of small tables."""
    monkeypatch.setenv("PONTE_SCHEMAS", str(tmp_path))
    folder = tmp_path / "tables"
    folder.mkdir()
    term = {"codigo": "1", "descricao": "", "tabela": "22", "termo": "Ação", "vigencia_fim": "", "vigencia_inicio": ""}
    documents = {
        "tuss": {"records": [term]},
        "domains": {"records": [term | {"tabela": "60"}]},
        "glosas": {"records": [{"codigo": "1001", "descricao": "x"}]},
        "operators": {
            "records": {"000515": {"registro_ans": "000515", "nome_fantasia": "", "razao_social": "A", "cnpj": ""}}
        },
    }
    paths = {name: table.path for name, table in catalogue.tables().items()}
    for name, path in paths.items():
        path.write_text(json.dumps(documents[name]), encoding="utf-8")
    return paths


def test_the_compiled_file_follows_its_sources(small: dict[str, Path]) -> None:
    target = small["tuss"].with_name("tables.sqlite")
    first = tables._Stored(tables._open(small))
    assert target.is_file() and first.tuss("22", "1") is not None
    changed = json.loads(small["tuss"].read_text())
    changed["records"][0]["codigo"] = "22"
    small["tuss"].write_text(json.dumps(changed), encoding="utf-8")
    second = tables._Stored(tables._open(small))
    assert second.tuss("22", "22") is not None and second.tuss("22", "1") is None
    target.write_bytes(b"no database")
    assert tables._Stored(tables._open(small)).tuss("22", "22") is not None
    assert not list(target.parent.glob("*.partial"))


def test_tables_that_are_no_longer_used_are_closed(small: dict[str, Path]) -> None:
    connection = tables._open(small)
    tables._Stored(connection)
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_folder_that_cannot_be_written(small: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    assert tables._Stored(tables._open(small)).tuss("22", "1") is not None
    assert not small["tuss"].with_name("tables.sqlite").exists()


def test_absent_or_damaged_tables_are_named(small: dict[str, Path]) -> None:
    small["glosas"].write_text("{", encoding="utf-8")
    with pytest.raises(Misconfigured, match="glosas"):
        tables._open(small)
    small["tuss"].unlink()
    tables.installed.cache_clear()
    try:
        with pytest.raises(Misconfigured, match="schemas install"):
            tables.installed()
    finally:
        tables.installed.cache_clear()


def test_opening_is_quick() -> None:
    sources = {name: table.path for name, table in catalogue.tables().items()}
    installed()
    begun = time.thread_time()
    tables._open(sources).close()
    assert time.thread_time() - begun < 0.1
