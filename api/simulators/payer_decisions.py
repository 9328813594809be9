"""What the simulated payers decide beside the bill: eligibility, authorisations, annexes, stays, cancels, documents.

Deterministic: what is granted follows from the codes and quantities asked for, and the operator's row.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Callable
from typing import Any

from lxml import etree

from api.simulators.payer_appeals import text
from api.simulators.payer_book import Book, Request
from api.simulators.payer_replies import BENEFICIARY, Replies, Tree, person, today
from canonical.billing import cents, money
from tiss.wire import tree as trees
from tiss.wire.versions import NAMESPACE

DENIED = "1801"
_NS = f"{{{NAMESPACE}}}"
_VALID_DAYS = 30
_LAST = "0000"  # a card that ends so is not covered
_WAITING, _GRANTED, _REFUSED, _PARTLY, _CANCELLED = "2", "1", "3", "7", "6"
_KINDS = {
    "solicitacaoSP-SADT": "autorizacaoServico",
    "solicitacaoInternacao": "autorizacaoInternacao",
    "solicitacaoProrrogacao": "autorizacaoProrrogacao",
    "solicitacaoOdontologia": "autorizacaoServicoOdonto",
}
_ANNEXES = {
    "anexoSolicitacaoOPME": "anexoOPME",
    "anexoSolicitacaoQuimio": "anexoQuimio",
    "anexoSolicitacaoRadio": "anexoRadio",
    "anexoSituacaoInicial": "anexoSituacaoInicial",
}
# What the answer to an annex repeats of it.
_ECHOED = (
    "dadosComplementaresBeneficiario", "medicoSolicitante", "diagnosticoOncologicoQuimioterapia", "drogasSolicitadas",
    "tratamentosAnteriores", "numeroCiclos", "cicloAtual", "diasCicloAtual", "intervaloCiclos",
    "diagnosticoOncologicoRadio", "numeroCampos", "doseCampo", "doseTotal", "nrDias", "dtPrevistaInicio",
)  # fmt: skip


def _eligibility(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    card = text(replies.request, "pedidoElegibilidade/numeroCarteira")
    book.decided.checked += 1
    receipt: Tree = {
        "registroANS": book.side.ans,
        "numeroCarteira": card,
        "nomeBeneficiario": BENEFICIARY,
        "respostaSolicitacao": "N" if card.endswith(_LAST) else "S",
    }
    if card.endswith(_LAST):
        receipt["motivosNegativa"] = {"motivoNegativa": [{"codigoGlosa": "1001"}]}
    else:
        receipt["validadeCarteira"] = _in_days(365)
    body = {"reciboElegibilidade": receipt}
    return replies.message("respostaElegibilidadeWS", "SITUACAO_ELEGIBILIDADE", "respostaElegibilidade", body)


def _authorise(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    place = "autorizacaoProcedimentoWS", "RESPOSTA_SOLICITACAO", "autorizacaoProcedimento"
    asked = next(replies.request.iterfind(f"{_NS}solicitacaoProcedimento/*"), None)
    if asked is None:
        return replies.error(*place, DENIED)
    digest = hashlib.sha256(raw).hexdigest()
    found = _request(book, asked, digest)
    known = book.decided.requests.get(found.number)
    if known is not None:
        known.resent += 1
        if known.digest != digest:
            return replies.error(*place, book.side.already)
    kept = book.decided.requests.setdefault(found.number, found)
    transaction = "AUTORIZACAO_ODONTOLOGIA" if kept.kind == "solicitacaoOdontologia" else place[1]
    return replies.message(place[0], transaction, place[2], {_KINDS[kept.kind]: _decision(book, replies, kept)})


def _request(book: Book, asked: etree._Element, digest: str) -> Request:
    kind = etree.QName(asked).localname
    number = text(asked, "cabecalhoSolicitacao/numeroGuiaPrestador") or text(asked, "numeroGuiaPrestador")
    paths = ("procedimentosSolicitados", "procedimentosAdicionais")
    items = [_item(book, node) for path in paths for node in asked.findall(f"{_NS}{path}")]
    clinical = [node for node in asked if etree.QName(node).localname.startswith("anexoClinico")]
    stay = ("dadosInternacao/qtDiariasSolicitadas", "dadosInternacao/qtDiariasAdicionais")
    serial = len(book.decided.requests) + 1
    return Request(
        number=number,
        kind=kind,
        card=text(asked, "dadosBeneficiario/numeroCarteira") or text(asked, "numeroCarteira"),
        digest=digest,
        items=items,
        operator_number=f"OP{book.side.ans[-3:]}{serial:06d}",
        password=f"S{book.side.ans[-3:]}{serial:06d}",
        days=next((found for path in stay if (found := text(asked, path))), ""),
        annexes=[etree.QName(inner).localname for node in clinical for inner in node],
        at=book.clock(),
        asked_on=text(asked, "dataSolicitacao") or today(),
    )


def _item(book: Book, node: etree._Element) -> dict[str, str]:
    dental = node.find(f"{_NS}procSolic") is not None
    base = "procSolic" if dental else "procedimento"
    code, asked = text(node, f"{base}/codigoProcedimento"), text(node, "qtdProc" if dental else "quantidadeSolicitada")
    granted = 0 if code in book.side.never else min(int(asked), book.side.most)
    return {
        "table": text(node, f"{base}/codigoTabela"),
        "code": code,
        "description": text(node, f"{base}/descricaoProcedimento"),
        "asked": asked,
        "granted": str(granted),
        "value": text(node, "valorProc"),
        "tooth": text(node, "denteRegiao/codDente"),
    }


def _status_of(book: Book, one: Request) -> str:
    """statusSolicitacao: requests for services are decided at once, others after the time of an analysis."""
    if one.cancelled:
        return _CANCELLED
    if one.kind != "solicitacaoSP-SADT" and book.clock() - one.at < book.side.delay_s:
        return _WAITING
    whole = all(item["granted"] == item["asked"] for item in one.items)
    return _GRANTED if whole else _PARTLY if any(item["granted"] != "0" for item in one.items) else _REFUSED


def _decision(book: Book, replies: Replies, one: Request) -> Tree:
    status = _status_of(book, one)
    if one.kind == "solicitacaoOdontologia":
        return _dental(one, status)
    services: Tree = {
        "dadosAutorizacao": _numbers(one, status),
        "tipoEtapaAutorizacao": "2",
        "dadosBeneficiario": person(one.card),
        "nomeBeneficiario": BENEFICIARY,
        "prestadorAutorizado": {"dadosContratado": replies.contracted(), "cnesContratado": "9999999"},
        "statusSolicitacao": status,
    }
    if status == _REFUSED:
        services["motivosNegativa"] = {"codigoGlosa": [DENIED]}
    if status in (_GRANTED, _PARTLY, _REFUSED) and one.items:
        services["servicosAutorizados"] = {"servicoAutorizado": [_granted(i, n) for n, i in enumerate(one.items, 1)]}
    if one.kind == "solicitacaoSP-SADT":
        return services
    days = (
        {"qtdDiariasAutorizadas": one.days} if one.kind == "solicitacaoInternacao" else {"diariasAutorizadas": one.days}
    )
    return {"autorizacaoDosServicos": services, **(days if status in (_GRANTED, _PARTLY) and one.days else {})}


def _numbers(one: Request, status: str) -> Tree:
    found: Tree = {"numeroGuiaPrestador": one.number, "numeroGuiaOperadora": one.operator_number}
    if status in (_GRANTED, _PARTLY):
        found |= {"dataAutorizacao": one.asked_on, "senha": one.password, "dataValidadeSenha": _in_days(_VALID_DAYS)}
    return found


def _granted(item: dict[str, str], sequence: int) -> Tree:
    found: Tree = {
        "sequencialItem": str(sequence),
        "procedimento": _procedure(item),
        "quantidadeSolicitada": item["asked"],
        "quantidadeAutorizada": item["granted"],
    }
    if item["granted"] != item["asked"]:
        found["motivosNegativa"] = {"motivoNegativa": [{"codigoGlosa": DENIED, "descricaoGlosa": "Além do contratado"}]}
    return found


def _procedure(item: dict[str, str]) -> Tree:
    return {
        "codigoTabela": item["table"],
        "codigoProcedimento": item["code"],
        "descricaoProcedimento": item["description"],
    }


def _dental(one: Request, status: str) -> Tree:
    found: Tree = {
        "dadosAutorizacao": _numbers(one, status),
        "numeroCarteira": one.card,
        "nomeBeneficiario": BENEFICIARY,
        "statusSolicitacao": status,
    }
    if status == _WAITING:
        return found
    found["procedimentosAutorizados"] = [
        {
            "sequencialItem": str(sequence),
            "procSolic": _procedure(item),
            **({"denteRegiao": {"codDente": item["tooth"]}} if item["tooth"] else {}),
            "qtdProc": item["asked"],
            "valorProc": money(cents(item["value"])),
            "aut": "S" if item["granted"] != "0" else "N",
            **({"motivosNegativa": {"codigoGlosa": [DENIED]}} if item["granted"] == "0" else {}),
        }
        for sequence, item in enumerate(one.items, 1)
    ]
    return found


def _authorisation_status(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    number = text(replies.request, "solicitacaoStatusAutorizacao/identificacaoSolicitacao/numeroGuiaPrestador")
    place = "situacaoAutorizacaoWS", "STATUS_AUTORIZACAO", "situacaoAutorizacao"
    found = book.decided.requests.get(number)
    if found is None:
        return replies.error(*place, book.side.unknown)
    return replies.message(*place, {_KINDS[found.kind]: _decision(book, replies, found)})


def _stay(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    base = "comunicacaoBeneficiario"
    card = text(replies.request, f"{base}/dadosBeneficiario/numeroCarteira")
    event, on = text(replies.request, f"{base}/tipoEvento"), text(replies.request, f"{base}/dataEvento")
    accepted = not card.endswith(_LAST)
    if accepted and {"event": event, "on": on, "card": card} not in book.decided.stays:
        book.decided.stays.append({"event": event, "on": on, "card": card})
    inner = replies.request.find(f"{_NS}{base}/{_NS}dadosInternacao")
    stay = {etree.QName(node).localname: (node.text or "").strip() for node in (() if inner is None else inner)}
    stayed = {"tipoEvento": event, "dadosInternacao": stay}
    receipt: Tree = {
        "statusComunicacao": "S" if accepted else "N",
        "beneficiarioComunicacaoRet": {"dadosBeneficiario": person(card), "nomeBeneficiario": BENEFICIARY, **stayed},
        "beneficiarioComunicacao": {"dadosBeneficiario": person(card), "dataEvento": today(), **stayed},  # 3.05.00
    }
    if not accepted:
        receipt |= {"codigoGlosa": "1001", "mensagemErro": {"codigoGlosa": "1001"}}
    body = {"reciboComunicacao": receipt}
    return replies.message("reciboComunicacaoWS", "RECIBO_COMUNICACAO", "reciboComunicacao", body)


def _cancel(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    kind = replies.request.find(f"{_NS}cancelaGuia/{_NS}tipoCancelamento")
    lote = None if kind is None else kind.find(f"{_NS}tipoCancelamentoLote")
    if lote is not None:
        number = text(lote, "numeroLote")
        told: Tree = {"loteCancelado": {"numeroLote": number, "statusCancelamento": _cancel_batch(book, number)}}
    else:
        named = [(one, text(one, "tipoGuia")) for one in replies.request.iter(f"{_NS}tipoCancelamentoGuia")]
        every = text(replies.request, "cancelaGuia/tipoGuia")  # 3.05.00
        named += [(guide, every) for guide in replies.request.findall(f"{_NS}cancelaGuia/{_NS}guiasCancelamento")]
        told = {"guiasCanceladas": {"dadosGuia": [_cancel_guide(book, guide, nature) for guide, nature in named]}}
    receipt = {"registroANS": book.side.ans, "dadosPrestador": replies.contracted(), "retornoStatus": told, **told}
    body = {"reciboCancelaGuia": receipt}
    return replies.message("reciboCancelaGuiaWS", "CANCELAMENTO_GUIA_RECIBO", "reciboCancelaGuia", body)


def _cancel_batch(book: Book, number: str) -> str:
    """statusCancelamento: a batch can be cancelled while it is analysed."""
    batch = book.batches.get(number)
    if batch is None:
        return "5"
    if book.status(batch) not in ("2", "9"):
        return "2"
    batch.cancelled = True
    book.decided.cancelled.append(f"lote {number}")
    return "1"


def _cancel_guide(book: Book, guide: etree._Element, nature: str) -> Tree:
    number = text(guide, "numeroGuiaPrestador")
    found = book.decided.requests.get(number) if nature == "1" else None
    billed = [b for b in book.batches.values() if any(g.number == number for g in b.guides)] if nature == "2" else []
    status = "3"
    if found is not None:
        found.cancelled, status = True, "1"
    elif billed:
        status = "1" if book.status(billed[0]) == "2" else "2"
    if status == "1":
        book.decided.cancelled.append(f"guia {number}")
    return {"tipoGuia": nature, "numeroGuiaPrestador": number, "statusCancelamento": status}


def _document(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    base = "envioDOcumento"
    number = text(replies.request, f"{base}/numeroDocumento")
    content = base64.b64decode(text(replies.request, f"{base}/documento"))
    found = book.decided.documents.setdefault(
        number, {"protocol": f"D{book.next_protocol()}", "sha256": hashlib.sha256(content).hexdigest()}
    )
    names = ("numeroLote", "numeroProtocolo", "numeroGuiaPrestador", "numeroGuiaOperadora")
    receipt = {name: told for name in names if (told := text(replies.request, f"{base}/{name}"))}
    body = {"reciboDocumentos": {**receipt, "numeroDocumento": number, "protocoloDoc": found["protocol"]}}
    return replies.message("reciboDocumentosWS", "RECEBIMENTO_DOCUMENTO", "recebimentoDocumento", body)


def _annex(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    place = "protocoloRecebimentoAnexoWS", "PROTOCOLO_RECEBIMENTO_ANEXO", "loteAnexo"
    lote = replies.request.find(f"{_NS}loteAnexo")
    number = text(lote, "numeroLote")
    digest = hashlib.sha256(raw).hexdigest()
    known = book.decided.annexes.get(number)
    if known is not None and known.digest != digest:
        return replies.error(*place, book.side.already)
    if known is not None:
        known.resent += 1
    else:
        known = _annexed(book, lote, number, digest)
        book.decided.annexes[number] = known
    body = {
        "nrProtocoloRecebimento": known.operator_number,
        "dataEnvioAnexo": today(),
        "numeroLote": number,
        "registroANS": book.side.ans,
        "dadosPrestador": replies.contracted(),
        "qtAnexosClinicos": str(len(known.annexes)),
        "anexosClinicos": _annex_decision(book, known),
    }
    return replies.message(*place, {"protocoloRecebimentoAnexo": body})


def _annexed(book: Book, lote: etree._Element | None, number: str, digest: str) -> Request:
    nodes = [] if lote is None else list(lote.iterfind(f"{_NS}AnexosGuiasTISS/*"))
    first = nodes[0]
    items = [_opme(book, node) for node in first.findall(f"{_NS}opmeSolicitadas/{_NS}opmeSolicitada")]
    return Request(
        number=text(first, "cabecalhoAnexo/numeroGuiaAnexo") or text(first, "numeroGuiaAnexo"),
        kind=etree.QName(first).localname,
        card=text(first, "dadosBeneficiario/numeroCarteira") or text(first, "numeroCarteira"),
        digest=digest,
        items=items,
        operator_number=book.next_protocol(),
        password=f"A{book.side.ans[-3:]}{int(number):06d}",
        days="",
        annexes=[etree.QName(node).localname for node in nodes],
        at=book.clock(),
        asked_on=today(),
        echo=trees.tree(first),
    )


def _opme(book: Book, node: etree._Element) -> dict[str, str]:
    asked, code = text(node, "quantidadeSolicitada"), text(node, "identificacaoOPME/codigoProcedimento")
    return {
        "table": text(node, "identificacaoOPME/codigoTabela"),
        "code": code,
        "description": text(node, "identificacaoOPME/descricaoProcedimento"),
        "asked": asked,
        "granted": "0" if code in book.side.never else asked,
    }


def _annex_decision(book: Book, one: Request) -> Tree:
    status = _status_of(book, one)
    if one.kind == "anexoSituacaoInicial":
        return {_ANNEXES[one.kind]: [{**one.echo, "nomeBeneficiario": BENEFICIARY}]}
    echo = {name: one.echo[name] for name in _ECHOED if name in one.echo}
    found: Tree = {"dadosAutorizacao": _numbers(one, status), "statusSolicitacao": status, **echo}
    if one.kind != "anexoSolicitacaoOPME":
        return {_ANNEXES[one.kind]: {**found, "numeroCarteira": one.card, "nomeBeneficiario": BENEFICIARY}}
    found |= {"dadosBeneficiario": person(one.card), "nomebeneficiario": BENEFICIARY}
    if status != _WAITING:
        found["servicosAutorizadosOPME"] = [_granted(item, n) for n, item in enumerate(one.items, 1)]
    return {_ANNEXES[one.kind]: found}


def annex_status(book: Book, replies: Replies, protocol: str) -> bytes | None:
    """situacaoProtocolo of a batch of annexes; None for a protocol that is none of one."""
    found = next((n for n, one in book.decided.annexes.items() if one.operator_number == protocol), None)
    if found is None:
        return None
    one = book.decided.annexes[found]
    detail: dict[str, Any] = {
        "statusProtocolo": "2" if _status_of(book, one) == _WAITING else "3",
        "numeroProtocolo": protocol,
        "numeroLote": found,
        "dataEnvioLote": today(),
        "anexosClinicos": _annex_decision(book, one),
    }
    body = {
        "situacaoProtocoloAnexo": {
            "identificacaoOperadora": book.side.ans,
            "dadosPrestador": replies.contracted(),
            "loteAnexo": {"detalheLoteAnexo": detail},
        }
    }
    return replies.message("situacaoProtocoloWS", "SITUACAO_PROTOCOLO", "situacaoProtocolo", body)


def _in_days(days: int) -> str:
    return (datetime.date.fromisoformat(today()) + datetime.timedelta(days=days)).isoformat()


HANDLERS: dict[str, Callable[[Book, Replies, bytes, bool], bytes]] = {
    "pedidoElegibilidadeWS": _eligibility,
    "solicitacaoProcedimentoWS": _authorise,
    "solicitacaoStatusAutorizacaoWS": _authorisation_status,
    "comunicacaoBeneficiarioWS": _stay,
    "cancelaGuiaWS": _cancel,
    "envioDocumentoWS": _document,
    "loteAnexoWS": _annex,
}
