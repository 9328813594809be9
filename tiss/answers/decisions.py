"""What operators decide and acknowledge, read into `tiss.answers.receipts`: authorisations and receipts.

Every version's way to give reasons is read: motivoNegativa with its words (3.x), the bare codigoGlosa (4.x).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml import etree

from tiss.answers.receipts import (
    AnnexProtocol,
    Authorisation,
    Cancelled,
    CancelReceipt,
    Decided,
    DocumentReceipt,
    Glosa,
    StayReceipt,
)
from tiss.answers.values import Answer
from tiss.wire.message import place
from tiss.wire.reading import Reader, every, find, local, value

_ITEMS = ("servicosAutorizados/servicoAutorizado", "servicosAutorizadosOPME", "procedimentosAutorizados")
_ANNEXES = ("anexoOPME", "anexoQuimio", "anexoRadio")
_YES = "S"


def reasons(node: etree._Element) -> tuple[Glosa, ...]:
    """motivosNegativa of an answer or item, in whichever form."""
    found = []
    for reason in every(node, "motivosNegativa/motivoNegativa"):
        code, text = value(reason, "codigoGlosa"), value(reason, "descricaoGlosa")
        found.append(Glosa(code=code, text=text, where=place(reason)))
    for code_node in every(node, "motivosNegativa/codigoGlosa"):
        found.append(Glosa(code=(code_node.text or "").strip(), where=place(code_node)))
    return tuple(found)


def _authorisation(node: etree._Element, reader: Reader) -> Authorisation:
    """A stay's answer wraps that on its services (autorizacaoDosServicos)."""
    inner = find(node, "autorizacaoDosServicos")
    services = node if inner is None else inner
    data = "dadosAutorizacao"
    return Authorisation(
        kind=local(node),
        provider_number=value(services, f"{data}/numeroGuiaPrestador"),
        operator_number=value(services, f"{data}/numeroGuiaOperadora"),
        password=value(services, f"{data}/senha"),
        given_on=value(services, f"{data}/dataAutorizacao"),
        valid_until=value(services, f"{data}/dataValidadeSenha"),
        status=value(services, "statusSolicitacao"),
        days=value(node, "qtdDiariasAutorizadas") or value(node, "diariasAutorizadas"),
        accommodation=value(node, "tipoAcomodacaoAutorizada") or value(node, "acomodacaoAutorizada"),
        items=tuple(_decided(services, reader)),
        glosas=reasons(services),
        note=value(services, "observacao") or value(node, "justificativaOperadora"),
        where=place(node),
    )


def _decided(services: etree._Element, reader: Reader) -> Iterator[Decided]:
    for path in _ITEMS:
        for node in every(services, path):
            tooth = find(node, "procSolic") is not None
            item = "procSolic" if tooth else "procedimento"
            asked = value(node, "qtdProc" if tooth else "quantidadeSolicitada")
            granted = value(node, "quantidadeAutorizada")
            if tooth:
                granted = asked if value(node, "aut") == _YES else "0"
            yield Decided(
                sequence=reader.number(node, "sequencialItem"),
                table=value(node, f"{item}/codigoTabela"),
                code=value(node, f"{item}/codigoProcedimento"),
                description=value(node, f"{item}/descricaoProcedimento"),
                asked=asked,
                granted=granted,
                granted_cents=reader.money_or_none(node, "valorProc" if tooth else "valorAutorizado"),
                glosas=reasons(node),
                where=place(node),
            )


def _stay(node: etree._Element, reader: Reader) -> StayReceipt | None:
    """reciboComunicacao is the body and, inside it, the receipt as well; the inner one tells."""
    if find(node, "statusComunicacao") is None:
        return None
    told = find(node, "beneficiarioComunicacaoRet")
    if told is None:
        told = find(node, "beneficiarioComunicacao")
    code = value(node, "codigoGlosa") or value(node, "mensagemErro/codigoGlosa")  # the latter in 3.05.00
    return StayReceipt(
        accepted=value(node, "statusComunicacao") == _YES,
        card="" if told is None else value(told, "dadosBeneficiario/numeroCarteira"),
        event="" if told is None else value(told, "tipoEvento"),
        glosas=(Glosa(code=code, text=value(node, "mensagemErro/descricaoGlosa"), where=place(node)),) if code else (),
        where=place(node),
    )


def _cancelled(node: etree._Element, reader: Reader) -> CancelReceipt | None:
    """reciboCancelaGuia is the body and the receipt inside it; the inner one tells (3.05.00 lists guides directly)."""
    if find(node, "registroANS") is None:
        return None
    entries = [
        Cancelled(
            batch=value(lote, "numeroLote"),
            provider_number="",
            operator_number="",
            protocol=value(lote, "numeroprotocolo"),
            status=value(lote, "statusCancelamento"),
            where=place(lote),
        )
        for lote in every(node, "retornoStatus/loteCancelado")
    ]
    entries += [
        Cancelled(
            batch="",
            provider_number=value(guide, "numeroGuiaPrestador"),
            operator_number=value(guide, "numeroGuiaOperadora"),
            protocol=value(guide, "numeroProtocolo"),
            status=value(guide, "statusCancelamento"),
            where=place(guide),
        )
        for path in ("retornoStatus/guiasCanceladas/dadosGuia", "guiasCanceladas/dadosGuia")
        for guide in every(node, path)
    ]
    return CancelReceipt(entries=tuple(entries), where=place(node))


def _document(node: etree._Element, reader: Reader) -> DocumentReceipt | None:
    """reciboDocumentos (in the file form reciboDocumento)."""
    if find(node, "protocoloDoc") is None:
        return None
    return DocumentReceipt(
        number=value(node, "numeroDocumento"),
        protocol=value(node, "protocoloDoc"),
        provider_number=value(node, "numeroGuiaPrestador"),
        note=value(node, "observacao"),
        where=place(node),
    )


def _annex(node: etree._Element, reader: Reader) -> AnnexProtocol:
    found = find(node, "anexosClinicos")
    decided = [] if found is None else [child for child in found if local(child) in _ANNEXES]
    return AnnexProtocol(
        number=value(node, "nrProtocoloRecebimento"),
        batch=value(node, "numeroLote"),
        sent_on=value(node, "dataEnvioAnexo"),
        decided=tuple(_authorisation(child, reader) for child in decided),
        where=place(node),
    )


READERS: dict[str, Callable[[etree._Element, Reader], Answer | None]] = {
    **dict.fromkeys(
        (
            "autorizacaoServico",
            "autorizacaoInternacao",
            "autorizacaoProrrogacao",
            "autorizacaoServicoOdonto",
            *_ANNEXES,
        ),
        _authorisation,
    ),
    "reciboComunicacao": _stay,
    "reciboCancelaGuia": _cancelled,
    "reciboDocumentos": _document,
    "reciboDocumento": _document,
    "protocoloRecebimentoAnexo": _annex,
}
