"""The simulated payer itself: it checks by its own means, tells faults apart, and every answer is valid TISS."""

from __future__ import annotations

import datetime
from typing import Any

import httpx
import pytest
from billing_day import IPE, JACARANDA, LOGIN, PASSWORD, partner_row
from payer_server import MD5, payer_server

from api.simulators.payer import own_hash
from hub.billing.message import messages
from hub.billing.profiles import PayerProfile, profile_of
from tiss.schema import check
from tiss.wire import epilogo, message, soap

AT = datetime.datetime(2026, 11, 21, 9, 0, tzinfo=datetime.UTC)


def consultation(code: str, profile: PayerProfile, number: str = "1", value: str = "180.00") -> dict[str, Any]:
    guide = {
        "cabecalhoConsulta": {"registroANS": code, "numeroGuiaPrestador": number},
        "dadosBeneficiario": {"numeroCarteira": "123", "atendimentoRN": "N"},
        "contratadoExecutante": {**profile.contracted, "CNES": "9999999"},
        "profissionalExecutante": {
            "nomeProfissional": "José Ação", "conselhoProfissional": "06", "numeroConselhoProfissional": "1",
            "UF": "35", "CBOS": "225125",
        },
        "indicacaoAcidente": "9",
        "dadosAtendimento": {
            "regimeAtendimento": "01", "dataAtendimento": "2026-11-20", "tipoConsulta": "1",
            "procedimento": {"codigoTabela": "22", "codigoProcedimento": "10101012", "valorProcedimento": value},
        },
    }  # fmt: skip
    return {"numeroLote": number, "guiasTISS": {"guiaConsulta": [guide]}}


def lote(code: str, number: str = "1", **changed: Any) -> bytes:
    profile = profile_of(partner_row(code))
    login = {"loginPrestador": LOGIN, "senhaPrestador": MD5 if code == IPE else PASSWORD}
    mark = messages.Stamp(sequence=int(number), at=AT, login=changed.pop("login", login))
    return messages.request(profile, "ENVIO_LOTE_GUIAS", consultation(code, profile, number, **changed), mark)


async def post(url: str, raw: bytes) -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(url, content=raw, headers={"content-type": "text/xml; charset=ISO-8859-1"})
    return answer.status_code, soap.read(answer.content)


def valid(body: Any, version: str) -> message.Tiss:
    assert isinstance(body, soap.Body)
    found = message.read(body.content)
    assert isinstance(found, message.Tiss)
    assert check.schema_problems(found, version) == []
    assert epilogo.compute(found.root) == epilogo.stated(found.root)
    return found


async def test_its_own_hash_agrees_with_the_published_vector_and_ours() -> None:
    vector = "<r><a>AÇÃO</a><b> x </b><c/><d>1</d></r>".encode("iso-8859-1")
    raw = b'<?xml version="1.0" encoding="ISO-8859-1"?>' + vector
    assert own_hash(raw) == "84420eb54bee17b575c22dec20d74852"
    found = message.read(lote(JACARANDA))
    assert isinstance(found, message.Tiss) and own_hash(lote(JACARANDA)) == epilogo.stated(found.root)


async def test_every_answer_is_valid_in_its_version() -> None:
    async with payer_server(deny_every=1) as server:
        status, body = await post(server.url(JACARANDA), soap.envelope(lote(JACARANDA)))
        found = valid(body, "4.03.00")
        protocol = found.text("recebimentoLote/protocoloRecebimento/detalheProtocolo/numeroProtocolo")
        assert status == 200 and protocol
        profile = profile_of(partner_row(JACARANDA))
        mark = messages.Stamp(sequence=2, at=AT, login={"loginPrestador": LOGIN, "senhaPrestador": PASSWORD})

        async def ask(transaction: str, tree: dict[str, Any]) -> message.Tiss:
            raw = messages.request(profile, transaction, tree, mark)
            return valid((await post(server.url(JACARANDA), soap.envelope(raw)))[1], "4.03.00")

        who = {"dadosPrestador": profile.contracted}
        await ask("SOLIC_STATUS_PROTOCOLO", {**who, "numeroProtocolo": protocol})
        unknown = await ask("SOLIC_STATUS_PROTOCOLO", {**who, "numeroProtocolo": "1"})
        assert unknown.text("situacaoProtocolo/mensagemErro/codigoGlosa") == "3291"
        for card, answer in (("1230000", "N"), ("123", "S")):
            told = await ask("VERIFICA_ELEGIBILIDADE", {**who, "numeroCarteira": card})
            assert told.text("respostaElegibilidade/reciboElegibilidade/respostaSolicitacao") == answer
        for wanted in (protocol, "1"):
            inner = {**who, "dataSolicitacao": "2026-11-21", "protocolos": {"numeroProtocolo": [wanted]}}
            await ask("SOLIC_DEMONSTRATIVO_RETORNO", {"demonstrativoAnalise": inner})


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda raw: raw.replace(b"180.00", b"181.00"), "HashInvalido"),
        (lambda raw: raw.replace(b"<ans:indicacaoAcidente>9</ans:indicacaoAcidente>", b""), "SchemaInvalido"),
        (lambda raw: raw.replace(b"4.03.00", b"4.02.00"), "VersaoInvalida"),
        (lambda raw: raw[: len(raw) // 2], "SchemaInvalido"),
    ],
)
async def test_a_changed_lote_is_refused_by_the_right_fault(change: Any, kind: str) -> None:
    async with payer_server() as server:
        envelope = change(soap.envelope(lote(JACARANDA)))
        status, body = await post(server.url(JACARANDA), envelope)
        assert status == 500 and isinstance(body, soap.Fault) and body.kind == kind
        assert (await server.received())[JACARANDA]["batches"] == []


async def test_destination_login_and_repetition_are_checked() -> None:
    async with payer_server() as server:
        for raw, kind in (
            (lote(JACARANDA, login={"loginPrestador": "x", "senhaPrestador": "y"}), "LoginInvalido"),
            (lote(JACARANDA, login=None), "LoginInvalido"),
        ):
            body = (await post(server.url(JACARANDA), soap.envelope(raw)))[1]
            assert isinstance(body, soap.Fault) and body.kind == kind
        elsewhere = soap.envelope(lote(IPE)).replace(b"4.02.00", b"4.03.00")
        body = (await post(server.url(JACARANDA), elsewhere))[1]
        assert isinstance(body, soap.Fault) and body.kind in ("HashInvalido", "DestinatarioInvalido")
        first = valid((await post(server.url(JACARANDA), soap.envelope(lote(JACARANDA))))[1], "4.03.00")
        again = valid((await post(server.url(JACARANDA), soap.envelope(lote(JACARANDA))))[1], "4.03.00")
        path = "recebimentoLote/protocoloRecebimento/detalheProtocolo/numeroProtocolo"
        assert first.text(path) == again.text(path) != ""
        other = valid((await post(server.url(JACARANDA), soap.envelope(lote(JACARANDA, value="9.00"))))[1], "4.03.00")
        assert other.text("recebimentoLote/mensagemErro/codigoGlosa") == "3268"
        book = (await server.received())[JACARANDA]
        assert [b["resent"] for b in book["batches"]] == [2] and book["billed_cents"] == 18000


@pytest.mark.parametrize("raw", [b"", b"hello", b"<a/>", b"\x00" * 99, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
async def test_rubbish_gets_a_fault_and_the_server_lives_on(raw: bytes) -> None:
    async with payer_server() as server:
        status, body = await post(server.url(IPE), raw)
        assert status == 500 and isinstance(body, soap.Fault) and body.kind == "SchemaInvalido"
        assert (await post(f"{server.base}/payer/000000", raw))[0] == 404
        assert valid((await post(server.url(JACARANDA), soap.envelope(lote(JACARANDA))))[1], "4.03.00")


async def test_the_control_refuses_what_it_does_not_know() -> None:
    async with payer_server() as server, httpx.AsyncClient(trust_env=False) as client:
        for wanted in ({}, {"ans": "1"}, {"ans": IPE, "kind": "explode"}, [], {"ans": IPE, "times": "x"}):
            assert (await client.post(f"{server.base}/control/fault", json=wanted)).status_code == 422
        assert (await client.post(f"{server.base}/control/fault", json={"ans": IPE, "revise": "1"})).status_code == 404
