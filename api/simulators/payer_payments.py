"""What the simulated payer pays: a demonstrativo de pagamento of all it judged, as TISS XML or as a portal's CSV.

Every released cent is paid as a first payment, every granted one as a payment after an appeal; 2 % of ISS are kept.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api.simulators.payer_book import Batch, Book
from api.simulators.payer_replies import fitted, today
from canonical.billing import money, reais
from tiss.wire import build

Tree = dict[str, Any]
NUMBER = "2026000001"
_ISS_PERCENT = 2
_MOST_GUIDES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One guide as it is paid: its lote, kind (dm_tipoPagamento) and cents."""

    batch: Batch
    guide: str
    kind: str
    billed: int
    paid: int
    denied: int


def lines(book: Book) -> list[Line]:
    """Everything the operator pays."""
    return [*_first(book), *_appealed(book)]


def _first(book: Book) -> Iterator[Line]:
    for batch in book.batches.values():
        for guide in batch.guides:
            billed, paid, denied = (guide.total(name) for name in ("billed", "paid", "denied"))
            yield Line(batch=batch, guide=guide.number, kind="1", billed=billed, paid=paid, denied=denied)


def _appealed(book: Book) -> Iterator[Line]:
    for appeal in book.appeals.values():
        batch = book.by_protocol(appeal.batch_protocol)
        won: dict[str, int] = {}
        for line in appeal.lines:
            won[line["guide"]] = won.get(line["guide"], 0) + line["granted"]
        for guide, cents in won.items():
            if cents and batch is not None:
                yield Line(batch=batch, guide=guide, kind="2", billed=cents, paid=cents, denied=0)


def withheld(book: Book) -> int:
    """The ISS kept back, in cents."""
    return sum(line.paid for line in lines(book)) * _ISS_PERCENT // 100


def sheet(book: Book) -> bytes:
    """The payment as the portal's CSV: Windows-1252, semicolons, decimal commas, the tax as a row of its own."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=";", lineterminator="\r\n")
    writer.writerow([f"Demonstrativo: {NUMBER}"])
    writer.writerow(["Data do pagamento", "Protocolo", "Lote", "Guia", "Tipo", "Valor pago", "Glosa", "Lançamento"])
    day = "/".join(reversed(today().split("-")))
    for line in lines(book):
        kind = "Recurso" if line.kind == "2" else "Normal"
        amounts = [reais(line.paid), reais(line.denied)]
        writer.writerow([day, line.batch.protocol, line.batch.number, line.guide, kind, *amounts, ""])
    writer.writerow([day, "", "", "", "", reais(withheld(book)), "", "ISS"])
    writer.writerow(["Fim do demonstrativo"])
    return stream.getvalue().encode("cp1252")


def document(book: Book) -> bytes:
    """The payment as demonstrativoPagamento in the file form, one day."""
    found = lines(book)
    sums = {name: sum(getattr(line, name) for line in found) for name in ("billed", "paid", "denied")}
    tax = withheld(book)
    body = {
        "cabecalhoDemonstrativo": {
            "registroANS": book.side.ans,
            "numeroDemonstrativo": NUMBER,
            "nomeOperadora": book.side.name,
            "numeroCNPJ": book.side.cnpj,
            "dataEmissao": today(),
        },
        "dadosContratado": {"dadosPrestador": {"codigoPrestadorNaOperadora": "0"}, "CNES": "9999999"},
        "pagamentos": {"pagamentosPorData": [_day(book, found, sums, tax)]},
        "totaisDemonstrativo": {
            "totaisBrutosDemonstrativo": _gross(sums, "valor{}Bruto"),
            "totaisLiquidosDemonstrativo": {
                "totalDebitosDemonstrativo": money(tax),
                "totalCreditosdemonstrativo": "0.00",
                "valorLiberadoDemonstrativo": money(sums["paid"] - tax),
            },
        },
    }
    header = {
        "identificacaoTransacao": {
            "tipoTransacao": "DEMONSTRATIVO_PAGAMENTO",
            "sequencialTransacao": "1",
            "dataRegistroTransacao": today(),
            "horaRegistroTransacao": "08:00:00",
        },
        "origem": {"registroANS": book.side.ans},
        "destino": {"identificacaoPrestador": {"codigoPrestadorNaOperadora": "0"}},
        "Padrao": book.side.version,
    }
    answer = {"demonstrativosRetorno": {"demonstrativoPagamento": body}}
    tree = {"cabecalho": header, "operadoraParaPrestador": answer, "epilogo": {"hash": ""}}
    return build.build(
        "mensagemTISS", fitted("mensagemTISS", tree, book.side.version, service=False), book.side.version
    )


def _day(book: Book, found: list[Line], sums: dict[str, int], tax: int) -> Tree:
    gross = _gross(sums, "total{}PorData")
    gross["totaLiberadoPorData"] = gross.pop("totalLiberadoPorData")
    entry = {"indicador": "1", "tipoDebitoCredito": "02", "descricaoDbCr": "ISS retido", "valorDbCr": money(tax)}
    return {
        "dadosPagamento": {"dataPagamento": today(), "formaPagamento": "1"},
        "dadosResumo": {"relacaoProtocolos": list(_protocols(book, found))},
        "totaisBrutosPorData": gross,
        "debitosCreditosPorData": {"debitosCreditos": [entry]},
        "totaisLiquidosPorData": {
            "totalDebitosPorData": money(tax),
            "totalCreditosPorData": "0.00",
            "liquidoPorData": money(sums["paid"] - tax),
        },
    }


def _protocols(book: Book, found: list[Line]) -> Iterator[Tree]:
    """The protocols of a day; one of more guides than the standard allows is told in parts."""
    for batch in book.batches.values():
        own = [line for line in found if line.batch is batch]
        for start in range(0, len(own), _MOST_GUIDES):
            part = own[start : start + _MOST_GUIDES]
            sums = {name: sum(getattr(line, name) for line in part) for name in ("billed", "paid", "denied")}
            yield {
                "dataProtocolo": today(),
                "numeroProtocolo": batch.protocol,
                "numeroLote": batch.number,
                **_gross(sums, "valor{}"),
                "guiasDoLote": [_guide(line) for line in part],
            }


def _guide(line: Line) -> Tree:
    return {
        "numeroGuiaPrestador": line.guide,
        "tipoPagamento": line.kind,
        "valorProcessadoGuia": money(line.billed),
        "valorLiberadoGuia": money(line.paid),
        "valorGlosaGuia": money(line.denied),
    }


def _gross(sums: dict[str, int], name: str) -> dict[str, str]:
    found = {
        "Informado": sums["billed"],
        "Processado": sums["billed"],
        "Liberado": sums["paid"],
        "Glosa": sums["denied"],
    }
    return {name.format(key): money(value) for key, value in found.items()}
