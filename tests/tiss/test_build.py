"""The builder: order and namespace from the shape, Latin-1 by construction, warnings where a text was changed."""

from __future__ import annotations

import random

import clean
import pytest

from tests.tiss.test_clean import report
from tiss.wire import build, epilogo, message


def tree(name: str, note: str) -> dict[str, object]:
    guide = clean.consulta(1, random.Random(4))
    guide["profissionalExecutante"]["nomeProfissional"] = name
    guide["observacao"] = note
    lote = {"numeroLote": "1", "guiasTISS": {"guiaConsulta": [guide, clean.consulta(2, random.Random(4))]}}
    head = clean.header("ENVIO_LOTE_GUIAS", "4.03.00")
    return {"cabecalho": head, "prestadorParaOperadora": {"loteGuias": lote}, "epilogo": {"hash": ""}}


def test_texts_are_fitted_and_it_is_told() -> None:
    told: list[build.Problem] = []
    raw = build.build("mensagemTISS", tree("José – “Zé” ™ 😀", "palavra " * 90), "4.03.00", told=told)
    found = report(raw)
    assert found.problems == ()
    text = raw.decode("iso-8859-1")
    assert 'José - "Zé" (TM)' in text
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    note = next(parsed.root.iter("{*}observacao")).text or ""
    assert 375 <= len(note) <= 500 and note.endswith("palavra")
    where = "/mensagemTISS/prestadorParaOperadora/loteGuias/guiasTISS/guiaConsulta[1]"
    assert [(problem.code, problem.where) for problem in told] == [
        ("encoding.adjusted", f"{where}/profissionalExecutante/nomeProfissional"),
        ("encoding.adjusted", f"{where}/observacao"),
    ]
    assert all(problem.severity == "warning" and problem.text() for problem in told)


def test_texts_that_fit_are_not_told() -> None:
    told: list[build.Problem] = []
    build.build("mensagemTISS", tree("Conceição Antunes", "ação"), "4.03.00", told=told)
    assert told == []


def test_compact_output_agrees_under_every_sane_recipe() -> None:
    raw = clean.sadt_batch(3)
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    whole = "".join(str(text) for text in parsed.root.itertext())
    assert whole.removesuffix(epilogo.stated(parsed.root)) == epilogo.leaf_text(parsed.root)
    assert build.serialize(parsed.root) == raw


def test_order_comes_from_the_schema() -> None:
    shuffled = dict(reversed(list(tree("Ana", "x").items())))
    assert build.build("mensagemTISS", shuffled, "4.03.00") == build.build("mensagemTISS", tree("Ana", "x"), "4.03.00")


@pytest.mark.parametrize(
    ("root", "spoilt", "path"),
    [
        ("nada", {}, "/nada"),
        ("mensagemTISS", {"nada": "1"}, "/mensagemTISS/nada"),
        ("mensagemTISS", {"cabecalho": {"origem": {"nada": "1"}}}, "/mensagemTISS/cabecalho/origem/nada"),
    ],
)
def test_unknown_elements_are_named(root: str, spoilt: dict[str, object], path: str) -> None:
    with pytest.raises(build.UnknownElement, match=path):
        build.build(root, spoilt, "4.03.00")


def test_the_standard_file_name() -> None:
    name = epilogo.file_name("4711", "84420eb54bee17b575c22dec20d74852")
    assert name == "00000000000000004711_84420EB54BEE17B575C22DEC20D74852.xml"
