"""Payment statements of invented guides: as values, and as the messages operators send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing_day import IPE

from canonical.billing import money
from tiss.answers import values as answers
from tiss.answers.payments import APPEAL, CREDIT, DEBIT, FIRST
from tiss.wire.build import build


def guide(number: str, paid: int, denied: int = 0, kind: str = FIRST, **changed: Any) -> answers.PaidGuide:
    values = {
        "provider_number": number, "operator_number": f"O{number}", "authorization": "", "kind": kind, "items": (),
        "billed_cents": None, "processed_cents": paid + denied, "paid_cents": paid, "denied_cents": denied,
        "copay_cents": 0, "note": "", "where": "/g", **changed,
    }  # fmt: skip
    return answers.PaidGuide(**values)


def protocol(number: str, guides: Sequence[answers.PaidGuide], batch: str = "1") -> answers.PaidProtocol:
    paid, denied = sum(g.paid_cents for g in guides), sum(g.denied_cents for g in guides)
    copay = sum(g.copay_cents for g in guides)
    return answers.PaidProtocol(
        number=number, batch=batch, on="2026-11-21", guides=tuple(guides), billed_cents=paid + denied + copay,
        processed_cents=paid + denied + copay, paid_cents=paid, denied_cents=denied, copay_cents=copay, where="/p",
    )  # fmt: skip


def entry(signed: int, kind: str = "02", text: str = "ISS") -> answers.Entry:
    return answers.Entry(indicator=DEBIT if signed < 0 else CREDIT, kind=kind, text=text, cents=abs(signed), where="/e")


def day(
    on: str, protocols: Sequence[answers.PaidProtocol], entries: Sequence[answers.Entry] = (), form: str = "1"
) -> answers.PaidDay:
    sums = totals(protocols, entries)
    return answers.PaidDay(on=on, form=form, protocols=tuple(protocols), entries=tuple(entries), **sums, where="/d")


def totals(parts: Sequence[Any], entries: Sequence[answers.Entry]) -> dict[str, int]:
    names = ("billed_cents", "processed_cents", "paid_cents", "denied_cents", "copay_cents")
    sums = {name: sum(getattr(part, name) for part in parts) for name in names}
    debit = sum(one.cents for one in entries if one.indicator == DEBIT)
    credit = sum(one.cents for one in entries if one.indicator == CREDIT)
    return {**sums, "debit_cents": debit, "credit_cents": credit, "net_cents": sums["paid_cents"] - debit + credit}


def remittance(number: str, days: Sequence[answers.PaidDay], **changed: Any) -> answers.Remittance:
    entries = changed.pop("entries", ())
    everything = [*entries, *(one for each in days for one in each.entries)]
    values = {
        "number": number, "operator": IPE, "issued_on": "2026-12-10", "dental": False, "days": tuple(days),
        "entries": tuple(entries), **totals(days, everything), "note": "", "where": "/r", **changed,
    }  # fmt: skip
    return answers.Remittance(**values)


def item(sequence: int, paid: int, denied: int, copay: int, *codes: str) -> dict[str, Any]:
    """One item of a dental statement as its element's children."""
    return {
        "sequencialItem": str(sequence),
        "procedimento": {
            "codigoTabela": "22", "codigoProcedimento": "81000030", "descricaoProcedimento": "Consulta odontológica",
        },
        "dataRealizacao": "2026-11-20", "qtdProc": "1", "valorInformado": money(paid + denied + copay),
        "valorProcessado": money(paid + denied + copay), "valorGlosaEstorno": money(denied),
        "valorFranquia": money(copay), "valorLiberado": money(paid), "codigosGlosa": list(codes),
    }  # fmt: skip


def dental_guide(number: str, appeal: str, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def total(name: str) -> str:
        return money(sum(int(one[name].replace(".", "")) for one in items))

    return {
        "numeroGuiaPrestador": number, "recurso": appeal, "nomeExecutante": "Clínica Inventada",
        "carteiraBeneficiario": "00123456789012345", "dadosPagamento": list(items),
        "valorTotalInformadoGuia": total("valorInformado"), "valorTotalProcessadoGuia": total("valorProcessado"),
        "valorTotalGlosaGuia": total("valorGlosaEstorno"), "valorTotalFranquiaGuia": total("valorFranquia"),
        "valorTotalLiberadoGuia": total("valorLiberado"),
    }  # fmt: skip


def message(told: answers.Remittance, version: str = "4.02.00") -> bytes:
    """The demonstrativo de pagamento of a value, in the file form."""
    body = {
        "cabecalhoDemonstrativo": {
            "registroANS": told.operator, "numeroDemonstrativo": told.number, "nomeOperadora": "Operadora Inventada",
            "numeroCNPJ": "11444777000161", "dataEmissao": told.issued_on,
        },
        "dadosContratado": {"dadosPrestador": {"codigoPrestadorNaOperadora": "HOSP0001"}, "CNES": "9999999"},
        "pagamentos": {"pagamentosPorData": [_day(one) for one in told.days]},
        "totaisDemonstrativo": {
            "totaisBrutosDemonstrativo": _gross(told, "valor{}Bruto"),
            "debitosCreditosDemonstrativo": [_entry(one) for one in told.entries],
            "totaisLiquidosDemonstrativo": {
                "totalDebitosDemonstrativo": money(told.debit_cents),
                "totalCreditosdemonstrativo": money(told.credit_cents),
                "valorLiberadoDemonstrativo": money(told.net_cents),
            },
        },
    }  # fmt: skip
    return wrapped("DEMONSTRATIVO_PAGAMENTO", "demonstrativoPagamento", body, version)


def wrapped(transaction: str, name: str, body: dict[str, Any], version: str = "4.02.00") -> bytes:
    header = {
        "identificacaoTransacao": {
            "tipoTransacao": transaction, "sequencialTransacao": "1", "dataRegistroTransacao": "2026-12-10",
            "horaRegistroTransacao": "10:30:00",
        },
        "origem": {"registroANS": IPE},
        "destino": {"identificacaoPrestador": {"codigoPrestadorNaOperadora": "HOSP0001"}},
        "Padrao": version,
    }  # fmt: skip
    answer = {"operadoraParaPrestador": {"demonstrativosRetorno": {name: body}}}
    return build("mensagemTISS", {"cabecalho": header, **answer, "epilogo": {"hash": ""}}, version)


def _gross(part: Any, name: str) -> dict[str, str]:
    found = {
        "Informado": part.billed_cents, "Processado": part.processed_cents, "Liberado": part.paid_cents,
        "Glosa": part.denied_cents,
    }  # fmt: skip
    return {name.format(key): money(value) for key, value in found.items()}


def _day(one: answers.PaidDay) -> dict[str, Any]:
    gross = _gross(one, "total{}PorData")
    gross["totaLiberadoPorData"] = gross.pop("totalLiberadoPorData")
    return {
        "dadosPagamento": {"dataPagamento": one.on, "formaPagamento": one.form},
        "dadosResumo": {"relacaoProtocolos": [_protocol(each) for each in one.protocols]},
        "totaisBrutosPorData": gross,
        **({"debitosCreditosPorData": {"debitosCreditos": [_entry(e) for e in one.entries]}} if one.entries else {}),
        "totaisLiquidosPorData": {
            "totalDebitosPorData": money(one.debit_cents), "totalCreditosPorData": money(one.credit_cents),
            "liquidoPorData": money(one.net_cents),
        },
    }  # fmt: skip


def _protocol(one: answers.PaidProtocol) -> dict[str, Any]:
    return {
        "dataProtocolo": one.on, "numeroProtocolo": one.number, "numeroLote": one.batch, **_gross(one, "valor{}"),
        "guiasDoLote": [
            {
                "numeroGuiaPrestador": each.provider_number, "numeroGuiaOperadora": each.operator_number,
                "tipoPagamento": each.kind, "valorProcessadoGuia": money(each.processed_cents),
                "valorLiberadoGuia": money(each.paid_cents), "valorGlosaGuia": money(each.denied_cents),
            }
            for each in one.guides
        ],
    }  # fmt: skip


def _entry(one: answers.Entry) -> dict[str, str]:
    return {
        "indicador": one.indicator, "tipoDebitoCredito": one.kind, "descricaoDbCr": one.text,
        "valorDbCr": money(one.cents),
    }  # fmt: skip


__all__ = [
    "APPEAL",
    "FIRST",
    "day",
    "dental_guide",
    "entry",
    "guide",
    "item",
    "message",
    "protocol",
    "remittance",
    "wrapped",
]
