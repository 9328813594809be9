"""What the simulated payer answers: trees of the reply messages, built and hashed in its version."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from lxml import etree

from api.simulators.payer_appeals import Appeal, text
from api.simulators.payer_book import Batch, Book, Guide, Item
from canonical.billing import money
from tiss.wire import build, shapes, transactions
from tiss.wire.shapes import Shape

Tree = dict[str, Any]
_NO = "Glosa mantida pela simulação"
_ZONE = ZoneInfo("America/Sao_Paulo")
BENEFICIARY, PROVIDER = "Beneficiário da Simulação", "Prestador da Simulação"  # versions before 4.00.00 want names
_CONTRACTED = {"CNPJ": "cnpjContratado", "CPF": "cpfContratado"}


@dataclass(frozen=True, slots=True)
class Replies:
    """Builds replies of one operator to one request."""

    book: Book
    request: etree._Element

    def protocol(self, batch: Batch) -> bytes:
        """protocoloRecebimento of a lote."""
        body = {
            "protocoloRecebimento": {
                "registroANS": self.book.side.ans,
                "dadosPrestador": self.contracted(),
                "numeroLote": batch.number,
                "dataEnvioLote": today(),
                "detalheProtocolo": {
                    "numeroProtocolo": batch.protocol,
                    "valorTotalProtocolo": money(batch.total("billed")),
                    "dadosGuiasProtocolo": {"dadosGuias": [_state(guide) for guide in batch.guides]},
                },
            }
        }
        return self.message("protocoloRecebimentoWS", "PROTOCOLO_RECEBIMENTO", "recebimentoLote", body)

    def error(self, root: str, transaction: str, child: str, code: str) -> bytes:
        """mensagemErro in the body of any reply."""
        body = {"mensagemErro": {"codigoGlosa": code, "descricaoGlosa": f"Recusado pela simulação ({code})"}}
        return self.message(root, transaction, child, body)

    def refusal(self, request: str, code: str) -> bytes:
        """The no to a request by its root; eligibility has an element of its own for it."""
        asked = next(row for row in transactions.by_root(request) if row.requests)
        told = transactions.by_root(asked.reply)[0]
        if told.name == "SITUACAO_ELEGIBILIDADE":
            no = {"codigoGlosa": code}  # under another name before 4.00.00
            return self.message(asked.reply, told.name, told.child, {"codigoGlosa": no, "mensagemErro": no})
        return self.error(asked.reply, told.name, told.child, code)

    def status(self, batch: Batch) -> bytes:
        """situacaoProtocolo of a lote."""
        judged = self.book.status(batch) in ("3", "6")
        body = {
            "situacaoDoProtocolo": {
                "identificacaoOperadora": self.book.side.ans,
                "dadosPrestador": self.contracted(),
                "lote": {
                    "detalheLote": {
                        "statusProtocolo": self.book.status(batch),
                        "numeroProtocolo": batch.protocol,
                        "numeroLote": batch.number,
                        "dataEnvioLote": today(),
                        "valorTotalLote": {
                            "valorProcessado": money(batch.total("billed") if judged else 0),
                            "valorGlosa": money(batch.total("denied") if judged else 0),
                            "valorLiberado": money(batch.total("paid") if judged else 0),
                        },
                        "guiasTISS": {"guiasMedicas": [{"guias": _state(guide)} for guide in batch.guides]},
                    }
                },
            }
        }
        return self.message("situacaoProtocoloWS", "SITUACAO_PROTOCOLO", "situacaoProtocolo", body)

    def statement(self, batches: list[Batch]) -> bytes:
        """demonstrativoAnaliseConta over judged lotes; sums are exact."""
        protocols = [self._judged(batch) for batch in batches]
        totals = {name: sum(batch.total(name) for batch in batches) for name in ("billed", "paid", "denied")}
        body = {
            "demonstrativoAnaliseConta": [
                {
                    "cabecalhoDemonstrativo": {
                        "registroANS": self.book.side.ans,
                        "numeroDemonstrativo": str(sum(batch.shown for batch in batches)),
                        "nomeOperadora": self.book.side.name,
                        "numeroCNPJ": self.book.side.cnpj,
                        "dataEmissao": today(),
                    },
                    "dadosPrestador": {"dadosContratado": self.contracted(), "CNES": "9999999"},
                    "dadosConta": {"dadosProtocolo": protocols},
                    **_sums(totals, "Geral"),
                }
            ]
        }
        return self.message("demonstrativoRetornoWS", "DEMONSTRATIVO_ANALISE_CONTA", "demonstrativoRetorno", body)

    def pending(self, protocol: str, status: str) -> bytes:
        """situacaoDemonstrativoRetorno: the statement is not ready."""
        body = {
            "situacaoDemonstrativoRetorno": {
                "identificacaoOperadora": self.book.side.ans,
                "dadosPrestador": self.contracted(),
                "numeroProtocolo": protocol,
                "protocoloSolicitacaoDemonstrativo": protocol,
                "tipoDemonstrativo": "2",
                "dataSituacaoDemonstrativo": today(),
                "situacaoDemonstrativo": status,
            }
        }
        return self.message("demonstrativoRetornoWS", "DEMONSTRATIVO_ANALISE_CONTA", "demonstrativoRetorno", body)

    def appeal_protocol(self, appeal: Appeal) -> bytes:
        """protocoloRecebimento of a recurso."""
        body = {
            "protocoloRecebimento": {
                "nrProtocoloRecursoGlosa": appeal.protocol,
                "dataEnvioRecurso": today(),
                "dataRecebimentoRecurso": today(),
                "numeroLote": appeal.batch_number,
                "registroANS": self.book.side.ans,
                "dadosPrestador": self.contracted(),
                "nrProtocoloRecursado": appeal.batch_protocol,
                "valorTotalRecursado": money(sum(line["claimed"] for line in appeal.lines)),
            }
        }
        root = "protocoloRecebimentoRecursoWS"
        return self.message(root, "RECEBIMENTO_RECURSO_GLOSA", "recebimentoRecurso", body)

    def appeal_answer(self, appeal: Appeal) -> bytes:
        """reciboGlosa, or reciboGlosaOdonto: every line with what was granted."""
        kind, number = "reciboGlosaOdonto" if appeal.dental else "reciboGlosa", next(iter(self.contracted().values()))
        body = {
            kind: {
                "registroANS": self.book.side.ans,
                "numeroGuiaRecGlosaPrestador": appeal.number,
                "nomeOperadora": self.book.side.name,
                "objetoRecurso": "1" if appeal.whole else "2",
                "codigoPrestador": number,
                "dadosContratado": {"codigoPrestador": number, "nomePrestador": PROVIDER},
                "numeroLote": appeal.batch_number,
                "numeroProtocolo": appeal.batch_protocol,
                "opcaoRecurso": _option(appeal),
                "dataRecurso": today(),
                "valorTotalRecursado": money(sum(line["claimed"] for line in appeal.lines)),
                "valorTotalAcatado": money(sum(line["granted"] for line in appeal.lines)),
            }
        }
        root = "situacaoProtocoloRecursoWS"
        return self.message(root, "RESPOSTA_RECURSO_GLOSA", "situacaoProtocoloRecurso", body)

    def appeal_pending(self, appeal: Appeal) -> bytes:
        """reciboGlosaStatus: in analysis."""
        body = {
            "reciboGlosaStatus": {
                "nrProtocoloRecursoGlosa": appeal.protocol,
                "dataEnvioRecurso": today(),
                "dataRecebimentoRecurso": today(),
                "numeroLote": appeal.batch_number,
                "registroANS": self.book.side.ans,
                "dadosPrestador": self.contracted(),
                "nrProtocoloSituacaoRecursoGlosa": appeal.protocol,
                "dataSituacao": today(),
                "situacaoProtocolo": "2",
            }
        }
        root = "situacaoProtocoloRecursoWS"
        return self.message(root, "RESPOSTA_RECURSO_GLOSA", "situacaoProtocoloRecurso", body)

    def _judged(self, batch: Batch) -> Tree:
        guides = [_judged_guide(guide, self.book.strange_glosa) for guide in batch.guides]
        extra = 0
        if self.book.foreign:
            guides.append(_judged_guide(_stranger(), ""))
            extra = 1000
        totals = {name: batch.total(name) for name in ("billed", "paid", "denied")}
        totals["billed"] += extra
        totals["paid"] += extra
        return {
            "numeroLotePrestador": batch.number,
            "numeroProtocolo": batch.protocol,
            "dataProtocolo": today(),
            "situacaoProtocolo": self.book.status(batch),
            **({"GlosaProtocolo": {"codigoGlosa": batch.rejected}} if batch.rejected else {}),
            "relacaoGuias": guides,
            **_sums(totals, "Protocolo"),
        }

    def contracted(self) -> Tree:
        """The provider as it called itself in the request."""
        node = self.request.find("{*}cabecalho/{*}origem/{*}identificacaoPrestador")
        for child in () if node is None else node:
            name = etree.QName(child).localname
            return {_CONTRACTED.get(name, name): (child.text or "").strip(), "nomeContratado": PROVIDER}
        return {"codigoPrestadorNaOperadora": "0", "nomeContratado": PROVIDER}

    def message(self, root: str, transaction: str, child: str, body: Tree) -> bytes:
        """A reply with its header and hash."""
        node = self.request.find("{*}cabecalho/{*}origem/{*}identificacaoPrestador")
        provider = {etree.QName(n).localname: (n.text or "").strip() for n in (() if node is None else node)}
        now = datetime.datetime.now(datetime.UTC).astimezone()
        tree = {
            "cabecalho": {
                "identificacaoTransacao": {
                    "tipoTransacao": transaction,
                    "sequencialTransacao": text(self.request, "cabecalho/identificacaoTransacao/sequencialTransacao"),
                    "dataRegistroTransacao": now.date().isoformat(),
                    "horaRegistroTransacao": now.strftime("%H:%M:%S"),
                },
                "origem": {"registroANS": self.book.side.ans},
                "destino": {"identificacaoPrestador": provider},
                "Padrao": self.book.side.version,
            },
            child: body,
            "hash": "",
        }
        return build.build(root, fitted(root, tree, self.book.side.version), self.book.side.version, service=True)


def person(card: str) -> Tree:
    """ct_beneficiarioDados; the name is wanted before 4.00.00."""
    return {"numeroCarteira": card, "atendimentoRN": "N", "nomeBeneficiario": BENEFICIARY}


def fitted(root: str, tree: Tree, version: str, *, service: bool = True) -> Tree:
    """The tree without the elements a version does not have: names of beneficiary and provider went with 4.00.00."""
    table = shapes.of(version, service=service)

    def fit(value: Any, shape: Shape) -> Any:
        if isinstance(value, list):
            return [fit(one, shape) for one in value]
        if not isinstance(value, dict):
            return value
        types = {part.name: table.types[part.type] for part in shape.parts}
        return {name: fit(inner, types[name]) for name, inner in value.items() if name in types}

    return dict(fit(tree, table.root(root)))


def today() -> str:
    """The operator's day."""
    return datetime.datetime.now(_ZONE).date().isoformat()


def _state(guide: Guide) -> Tree:
    return {
        "numeroGuiaPrestador": guide.number,
        "dadosBeneficiario": person(guide.card),
        "dataRealizacao": guide.on,
    }


def _sums(totals: dict[str, int], level: str) -> Tree:
    return {
        f"valorInformado{level}": money(totals["billed"]),
        f"valorProcessado{level}": money(totals["billed"]),
        f"valorLiberado{level}": money(totals["paid"]),
        f"valorGlosa{level}": money(totals["denied"]),
    }


def _judged_guide(guide: Guide, strange: str) -> Tree:
    return {
        "numeroGuiaPrestador": guide.number,
        "numeroCarteira": guide.card,
        "nomeBeneficiario": BENEFICIARY,
        "dataInicioFat": guide.on,
        "situacaoGuia": "3",
        "detalhesGuia": [_judged_item(item, strange) for item in guide.items],
        **_sums({name: guide.total(name) for name in ("billed", "paid", "denied")}, "Guia"),
    }


def _judged_item(item: Item, strange: str) -> Tree:
    tree: Tree = {
        "sequencialItem": str(item.sequence),
        "dataRealizacao": item.on,
        "procedimento": {
            "codigoTabela": item.table,
            "codigoProcedimento": item.code,
            "descricaoProcedimento": item.description,
        },
        "valorInformado": money(item.billed),
        "qtdExecutada": item.quantity,
        "valorProcessado": money(item.billed),
        "valorLiberado": money(item.paid),
    }
    if item.denied and item.glosa:
        tree["relacaoGlosa"] = [{"valorGlosa": money(item.denied), "tipoGlosa": strange or item.glosa}]
    return tree


def _stranger() -> Guide:
    item = Item(sequence=1, on=today(), table="22", code="10101012", description="Consulta", quantity="1", billed=1000)
    return Guide(number="GUIA-DE-OUTRO", card="0000", on=today(), items=[item])


def _option(appeal: Appeal) -> Tree:
    """The lines of an answer: of the protocol as a whole, of whole guides, or of items."""
    if appeal.whole:
        return {"recursoProtocolo": _decided_protocol(appeal.lines[0])}
    decided = _decided_act if appeal.dental else _decided
    return {
        "recursoGuia": [decided(line) if line["sequence"] else _decided_guide(line, appeal) for line in appeal.lines]
    }


def _decided_protocol(line: dict[str, Any]) -> Tree:
    no = {} if line["granted"] else {"justificativaOPSnaoAcatadoProt": _NO}
    yes = "S" if line["granted"] else "N"
    return {"codigoGlosaProtocolo": line["glosa"], "justificativaProtocolo": line["why"], "recursoAcatado": yes, **no}


def _decided_guide(line: dict[str, Any], appeal: Appeal) -> Tree:
    yes = "S" if line["granted"] else "N"
    if appeal.dental:
        told = {"codGlosaGuia": line["glosa"], "justificativaGuia": line["why"], "recursoAcatadoGuia": yes}
        named = {"numeroGuiaPrestador": line["guide"], "nomeBeneficiario": BENEFICIARY}
        return {"respostaRecursoGuiaOdonto": {**named, **told}}
    told = {"codGlosa": line["glosa"], "justificativaPrestador": line["why"], "recursoGuiaAcatado": yes}
    no = {} if line["granted"] else {"justificativaOPSnaoAcatadoGuia": _NO}
    return {"respostaGuia": {"numeroGuiaPrestador": line["guide"], **told, **no}}


def _decided(line: dict[str, Any]) -> Tree:
    tree: Tree = {
        "numeroGuiaPrestador": line["guide"],
        "dataRealizacao": line["on"],
        "sequencialItem": line["sequence"],
        "procRecurso": _procedure(line),
        "codGlosa": line["glosa"],
        "valorRecursado": money(line["claimed"]),
        "justificativaPrestador": line["why"],
        "valorAcatadado": money(line["granted"]),
    }
    return {"respostaGuiaItens": tree | _kept(line)}


def _decided_act(line: dict[str, Any]) -> Tree:
    site = {name: line[key] for name, key in (("codDente", "tooth"), ("codRegiao", "region")) if line[key]}
    act: Tree = {
        "sequencialItem": line["sequence"],
        "dataRealizacao": line["on"],
        **({"denteRegiao": site} if site else {}),
        **({"denteFace": line["face"]} if line["face"] else {}),
        "quantidade": line["quantity"],
        "procRecurso": _procedure(line),
        "codGlosaProc": line["glosa"],
        "valorRecursado": money(line["claimed"]),
        "justificativaPrestador": line["why"],
        "valorAcatado": money(line["granted"]),
    }
    answer = {"numeroGuiaPrestador": line["guide"], "nomeBeneficiario": BENEFICIARY}
    return {"respostaRecursoItemOdonto": {**answer, "recursoProcedimento": [act | _kept(line)]}}


def _procedure(line: dict[str, Any]) -> Tree:
    return {
        "codigoTabela": line["table"],
        "codigoProcedimento": line["code"],
        "descricaoProcedimento": line["description"],
    }


def _kept(line: dict[str, Any]) -> Tree:
    return {} if line["granted"] else {"justificativaOperadora": _NO}
