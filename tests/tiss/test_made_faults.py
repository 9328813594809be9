"""Faults of every transaction in every version and both forms: absent from the good message, found in the spoilt one."""

from __future__ import annotations

import re
from typing import Any

import clean
import made
import pytest
from faults_made import FAULTS, Made

from canonical.problem import Problem
from tests.tiss.test_clean import report
from tiss.rules.contract import Contract
from tiss.wire import transactions


def bodies(fault: Made) -> tuple[dict[str, Any], dict[str, Any]]:
    """The good body and the spoilt one."""
    base, spoilt = made.spread(fault.base), made.spread(fault.base)
    for pair in fault.fault.replace("EXPENSE19", clean.expense_codes()["19"]).split():
        if pair.startswith("-"):
            take_away(spoilt, pair[1:])
        else:
            made.spread(pair, spoilt)
    return base, spoilt


def take_away(tree: Any, path: str) -> None:
    *steps, last = re.sub(r"\[(\d+)\]", r"/\1", path).split("/")
    for step in steps:
        tree = tree[int(step) - 1] if isinstance(tree, list) else tree[step]
    del tree[last]


def found(fault: Made, body: dict[str, Any], version: str, *, service: bool) -> list[Problem]:
    raw = made.message_of(fault.transaction, version, body, service=service)
    return list(report(raw).problems)


def hits(problems: list[Problem], fault: Made) -> list[Problem]:
    return [p for p in problems if p.code == fault.code and p.where.endswith("/" + fault.where)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.code}-{fault.transaction}")
def test_fault(fault: Made, every_version: tuple[str, ...]) -> None:
    base, spoilt = bodies(fault)
    tried = 0
    for index, version in enumerate(every_version):
        if not made.exists(fault.transaction, version):
            continue
        try:
            good = found(fault, base, version, service=bool(index % 2))
        except made.UnknownElement:
            continue  # an older version without one of the elements
        assert not hits(good, fault), (version, good)
        bad = hits(found(fault, spoilt, version, service=bool(index % 2)), fault)
        assert bad, (version, fault.fault)
        tried += 1
        for problem in bad:
            for language in ("pt", "en"):
                assert "{" not in problem.text(language) + problem.remedy(language), problem
    assert tried >= 2


@pytest.mark.parametrize("name", transactions.table())
def test_the_least_message_of_every_transaction_is_good(name: str, every_version: tuple[str, ...]) -> None:
    excused = {
        "sum.no-items",
        "table.ending",
        "table.appeal-object",
        "table.document-link",
    }  # the least says too little
    for version in every_version:
        if not made.exists(name, version):
            continue
        for service in (False, True):
            problems = report(made.message(name, version, service=service)).problems
            assert {p.code for p in problems} <= excused | {"header.transaction-reply"}, (version, service, problems)


def test_rules_of_a_contract() -> None:
    raw = clean.sadt_batch(1, expenses=8)
    asked = Contract(
        days=3,
        largest_bytes=100,
        until={"4.03.00": "2026-01-31"},
        levels={"payer.quantity": "error", "payer.clinical": "warning"},
    )
    codes = {problem.code: problem.severity for problem in report(raw, asked).problems}
    assert codes["payer.late"] == codes["payer.size"] == codes["header.version-expired"] == "error"
    assert (codes["payer.quantity"], codes["payer.clinical"]) == ("error", "warning")
    wanted = Contract(levels={"payer.password": "error", "payer.validation": "error"})
    bare = made.message("ENVIO_LOTE_GUIAS", "4.03.00", "guiasTISS/guiaSP-SADT/valorTotal/valorTotalGeral=0")
    assert {"payer.password", "payer.validation"} <= {problem.code for problem in report(bare, wanted).problems}
    assert not {problem.code for problem in report(bare).problems}


def test_an_anaesthetist_has_neither_route_nor_technique() -> None:
    row = "guiasTISS/guiaSP-SADT/procedimentosExecutados/procedimentoExecutado"
    for code, told in (("31602010", False), ("31005497", True)):
        found = report(made.message("ENVIO_LOTE_GUIAS", "4.03.00", f"{row}/procedimento/codigoProcedimento={code}"))
        codes = {problem.code for problem in found.problems}
        assert ({"table.technique", "table.route", "table.degree"} <= codes) == told, code
        assert bool(codes & {"table.technique", "table.route", "table.degree"}) == told


@pytest.mark.parametrize("table", ["19", "00"])
def test_what_opme_must_state(table: str, every_version: tuple[str, ...]) -> None:
    """The registration where TUSS has no code, the reference always, the licence by contract only: in every version."""
    cost = "guiasTISS/guiaSP-SADT/outrasDespesas/despesa"
    code = clean.expense_codes()["19"] if table == "19" else "9001"
    wanted = (
        f"{cost}/codigoDespesa=08 {cost}/servicosExecutados/codigoTabela={table} "
        f"{cost}/servicosExecutados/codigoProcedimento={code}"
    )
    told = {"table.anvisa", "table.opme-reference", "payer.opme-registration", "payer.opme-licence"}
    strict = Contract(levels={"payer.opme-registration": "error", "payer.opme-licence": "warning"})
    for version in every_version:
        raw = made.message("ENVIO_LOTE_GUIAS", version, wanted)
        usual = {"table.opme-reference"} | ({"table.anvisa"} if table == "00" else set())
        assert {p.code for p in report(raw).problems} & told == usual, version
        assert {p.code for p in report(raw, strict).problems} & told == told - ({"table.anvisa"} - usual), version
