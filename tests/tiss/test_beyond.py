"""What is told of a message in which several things stand wrong, as other systems' programs write them."""

from __future__ import annotations

import datetime
import re

import clean
import pytest

from canonical.problem import Problem
from tiss.checking import repair, report
from tiss.schema import beyond
from tiss.schema.check import schema_problems
from tiss.tables.tables import installed
from tiss.wire import message

NS = b'xmlns:ans="http://www.ans.gov.br/padroes/tiss/schemas"'
RAW = clean.sadt_batch(2, "4.03.00", items=2, expenses=1)
GUIDE = "/mensagemTISS/prestadorParaOperadora/loteGuias/guiasTISS/guiaSP-SADT"


def told(raw: bytes) -> list[tuple[str, str]]:
    found = report.validate(raw, tables=installed(), today=datetime.date(2026, 11, 26)).problems
    return [(problem.code, problem.where) for problem in found if not problem.code.startswith("hash.")]


def without(raw: bytes, name: bytes, count: int = 0) -> bytes:
    return re.sub(rb"<ans:" + name + rb">.*?</ans:" + name + rb">", b"", raw, count=count, flags=re.DOTALL)


def test_what_follows_a_missing_element_is_judged_as_well() -> None:
    raw = without(without(RAW, b"numeroLote"), b"atendimentoRN", 1).replace(b"<ans:UF>35<", b"<ans:UF>99<", 1)
    first = schema_problems(read(raw), "4.03.00")
    assert [problem.code for problem in first] == ["xsd.content.before"], "libxml2 passes over all that follows"
    found = told(raw)
    assert ("xsd.content.before", "/mensagemTISS/prestadorParaOperadora/loteGuias/guiasTISS") in found
    assert ("xsd.missing", f"{GUIDE}[1]/dadosBeneficiario") in found
    assert any(where.endswith("guiaSP-SADT[1]/dadosSolicitante/profissionalSolicitante/UF") for _, where in found)


def test_one_misfit_is_told_once() -> None:
    for change in (
        lambda raw: raw.replace(b"ans:numeroLote>", b"ans:numeroDoLote>"),
        lambda raw: raw.replace(b"ans:dadosSolicitacao>", b"ans:dadosDoPedido>"),
        lambda raw: without(raw, b"dadosSolicitante"),
        lambda raw: re.sub(rb"(<ans:sequencialItem>1</ans:sequencialItem>)(<ans:dataExecucao>[^<]*</ans:dataExecucao>)", rb"\2\1", raw),
    ):  # fmt: skip
        parsed = read(change(RAW))
        first = schema_problems(parsed, "4.03.00")
        assert first and beyond.further(parsed, "4.03.00", first) == first


def read(raw: bytes) -> message.Tiss:
    found = message.read(raw)
    assert isinstance(found, message.Tiss)
    return found


def test_a_body_outside_its_place_is_said_where_it_belongs() -> None:
    raw = b"<ans:mensagemTISS " + NS + b"><ans:demonstrativoAnaliseConta/></ans:mensagemTISS>"
    found = report.validate(raw, tables=installed()).problems
    (elsewhere,) = [problem for problem in found if problem.code == "xsd.content.elsewhere"]
    assert "demonstrativosRetorno" in elsewhere.text() and "header.empty" not in {problem.code for problem in found}


@pytest.mark.parametrize(
    ("was", "becomes", "right"),
    [(b"Padrao", b"versaoPadrao", "Padrao"), (b"guiasTISS", b"guias", "guiasTISS"), (b"CNPJ", b"cnpjContratado", "CNPJ")],
)  # fmt: skip
def test_names_of_before_are_known(was: bytes, becomes: bytes, right: str) -> None:
    raw = re.sub(rb"(</?ans:)" + was + rb">", rb"\1" + becomes + b">", RAW)
    if raw == RAW:
        raw = re.sub(rb"(</?ans:)codigoPrestadorNaOperadora>", rb"\1cnpjContratado>", RAW, count=2)
    found = report.validate(raw, tables=installed()).problems
    assert right in {dict(problem.args)["right"] for problem in found if problem.code == "xsd.content.renamed"}


def test_the_monitoring_is_told_apart() -> None:
    raw = b"<ans:mensagemEnvioANS " + NS + b"><ans:cabecalho/></ans:mensagemEnvioANS>"
    found = report.validate(raw, tables=installed())
    assert not found.readable and [problem.code for problem in found.problems] == ["header.monitoring"]


def test_an_old_file_is_told_its_version_and_little_else() -> None:
    head = b"<ans:cabecalho><ans:origem><ans:CNPJ>1</ans:CNPJ></ans:origem><ans:versaoPadrao>2.01.03</ans:versaoPadrao></ans:cabecalho>"
    raw = b'<?xml version="1.0" encoding="ISO-8859-1"?><ans:mensagemTISS ' + NS + b">" + head + b"</ans:mensagemTISS>"
    assert told(raw) == [("header.version.old", "/mensagemTISS/cabecalho/versaoPadrao")]


def test_a_service_message_without_body_names_what_it_lacks() -> None:
    raw = b"<ans:loteGuiasWS " + NS + b"><ans:cabecalho/><ans:hash/></ans:loteGuiasWS>"
    (empty,) = [p for p in report.validate(raw, tables=installed()).problems if p.code.startswith("header.empty")]
    assert empty.code == "header.empty.service" and "loteGuias" in empty.text()


def test_totals_of_a_guide_without_items_are_left_to_a_person() -> None:
    raw = without(without(RAW, b"procedimentosExecutados"), b"outrasDespesas")
    done = repair.repair(raw, tables=installed(), today=datetime.date(2026, 11, 26))
    assert isinstance(done, repair.Repaired)
    amounts = re.compile(rb"<ans:valorTotalGeral>([^<]*)<")
    assert amounts.findall(done.content) == amounts.findall(raw) and "sum.no-items" in {
        p.code for p in done.report.problems
    }


def test_a_message_in_its_envelope_is_repaired_without_it() -> None:
    declaration, _, inner = RAW.replace(b"<ans:hash>", b"<ans:hash>0").partition(b"?>")
    envelope = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    raw = declaration + b"?>" + envelope + inner + b"</s:Body></s:Envelope>"
    done = repair.repair(raw, tables=installed(), today=datetime.date(2026, 11, 26))
    assert isinstance(done, repair.Repaired) and done.changes[0].code == "header.wrapper" and done.report.readable
    cut = repair.repair(b"<s:Envelope", tables=installed())
    assert isinstance(cut, Problem)


def renamed(raw: bytes, was: bytes, becomes: bytes) -> bytes:
    return re.sub(rb"(</?ans:)" + was + rb">", rb"\1" + becomes + b">", raw)


def test_what_stands_in_a_renamed_element_is_judged_under_the_name_it_has() -> None:
    raw = without(renamed(RAW, b"guiasTISS", b"guias"), b"atendimentoRN", 1)
    raw = re.sub(rb"(<ans:horaInicial>)[^<]*", rb"\g<1>0800", raw, count=1)
    found = told(raw)
    guide = GUIDE.replace("guiasTISS", "guias")
    assert ("xsd.content.renamed", guide.rpartition("/")[0]) in found
    assert ("xsd.missing", f"{guide}[1]/dadosBeneficiario") in found
    assert any(code == "xsd.datatype.time" and where.endswith("horaInicial") for code, where in found)


def test_strange_elements_of_one_parent_are_all_told_and_what_it_lacks_beside_them() -> None:
    raw = without(RAW, b"dadosSolicitacao", 1)
    raw = raw.replace(
        b"<ans:dadosSolicitante>", b"<ans:medico>1</ans:medico><ans:sala>2</ans:sala><ans:dadosSolicitante>", 1
    )
    found = [(code, where.rpartition("/")[2]) for code, where in told(raw) if code.startswith("xsd.")]
    assert sorted(found) == [
        ("xsd.content.before", "dadosExecutante"),
        ("xsd.content.unknown", "medico"),
        ("xsd.content.unknown", "sala"),
    ]


def test_a_field_with_tags_inside_is_told_so_and_once() -> None:
    raw = RAW.replace(b"<ans:caraterAtendimento>1<", b"<ans:caraterAtendimento><ans:codigo>1</ans:codigo><", 1)
    (found,) = [code for code, where in told(raw) if where.endswith("caraterAtendimento")]
    assert found == "xsd.children"


def test_what_is_missing_is_named_in_full_and_nothing_that_is_there() -> None:
    raw = without(without(without(RAW, b"valorUnitario", 1), b"valorTotal", 1), b"descricaoProcedimento", 1)
    problems = report.validate(raw, tables=installed()).problems
    missing = [dict(problem.args) for problem in problems if problem.code == "xsd.missing"]
    told_of = {(args["found"], args["expected"], args["expected_names"]) for args in missing}
    assert told_of == {
        (
            "procedimento",
            "descricaoProcedimento",
            "campo Descrição do procedimento ou item assistencial (descricaoProcedimento)",
        ),
        (
            "procedimentoExecutado",
            "valorUnitario, valorTotal",
            "campo Valor unitário (valorUnitario), campo Valor total (valorTotal)",
        ),
    }


def test_a_place_is_named_only_where_this_message_has_it() -> None:
    raw = b"<ans:pedidoElegibilidadeWS " + NS + b"><ans:cabecalho/><ans:beneficiario/></ans:pedidoElegibilidadeWS>"
    codes = {problem.code for problem in report.validate(raw, tables=installed()).problems}
    assert "xsd.content.unknown" in codes and "xsd.content.elsewhere" not in codes  # honorários has one, this has not


def test_a_name_of_before_is_repaired_where_its_place_is_free() -> None:
    raw = renamed(RAW, b"Padrao", b"versaoPadrao")
    done = repair.repair(raw, tables=installed(), today=datetime.date(2026, 11, 26))
    assert isinstance(done, repair.Repaired) and b"<ans:Padrao>4.03.00</ans:Padrao>" in done.content and done.report.ok
    twice = RAW.replace(b"<ans:Padrao>", b"<ans:versaoPadrao>4.03.00</ans:versaoPadrao><ans:Padrao>")
    kept = repair.repair(twice, tables=installed(), today=datetime.date(2026, 11, 26))
    assert isinstance(kept, repair.Repaired) and b"<ans:versaoPadrao>" in kept.content
