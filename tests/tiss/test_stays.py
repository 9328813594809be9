"""Guides of a stay: resumo de internação and honorários, clean and with the faults only they can have."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import clean
import pytest
from faults import at, cent_off, put, several

from tests.tiss.test_clean import report

Tree = dict[str, Any]
PATH = "/mensagemTISS/prestadorParaOperadora/loteGuias/guiasTISS/guiaResumoInternacao"


@pytest.mark.parametrize("seed", range(6))
def test_clean_stays_and_fees(seed: int) -> None:
    dice = random.Random(seed)
    for kind, make in (("guiaResumoInternacao", clean.stay), ("guiaHonorarios", clean.fees)):
        guides = [make(n, dice) for n in range(1, 4)]
        tree = guides[0]
        if kind == "guiaHonorarios":
            tree["dadosInternacao"]["caraterAtendimento"] = "1"
        found = report(clean.batch(kind, guides, "4.03.00"))
        assert found.problems == ()
        assert found.guides == 3


FAULTS: list[tuple[str, str, Callable[[Tree], object]]] = [
    ("table.death", "dadosInternacao/declaracoes/declaracaoObito", at("dadosSaidaInternacao/motivoEncerramento", "41")),
    ("table.birth", "dadosInternacao/declaracoes/declaracaoNascido", at("dadosSaidaInternacao/motivoEncerramento", "61")),
    ("identifier.cid-dot", "dadosSaidaInternacao/diagnostico", at("dadosSaidaInternacao/diagnostico", "J1.8")),
    ("identifier.cid", "dadosSaidaInternacao/diagnostico", at("dadosSaidaInternacao/diagnostico", "1J89")),
    ("date.order", "dadosInternacao/dataFinalFaturamento", several(
        ("dadosInternacao/dataInicioFaturamento", "2026-11-21"),
        ("dadosInternacao/dataFinalFaturamento", "2026-11-20"),
        ("procedimentosExecutados/procedimentoExecutado", []),
    )),
    ("sum.total", "valorTotal/valorTotalGeral", cent_off("valorTotal/valorTotalGeral")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "path", "change"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_faults_of_a_stay(code: str, path: str, change: Callable[[Tree], object]) -> None:
    guide = clean.stay(1, random.Random(2))
    change(guide)
    found = report(clean.batch("guiaResumoInternacao", [guide], "4.03.00")).problems
    assert (code, f"{PATH}/{path}") in [(problem.code, problem.where) for problem in found]


def test_an_item_outside_the_stay() -> None:
    guide = clean.stay(1, random.Random(2))
    put(guide, "dadosInternacao/dataInicioFaturamento", "2026-11-19")
    put(guide, "procedimentosExecutados/procedimentoExecutado/0/dataExecucao", "2026-11-18")
    found = report(clean.batch("guiaResumoInternacao", [guide], "4.03.00")).problems
    assert {problem.code for problem in found} == {"date.stay"}
    assert any(problem.where.endswith("/procedimentoExecutado[1]/dataExecucao") for problem in found)


def test_a_death_with_its_certificate_is_clean() -> None:
    guide = clean.stay(1, random.Random(2))
    put(guide, "dadosSaidaInternacao/motivoEncerramento", "41")
    put(guide, "dadosInternacao/declaracoes", {"diagnosticoObito": "J189", "declaracaoObito": "123456789"})
    assert report(clean.batch("guiaResumoInternacao", [guide], "4.03.00")).problems == ()


def test_fees_that_do_not_add_up() -> None:
    guide = clean.fees(1, random.Random(2))
    cent_off("valorTotalHonorarios")(guide)
    found = report(clean.batch("guiaHonorarios", [guide], "4.03.00")).problems
    assert [problem.code for problem in found] == ["sum.total"]


def test_101_guides_are_explained() -> None:
    found = report(clean.consulta_batch(101))
    codes = {problem.code for problem in found.problems}
    assert "table.too-many-guides" in codes
    assert not found.ok
    assert found.guides == 101


@pytest.mark.parametrize(("degree", "found"), [("12", ["duplicate.item"]), ("06", [])])
def test_the_fees_of_a_team_are_no_double_charge(degree: str, found: list[str]) -> None:
    guide = clean.fees(1, random.Random(2))
    rows = guide["procedimentosRealizados"]["procedimentoRealizado"]
    rows[1] = rows[0] | {"sequencialItem": "2"}
    rows[1]["profissionais"] = [rows[0]["profissionais"][0] | {"grauParticipacao": degree}]
    guide["valorTotalHonorarios"] = clean.product("2", rows[0]["valorTotal"], "1")
    told = report(clean.batch("guiaHonorarios", [guide], "4.03.00")).problems
    assert [problem.code for problem in told] == found
