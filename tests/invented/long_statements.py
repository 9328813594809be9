"""Statements of any length, written piece by piece with right sums and hash: a demonstrativo de análise of a big operator."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator

PROVIDER = "11222333000181"
ITEMS, CENTS = 10, 1234
_LEAF = re.compile(r">([^<>]*)</")
_BEGIN = (
    '<?xml version="1.0" encoding="ISO-8859-1"?><ans:mensagemTISS xmlns:ans="http://www.ans.gov.br/padroes/tiss/schemas">'
    "<ans:cabecalho><ans:identificacaoTransacao><ans:tipoTransacao>DEMONSTRATIVO_ANALISE_CONTA</ans:tipoTransacao>"
    "<ans:sequencialTransacao>1</ans:sequencialTransacao>"
    "<ans:dataRegistroTransacao>2026-10-02</ans:dataRegistroTransacao>"
    "<ans:horaRegistroTransacao>10:30:00</ans:horaRegistroTransacao></ans:identificacaoTransacao>"
    "<ans:origem><ans:registroANS>{operator}</ans:registroANS></ans:origem>"
    "<ans:destino><ans:identificacaoPrestador><ans:CNPJ>{provider}</ans:CNPJ></ans:identificacaoPrestador></ans:destino>"
    "<ans:Padrao>4.03.00</ans:Padrao></ans:cabecalho><ans:operadoraParaPrestador><ans:demonstrativosRetorno>"
)
_OPENING = (
    "<ans:demonstrativoAnaliseConta><ans:cabecalhoDemonstrativo>"
    "<ans:registroANS>{operator}</ans:registroANS><ans:numeroDemonstrativo>{number}</ans:numeroDemonstrativo>"
    "<ans:nomeOperadora>Operadora</ans:nomeOperadora><ans:numeroCNPJ>{provider}</ans:numeroCNPJ>"
    "<ans:dataEmissao>2026-10-02</ans:dataEmissao></ans:cabecalhoDemonstrativo>"
    "<ans:dadosPrestador><ans:dadosContratado><ans:cnpjContratado>{provider}</ans:cnpjContratado></ans:dadosContratado>"
    "<ans:CNES>1234567</ans:CNES></ans:dadosPrestador><ans:dadosConta>"
)
_CODES = ("40304361", "10101012")


def _amounts(level: str, cents: int) -> str:
    text = f"{cents // 100}.{cents % 100:02d}"
    names = ("Informado", "Processado", "Liberado")
    told = "".join(f"<ans:valor{name}{level}>{text}</ans:valor{name}{level}>" for name in names)
    return f"{told}<ans:valorGlosa{level}>0.00</ans:valorGlosa{level}>" if level else told


def guide(number: int, items: int = ITEMS) -> str:
    """A guide of a protocol, with so many items of the same price."""
    told = "".join(
        f"<ans:detalhesGuia><ans:sequencialItem>{item}</ans:sequencialItem>"
        "<ans:dataRealizacao>2026-09-14</ans:dataRealizacao><ans:procedimento><ans:codigoTabela>22</ans:codigoTabela>"
        f"<ans:codigoProcedimento>{_CODES[item % 2]}</ans:codigoProcedimento>"
        "<ans:descricaoProcedimento>Descrição do procedimento</ans:descricaoProcedimento></ans:procedimento>"
        f"{_amounts('', CENTS).replace('<ans:valorProcessado>', '<ans:qtdExecutada>1</ans:qtdExecutada><ans:valorProcessado>')}"
        "</ans:detalhesGuia>"
        for item in range(1, items + 1)
    )
    return (
        f"<ans:relacaoGuias><ans:numeroGuiaPrestador>{number}</ans:numeroGuiaPrestador>"
        f"<ans:numeroGuiaOperadora>{number}</ans:numeroGuiaOperadora>"
        "<ans:numeroCarteira>12345678</ans:numeroCarteira>"
        "<ans:dataInicioFat>2026-09-14</ans:dataInicioFat><ans:situacaoGuia>3</ans:situacaoGuia>"
        f"{told}{_amounts('Guia', items * CENTS)}</ans:relacaoGuias>"
    )


def pieces(
    protocols: int,
    guides: int,
    *,
    statements: int = 1,
    operator: str = "000515",
    spoil: Callable[[str], str] = lambda text: text,
) -> Iterator[str]:
    """A whole message but its hash, as `%HASH%`, in pieces; `spoil` may change each piece."""
    yield _BEGIN.format(operator=operator, provider=PROVIDER)
    for statement in range(1, statements + 1):
        yield _OPENING.format(operator=operator, provider=PROVIDER, number=statement)
        for protocol in range(1, protocols + 1):
            number = (statement - 1) * protocols + protocol
            yield spoil(
                f"<ans:dadosProtocolo><ans:numeroLotePrestador>{number}</ans:numeroLotePrestador>"
                f"<ans:numeroProtocolo>{number:08d}</ans:numeroProtocolo>"
                "<ans:dataProtocolo>2026-10-01</ans:dataProtocolo><ans:situacaoProtocolo>3</ans:situacaoProtocolo>"
                + "".join(guide(number * 1000 + one) for one in range(guides))
                + _amounts("Protocolo", guides * ITEMS * CENTS)
                + "</ans:dadosProtocolo>"
            )
        total = _amounts("Geral", protocols * guides * ITEMS * CENTS)
        yield spoil(f"</ans:dadosConta>{total}</ans:demonstrativoAnaliseConta>")
    yield (
        "</ans:demonstrativosRetorno></ans:operadoraParaPrestador>"
        "<ans:epilogo><ans:hash>%HASH%</ans:hash></ans:epilogo></ans:mensagemTISS>"
    )


def sealed(told: Iterator[str]) -> Iterator[bytes]:
    """The pieces as bytes, the hash of all their leaves in the last one."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in told:
        end = piece.partition("%HASH%")[0]
        digest.update("".join(_LEAF.findall(end)).encode("latin-1"))
        yield piece.replace("%HASH%", digest.hexdigest()).encode("latin-1")
