"""What operators say they paid: demonstrativo de pagamento and that of odontologia, read into one shape.

The first lists guides by payment day and protocol; the second lists their items with what was judged as well, so it is
a demonstrativo de análise at the same time (`judged`). Amounts are whole cents, texts as sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lxml import etree

from tiss.answers.values import (
    Entry,
    Glosa,
    PaidDay,
    PaidGuide,
    PaidProtocol,
    Remittance,
    Statement,
    StatementGuide,
    StatementItem,
    StatementProtocol,
)
from tiss.wire.message import place
from tiss.wire.reading import Reader, every, find, value

FIRST, APPEAL = "1", "2"
"""dm_tipoPagamento: a first payment, and one after an appeal."""
DEBIT, CREDIT = "1", "2"
"""dm_debitoCreditoIndicador."""


def medical(node: etree._Element, reader: Reader) -> Remittance | None:
    """ctm_demonstrativoPagamento; None for the request of the same name."""
    if find(node, "cabecalhoDemonstrativo") is None:
        return None
    gross = "totaisDemonstrativo/totaisBrutosDemonstrativo"
    net = "totaisDemonstrativo/totaisLiquidosDemonstrativo"
    return Remittance(
        number=value(node, "cabecalhoDemonstrativo/numeroDemonstrativo"),
        operator=value(node, "cabecalhoDemonstrativo/registroANS"),
        issued_on=value(node, "cabecalhoDemonstrativo/dataEmissao"),
        dental=False,
        days=tuple(_day(found, reader) for found in every(node, "pagamentos/pagamentosPorData")),
        entries=_entries(node, "totaisDemonstrativo/debitosCreditosDemonstrativo", reader),
        billed_cents=reader.money(node, f"{gross}/valorInformadoBruto"),
        processed_cents=reader.money(node, f"{gross}/valorProcessadoBruto"),
        paid_cents=reader.money(node, f"{gross}/valorLiberadoBruto"),
        denied_cents=reader.money(node, f"{gross}/valorGlosaBruto"),
        copay_cents=0,
        debit_cents=reader.money(node, f"{net}/totalDebitosDemonstrativo"),
        credit_cents=reader.money(node, f"{net}/totalCreditosdemonstrativo"),
        net_cents=reader.money(node, f"{net}/valorLiberadoDemonstrativo"),
        note=value(node, "observacao"),
        where=place(node),
    )


def _day(node: etree._Element, reader: Reader) -> PaidDay:
    return PaidDay(
        on=value(node, "dadosPagamento/dataPagamento"),
        form=value(node, "dadosPagamento/formaPagamento"),
        protocols=tuple(_protocol(found, reader) for found in every(node, "dadosResumo/relacaoProtocolos")),
        entries=_entries(node, "debitosCreditosPorData/debitosCreditos", reader),
        billed_cents=reader.money(node, "totaisBrutosPorData/totalInformadoPorData"),
        processed_cents=reader.money(node, "totaisBrutosPorData/totalProcessadoPorData"),
        paid_cents=reader.money(node, "totaisBrutosPorData/totaLiberadoPorData"),
        denied_cents=reader.money(node, "totaisBrutosPorData/totalGlosaPorData"),
        copay_cents=0,
        debit_cents=reader.money(node, "totaisLiquidosPorData/totalDebitosPorData"),
        credit_cents=reader.money(node, "totaisLiquidosPorData/totalCreditosPorData"),
        net_cents=reader.money(node, "totaisLiquidosPorData/liquidoPorData"),
        where=place(node),
    )


def _protocol(node: etree._Element, reader: Reader) -> PaidProtocol:
    return PaidProtocol(
        number=value(node, "numeroProtocolo"),
        batch=value(node, "numeroLote"),
        on=value(node, "dataProtocolo"),
        guides=tuple(_guide(found, reader) for found in every(node, "guiasDoLote")),
        billed_cents=reader.money(node, "valorInformado"),
        processed_cents=reader.money(node, "valorProcessado"),
        paid_cents=reader.money(node, "valorLiberado"),
        denied_cents=reader.money(node, "valorGlosa"),
        copay_cents=0,
        where=place(node),
    )


def _guide(node: etree._Element, reader: Reader) -> PaidGuide:
    return PaidGuide(
        provider_number=value(node, "numeroGuiaPrestador"),
        operator_number=value(node, "numeroGuiaOperadora"),
        authorization=value(node, "senha"),
        kind=value(node, "tipoPagamento"),
        items=(),
        billed_cents=None,
        processed_cents=reader.money(node, "valorProcessadoGuia"),
        paid_cents=reader.money(node, "valorLiberadoGuia"),
        denied_cents=reader.money(node, "valorGlosaGuia"),
        copay_cents=0,
        note="",
        where=place(node),
    )


def _entries(node: etree._Element, path: str, reader: Reader) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            indicator=value(found, "indicador"),
            kind=value(found, "tipoDebitoCredito"),
            text=value(found, "descricaoDbCr"),
            cents=reader.money(found, "valorDbCr"),
            where=place(found),
        )
        for found in every(node, path)
    )


def dental(node: etree._Element, reader: Reader) -> Remittance:
    """cto_demonstrativoOdontologia; it states a period instead of a day of issue."""
    gross = "totaisBrutoDemonstrativo"
    return Remittance(
        number=value(node, "cabecalhoDemonstrativoOdonto/numeroDemonstrativo"),
        operator=value(node, "cabecalhoDemonstrativoOdonto/registroANS"),
        issued_on=value(node, "cabecalhoDemonstrativoOdonto/periodoProc/datafim"),
        dental=True,
        days=tuple(_dental_day(found, reader) for found in every(node, "dadosPagamentoPorData")),
        entries=_entries(node, "debCredDemonstrativo/descontos", reader),
        billed_cents=reader.money(node, f"{gross}/valorInformadoPorDemonstrativoData"),
        processed_cents=reader.money(node, f"{gross}/valorlProcessadoPorDemonstrativo"),
        paid_cents=reader.money(node, f"{gross}/valorLiberadoPorDemonstrativo"),
        denied_cents=reader.money(node, f"{gross}/valorlGlosaPorDemonstrativo"),
        copay_cents=reader.money(node, f"{gross}/valoFranquiaPorDemonstrativo"),
        debit_cents=reader.money(node, "totalDebitosDemonstativo"),
        credit_cents=reader.money(node, "totalCreditosDemonstrativo"),
        net_cents=reader.money(node, "valorRecebidoDemonstrativo"),
        note=value(node, "observacao"),
        where=place(node),
    )


def _dental_day(node: etree._Element, reader: Reader) -> PaidDay:
    return PaidDay(
        on=value(node, "dadosPagamento/dataPagamento"),
        form="",
        protocols=tuple(_dental_protocol(found, reader) for found in every(node, "protocolos")),
        entries=_entries(node, "debCredPorDataPagamento/descontos", reader),
        billed_cents=reader.money(node, "totaisPorData/valorBrutonformadoPorData"),
        processed_cents=reader.money(node, "totaisPorData/valorBrutoProcessadoPorData"),
        paid_cents=reader.money(node, "totaisPorData/valorBrutoLiberadoPorData"),
        denied_cents=reader.money(node, "totaisPorData/valorBrutoGlosaPorData"),
        copay_cents=reader.money(node, "totaisPorData/valorBrutoFranquiaPorData"),
        debit_cents=reader.money(node, "totalLiquidoPorData/valorTotalDebitosPorData"),
        credit_cents=reader.money(node, "totalLiquidoPorData/valorTotalCreditosPorData"),
        net_cents=reader.money(node, "totalLiquidoPorData/valorFinalAReceberPorData"),
        where=place(node),
    )


def _dental_protocol(node: etree._Element, reader: Reader) -> PaidProtocol:
    return PaidProtocol(
        number=value(node, "numeroProtocolo"),
        batch=value(node, "numeroLote"),
        on="",
        guides=tuple(_dental_guide(found, reader) for found in every(node, "dadosPagamentoGuia")),
        billed_cents=reader.money(node, "totaisPorProtocolo/valorTotalInformadoPorProtocolo"),
        processed_cents=reader.money(node, "totaisPorProtocolo/valorTotalProcessadoPorProtocolo"),
        paid_cents=reader.money(node, "totaisPorProtocolo/valorTotalLiberadoPorProtocolo"),
        denied_cents=reader.money(node, "totaisPorProtocolo/valorTotalGlosaPorProtocolo"),
        copay_cents=reader.money(node, "totaisPorProtocolo/valorTotalFranquiaPorProtocolo"),
        where=place(node),
    )


def _dental_guide(node: etree._Element, reader: Reader) -> PaidGuide:
    return PaidGuide(
        provider_number=value(node, "numeroGuiaPrestador"),
        operator_number=value(node, "numeroGuiaOperadora"),
        authorization="",
        kind=APPEAL if value(node, "recurso") == "S" else FIRST,
        items=tuple(_dental_item(found, reader) for found in every(node, "dadosPagamento")),
        billed_cents=reader.money(node, "valorTotalInformadoGuia"),
        processed_cents=reader.money(node, "valorTotalProcessadoGuia"),
        paid_cents=reader.money(node, "valorTotalLiberadoGuia"),
        denied_cents=reader.money(node, "valorTotalGlosaGuia"),
        copay_cents=reader.money(node, "valorTotalFranquiaGuia"),
        note=value(node, "observacaoGuia"),
        where=place(node),
    )


def _dental_item(node: etree._Element, reader: Reader) -> StatementItem:
    denied = reader.money(node, "valorGlosaEstorno")
    codes = every(node, "codigosGlosa")
    told = [Glosa(code=(code.text or "").strip(), cents=0, where=place(code)) for code in codes]
    if denied:  # one amount for all codes: the first carries it; a glosa without code stays a glosa
        first = told[0] if told else Glosa(code="", where=place(node))
        told = [Glosa(code=first.code, cents=denied, where=first.where), *told[1:]]
    return StatementItem(
        sequence=reader.number(node, "sequencialItem"),
        on=value(node, "dataRealizacao"),
        table=value(node, "procedimento/codigoTabela"),
        code=value(node, "procedimento/codigoProcedimento"),
        quantity=value(node, "qtdProc"),
        participation="",
        billed_cents=reader.money(node, "valorInformado"),
        processed_cents=reader.money(node, "valorProcessado"),
        paid_cents=reader.money(node, "valorLiberado"),
        copay_cents=reader.money(node, "valorFranquia"),
        glosas=tuple(told),
        where=place(node),
    )


def judged(told: Remittance) -> Statement | None:
    """The judgement of items that a payment statement holds; None when it lists none (all but the dental ones).

    Payments after an appeal judge nothing anew. A protocol paid on several days is one protocol.
    """
    grouped: dict[str, list[tuple[PaidProtocol, PaidGuide]]] = {}
    for protocol, guide in _first_payments(told):
        grouped.setdefault(protocol.number, []).append((protocol, guide))
    if not grouped:
        return None
    protocols = tuple(_judged_protocol(found) for found in grouped.values())
    return Statement(
        number=told.number,
        operator=told.operator,
        operator_cnpj="",
        issued_on=told.issued_on,
        protocols=protocols,
        billed_cents=sum(one.billed_cents for one in protocols),
        processed_cents=sum(one.processed_cents for one in protocols),
        paid_cents=sum(one.paid_cents for one in protocols),
        glosa_cents=sum(one.glosa_cents or 0 for one in protocols),
        where=told.where,
    )


def _first_payments(told: Remittance) -> Iterator[tuple[PaidProtocol, PaidGuide]]:
    for day in told.days:
        for protocol in day.protocols:
            for guide in protocol.guides:
                if guide.items and guide.kind != APPEAL:
                    yield protocol, guide


def _judged_protocol(found: Sequence[tuple[PaidProtocol, PaidGuide]]) -> StatementProtocol:
    first = found[0][0]
    guides = tuple(_judged_guide(guide) for _, guide in found)
    return StatementProtocol(
        number=first.number,
        batch=first.batch,
        on=first.on,
        status="",
        guides=guides,
        glosas=(),
        billed_cents=sum(guide.billed_cents for guide in guides),
        processed_cents=sum(guide.processed_cents for guide in guides),
        paid_cents=sum(guide.paid_cents for guide in guides),
        glosa_cents=sum(guide.glosa_cents or 0 for guide in guides),
        where=first.where,
    )


def _judged_guide(guide: PaidGuide) -> StatementGuide:
    return StatementGuide(
        provider_number=guide.provider_number,
        operator_number=guide.operator_number,
        authorization=guide.authorization,
        status="",
        items=guide.items,
        glosas=(),
        billed_cents=guide.billed_cents or 0,
        processed_cents=guide.processed_cents,
        paid_cents=guide.paid_cents,
        glosa_cents=guide.denied_cents,
        note=guide.note,
        where=guide.where,
    )
