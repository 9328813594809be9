"""What operators decide and acknowledge is read from every sample, in both forms and every version."""

from __future__ import annotations

import pytest
from shared_files import samples

from tiss.answers import replies
from tiss.answers import values as answers
from tiss.wire import soap

EXPECTED = {
    "RESPOSTA_SOLICITACAO__autorizacao": answers.Authorisation,
    "AUTORIZACAO_ODONTOLOGIA": answers.Authorisation,
    "STATUS_AUTORIZACAO__autorizacao": answers.Authorisation,
    "RECIBO_COMUNICACAO__m": answers.StayReceipt,
    "CANCELAMENTO_GUIA_RECIBO__m": answers.CancelReceipt,
    "RECEBIMENTO_DOCUMENTO__reciboDocumento": answers.DocumentReceipt,
    "PROTOCOLO_RECEBIMENTO_ANEXO__protocolo": answers.AnnexProtocol,
    "SITUACAO_ELEGIBILIDADE__recibo": answers.Eligibility,
}


def test_every_sample_of_a_receipt_is_read() -> None:
    seen = set()
    for path in sorted(samples("tiss").glob("*/*.xml")):
        kind = next((k for k in EXPECTED if path.name.startswith(k)), None)
        if kind is None or "mensagemErro" in path.name:
            continue
        found = replies.read(path.read_bytes())
        assert not isinstance(found, answers.Problem), path.name
        told = [one for one in found.answers if isinstance(one, EXPECTED[kind])]
        assert told and told[0].where, path.name
        seen.add(kind)
    assert seen == set(EXPECTED)


def test_a_refused_eligibility_names_its_code_in_the_form_of_the_web_service() -> None:
    for path in samples("tiss").glob("*/SITUACAO_ELEGIBILIDADE__codigoGlosa__*.xml"):
        found = replies.read(path.read_bytes())
        assert not isinstance(found, answers.Problem)
        assert [(type(one), one.code) for one in found.answers] == [(answers.Error, "1001")]  # type: ignore[union-attr]


def test_the_decision_of_an_annex_stands_beside_its_status() -> None:
    for path in samples("tiss").glob("*/SITUACAO_PROTOCOLO__situacaoProtocoloAnexo__*.xml"):
        found = replies.read(path.read_bytes())
        assert not isinstance(found, answers.Problem)
        assert [type(one) for one in found.answers] == [answers.Status, answers.Authorisation], path.name


@pytest.mark.parametrize("version", ["4.02.00", "4.03.00"])
def test_a_full_decision(version: str) -> None:
    raw = (samples("tiss") / version / "RESPOSTA_SOLICITACAO__autorizacaoServico__max.xml").read_bytes()
    body = soap.read(soap.envelope(raw))
    assert isinstance(body, soap.Body)
    found = replies.read(body.content)
    assert not isinstance(found, answers.Problem)
    decided = found.answers[0]
    assert isinstance(decided, answers.Authorisation)
    assert decided.provider_number and decided.password and decided.given_on and decided.valid_until
    assert decided.items and decided.items[0].granted and decided.items[0].code and decided.glosas[0].code
