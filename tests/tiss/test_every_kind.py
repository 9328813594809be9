"""Every kind of guide in every version: nothing is found in a right one, full or bare; one fault gives one finding.

The faults are made leaf by leaf, wherever a guide has an element of that name.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

import clean
import full
import pytest

from tests.tiss.test_clean import TODAY, report
from tiss.checking import repair
from tiss.rules.identifiers import elements
from tiss.tables.tables import installed

Tree = dict[str, Any]
Path = tuple[str | int, ...]
BAD = {  # by the check of `identifiers.csv`
    "cpf": ("identifier.cpf-digits", "12345678900"),
    "cnpj": ("identifier.cnpj-digits", "11222333000100"),
    "cnes": ("identifier.cnes-digits", "20774"),
    "uf": ("identifier.uf", "SP"),
    "cid": ("identifier.cid", "Z9X9"),
    "cns": ("identifier.cns-digits", "700000000000006"),
}
DONE = ("dataExecucao", "dataAtendimento", "dataRealizacao")
TOTALS = {
    "valorTotalGeral": "sum.total",
    "valorTotalHonorarios": "sum.total",
    "valorProcedimentos": "sum.procedures",
    "valorTotalProc": "sum.dental",
    "qtdTotalUS": "sum.dental",
    "valorTotalFranquia": "sum.dental",
} | dict.fromkeys(clean.PARTS.values(), "sum.part")


def more(text: str) -> str:
    """A cent more."""
    return str(Decimal(text) + Decimal("0.01"))


# by the name of an element: the finding, and what is written instead
FAULTS: dict[str, list[tuple[str, Callable[[str], str]]]] = {
    **{name: [(code, more)] for name, code in TOTALS.items()},
    **{name: [("date.future", lambda _: "2026-11-23")] for name in DONE},
    "horaFinal": [("date.hours", lambda _: "01:00:00")],
    "reducaoAcrescimo": [("sum.factor", lambda _: "0.00")],
    "quantidadeExecutada": [("sum.quantity", lambda _: "0")],
    "qtdProc": [("sum.positive", lambda _: "0")],
    "valorTotal": [("sum.item", more)],
    "sequencialItem": [
        ("sum.sequence", lambda _: "77"),
        ("duplicate.sequence", lambda text: "1" if text != "1" else "2"),
    ],
    "codigoProcedimento": [("table.code", lambda _: "10101013")],
    "codigoTabela": [("table.wrong-table", lambda text: "19" if text == "20" else "20")],
    "unidadeMedida": [("table.measure", lambda _: "999")],
    "dataValidadeSenha": [("date.password", lambda _: "2026-11-01"), ("date.password-order", lambda _: "2026-10-01")],
    "validadeSenha": [("date.password", lambda _: "2026-11-01"), ("date.password-order", lambda _: "2026-10-01")],
    "itemVinculado": [("sum.linked", lambda _: "99")],
    "codigoDespesa": [("table.expense-kind", lambda text: "03" if text == "02" else "02")],
    "registroANS": [("header.guide-operator", lambda _: "005711"), ("header.guide-operator", lambda _: "000516")],
    "dataInicioFaturamento": [("date.order", lambda _: "2026-11-25")],
    "dataFinalFaturamento": [("date.order", lambda _: "2026-10-25")],
    "dataFimFaturamento": [("date.order", lambda _: "2026-10-25")],
}


def leaves(tree: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(tree, str):
        yield path, tree
        return
    for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield from leaves(inner, (*path, key))


def name_of(path: Path) -> str:
    return next(step for step in reversed(path) if isinstance(step, str))


def changed(tree: Tree, path: Path, text: str) -> Tree:
    made = copy.deepcopy(tree)
    node: Any = made
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = text
    return made


def faults(tree: Tree) -> Iterator[tuple[str, str, Tree]]:
    """Each fault a guide can have: the finding it must give alone, the element, the guide."""
    for path, text in leaves(tree):
        name = name_of(path)
        told = list(FAULTS.get(name, ()))
        if elements().get(name) in BAD:
            code, bad = BAD[elements()[name]]
            told.append((code, lambda _, bad=bad: bad))  # type: ignore[misc]
        for code, how in told:
            yield code, name, changed(tree, path, how(text))


def some(tree: Tree) -> list[tuple[str, str, Tree]]:
    """Of the faults of a guide one of each finding and element: the last."""
    return list({(code, name): (code, name, spoilt) for code, name, spoilt in faults(tree)}.values())


@pytest.mark.parametrize("kind", full.KINDS)
def test_a_right_guide_gives_no_finding(kind: str, every_version: tuple[str, ...]) -> None:
    for version in every_version:
        for tree in (full.fit(full.FULL[kind](), kind, version), full.least(kind, version)):
            for service in (False, True):
                found = report(full.batch(kind, [tree], version, service=service))
                assert found.problems == (), (version, service)


def alone(kind: str, version: str, which: Callable[[Tree], Iterable[tuple[str, str, Tree]]]) -> int:
    tried = 0
    for code, name, tree in which(full.fit(full.FULL[kind](), kind, version)):
        raw = full.batch(kind, [tree], version, service=bool(tried % 2))
        found = report(raw)
        assert {problem.code for problem in found.problems} == {code}, (kind, version, name)
        assert all(problem.where.startswith("/") and problem.text() for problem in found.problems)
        tried += 1
    return tried


@pytest.mark.parametrize("kind", full.KINDS)
def test_one_fault_gives_one_finding(kind: str) -> None:
    assert alone(kind, "4.03.00", some) > 3  # a consulta has few numbers


@pytest.mark.slow
@pytest.mark.parametrize("kind", full.KINDS)
def test_one_fault_gives_one_finding_in_every_version(kind: str, every_version: tuple[str, ...]) -> None:
    for version in every_version:
        assert alone(kind, version, faults) > 3


@pytest.mark.parametrize("kind", full.KINDS)
def test_a_repair_is_made_where_it_is_offered_and_changes_nothing_else(kind: str) -> None:
    tree = full.fit(full.FULL[kind](), kind, "4.03.00")
    right = full.batch(kind, [tree], "4.03.00")
    for code, name, spoilt in some(tree):
        raw = full.batch(kind, [spoilt], "4.03.00")
        done = repair.repair(raw, tables=installed(), today=TODAY)
        assert isinstance(done, repair.Repaired)
        if not done.changes:
            assert done.content == raw and done.report.problems, (code, name)
            continue
        assert (done.report.problems, done.content) == ((), right), (code, name)
