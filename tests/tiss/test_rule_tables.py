"""The rule tables stand on the official schema: every path, element and code they name exists there."""

from __future__ import annotations

import csv

import pytest

from canonical.problem import catalogue
from tiss.rules import checks, layout, sums
from tiss.rules.case import FOLDER, Findings, rules
from tiss.rules.identifiers import Checker, elements
from tiss.rules.message import FUNCTIONS, functions
from tiss.wire import shapes, soap, transactions, versions
from tiss.wire.shapes import Shape, Shapes

GUIDES = ("mensagemTISS", "prestadorParaOperadora", "loteGuias", "guiasTISS")


def shape_of(table: Shapes, *path: str) -> Shape | None:
    return shapes.at(table, path)


def places(table: Shapes, root: str) -> set[tuple[str, str]]:
    """(section, path below it) of every role that exists in a message with this root."""
    found: set[tuple[str, str]] = set()

    def walk(section: layout.Section, shape: Shape) -> None:
        for path in section.roles:
            if here(shape, path) is not None:
                found.add((section.name, path))
        for path, inner in section.children.items():
            below = here(shape, path)
            if below is not None:
                found.add((inner.name, "*"))
                walk(inner, below)

    def here(shape: Shape, path: str) -> Shape | None:
        for name in path.split("/") if path else ():
            part = next((part for part in shape.parts if part.name == name), None)
            if part is None:
                return None
            shape = table.types[part.type]
        return shape

    walk(layout.top(root), table.root(root))
    return found


def test_every_section_and_role_exists_in_some_version_and_in_both_forms(every_version: tuple[str, ...]) -> None:
    files: set[tuple[str, str]] = set()
    services: set[tuple[str, str]] = set()
    for version in every_version:
        files |= places(shapes.of(version), "mensagemTISS")
        table = shapes.of(version, service=True)
        for row in transactions.table().values():
            if row.root in table.roots:
                services |= places(table, row.root)
    wanted = {(name, path) for name, section in layout.sections().items() for path in (*section.roles, "*")}
    assert wanted - files == set()
    assert wanted - services == set()


@pytest.mark.parametrize("version", [v for v in versions.installed() if v >= "4.02.00"])
def test_the_newest_versions_have_every_place_of_a_guide(version: str) -> None:
    found = places(shapes.of(version), "mensagemTISS")
    for name, section in layout.sections().items():
        for path in section.roles:
            assert (name, path) in found, (name, path)


def test_every_identifier_element_exists_and_none_is_forgotten(every_version: tuple[str, ...]) -> None:
    names: set[str] = set()
    typed: set[str] = set()
    checked = {"st_CNPJ", "st_CPF", "st_registroANS", "dm_UF", "dm_CBOS", "dm_diagnosticoCID10"}
    for version in every_version:
        for service in (False, True):
            parts = [part for shape in shapes.of(version, service=service).types.values() for part in shape.parts]
            names |= {part.name for part in parts}
            typed |= {part.name for part in parts if part.type in checked}
    assert set(elements()) <= names
    assert typed <= set(elements())


def test_every_check_is_known() -> None:
    checker = Checker("4.03.00", Findings())
    for check in set(elements().values()):
        assert checker.judge(check, "") == ""


def test_every_rule_names_a_function_and_real_sections() -> None:
    of_messages = {"hash", "encoding", "header", "operator", "identifiers", "batch", "file", "files", "payer"}
    of_tables = {"checks", "twins", "totals"}
    for rule in rules().values():
        assert set(rule.kinds) <= set(layout.sections()), rule.code
        assert rule.rule in FUNCTIONS.keys() | of_messages | of_tables, rule.code
        assert (rule.rule in FUNCTIONS) == bool(rule.kinds), rule.code
        assert rule.severity in ("error", "warning", "information", "off")
        assert rule.source
    assert {name for section in layout.sections() for function in functions(section) for name in FUNCTIONS
            if FUNCTIONS[name] is function} == set(FUNCTIONS)  # fmt: skip


def test_checks_totals_and_twins_name_real_roles_and_codes() -> None:
    known = layout.sections()
    for row in checks.rows():
        assert rules()[row["code"]].rule == "checks", row
        roles = known[row["section"]].paths
        assert not row["when"] or row["when"] in roles, row
        assert bool(row["when"]) == bool(row["is"]), row
        if row["must"] == "has":
            inner = known[row["role"]]
            assert row["than"] in inner.paths and inner in known[row["section"]].children.values(), row
            continue
        assert row["role"] in roles, row
        if row["must"] in ("at-most", "at-least") and not row["than"].isdigit() and row["than"] != "today":
            around = [s.paths for s in known.values() if known[row["section"]] in s.children.values()]
            assert row["than"] in roles or any(row["than"][1:] in paths for paths in around), row
    for name, totals in sums.totals().items():
        for total in totals:
            assert rules()[total.code].rule == "totals"
            assert total.role in known[name].paths
            assert all(set(total.plus + total.minus) <= set(known[of].paths) for of in total.of or {name})
    for name, twins in checks.twins().items():
        for code, roles_of_key in twins:
            assert rules()[code].rule == "twins" and set(roles_of_key) <= set(known[name].paths), (name, code)


def test_the_parts_are_the_codes_and_totals_of_the_schema() -> None:
    table = shapes.of(versions.installed()[0])
    guide = (*GUIDES, "guiaSP-SADT")
    codes = shape_of(table, *guide, "outrasDespesas", "despesa", "codigoDespesa")
    total = shape_of(table, *guide, "valorTotal")
    assert codes is not None and total is not None
    assert set(sums.parts()) == set(codes.codes)
    assert {part.element for part in sums.parts().values()} == {part.name for part in total.parts} - {
        "valorProcedimentos",
        "valorTotalGeral",
    }


def test_the_tables_are_in_order_and_without_twins() -> None:
    for name in ("identifiers.csv", "parts.csv", "teeth.csv"):
        with (FOLDER / name).open(encoding="utf-8", newline="") as file:
            keys = [row[0] for row in csv.reader(file)][1:]
        assert keys == sorted(set(keys)), name
    for name in ("sections.csv", "checks.csv", "totals.csv", "twins.csv", "sex.csv"):
        with (FOLDER / name).open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))[1:]
        assert len(lines) == len({tuple(line) for line in lines}), name


def test_words_of_the_room_are_whole() -> None:
    with (FOLDER.parent / "problems.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["code"] for row in rows] == sorted({row["code"] for row in rows})
    for row in rows:
        assert all(row.values()), row["code"]
        assert catalogue()[row["code"]].text["pt"] == row["text_pt"], f"{row['code']} stands in another room too"
    for kind in soap.fault_kinds().values():
        assert kind.action in ("retry", "refused", "operator") and kind.note
