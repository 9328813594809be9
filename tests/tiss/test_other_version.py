"""A message whose content is of another version than it says, or whose transaction its version lacks: told once."""

from __future__ import annotations

import full
import made
import pytest

from tests.tiss.test_clean import report
from tiss.rules.contract import Contract
from tiss.wire import build, message

PADRAO = "/mensagemTISS/cabecalho/Padrao"


def stated(raw: bytes, version: str) -> bytes:
    """The message as if it were of another version, its hash right."""
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    node = parsed.find("cabecalho/Padrao")
    assert node is not None
    node.text = version
    build.seal(parsed.root)
    return build.serialize(parsed.root)


@pytest.mark.parametrize("kind", full.KINDS)
@pytest.mark.parametrize(("written", "said"), [("4.01.00", "3.05.00"), ("3.05.00", "4.02.00")])
def test_a_batch_of_another_version(kind: str, written: str, said: str, every_version: tuple[str, ...]) -> None:
    assert {written, said} <= set(every_version)
    raw = stated(full.batch(kind, [full.fit(full.FULL[kind](), kind, written)], written), said)
    (found,) = report(raw).problems
    assert (found.code, found.where, found.severity) == ("header.version.content", PADRAO, "error")
    meant = dict(found.args)["right"]
    assert written in meant.split(", ") and said not in meant and said in found.text() and meant in found.text()


def test_what_else_is_wrong_is_told_by_the_version_it_is_of(every_version: tuple[str, ...]) -> None:
    tree = full.fit(full.sadt(), "guiaSP-SADT", "4.01.00")
    tree["valorTotal"]["valorTotalGeral"] = "1.00"
    raw = stated(full.batch("guiaSP-SADT", [tree], "4.01.00"), "3.05.00")
    assert [problem.code for problem in report(raw).problems] == ["header.version.content", "sum.total"]


def test_one_tag_too_few_is_a_slip_and_no_other_version(every_version: tuple[str, ...]) -> None:
    tree = full.fit(full.consulta(), "guiaConsulta", "3.05.00")
    del tree["contratadoExecutante"]["nomeContratado"]
    (found,) = report(full.batch("guiaConsulta", [tree], "3.05.00")).problems
    assert found.code == "xsd.content.before" and "nomeContratado" in found.text()


def test_a_tag_of_another_version_is_named_with_it(every_version: tuple[str, ...]) -> None:
    tree = full.fit(full.sadt(), "guiaSP-SADT", "4.02.00")
    raw = full.batch("guiaSP-SADT", [tree], "4.02.00").replace(
        b"<ans:descricaoProcedimento>Item de consumo",
        b"<ans:centroConsumo>5</ans:centroConsumo><ans:descricaoProcedimento>x",
    )
    codes = {problem.code for problem in report(raw.replace(b">S1<", b">S 1 2 3 4 5 6 7 8 9 10 11<")).problems}
    assert "xsd.content.version" in codes and "header.version.content" not in codes


@pytest.mark.parametrize("service", [False, True])
def test_documents_on_a_version_without_them(service: bool, every_version: tuple[str, ...]) -> None:
    raw = made.message("ENVIO_DOCUMENTO", "4.01.00", "numeroGuiaPrestador=1", service=service)
    (found,) = report(stated(raw, "3.05.00")).problems
    assert found.code == "header.transaction.absent" and found.where.endswith("/tipoTransacao")
    assert "ENVIO_DOCUMENTO" in found.text() and "3.05.00" in found.text() and "4.00.01" in found.text()
    agreed = report(stated(raw, "3.05.00"), Contract(version="4.01.00")).problems
    assert {problem.code for problem in agreed} == {"header.transaction.absent", "header.version-contract"}


def test_a_version_without_a_schema_is_checked_as_its_nearest_kin(every_version: tuple[str, ...]) -> None:
    raw = stated(
        full.batch("guiaConsulta", [full.fit(full.consulta(), "guiaConsulta", "4.00.01")], "4.00.01"), "4.00.00"
    )
    (found,) = report(raw).problems
    assert found.code == "header.version" and dict(found.args)["used"] == "4.00.01"
