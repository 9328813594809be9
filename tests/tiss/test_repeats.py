"""Batches side by side: the same message, lot, guide or item again is told; what only looks alike is not."""

from __future__ import annotations

import copy
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import clean
import full
import pytest

from api.cli.main import main
from canonical.problem import Problem
from tests.tiss.test_clean import TODAY, report
from tiss.checking import repeats, stream
from tiss.rules.contract import Contract
from tiss.streams import slices
from tiss.tables.tables import installed
from tiss.wire import message

Tree = dict[str, Any]


def lot(raw: bytes, number: str) -> bytes:
    """The batch under another number, as another transaction."""
    told = re.sub(rb"(<ans:sequencialTransacao>)[^<]*<", rb"\g<1>" + number.encode() + b"<", raw)
    return told.replace(b">4711<", b">" + number.encode() + b"<")


def told(*raws: bytes, contract: Contract = Contract()) -> list[list[Problem]]:  # noqa: B008 - a frozen value
    """What is found in each of several batches, read one after the other."""
    seen = repeats.Seen()
    found = []
    for number, raw in enumerate(raws, start=1):
        read = message.read(raw)
        assert isinstance(read, message.Tiss)
        found.append(seen.told(f"{number}.xml", read, contract))
    return found


def codes(found: list[list[Problem]]) -> list[list[str]]:
    return [[problem.code for problem in problems] for problems in found]


def numbered(kind: str, number: str) -> Tree:
    tree = copy.deepcopy(full.fit(full.FULL[kind](), kind, "4.03.00"))
    head = next((tree[name] for name in ("cabecalhoGuia", "cabecalhoConsulta") if name in tree), tree)
    head["numeroGuiaPrestador"] = number
    return tree


@pytest.mark.parametrize("kind", full.KINDS)
def test_an_item_in_two_guides_of_one_file(kind: str) -> None:
    (found,) = told(full.batch(kind, [numbered(kind, "A1"), numbered(kind, "A2")], "4.03.00"))
    assert found and {problem.code for problem in found} == {"duplicate.billed"}
    assert all(f"/{kind}[2]/" in problem.where for problem in found)
    assert all("guia A1 deste lote (glosa 3209)" in problem.text() for problem in found)


@pytest.mark.parametrize("kind", full.KINDS)
def test_an_item_in_guides_of_two_files(kind: str) -> None:
    one, two = (full.batch(kind, [numbered(kind, number)], "4.03.00") for number in ("A1", "A2"))
    first, second = told(one, lot(two, "4712"))
    assert first == [] and {problem.code for problem in second} == {"duplicate.billed.elsewhere"}
    assert "guia A1 de 1.xml" in second[0].text()


def test_a_guide_and_a_lot_and_a_message_again() -> None:
    raw = full.batch("guiaSP-SADT", [numbered("guiaSP-SADT", "A1")], "4.03.00")
    other = full.batch("guiaSP-SADT", [numbered("guiaSP-SADT", "A2")], "4.03.00")
    assert codes(told(raw, raw)) == [[], ["duplicate.file"]]
    assert codes(told(raw, lot(raw, "4712"))) == [[], ["duplicate.guide.elsewhere"]]
    assert codes(told(raw, other)) == [[], ["duplicate.lot"]]


def test_what_only_looks_alike_is_not_told() -> None:
    tree, twin, late, fee = (numbered("guiaSP-SADT", number) for number in ("A1", "A2", "A3", "A4"))
    twin["dadosBeneficiario"]["atendimentoRN"] = "S"
    for row in late["procedimentosExecutados"]["procedimentoExecutado"]:
        row["dataExecucao"] = "2026-11-11"
    for row in late["outrasDespesas"]["despesa"]:
        row["servicosExecutados"]["dataExecucao"] = "2026-11-11"
    fee["dadosBeneficiario"]["numeroCarteira"] = "99"
    assert codes(told(full.batch("guiaSP-SADT", [tree, twin, late, fee], "4.03.00"))) == [[]]
    surgeon, helper = (numbered("guiaHonorarios", number) for number in ("H1", "H2"))
    for row in helper["procedimentosRealizados"]["procedimentoRealizado"]:
        del row["profissionais"][0]
    assert codes(told(full.batch("guiaHonorarios", [surgeon, helper], "4.03.00"))) == [[]]
    batches = [clean.sadt_batch(20, seed=seed) for seed in (1, 2)]
    assert codes(told(batches[0])) == [[]]
    one = [clean.consulta(number, random.Random(1)) for number in (1, 2)]
    assert codes(told(clean.batch("guiaConsulta", one, "4.03.00"))) == [[]]
    payer = full.batch("guiaSP-SADT", [tree], "4.03.00").replace(b">000515<", b">005711<")
    assert codes(told(full.batch("guiaSP-SADT", [tree], "4.03.00"), payer)) == [[], []]


def test_the_command_looks_at_its_files_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("a.xml", "b.xml")]
    for path, number in zip(paths, ("A1", "A2"), strict=True):
        path.write_bytes(full.batch("guiaOdonto", [numbered("guiaOdonto", number)], "4.03.00"))
    assert main(["tiss", "validate", "--json", *map(str, paths)]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["ok"] and not second["ok"]
    (problem,) = second["problems"]
    assert problem["code"] == "duplicate.lot" and str(paths[0]) in problem["text"]


def test_the_number_of_the_guide_stands_beside_what_is_found() -> None:
    raw = full.batch("guiaConsulta", [numbered("guiaConsulta", "A1"), numbered("guiaConsulta", "A2")], "4.03.00")
    found = repeats.beside(repeats.Seen(), "x.xml", raw, report(raw), Contract())
    assert {found.guide(problem) for problem in found.problems} == {"A2"}
    assert "duplicate.billed" in {problem.code for problem in found.problems}


EXPENSES = {
    "a diária of a day": ("05", {"horaInicial": None}, {"valorTotal": "9.99"}, True),
    "another day's diária": ("05", {}, {"dataExecucao": "2026-11-02"}, False),
    "a medicine of an hour": ("02", {}, {}, True),
    "a medicine of another hour": ("02", {}, {"horaInicial": "11:00:00"}, False),
    "another quantity": ("03", {}, {"quantidadeExecutada": "7.0000"}, False),
    "no hour": ("02", {"horaInicial": None, "horaFinal": None}, {"horaInicial": None, "horaFinal": None}, False),
    "OPME of a reference": ("08", {"codigoRefFabricante": "R1"}, {"codigoRefFabricante": "R1"}, True),
    "OPME of another reference": ("08", {"codigoRefFabricante": "R1"}, {"codigoRefFabricante": "R2"}, False),
}


@pytest.mark.parametrize("name", EXPENSES)
def test_expenses_billed_twice(name: str) -> None:
    kind, *changes, same = EXPENSES[name]
    guides = []
    for number, change in zip(("A1", "A2"), changes, strict=True):
        tree = clean.sadt(1, random.Random(3), items=1, expenses=1)
        tree["cabecalhoGuia"]["numeroGuiaPrestador"] = number
        tree["procedimentosExecutados"]["procedimentoExecutado"][0]["dataExecucao"] = f"2026-10-0{number[1]}"
        row = clean.expense(2, kind, random.Random(5))
        row["servicosExecutados"] = {k: v for k, v in (row["servicosExecutados"] | change).items() if v is not None}
        tree["outrasDespesas"]["despesa"] = [row]
        guides.append(tree)
    found = told(clean.batch("guiaSP-SADT", guides, "4.03.00"))
    assert codes(found) == [["duplicate.billed"] if same else []]
    assert not same or "/outrasDespesas/despesa" in found[0][0].where


def test_a_stream_beside_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "AT_ONCE", 2)
    one = full.batch("guiaSP-SADT", [numbered("guiaSP-SADT", n) for n in ("A1", "A2", "A1x", "A3")], "4.03.00")
    two = lot(full.batch("guiaSP-SADT", [numbered("guiaSP-SADT", n) for n in ("A4", "A2")], "4.03.00"), "4712")
    three = full.batch("guiaSP-SADT", [numbered("guiaSP-SADT", "A9")], "4.03.00")
    files = [one, two, three, one]
    small, large = repeats.Seen(), repeats.Seen()
    for number, raw in enumerate(files, start=1):
        whole = repeats.beside(small, f"{number}.xml", raw, report(raw), Contract())
        part = repeats.Part(large, f"{number}.xml")
        streamed = stream.validate(io.BytesIO(raw), tables=installed(), today=TODAY, beside=part)
        expected = {(p.code, p.where, p.args) for p in whole.problems if p.code.startswith("duplicate.")}
        got = {(p.code, p.where, p.args) for p in streamed.problems if p.code.startswith("duplicate.")}
        assert expected and got == expected
        assert {whole.guide(p) for p in whole.problems} == {streamed.guide(p) for p in streamed.problems}


def test_one_transaction_number_of_two_lots_is_told_where_the_operator_asks() -> None:
    asks = Contract(levels={"duplicate.transaction": "warning"})
    raw = full.batch("guiaConsulta", [numbered("guiaConsulta", "A1")], "4.03.00")
    other = raw.replace(b">A1<", b">A2<").replace(b">4711<", b">4712<")
    first, second = codes(told(raw, other, contract=asks))
    assert first == [] and "duplicate.transaction" in second
    same = codes(told(raw, raw.replace(b">A1<", b">A2<"), contract=asks))[1]
    assert "duplicate.transaction" not in same, "the lot is told of already"
    assert "duplicate.transaction" not in codes(told(raw, other))[1]
