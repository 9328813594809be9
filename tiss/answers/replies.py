"""What operators answer, read into the values of `tiss.answers.values`; file and web-service form alike.

Lenient in: the body decides, not tipoTransacao (operators do not always set it). An amount that is no number becomes 0
with a Problem at its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypedDict

from lxml import etree

from canonical.problem import Problem
from tiss.answers import decisions, payments
from tiss.answers.values import (
    Answer,
    AppealAnswer,
    AppealLine,
    AppealProtocol,
    AppealStatus,
    Eligibility,
    Error,
    Glosa,
    GuideState,
    Protocol,
    Reply,
    Statement,
    StatementGuide,
    StatementItem,
    StatementPending,
    StatementProtocol,
    Status,
)
from tiss.wire import transactions
from tiss.wire.message import Tiss, place
from tiss.wire.message import read as read_message
from tiss.wire.reading import Reader, every, find, local, value


def read(raw: bytes) -> Reply | Problem:
    """The reply in `raw` (a TISS message without SOAP envelope), or why it cannot be read."""
    message = read_message(raw)
    return message if isinstance(message, Problem) else of(message)


def of(message: Tiss) -> Reply:
    """The reply a parsed message holds; header.no-answer when it answers nothing we know."""
    reader = Reader()
    answers: list[Answer] = []
    failure = message.find("cabecalho/falhaNegocio")
    if failure is not None and (failure.text or "").strip():
        answers.append(Error(code=(failure.text or "").strip(), text="", where=place(failure)))
    body = transactions.body_of(message)
    if body is not None:
        answers.extend(_answers(body, reader))
    if not answers:
        reader.problems.append(Problem("header.no-answer", place(body if body is not None else message.root)))
    return Reply(
        version=message.version,
        stated=message.transaction,
        transactions=tuple(row.name for row in transactions.told_by(message)),
        answers=tuple(answers),
        problems=tuple(reader.problems),
    )


def _answers(parent: etree._Element, reader: Reader) -> Iterator[Answer]:
    """The answers below `parent`, in document order; what is no answer is looked into."""
    for child in parent:
        name = local(child)
        if name == "mensagemErro":
            yield Error(code=value(child, "codigoGlosa"), text=value(child, "descricaoGlosa"), where=place(child))
        elif name == "codigoGlosa" and local(parent) == "respostaElegibilidade":
            code = value(child, "codigoGlosa") or (child.text or "").strip()
            yield Error(code=code, text=value(child, "descricaoGlosa"), where=place(child))
        elif name in _READERS:
            answer = _READERS[name](child, reader)
            if answer is not None:
                yield answer
            if answer is None or name == _WITH_DECISIONS:
                yield from _answers(child, reader)
        elif name:
            yield from _answers(child, reader)


def _glosa(node: etree._Element) -> Glosa:
    return Glosa(code=value(node, "codigoGlosa"), text=value(node, "descricaoGlosa"), where=place(node))


def _glosas(node: etree._Element, path: str) -> tuple[Glosa, ...]:
    return tuple(_glosa(found) for found in every(node, path))


def _protocol(node: etree._Element, reader: Reader) -> Protocol | AppealProtocol:
    if find(node, "nrProtocoloRecursoGlosa") is not None:
        return _appeal_protocol(node, reader)
    return Protocol(
        number=value(node, "detalheProtocolo/numeroProtocolo"),
        batch=value(node, "numeroLote"),
        sent_on=value(node, "dataEnvioLote"),
        operator=value(node, "registroANS"),
        total_cents=reader.money(node, "detalheProtocolo/valorTotalProtocolo"),
        glosa_cents=reader.money(node, "detalheProtocolo/glosaProtocolo/vlGlosaProtocolo"),
        glosas=_glosas(node, "detalheProtocolo/glosaProtocolo/motivosGlosa/motivoGlosa"),
        guides=tuple(
            _guide_state(guide, reader)
            for name in ("dadosGuias", "dadosGuiasOdonto")
            for guide in every(node, f"detalheProtocolo/dadosGuiasProtocolo/{name}")
        ),
        where=place(node),
    )


def _appeal_protocol(node: etree._Element, reader: Reader) -> AppealProtocol:
    return AppealProtocol(
        number=value(node, "nrProtocoloRecursoGlosa"),
        batch=value(node, "numeroLote"),
        appealed_protocol=value(node, "nrProtocoloRecursado"),
        sent_on=value(node, "dataEnvioRecurso"),
        received_on=value(node, "dataRecebimentoRecurso"),
        total_cents=reader.money(node, "valorTotalRecursado"),
        where=place(node),
    )


def _guide_state(node: etree._Element, reader: Reader) -> GuideState:
    items = every(node, "procedimentosRealizados/procedimentoRealizado")
    return GuideState(
        provider_number=value(node, "numeroGuiaPrestador"),
        operator_number=value(node, "numeroGuiaOperadora"),
        processed_cents=reader.money(node, "vlInformadoGuia/valorProcessado"),
        glosa_cents=reader.money(node, "vlInformadoGuia/valorGlosa"),
        released_cents=reader.money(node, "vlInformadoGuia/valorLiberado"),
        glosas=_glosas(node, "glosaGuia/motivoGlosa")
        + tuple(glosa for item in items for glosa in _glosas(item, "glosasProcedimento/motivoGlosa")),
        where=place(node),
    )


def _status(node: etree._Element, reader: Reader) -> Status | None:
    lote = find(node, "lote/detalheLote")
    detail = lote if lote is not None else find(node, "loteAnexo/detalheLoteAnexo")
    if detail is None:
        return None
    return Status(
        status=value(detail, "statusProtocolo"),
        number=value(detail, "numeroProtocolo"),
        batch=value(detail, "numeroLote"),
        sent_on=value(detail, "dataEnvioLote"),
        processed_cents=reader.money(detail, "valorTotalLote/valorProcessado"),
        glosa_cents=reader.money(detail, "valorTotalLote/valorGlosa"),
        released_cents=reader.money(detail, "valorTotalLote/valorLiberado"),
        guides=tuple(
            _guide_state(guide, reader)
            for name in ("guiasMedicas", "guiasOdonto")
            for guide in every(detail, f"guiasTISS/{name}/guias")
        ),
        where=place(detail),
    )


class _Sums(TypedDict):
    billed_cents: int
    processed_cents: int
    paid_cents: int
    glosa_cents: int | None


def _sums(node: etree._Element, level: str, reader: Reader) -> _Sums:
    """The four sums of a statement at one of its levels."""
    return {
        "billed_cents": reader.money(node, f"valorInformado{level}"),
        "processed_cents": reader.money(node, f"valorProcessado{level}"),
        "paid_cents": reader.money(node, f"valorLiberado{level}"),
        "glosa_cents": reader.money_or_none(node, f"valorGlosa{level}"),
    }


def _statement(node: etree._Element, reader: Reader) -> Statement:
    return Statement(
        number=value(node, "cabecalhoDemonstrativo/numeroDemonstrativo"),
        operator=value(node, "cabecalhoDemonstrativo/registroANS"),
        operator_cnpj=value(node, "cabecalhoDemonstrativo/numeroCNPJ"),
        issued_on=value(node, "cabecalhoDemonstrativo/dataEmissao"),
        protocols=tuple(protocol(found, reader) for found in every(node, "dadosConta/dadosProtocolo")),
        **_sums(node, "Geral", reader),
        where=place(node),
    )


def protocol(node: etree._Element, reader: Reader, guides: Sequence[StatementGuide] | None = None) -> StatementProtocol:
    """dadosProtocolo of a demonstrativo de análise; `guides` are its guides, where they were read before."""
    if guides is None:
        guides = [statement_guide(found, reader) for found in every(node, "relacaoGuias")]
    return StatementProtocol(
        number=value(node, "numeroProtocolo"),
        batch=value(node, "numeroLotePrestador"),
        on=value(node, "dataProtocolo"),
        status=value(node, "situacaoProtocolo"),
        guides=tuple(guides),
        glosas=_glosas(node, "GlosaProtocolo"),
        **_sums(node, "Protocolo", reader),
        where=place(node),
    )


def statement_guide(node: etree._Element, reader: Reader) -> StatementGuide:
    """relacaoGuias of a protocol."""
    return StatementGuide(
        provider_number=value(node, "numeroGuiaPrestador"),
        operator_number=value(node, "numeroGuiaOperadora"),
        authorization=value(node, "senha"),
        status=value(node, "situacaoGuia"),
        items=tuple(_statement_item(found, reader) for found in every(node, "detalhesGuia")),
        glosas=_glosas(node, "motivoGlosaGuia"),
        **_sums(node, "Guia", reader),
        note=value(node, "observacao"),
        where=place(node),
    )


def _statement_item(node: etree._Element, reader: Reader) -> StatementItem:
    return StatementItem(
        sequence=reader.number(node, "sequencialItem"),
        on=value(node, "dataRealizacao"),
        table=value(node, "procedimento/codigoTabela"),
        code=value(node, "procedimento/codigoProcedimento"),
        quantity=value(node, "qtdExecutada"),
        participation=value(node, "grauParticipacao"),
        billed_cents=reader.money(node, "valorInformado"),
        processed_cents=reader.money(node, "valorProcessado"),
        paid_cents=reader.money(node, "valorLiberado"),
        glosas=tuple(
            Glosa(code=value(found, "tipoGlosa"), cents=reader.money(found, "valorGlosa"), where=place(found))
            for found in every(node, "relacaoGlosa")
        ),
        where=place(node),
    )


def _pending(node: etree._Element, reader: Reader) -> StatementPending:
    return StatementPending(
        protocol=value(node, "numeroProtocolo"),
        request=value(node, "protocoloSolicitacaoDemonstrativo"),
        kind=value(node, "tipoDemonstrativo"),
        status=value(node, "situacaoDemonstrativo"),
        where=place(node),
    )


def _appeal_status(node: etree._Element, reader: Reader) -> AppealStatus:
    return AppealStatus(
        number=value(node, "nrProtocoloRecursoGlosa"),
        batch=value(node, "numeroLote"),
        status=value(node, "situacaoProtocolo"),
        on=value(node, "dataSituacao"),
        where=place(node),
    )


def _appeal_answer(node: etree._Element, reader: Reader) -> AppealAnswer:
    choice = find(node, "opcaoRecurso")
    return AppealAnswer(
        protocol=value(node, "numeroProtocolo"),
        batch=value(node, "numeroLote"),
        on=value(node, "dataRecurso"),
        lines=tuple(_appeal_lines(choice, reader)) if choice is not None else (),
        appealed_cents=reader.money(node, "valorTotalRecursado"),
        granted_cents=reader.money(node, "valorTotalAcatado"),
        where=place(node),
    )


def _appeal_lines(choice: etree._Element, reader: Reader) -> Iterator[AppealLine]:
    for whole in every(choice, "recursoProtocolo"):
        yield _line(whole, whole, reader)
    for guide in every(choice, "recursoGuia"):
        for answer in guide:
            if local(answer) in ("respostaGuia", "respostaRecursoGuiaOdonto", "respostaGuiaItens"):
                yield _line(answer, answer, reader)
            elif local(answer) == "respostaRecursoItemOdonto":
                for item in every(answer, "recursoProcedimento"):
                    yield _line(answer, item, reader)


def _line(guide: etree._Element, item: etree._Element, reader: Reader) -> AppealLine:
    granted = reader.money(item, "valorAcatadado") or reader.money(item, "valorAcatado")
    said = [value(item, name) for name in ("recursoAcatado", "recursoGuiaAcatado", "recursoAcatadoGuia")]
    return AppealLine(
        provider_number=value(guide, "numeroGuiaPrestador"),
        operator_number=value(guide, "numeroGuiaOperadora"),
        sequence=reader.number(item, "sequencialItem") if find(item, "sequencialItem") is not None else None,
        glosa=_either(item, "codGlosa", "codigoGlosaProtocolo", "codGlosaGuia", "codGlosaProc"),
        appealed_cents=reader.money(item, "valorRecursado"),
        granted_cents=granted,
        granted="S" in said or granted > 0,
        reason=_either(
            item, "justificativaOperadora", "justificativaOPSnaoAcatadoGuia", "justificativaOPSnaoAcatadoProt"
        ),
        where=place(item),
    )


def _either(node: etree._Element, *names: str) -> str:
    return next((text for name in names if (text := value(node, name))), "")


def _eligibility(node: etree._Element, reader: Reader) -> Eligibility:
    return Eligibility(
        covered=value(node, "respostaSolicitacao") == "S",
        card=value(node, "numeroCarteira"),
        valid_until=value(node, "validadeCarteira"),
        glosas=_glosas(node, "motivosNegativa/motivoNegativa"),
        where=place(node),
    )


_WITH_DECISIONS = "situacaoProtocoloAnexo"  # a status and, inside it, what was decided
_READERS: dict[str, Callable[[etree._Element, Reader], Answer | None]] = {
    "protocoloRecebimento": _protocol,
    "situacaoDoProtocolo": _status,
    "situacaoProtocoloAnexo": _status,
    "demonstrativoAnaliseConta": _statement,
    "demonstrativoPagamento": payments.medical,
    "demonstrativoPagamentoOdonto": payments.dental,
    "situacaoDemonstrativoRetorno": _pending,
    "reciboGlosaStatus": _appeal_status,
    "reciboGlosa": _appeal_answer,
    "reciboGlosaOdonto": _appeal_answer,
    "reciboElegibilidade": _eligibility,
    **decisions.READERS,
}
