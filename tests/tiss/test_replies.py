"""Replies built with our own builder are read back to the cent, leniently, with unknown codes kept as sent."""

from __future__ import annotations

from typing import Any

import clean
import pytest

from canonical.problem import Problem
from tiss.answers import replies
from tiss.answers import values as answers
from tiss.wire import amounts
from tiss.wire.build import build

Tree = dict[str, Any]
PROVIDER = {"codigoPrestadorNaOperadora": "12345"}
ERROR = {"mensagemErro": {"codigoGlosa": "5012", "descricaoGlosa": "Lote já recebido às 10h"}}


def header(transaction: str, version: str = "4.03.00") -> Tree:
    head = clean.header(transaction, version)
    return head | {"origem": {"registroANS": clean.OPERATOR}, "destino": {"identificacaoPrestador": PROVIDER}}


def service(root: str, transaction: str, child: str, tree: Tree, version: str = "4.03.00") -> bytes:
    message = {"cabecalho": header(transaction, version), child: tree, "hash": ""}
    return build(root, message, version, service=True)


def in_file(transaction: str, body: str, tree: Tree, version: str = "4.03.00") -> bytes:
    message = {
        "cabecalho": header(transaction, version),
        "operadoraParaPrestador": {body: tree},
        "epilogo": {"hash": ""},
    }
    return build("mensagemTISS", message, version)


def one(raw: bytes) -> Any:
    read = replies.read(raw)
    assert isinstance(read, answers.Reply), read
    assert read.problems == ()
    assert len(read.answers) == 1
    return read.answers[0]


STATEMENT = {
    "cabecalhoDemonstrativo": {
        "registroANS": clean.OPERATOR,
        "numeroDemonstrativo": "D9",
        "nomeOperadora": "Operadora Ação",
        "numeroCNPJ": clean.CNPJ,
        "dataEmissao": "2026-11-20",
    },
    "dadosPrestador": {"dadosContratado": PROVIDER, "CNES": "2077485"},
    "dadosConta": {
        "dadosProtocolo": {
            "numeroLotePrestador": "4711",
            "numeroProtocolo": "P1",
            "dataProtocolo": "2026-11-19",
            "situacaoProtocolo": "5",
            "relacaoGuias": [
                {
                    "numeroGuiaPrestador": "S1",
                    "numeroGuiaOperadora": "O1",
                    "senha": "A1",
                    "numeroCarteira": "1",
                    "dataInicioFat": "2026-11-01",
                    "situacaoGuia": "5",
                    "detalhesGuia": [
                        {
                            "sequencialItem": "1",
                            "dataRealizacao": "2026-11-01",
                            "procedimento": {
                                "codigoTabela": "22",
                                "codigoProcedimento": "40301630",
                                "descricaoProcedimento": "Creatinina",
                            },
                            "valorInformado": "10.05",
                            "qtdExecutada": "1",
                            "valorProcessado": "10.05",
                            "valorLiberado": "4.00",
                            "relacaoGlosa": [
                                {"valorGlosa": "6.00", "tipoGlosa": "1705"},
                                {"valorGlosa": "0.05", "tipoGlosa": "3052"},
                            ],
                        }
                    ],
                    "valorInformadoGuia": "10.05",
                    "valorProcessadoGuia": "10.05",
                    "valorLiberadoGuia": "4.00",
                    "valorGlosaGuia": "6.05",
                }
            ],
            "valorInformadoProtocolo": "10.05",
            "valorProcessadoProtocolo": "10.05",
            "valorLiberadoProtocolo": "4.00",
        }
    },
    "valorInformadoGeral": "10.05",
    "valorProcessadoGeral": "10.05",
    "valorLiberadoGeral": "4.00",
}


@pytest.mark.parametrize("version", ["4.02.00", "4.03.00"])
@pytest.mark.parametrize("form", ["file", "service"])
def test_statement(version: str, form: str) -> None:
    tree = {"demonstrativoAnaliseConta": [STATEMENT]}
    name = "DEMONSTRATIVO_ANALISE_CONTA"
    raw = (
        in_file(name, "demonstrativosRetorno", tree, version)
        if form == "file"
        else service("demonstrativoRetornoWS", name, "demonstrativoRetorno", tree, version)
    )
    found = one(raw)
    assert isinstance(found, answers.Statement)
    assert (found.number, found.billed_cents, found.paid_cents, found.glosa_cents) == ("D9", 1005, 400, None)
    protocol = found.protocols[0]
    assert (protocol.number, protocol.batch, protocol.status) == ("P1", "4711", "5")
    guide = protocol.guides[0]
    assert (guide.provider_number, guide.operator_number, guide.glosa_cents) == ("S1", "O1", 605)
    item = guide.items[0]
    assert (item.sequence, item.table, item.code) == (1, "22", "40301630")
    assert item.billed_cents == item.paid_cents + sum(glosa.cents or 0 for glosa in item.glosas)
    assert [glosa.code for glosa in item.glosas] == ["1705", "3052"]
    assert item.where.endswith("/dadosProtocolo/relacaoGuias/detalhesGuia")


def test_protocol() -> None:
    tree = {
        "protocoloRecebimento": {
            "registroANS": clean.OPERATOR,
            "dadosPrestador": PROVIDER,
            "numeroLote": "4711",
            "dataEnvioLote": "2026-11-20",
            "detalheProtocolo": {
                "numeroProtocolo": "P77",
                "valorTotalProtocolo": "1234.50",
                "dadosGuiasProtocolo": {"dadosGuias": []},
            },
        }
    }
    found = one(service("protocoloRecebimentoWS", "PROTOCOLO_RECEBIMENTO", "recebimentoLote", tree))
    assert isinstance(found, answers.Protocol)
    assert (found.number, found.batch, found.total_cents, found.glosas) == ("P77", "4711", 123450, ())


def test_error_keeps_the_operators_words_and_a_code_nobody_knows() -> None:
    raw = service(
        "protocoloRecebimentoWS",
        "PROTOCOLO_RECEBIMENTO",
        "recebimentoLote",
        ERROR,
    ).replace(b">5012<", b">Z999<")
    found = one(raw)
    assert found == answers.Error(
        code="Z999",
        text="Lote já recebido às 10h",
        where="/protocoloRecebimentoWS/recebimentoLote/mensagemErro",
    )


@pytest.mark.parametrize("version", [b"4.05.00", b"3.02.00", b"?"])
def test_a_reply_in_a_version_nobody_knows_is_read_all_the_same(version: bytes) -> None:
    raw = service("protocoloRecebimentoWS", "PROTOCOLO_RECEBIMENTO", "recebimentoLote", ERROR)
    assert one(raw.replace(b">4.03.00<", b">" + version + b"<")) == one(raw)


def test_a_failure_in_the_header() -> None:
    raw = service("situacaoProtocoloWS", "SITUACAO_PROTOCOLO", "situacaoProtocolo", {})
    raw = raw.replace(
        b"</ans:identificacaoTransacao>", b"</ans:identificacaoTransacao><ans:falhaNegocio>5014</ans:falhaNegocio>"
    )
    found = one(raw)
    assert isinstance(found, answers.Error)
    assert (found.code, found.where) == ("5014", "/situacaoProtocoloWS/cabecalho/falhaNegocio")


def test_status() -> None:
    tree = {
        "situacaoDoProtocolo": {
            "identificacaoOperadora": clean.OPERATOR,
            "dadosPrestador": PROVIDER,
            "lote": {
                "detalheLote": {
                    "statusProtocolo": "3",
                    "numeroProtocolo": "P77",
                    "numeroLote": "4711",
                    "dataEnvioLote": "2026-11-20",
                    "valorTotalLote": {"valorProcessado": "10.00", "valorGlosa": "1.00", "valorLiberado": "9.00"},
                    "guiasTISS": {},
                }
            },
        }
    }
    found = one(service("situacaoProtocoloWS", "SITUACAO_PROTOCOLO", "situacaoProtocolo", tree))
    assert isinstance(found, answers.Status)
    assert (found.status, found.number, found.released_cents) == ("3", "P77", 900)


def test_an_error_instead_of_a_status_detail() -> None:
    tree = {
        "situacaoDoProtocolo": {
            "identificacaoOperadora": clean.OPERATOR,
            "dadosPrestador": PROVIDER,
            "lote": {"mensagemErro": {"codigoGlosa": "3291"}},
        }
    }
    found = one(service("situacaoProtocoloWS", "SITUACAO_PROTOCOLO", "situacaoProtocolo", tree))
    assert isinstance(found, answers.Error)
    assert found.code == "3291"


def test_appeal_protocol_and_answer() -> None:
    tree = {
        "protocoloRecebimento": {
            "nrProtocoloRecursoGlosa": "R5",
            "dataEnvioRecurso": "2026-11-20",
            "dataRecebimentoRecurso": "2026-11-20",
            "numeroLote": "9",
            "registroANS": clean.OPERATOR,
            "dadosPrestador": PROVIDER,
            "nrProtocoloRecursado": "P77",
            "valorTotalRecursado": "6.05",
        }
    }
    found = one(service("protocoloRecebimentoRecursoWS", "RECEBIMENTO_RECURSO_GLOSA", "recebimentoRecurso", tree))
    assert isinstance(found, answers.AppealProtocol)
    assert (found.number, found.appealed_protocol, found.total_cents) == ("R5", "P77", 605)
    line = {
        "numeroGuiaPrestador": "S1",
        "dataRealizacao": "2026-11-01",
        "sequencialItem": "1",
        "procRecurso": {"codigoTabela": "22", "codigoProcedimento": "40301630", "descricaoProcedimento": "x"},
        "codGlosa": "1705",
        "valorRecursado": "6.00",
        "justificativaPrestador": "valor contratado",
        "valorAcatadado": "4.00",
        "justificativaOperadora": "parcial",
    }
    answer = {
        "reciboGlosa": {
            "registroANS": clean.OPERATOR,
            "numeroGuiaRecGlosaPrestador": "S1",
            "nomeOperadora": "x",
            "objetoRecurso": "2",
            "codigoPrestador": "1",
            "numeroLote": "9",
            "numeroProtocolo": "77",
            "opcaoRecurso": {"recursoGuia": [{"respostaGuiaItens": line}]},
            "dataRecurso": "2026-11-20",
            "valorTotalRecursado": "6.00",
            "valorTotalAcatado": "4.00",
        }
    }
    found = one(service("situacaoProtocoloRecursoWS", "RESPOSTA_RECURSO_GLOSA", "situacaoProtocoloRecurso", answer))
    assert isinstance(found, answers.AppealAnswer)
    got = found.lines[0]
    assert (got.sequence, got.glosa, got.appealed_cents, got.granted_cents) == (1, "1705", 600, 400)
    assert (got.granted, got.reason) == (True, "parcial")


def test_the_body_decides_not_the_stated_transaction() -> None:
    raw = service(
        "situacaoProtocoloWS", "VERIFICA_ELEGIBILIDADE", "situacaoProtocolo", {"mensagemErro": {"codigoGlosa": "3291"}}
    )
    read = replies.read(raw)
    assert isinstance(read, answers.Reply)
    assert (read.stated, read.transactions) == ("VERIFICA_ELEGIBILIDADE", ("SITUACAO_PROTOCOLO",))
    from tests.tiss.test_clean import report

    assert [(p.code, p.severity) for p in report(raw).problems] == [("header.transaction-reply", "warning")]
    assert report(raw).ok


def test_amounts_that_are_none_are_told() -> None:
    raw = in_file("DEMONSTRATIVO_ANALISE_CONTA", "demonstrativosRetorno", {"demonstrativoAnaliseConta": [STATEMENT]})
    raw = raw.replace(b">4.00</ans:valorLiberado>", b">4,00</ans:valorLiberado>").replace(
        b">1</ans:sequencialItem>", b">um</ans:sequencialItem>"
    )
    read = replies.read(raw)
    assert isinstance(read, answers.Reply)
    assert [problem.code for problem in read.problems] == ["sum.not-a-number", "sum.not-an-amount"]
    assert all(problem.where.endswith(("sequencialItem", "valorLiberado")) for problem in read.problems)


def test_a_request_answers_nothing() -> None:
    read = replies.read(clean.consulta_batch(1))
    assert isinstance(read, answers.Reply)
    assert read.answers == ()
    assert [problem.code for problem in read.problems] == ["header.no-answer"]
    assert isinstance(replies.read(b"x"), Problem)


@pytest.mark.parametrize(
    ("text", "cents"),
    [("1", 100), ("1.5", 150), ("0.005", 1), ("0.004", 0), ("-2.50", -250), (".5", 50), (" 3.10 ", 310), ("+1", 100),
     ("", None), ("x", None), ("1,50", None), ("1e3", None), (".", None), ("١", None), (None, None)],
)  # fmt: skip
def test_cents(text: str | None, cents: int | None) -> None:
    assert amounts.cents(text) == cents
    if cents is not None:
        assert amounts.cents(amounts.text(cents)) == cents
