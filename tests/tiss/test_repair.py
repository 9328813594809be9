"""Safe repairs: each is offered with its finding, applied on request, listed by place, and leaves a clean message."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clean
import full
import pytest
from faults import COST, ITEM, cent_off, put

from api.cli.main import main
from canonical.problem import Problem
from tests.tiss.test_clean import TODAY, report
from tiss.checking import offers, repair
from tiss.tables.tables import installed
from tiss.wire import epilogo, message

Tree = dict[str, Any]


def repaired(raw: bytes) -> repair.Repaired:
    done = repair.repair(raw, tables=installed(), today=TODAY)
    assert isinstance(done, repair.Repaired)
    return done


def spoilt(change: Callable[[Tree], object], kind: str = "guiaSP-SADT", version: str = "4.03.00") -> bytes:
    dice = random.Random(9)
    make = {"guiaSP-SADT": clean.sadt, "guiaResumoInternacao": clean.stay}[kind]
    guides = [full.fit(make(number, dice), kind, version) for number in (1, 2, 3)]
    for guide in guides:
        if "dadosAtendimento" in guide:
            put(guide, "dadosAtendimento/tipoAtendimento", "03")  # one that every version has
    change(guides[1])
    return clean.batch(kind, guides, version)


def as_it_was(_tree: Tree) -> None:
    """Nothing is spoilt."""


PROFESSIONAL = "dadosSolicitante/profissionalSolicitante"
TREES: list[tuple[str, str, str, Callable[[Tree], object]]] = [
    ("total", "guiaSP-SADT", "sum.total", cent_off("valorTotal/valorTotalGeral")),
    ("procedures", "guiaSP-SADT", "sum.procedures", cent_off("valorTotal/valorProcedimentos")),
    ("absent part", "guiaSP-SADT", "sum.procedures", lambda t: put(t, "valorTotal/valorProcedimentos", None)),
    ("sequence", "guiaSP-SADT", "sum.sequence", lambda t: put(t, f"{COST}/0/sequencialItem", "9")),
    ("twins", "guiaSP-SADT", "duplicate.sequence", lambda t: put(t, f"{ITEM}/1/sequencialItem", "1")),
    ("uf", "guiaSP-SADT", "identifier.uf", lambda t: put(t, f"{PROFESSIONAL}/UF", "SP")),
    ("cid", "guiaResumoInternacao", "identifier.cid-dot", lambda t: put(t, "dadosSaidaInternacao/diagnostico", "j18.")),
    ("blank", "guiaSP-SADT", "encoding.blank-optional", lambda t: put(t, "observacao", " ")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "code", "change"), [row[1:] for row in TREES], ids=[row[0] for row in TREES])
def test_repairs_of_a_guide(
    kind: str, code: str, change: Callable[[Tree], object], every_version: tuple[str, ...]
) -> None:
    """In every version; where the right value is what stood there, byte for byte as before it was spoilt."""
    for version in every_version:
        raw, good = spoilt(change, kind, version), spoilt(as_it_was, kind, version)
        found = [problem for problem in report(raw).problems if problem.code == code]
        assert found and all(offers.offered(problem) for problem in found), version
        done = repaired(raw)
        assert done.report.problems == (), version
        assert code in {made.code for made in done.changes}
        assert all(made.where and made.title for made in done.changes)
        assert report(done.content).problems == ()
        assert (done.content == good) or code in REMADE, version


REMADE = ("identifier.uf", "identifier.cid-dot", "encoding.blank-optional")
"""What is not put back as it was: another state, diagnosis or remark stood there before."""
RAWS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "wrong hash": ("hash.wrong", lambda raw: raw.replace(b"4711", b"4712")),
    "no hash": ("hash.missing", lambda raw: raw[: raw.index(b"<ans:hash>") + 10] + raw[raw.index(b"</ans:hash>") :]),
    "UTF-8 under Latin-1": ("encoding.utf8-as-latin1", lambda raw: raw.decode("latin-1").encode("utf-8")),
    "UTF-8 declared": (
        "encoding.declared",
        lambda raw: raw.decode("latin-1").replace("ISO-8859-1", "UTF-8").encode("utf-8"),
    ),
    "curly quotes": ("encoding.cp1252", lambda raw: raw.replace("Clínica".encode("latin-1"), b"\x93Clinica\x94")),
    "dash": ("encoding.not-latin1", lambda raw: raw.replace("Clínica".encode("latin-1"), b"Clinica&#8211;")),
    "tab": ("encoding.control", lambda raw: raw.replace("Clínica ".encode("latin-1"), b"Clinica\t")),
    "long text": (
        "xsd.max-length",
        lambda raw: raw.replace(b">Item de consumo<", b">" + b"palavra longa " * 12 + b"<"),
    ),
    "hour": ("date.time-form", lambda raw: raw.replace(b">10:30:00<", b">10:30:00-03:00<")),
}


@pytest.mark.parametrize(("code", "change"), RAWS.values(), ids=RAWS.keys())
def test_repairs_of_a_file(code: str, change: Callable[[bytes], bytes], every_version: tuple[str, ...]) -> None:
    for version in every_version:
        good = spoilt(as_it_was, version=version)
        raw = change(good)
        if raw == good:
            assert version == "3.05.00"  # whose guide names the clinic nowhere
            continue
        assert any(problem.code.startswith(code) for problem in report(raw).problems), version
        done = repaired(raw)
        assert done.report.problems == (), version
        assert any(made.code.startswith(code) for made in done.changes)
        assert b"encoding='ISO-8859-1'" in done.content[:60] or b'encoding="ISO-8859-1"' in done.content[:60]
        assert "Â" not in done.content.decode("latin-1")
        assert (done.content == good) is (code in PUT_BACK), version


PUT_BACK = ("hash.missing", "encoding.utf8-as-latin1", "encoding.declared", "date.time-form")
"""What is repaired to the very bytes that were there: the others lost what stood there before."""


def test_a_clean_message_is_left_byte_for_byte() -> None:
    raw = clean.sadt_batch(2)
    done = repaired(raw)
    assert (done.content, done.changes) == (raw, ())


def test_what_is_no_safe_repair_stays() -> None:
    raw = spoilt(lambda t: put(t, f"{ITEM}/1/procedimento/codigoProcedimento", "40304362"))
    done = repaired(raw)
    assert [problem.code for problem in done.report.problems] == ["table.code"]
    assert done.changes == ()
    assert offers.offered(Problem("xsd.max-length", args=(("limit", "12"),))) is None


def test_links_follow_their_items() -> None:
    def change(tree: Tree) -> None:
        put(tree, f"{COST}/0/sequencialItem", "9")
        put(tree, f"{COST}/1/itemVinculado", "9")

    parsed = message.read(repaired(spoilt(change)).content)
    assert isinstance(parsed, message.Tiss)
    assert [node.text for node in parsed.root.iter("{*}itemVinculado")] == ["4"]


@pytest.mark.parametrize("signature", [b"<ds:Signature %s/>", b"<ans:Signature><ds:SignedInfo %s/></ans:Signature>"])
def test_a_signed_message_is_not_touched(signature: bytes) -> None:
    """Also one of a web service, where the wrapper of a signature has a name in the namespace of the ANS."""
    raw = clean.sadt_batch(1).replace(b"4711", b"4712")
    made = signature % b'xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
    signed = raw.replace(b"</ans:mensagemTISS>", made + b"</ans:mensagemTISS>")
    done = repair.repair(signed, tables=installed(), today=TODAY)
    assert isinstance(done, Problem) and done.code == "repair.signed"
    unreadable = repair.repair(b"<a", tables=installed())
    assert isinstance(unreadable, Problem) and unreadable.code == "encoding.not-xml.cut"


def test_every_repair_names_a_code_with_words() -> None:
    from canonical.problem import catalogue

    for code, (kind, title) in offers.kinds().items():
        assert code in catalogue() and title
        assert kind in repair._MENDERS.keys() | repair._BY_WRITING


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from api.cli import tiss

    monkeypatch.setattr(tiss, "_today", lambda: TODAY)
    source, target = tmp_path / "a.xml", tmp_path / "b.xml"
    source.write_bytes(spoilt(cent_off("valorTotal/valorTotalGeral")))
    assert main(["tiss", "validate", "--json", str(source)]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    written = f"{float(problem['repair']['value']):,.2f}".translate(str.maketrans(",.", ".,"))
    assert problem["repair"]["kind"] == "total" and f"R$ {written}" in problem["text"]
    assert main(["tiss", "repair", str(source), "--out", str(target), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [made["code"] for made in answer["changes"]] == ["sum.total"]
    assert answer["ok"] and main(["tiss", "validate", str(target)]) == 0
    capsys.readouterr()
    assert main(["tiss", "repair", str(source), "--out", str(target)]) == 0
    assert "total da guia recalculado" in capsys.readouterr().out
    (tmp_path / "x.xml").write_bytes(b"<a")
    assert main(["tiss", "repair", str(tmp_path / "x.xml"), "--out", str(target)]) == 2
    parsed = message.read(target.read_bytes())
    assert isinstance(parsed, message.Tiss)
    assert epilogo.stated(parsed.root) == epilogo.compute(parsed.root)
