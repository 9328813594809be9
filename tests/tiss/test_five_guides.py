"""Clean corpora of all five guides in every current version: valid, without a finding, and with the hash everybody computes."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import clean
import pytest

from tests.tiss.test_clean import independent_hash, report
from tiss.rules.contract import Contract

Tree = dict[str, Any]
VERSIONS = ("4.01.00", "4.02.00", "4.03.00")


def dental(number: int, dice: random.Random) -> Tree:
    """A guia de tratamento odontológico: a filling on a tooth and two X-rays of a region."""
    prices = [dice.randint(100, 99999) / 100 for _ in range(2)]
    filling = {"denteRegiao": {"codDente": f"{dice.randint(1, 4)}{dice.randint(4, 7)}"}, "denteFace": "MO"}
    rows = [
        {
            "sequencialItem": str(position),
            "procSolic": {"codigoTabela": "22", "codigoProcedimento": code, "descricaoProcedimento": "Ação no dente"},
            **where,
            "qtdProc": "1",
            "valorProc": f"{price:.2f}",
            "autorizado": "true",
            "dataRealizacao": f"2026-11-{dice.randint(1, 20):02d}",
        }
        for position, (code, where, price) in enumerate(
            [("85100200", filling, prices[0]), ("81000421", {"denteRegiao": {"codRegiao": "HASD"}}, prices[1])], start=1
        )
    ]
    return {
        "registroANS": clean.OPERATOR,
        "numeroGuiaPrestador": f"O{number}",
        "senhaAutorizacao": f"A{number}",
        "dadosBeneficiario": {"numeroCarteira": f"{number:017d}", "atendimentoRN": "N"},
        "planoBeneficiario": "Plano Ação",
        "dadosProfissionaisResponsaveis": {
            "codigoProfExec": "77", "croExec": "4321", "ufExec": "35", "cnesExec": "2077485", "cbosExec2": "223208",
        },
        "procedimentosExecutados": rows,
        "tipoAtendimento": "1",
        "tipoFaturamento": "4",
        "valorTotalProc": f"{round(prices[0] * 100 + prices[1] * 100) / 100:.2f}",
    }  # fmt: skip


def fees(number: int, dice: random.Random, version: str) -> Tree:
    tree = clean.fees(number, dice)
    if version < "4.03.00":
        del tree["dadosInternacao"]["caraterAtendimento"]
    return tree


KINDS: dict[str, Callable[[int, random.Random, str], Tree]] = {
    "guiaConsulta": lambda n, dice, _: clean.consulta(n, dice),
    "guiaSP-SADT": lambda n, dice, _: clean.sadt(n, dice),
    "guiaResumoInternacao": lambda n, dice, _: clean.stay(n, dice),
    "guiaHonorarios": fees,
    "guiaOdonto": lambda n, dice, _: dental(n, dice),
}


def lote(kind: str, version: str, seed: int, count: int = 4) -> bytes:
    dice = random.Random(seed)
    return clean.batch(kind, [KINDS[kind](n, dice, version) for n in range(1, count + 1)], version)


def all_text_hash(raw: bytes) -> str:
    """Another recipe: all text of the document but the hash, whatever element it stands in."""
    text = re.sub(r"<[^>]*hash>[^<]*</[^>]*>", "", raw.decode("iso-8859-1"))
    joined = unescape(re.sub(r"<[^>]*>", "", text))
    return hashlib.md5(joined.strip().encode("iso-8859-1")).hexdigest()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("every_version")
def test_golden_lotes(kind: str, version: str) -> None:
    for seed in range(3):
        raw = lote(kind, version, seed)
        found = report(raw)
        assert (found.problems, found.guides, found.version) == ((), 4, version)
        indented = re.sub(rb">(?=<ans:|</ans:\w+></)", b">\n  ", raw)
        assert found.hash.stated == found.hash.computed == independent_hash(raw) == all_text_hash(raw)
        assert report(indented).hash.computed == found.hash.computed and report(indented).problems == ()


@pytest.mark.parametrize("kind", ["guiaConsulta", "guiaSP-SADT", "guiaResumoInternacao", "guiaHonorarios"])
def test_the_cnes_is_of_the_cnpj_as_far_as_it_is_known(kind: str) -> None:
    raw = lote(kind, "4.03.00", 1)
    assert report(raw, Contract(places={clean.CNPJ: frozenset(("2077485",))})).problems == ()
    assert report(raw, Contract(places={clean.LETTER_CNPJ: frozenset(("1234567",))})).problems == ()
    found = report(raw, Contract(places={clean.CNPJ: frozenset(("1234567",))})).problems
    assert [problem.code for problem in found] == ["payer.place"] * 4
    assert "5063" in found[0].text() and "1234567" in found[0].remedy() and "Guia 1" in found[0].text()
    assert found[1].where.lower().endswith("cnes") and "[2]" in found[1].where
