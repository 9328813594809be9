"""The rule tables stand on the official schema: every path, element and code they name exists there."""

from __future__ import annotations

import csv

import pytest

from canonical.problem import catalogue
from tiss import shapes, soap, versions
from tiss.rules import extract, lines
from tiss.rules.case import FOLDER, rules
from tiss.rules.identifiers import Checker, elements
from tiss.shapes import Shape, Shapes

GUIDES = ("mensagemTISS", "prestadorParaOperadora", "loteGuias", "guiasTISS")


def shape_of(table: Shapes, *path: str) -> Shape | None:
    return shapes.at(table, path)


@pytest.mark.parametrize("version", versions.installed())
def test_every_path_of_the_layout_exists(version: str) -> None:
    table = shapes.of(version)
    sections = {(row["kind"], row["role"]): row["path"] for row in extract.layout() if row["scope"] == "rows"}
    for row in extract.layout():
        prefix = "" if row["scope"] in ("guide", "rows") else sections[row["kind"], row["scope"]] + "/"
        steps = (*GUIDES, row["kind"], *(prefix + row["path"]).split("/"))
        assert shape_of(table, *steps) is not None, row


@pytest.mark.parametrize("version", versions.installed())
def test_every_identifier_element_exists(version: str) -> None:
    names = {
        part.name
        for service in (False, True)
        for shape in shapes.of(version, service=service).types.values()
        for part in shape.parts
    }
    assert set(elements()) <= names


def test_every_check_is_known() -> None:
    from tiss.rules.case import Findings

    checker = Checker("4.03.00", Findings())
    for check in set(elements().values()):
        checker.judge(check, "", None)  # type: ignore[arg-type]  # a blank is never a finding


def test_every_rule_names_a_function_and_real_kinds() -> None:
    kinds = {row["kind"] for row in extract.layout()}
    of_messages = {"hash", "encoding", "header", "operator", "identifiers", "batch"}
    functions = {function.__name__ for kind in kinds for function in lines.functions(kind)}
    for rule in rules().values():
        assert set(rule.kinds) <= kinds, rule.code
        assert rule.rule in functions | of_messages, rule.code
        assert rule.severity in ("error", "warning", "information")
        assert rule.source


def test_the_parts_are_the_codes_and_totals_of_the_schema() -> None:
    table = shapes.of(versions.installed()[0])
    guide = (*GUIDES, "guiaSP-SADT")
    codes = shape_of(table, *guide, "outrasDespesas", "despesa", "codigoDespesa")
    total = shape_of(table, *guide, "valorTotal")
    assert codes is not None and total is not None
    assert set(lines.parts()) == set(codes.codes)
    assert {part.element for part in lines.parts().values()} == {part.name for part in total.parts} - {
        "valorProcedimentos",
        "valorTotalGeral",
    }


def test_the_tables_are_in_order_and_without_twins() -> None:
    for name in ("identifiers.csv", "parts.csv"):
        with (FOLDER / name).open(encoding="utf-8", newline="") as file:
            keys = [row[0] for row in csv.reader(file)][1:]
        assert keys == sorted(set(keys)), name
    rows = [tuple(row.values()) for row in extract.layout()]
    assert len(rows) == len(set(rows))


def test_words_of_the_room_are_whole() -> None:
    with (FOLDER.parent / "problems.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["code"] for row in rows] == sorted({row["code"] for row in rows})
    for row in rows:
        assert all(row.values()), row["code"]
        assert catalogue()[row["code"]].text["pt"] == row["text_pt"], f"{row['code']} stands in another room too"
    for kind in soap.fault_kinds().values():
        assert kind.action in ("retry", "refused", "operator") and kind.note
