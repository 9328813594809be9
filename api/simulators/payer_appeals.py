"""Appeals as the simulated payer reads them: of a protocol, of whole guides, of items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

from canonical.billing import cents
from tiss.wire.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"


@dataclass(slots=True, kw_only=True)
class Appeal:
    """One received recurso; `lines` are (guide, sequence, glosa, claimed, granted, code row, justification), of the
    protocol as a `whole` without guide, of whole guides without sequence."""

    number: str
    protocol: str
    batch_protocol: str
    batch_number: str
    digest: str
    lines: list[dict[str, Any]]
    at: float
    dental: bool = False
    whole: bool = False
    resent: int = 0


def text(node: etree._Element | None, path: str) -> str:
    """The text at a path of local names; empty when absent."""
    found = None if node is None else node.find("/".join(_NS + step for step in path.split("/")))
    return "" if found is None else (found.text or "").strip()


def appealed(root: etree._Element) -> etree._Element | None:
    """The body of a recurso, medical or dental."""
    for name in ("guiaRecursoGlosa", "guiaRecursoGlosaOdonto"):
        if (node := root.find(f"{_NS}loteRecurso/{_NS}{name}")) is not None:
            return node
    return None


def appeal_lines(node: etree._Element | None, denied: Callable[[str, str], int]) -> Iterator[dict[str, Any]]:
    """What a recurso claims: the protocol, whole guides, or items with their guide.

    Names differ between medical (first) and dental bodies; a whole guide bears no amount: `denied` gives that of one of
    a protocol.
    """
    total = cents(text(node, "valorTotalRecursado"))
    if node is not None and (whole := node.find(f"{_NS}opcaoRecurso/{_NS}recursoProtocolo")) is not None:
        yield _whole("", text(whole, "codigoGlosaProtocolo"), text(whole, "justificativaProtocolo"), total)
    for guide in [] if node is None else node.findall(f"{_NS}opcaoRecurso/{_NS}recursoGuia"):
        number = first(guide, "numeroGuiaOrigem", "numeroGuiaPrestador")
        medical = guide.findall(f"{_NS}opcaoRecursoGuia/{_NS}itensGuia")
        items = medical or guide.findall(f"{_NS}recursoProcedimento")
        for told in guide.findall(f"{_NS}opcaoRecursoGuia/{_NS}recursoGuiaCompleta") or ([] if items else [guide]):
            claimed = denied(text(node, "numeroProtocolo"), number)
            yield _whole(number, text(told, "codGlosaGuia"), text(told, "justificativaGuia"), claimed)
        for item in items:
            yield {
                "guide": number,
                "sequence": text(item, "sequencialItem"),
                "on": first(item, "dataInicio", "dataRealizacao"),
                "tooth": text(item, "denteRegiao/codDente"),
                "region": text(item, "denteRegiao/codRegiao"),
                "face": text(item, "denteFace"),
                "quantity": text(item, "quantidade"),
                "table": text(item, "procRecurso/codigoTabela"),
                "code": text(item, "procRecurso/codigoProcedimento"),
                "description": text(item, "procRecurso/descricaoProcedimento"),
                "glosa": first(item, "codGlosaItem", "codGlosaProc"),
                "why": first(item, "justificativaItem", "justificativaProc"),
                "claimed": cents(text(item, "valorRecursado")),
            }


def _whole(guide: str, glosa: str, why: str, claimed: int) -> dict[str, Any]:
    return {"guide": guide, "sequence": "", "glosa": glosa, "why": why, "claimed": claimed}


def first(node: etree._Element, *paths: str) -> str:
    """The text at the first of the paths that is there."""
    return next((found for path in paths if (found := text(node, path))), "")
