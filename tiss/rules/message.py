"""Runs every rule over a parsed message: texts, hash, header, each unit of the body; gives facts and findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial

from lxml import etree

from canonical.problem import Problem
from tiss.rules import checks, fragments, hashes, header, items, marked, papers, payer, people, sums, texts
from tiss.rules.case import Findings, Given, off, rules
from tiss.rules.hashes import Hash
from tiss.rules.identifiers import Checker
from tiss.rules.layout import Unit, sections
from tiss.rules.runs import Pieces, Screener
from tiss.rules.screen import Env
from tiss.wire import shapes, transactions
from tiss.wire.amounts import cents
from tiss.wire.amounts import text as money
from tiss.wire.message import place
from tiss.wire.reading import value
from tiss.wire.versions import NAMESPACE

LARGEST_BATCH = 100
Function = Callable[[Unit, Given, Findings], None]
Plan = tuple[tuple[Function, ...], checks.Checks | None, tuple[sums.Total, ...]]
# where a body that is no batch states its total
_TOTALS = (
    "protocoloRecebimento/detalheProtocolo/valorTotalProtocolo",
    "protocoloRecebimento/valorTotalRecursado",
    "demonstrativoAnaliseConta/valorInformadoGeral",
    "demonstrativoPagamento/totaisDemonstrativo/totaisLiquidosDemonstrativo/valorLiberadoDemonstrativo",
    "demonstrativoPagamentoOdonto/valorRecebidoDemonstrativo",
    "guiaRecursoGlosa/valorTotalRecursado",
    "guiaRecursoGlosaOdonto/valorTotalRecursado",
    "reciboGlosa/valorTotalAcatado",
    "reciboGlosaOdonto/valorTotalAcatado",
    "solicitacaoOdontologia/valorTotalProc",
)
FUNCTIONS: dict[str, Function] = {
    "sums": sums.sums,
    "dental": sums.dental,
    "sequence": items.sequence,
    "dates": items.dates,
    "duplicates": items.duplicates,
    "codes": items.codes,
    "opme": items.opme,
    "team": items.team,
    "patient": people.patient,
    "mixed": people.mixed,
    "teeth": people.teeth,
    "document": papers.document,
    "appeal": papers.appeal,
    "denied": papers.denied,
    "late": payer.late,
    "place": payer.place,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a check learned: number of guides, their total as decimal text, the hash, the findings."""

    guides: int
    total: str
    hash: Hash
    problems: tuple[Problem, ...]


@cache
def functions(section: str) -> tuple[Function, ...]:
    """What runs on a unit of this section: rules with a function, then its rows of `checks.csv` and `totals.csv`."""
    asked = {row.rule for row in rules().values() if section in row.kinds}
    return tuple(function for name, function in FUNCTIONS.items() if name in asked)


def check(held: Pieces, given: Given, known: set[str], *, valid: bool, screens: bool = True) -> Facts:
    """Facts and findings of a message; `known` are the places the schema told of, `valid` whether it found nothing.

    `screens` off takes every guide apart, which finds the same and takes longer.
    """
    found, message, raw = Findings(given.contract.levels), held.message, held.raw
    registered = items.day(message.text("cabecalho/identificacaoTransacao/dataRegistroTransacao"))
    given = replace(given, registered=registered)
    read = fragments.extract(held, screener(given) if valid and screens else None)
    text = "".join(read.parts)
    texts.check(message, raw, text, found)
    if read.blanks(texts.may_be_blank(given.version, service=message.service) if valid else None):
        table = shapes.of(given.version, service=message.service) if given.version else None
        texts.blanks(message.root.iter(), known, table, found)
    if valid:
        texts.edges(message, read.parts, given.version, found)
    stamp = hashes.check(message, raw, text, given, found)
    header.version(message, given, found)
    header.check(message, given, found)
    payer.size(len(raw), given, found)
    Checker(given.version or message.version, found).all(read, partial(marked.leaves, message.root))
    guides, total = body(read.whole, header.operator_of(message), given, {}, found)
    inner = transactions.body_of(message)
    batch = inner.find(f"{{{NAMESPACE}}}guiasTISS") if inner is not None else None
    if batch is None:
        return Facts(guides=0, total=total_of(inner), hash=stamp, problems=tuple(found.close()))
    if guides > LARGEST_BATCH:
        found.add("table.too-many-guides", place(batch), count=guides)
    if not valid:
        one_procedure(batch, found)
    return Facts(guides=guides, total=money(total), hash=stamp, problems=tuple(found.close()))


def screener(given: Given) -> Screener | None:
    """What screens the guides of a message in which the schema found nothing; None where the contract forbids it."""
    if given.contract.days:
        return None
    return Env(given=given, wanted=off().intersection(given.contract.levels))


def total_of(inner: etree._Element | None) -> str:
    """What a body that is no batch states as its total."""
    if inner is None:
        return money(0)
    stated = (cents(text) for path in _TOTALS if (text := value(inner, path)))
    return money(next((amount for amount in stated if amount is not None), 0))


def body(
    whole: Unit, operator: str, given: Given, seen: dict[tuple[str, ...], int], found: Findings
) -> tuple[int, int]:
    """Run the rules over all units; how many guides there are and what they amount to, in cents.

    `seen` holds the keys of guides that were read before, when a message comes in pieces.
    """
    count = total = 0
    strangers: list[Unit] = []
    plans = _plans(off().intersection(given.contract.levels))
    for unit in whole.rows:
        if "guiasTISS" in unit.path:
            count += 1
            total += _stated(unit)
        stated = unit.texts.get("operator", "")
        if stated != operator and operator and (stated := stated.strip()) not in ("", operator):
            strangers.append(unit)
        if not unit.passed:
            _unit(unit, given, found, plans)
    if strangers:
        header.strangers(strangers, whole, operator, found)
    checks.same(whole, seen, found)
    return count, total


def inside(units: Iterable[Unit], given: Given, found: Findings) -> None:
    """Run the rules over units, and over those inside them."""
    plans = _plans(off().intersection(given.contract.levels))
    for unit in units:
        _unit(unit, given, found, plans)


def alone(unit: Unit, given: Given, found: Findings) -> None:
    """Run the rules over a unit without those inside it."""
    _own(unit, given, found, _plans(off().intersection(given.contract.levels)))


def twins(unit: Unit, seen: dict[tuple[str, ...], int], found: Findings) -> None:
    """Look for units inside that are alike; `seen` holds the keys of those that were read before."""
    if unit.section.name in _with_twins():
        checks.same(unit, seen, found)


def _own(unit: Unit, given: Given, found: Findings, plans: dict[str, Plan]) -> None:
    known = plans.get(unit.section.name)
    if known is not None:
        asked, table, totals = known
        for function in asked:
            function(unit, given, found)
        if table is not None:
            table.run(unit, given, found)
        for total in totals:
            total.check(unit, found)


def _unit(unit: Unit, given: Given, found: Findings, plans: dict[str, Plan]) -> None:
    _own(unit, given, found, plans)
    if unit.rows:
        twins(unit, {}, found)
        for row in unit.rows:
            _unit(row, given, found, plans)


@cache
def _plans(wanted: frozenset[str]) -> dict[str, Plan]:
    """What runs on the units of each section; sections with nothing to run are left out."""
    found: dict[str, Plan] = {}
    for name in sections():
        plan = (functions(name), checks.checks(wanted).get(name), sums.totals().get(name, ()))
        if any(plan):
            found[name] = plan
    return found


@cache
def _with_twins() -> frozenset[str]:
    """The sections that hold units which may not be alike."""
    twins = checks.twins()
    return frozenset(
        name for name, section in sections().items() if any(child.name in twins for child in section.children.values())
    )


def one_procedure(batch: etree._Element, found: Findings) -> None:
    """table.one-procedure: what the schema refuses as unexpected, said in words (5057)."""
    for position, visit in enumerate(batch.findall(f"{{{NAMESPACE}}}guiaConsulta"), start=1):
        inner = visit.find(f"{{{NAMESPACE}}}dadosAtendimento")
        if inner is not None and len(inner.findall(f"{{{NAMESPACE}}}procedimento")) > 1:
            found.add("table.one-procedure", place(inner), guide=position, at=f"Guia {position}")


def _stated(guide: Unit) -> int:
    """The guide's total as stated; that of a consulta stands in its only line."""
    if "total" in guide.texts:
        return cents(guide.texts["total"]) or 0
    return sum(cents(row.texts.get("total")) or 0 for row in guide.rows)
