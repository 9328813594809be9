"""Runs every rule over a parsed message: texts, hash, header, each guide, the batch; gives facts and findings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lxml import etree

from canonical.problem import Problem
from tiss import epilogo, shapes, transactions
from tiss.amounts import cents
from tiss.amounts import text as money
from tiss.message import Tiss, place
from tiss.reading import value
from tiss.rules import extract, hashes, header, lines, texts
from tiss.rules.case import Findings, Given, Guide
from tiss.rules.hashes import Hash
from tiss.rules.identifiers import Checker
from tiss.versions import NAMESPACE

LARGEST_BATCH = 100
KEPT = 4 * 1024 * 1024
# where a body that is no batch states its total
_TOTALS = (
    "protocoloRecebimento/detalheProtocolo/valorTotalProtocolo",
    "protocoloRecebimento/valorTotalRecursado",
    "demonstrativoAnaliseConta/valorInformadoGeral",
    "guiaRecursoGlosa/valorTotalRecursado",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a check learned: number of guides, their total as decimal text, the hash, the findings."""

    guides: int
    total: str
    hash: Hash
    problems: tuple[Problem, ...]


def check(message: Tiss, raw: bytes, given: Given, known: set[str], *, valid: bool) -> Facts:
    """Facts and findings of a message; `known` are the places the schema told of, `valid` whether it found nothing."""
    found = Findings()
    parts = epilogo.leaf_parts(message.root, valid=valid)
    text = "".join(parts)
    # while these are held, lxml need not make each element's proxy again for every walk over a message of usual size
    elements = list(message.root.iter()) if len(raw) <= KEPT else message.root.iter()
    texts.check(message, raw, text, found)
    table = shapes.of(given.version, service=message.service) if given.version else None
    if valid and not any(map(str.isspace, parts)):  # then only what the schema lets be empty can be
        suspects = message.root.iter(*texts.may_be_empty(given.version, service=message.service))
        texts.blanks(suspects, known, table, found)
    else:
        texts.blanks(elements, known, table, found)
    stamp = hashes.check(message, raw, text, given, found)
    header.version(message, given, found)
    header.check(message, given, found)
    checker = Checker(given.version or message.version, found)
    body = transactions.body_of(message)
    container = body.find(extract.BATCH) if body is not None else None
    if container is None:
        checker.everywhere(message.root)
        return Facts(guides=0, total=_total(body), hash=stamp, problems=tuple(found.close()))
    checker.everywhere(message.root[0])
    registered = lines.day(message.text("cabecalho/identificacaoTransacao/dataRegistroTransacao"))
    guides, total = _batch(container, message, replace(given, registered=registered), checker, found)
    if not valid:
        _one_procedure(container, found)
    return Facts(guides=guides, total=money(total), hash=stamp, problems=tuple(found.close()))


def _total(body: etree._Element | None) -> str:
    if body is None:
        return money(0)
    stated = (cents(text) for path in _TOTALS if (text := value(body, path)))
    return money(next((amount for amount in stated if amount is not None), 0))


def _batch(
    container: etree._Element, message: Tiss, given: Given, checker: Checker, found: Findings
) -> tuple[int, int]:
    operator = header.operator_of(message)
    numbers: dict[str, int] = {}
    count = total = 0
    for guide in extract.guides(container, place(container), given.version, checker):
        count += 1
        for function in lines.functions(guide.kind):
            function(guide, given, found)
        stated = guide.texts.get("operator", "").strip()
        if stated and operator and stated != operator:
            found.add("header.guide-operator", guide.at("operator"), guide=guide.position, right=operator)
        number = guide.texts.get("number", "").strip()
        if number and number in numbers:
            found.add("duplicate.guide", guide.at("number"), guide=guide.position, first=numbers[number])
        numbers.setdefault(number, guide.position)
        total += _stated(guide)
    if count > LARGEST_BATCH:
        found.add("table.too-many-guides", place(container), count=count)
    return count, total


def _one_procedure(container: etree._Element, found: Findings) -> None:
    """table.one-procedure: what the schema refuses as unexpected, said in words (5057)."""
    for position, visit in enumerate(container.findall(f"{{{NAMESPACE}}}guiaConsulta"), start=1):
        inner = visit.find(f"{{{NAMESPACE}}}dadosAtendimento")
        if inner is not None and len(inner.findall(f"{{{NAMESPACE}}}procedimento")) > 1:
            found.add("table.one-procedure", place(inner), guide=position)


def _stated(guide: Guide) -> int:
    """The guide's total as stated; that of a consulta stands in its only line."""
    if "total" in guide.texts:
        return cents(guide.texts["total"]) or 0
    return sum(cents(row.texts.get("total")) or 0 for row in guide.rows)
