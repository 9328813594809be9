"""The full check of a file: reading, official schema, every rule; facts and findings in one value."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from canonical.problem import Problem
from tiss.checking.offers import offered
from tiss.rules import fragments
from tiss.rules.case import Given, ruled
from tiss.rules.contract import Contract
from tiss.rules.hashes import Hash
from tiss.rules.message import check
from tiss.rules.runs import Pieces
from tiss.schema import alike, beyond
from tiss.schema.check import schema_problems
from tiss.tables.tables import Tables
from tiss.wire import epilogo, housing, packed, soap, transactions, versions
from tiss.wire.message import Tiss, place
from tiss.wire.message import read as read_message
from tiss.wire.versions import NAMESPACE

__all__ = ["Contract", "Hash", "Report", "validate"]


_GUIDE = re.compile(r"/guiasTISS/guia[A-Za-z-]+(?:\[(\d+)\])?")
_NUMBER = re.compile(r"[0-9A-Za-z./-]{1,20}\Z", re.ASCII)
_AROUND = ("header.namespace", "encoding.not-xml.text")  # an envelope, or the headers of a reply, may stand around
_VERSION = re.compile(r"[vV]?\s*0?(\d)[.,_](\d{1,2})(?:[.,_](\d{1,2}))?\Z", re.ASCII)
_OF_ANY_VERSION = ("encoding.", "hash.", "header.version")  # a version of before has other headers and tables
_OF_STRUCTURE = ("xsd.content", "xsd.missing")
_FEW = 5
_POSITION = re.compile(r"\[\d+\]")
_STANDARD = re.compile(r"[0-9A-Za-z]{20}_[0-9A-Fa-f]{32}\.xml\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Facts and findings of one file; `total` is a decimal text; `readable` is False when there is no TISS message.

    `numbers` are the numeroGuiaPrestador of the guides findings are about, by their position in the batch.
    `signatures` are the verdicts on those of message and guides, where whoever checks judges them.
    """

    readable: bool
    version: str = ""
    transaction: str = ""
    form: str = ""
    guides: int = 0
    total: str = "0.00"
    hash: Hash = field(default_factory=Hash)
    problems: tuple[Problem, ...] = ()
    numbers: Mapping[int, str] = field(default_factory=dict)
    signatures: tuple[Mapping[str, object], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing found stops the message."""
        return self.readable and not any(problem.blocks for problem in self.problems)

    def as_json(self, file: str, language: str = "pt") -> dict[str, Any]:
        """The keys of the command-line contract."""
        return {
            "file": file,
            "version": self.version,
            "transaction": self.transaction,
            "ok": self.ok,
            "guides": self.guides,
            "total": self.total,
            "hash": {
                "stated": self.hash.stated,
                "computed": self.hash.computed,
                "encoding": self.hash.encoding,
            },
            "problems": [self._told(problem, language) for problem in self.problems],
        } | ({"signatures": list(self.signatures)} if self.signatures else {})

    def guide(self, problem: Problem) -> str:
        """The number of the guide a finding is about; empty when it is about none, or the guide has no plain one."""
        position = position_of(problem)
        return self.numbers.get(position, "") if position else ""

    def _told(self, problem: Problem, language: str) -> dict[str, Any]:
        """The keys of a finding, `guide` where it is about one, `glosa` and `repair` where there is one."""
        number, glosa, repair = self.guide(problem), dict(problem.args).get("glosa", ""), offered(problem)
        more = ({"guide": number} if number else {}) | ({"glosa": glosa} if glosa else {})
        return problem.as_json(language) | more | ({"repair": repair} if repair is not None else {})


def position_of(problem: Problem) -> int:
    """The position in the batch of the guide a finding is about; 0 when it is about none."""
    match = _GUIDE.search(problem.where)
    return int(match[1] or 1) if match else 0


def numbered(guides: Sequence[etree._Element], problems: Iterable[Problem], skipped: int = 0) -> dict[int, str]:
    """The numeroGuiaPrestador of those of `guides` that findings are about, by position; `skipped` came before them."""
    found: dict[int, str] = {}
    for position in {position_of(problem) for problem in problems}:
        if skipped < position <= skipped + len(guides):
            node = next(guides[position - skipped - 1].iter(f"{{{NAMESPACE}}}numeroGuiaPrestador"), None)
            number = (node.text or "").strip() if node is not None else ""
            if _NUMBER.match(number):
                found[position] = number
    return found


def validate(
    raw: bytes, *, tables: Tables | None, today: date | None = None, contract: Contract | None = None, name: str = ""
) -> Report:
    """The report on `raw`; without `tables` what needs them is left out, without `today` what needs the day is.

    `name` is the file's, where it has one: one in the standard form must fit the content. Raises Misconfigured only
    when a table file of the installation is damaged.
    """
    message = read_message(raw)
    around: list[Problem] = []
    if isinstance(message, Problem) and message.code.startswith(_AROUND):
        body = soap.read(raw)  # a message saved together with its envelope
        if isinstance(body, soap.Body) and body.content is not raw:
            outer, raw = raw, body.content
            message = read_message(raw)
            code = "header.escaped" if body.escaped else "header.wrapper"
            around = [Problem(code, "", args=(("name", body.wrapper),))] if body.wrapper else []
            around += [Problem("header.headers")] if packed.without_headers(outer) != outer else []
    if isinstance(message, Problem) and message.code.startswith("header.namespace"):
        housed = housing.of_bytes(raw)
        if housed is not None:
            absent = replace(message, code="header.namespace.absent")
            around, raw = [*around, absent if message.code == "header.namespace" else message], housed
            message = read_message(raw)
    if isinstance(message, Problem):
        return Report(readable=False, problems=(message,))
    found = examine(message, raw, tables=tables, today=today, contract=contract)
    around += file_name(name, message, found.hash)
    return replace(found, problems=(*told(around, contract or Contract()), *found.problems)) if around else found


def examine(
    message: Tiss, raw: bytes, *, tables: Tables | None, today: date | None = None, contract: Contract | None = None
) -> Report:
    """The report on a message that is parsed already; `raw` are the bytes it came from."""
    agreed = contract or Contract()
    held, version, problems = _by_schema(message, raw, agreed)
    message = held.message
    given = Given(version=version or _newest(), tables=tables, today=today, contract=agreed)
    valid = bool(version) and not any(problem.code.startswith("xsd.") for problem in problems)
    facts = check(held, given, {problem.where for problem in problems}, valid=valid)
    of_today = not any(problem.code == "header.version.old" for problem in problems)
    problems += [problem for problem in facts.problems if of_today or problem.code.startswith(_OF_ANY_VERSION)]
    box = next(message.root.iter(f"{{{NAMESPACE}}}guiasTISS"), None) if problems else None
    return Report(
        readable=True,
        version=message.version,
        transaction=message.transaction,
        form="service" if message.service else "file",
        guides=facts.guides,
        total=facts.total,
        hash=facts.hash,
        problems=told(problems, agreed),
        numbers=numbered([node for node in box if isinstance(node.tag, str)], problems) if box is not None else {},
    )


def _by_schema(message: Tiss, raw: bytes, agreed: Contract) -> tuple[Pieces, str, list[Problem]]:
    """What the schema says, and the message it says it of: with every tag in the namespace of the ANS."""
    version, problems = judged_by(message, agreed)
    held = fragments.pieces(message, raw)
    wrong = alike.findings(held, version) if version else []
    if wrong and (astray := housing.astray(message.root)):
        stray = Problem("header.namespace.inside", place(astray[0]), args=(("count", str(len(astray))),))
        raw = housing.housed(message.root, message.encoding)
        message = _read_again(raw)
        held = fragments.pieces(message, raw)
        version, problems = judged_by(message, agreed)
        problems.insert(0, stray)
        wrong = alike.findings(held, version) if version else []
    if wrong and (absent := _absent(message, version)):
        meant, problem = absent
        return held, meant, [*problems, problem, *_as_if(message, meant)]
    if wrong and (fitting := _fitting(message, version, wrong)):
        wrong = [_of_another(message, version, fitting, wrong)]
        version = agreed.version if agreed.version in fitting else fitting[0]
    elif wrong and len(raw) <= beyond.LARGEST:
        wrong = beyond.further(message, version, wrong)
    return held, version, problems + wrong


def _absent(message: Tiss, version: str) -> tuple[str, Problem] | None:
    """header.transaction.absent: the version here that has what the stated one lacks, and the finding."""
    row = next(iter(transactions.told_by(message)), None)
    if row is None or transactions.known_in(row, version, service=message.service):
        return None
    here = versions.installed()
    having = [other for other in here if transactions.known_in(row, other, service=message.service)]
    if not having:
        return None
    where = "/" + etree.QName(message.root).localname + "/cabecalho/identificacaoTransacao/tipoTransacao"
    args = (("name", row.name), ("stated", version), ("versions", ", ".join(having)))
    return having[-1], Problem("header.transaction.absent", where, args=args)


def _as_if(message: Tiss, version: str) -> list[Problem]:
    """What the schema would say of a message if it stated this version."""
    node = message.find("cabecalho/Padrao")
    was = node.text if node is not None else None
    try:
        if node is not None:
            node.text = version
        return schema_problems(message, version)
    finally:
        if node is not None:
            node.text = was


def _read_again(raw: bytes) -> Tiss:
    message = read_message(raw)
    if isinstance(message, Problem):
        raise AssertionError(message.code)  # it was read and written a moment ago
    return message


def _fitting(message: Tiss, stated: str, wrong: list[Problem]) -> list[str]:
    """The versions whose schemas take all of a message in which elements do not fit the stated one, newest first."""
    strange = any(problem.code == "xsd.content.version" for problem in wrong)
    lacking = {_POSITION.sub("", problem.where) for problem in wrong if problem.code.startswith(_OF_STRUCTURE)}
    if message.find("cabecalho/Padrao") is None or not (strange or len(lacking) > 1):  # one that lacks is a slip
        return []
    return [other for other in versions.installed() if other != stated and not _as_if(message, other)]


def _of_another(message: Tiss, stated: str, fitting: list[str], wrong: list[Problem]) -> Problem:
    """header.version.content: one finding for all that the schema of the stated version refuses."""
    names = sorted({problem.where.rpartition("/")[2].partition("[")[0] for problem in wrong})[:_FEW]
    where = "/" + etree.QName(message.root).localname + "/cabecalho/Padrao"
    return Problem(
        "header.version.content",
        where,
        args=(("stated", stated), ("right", ", ".join(fitting)), ("names", ", ".join(names))),
    )


def file_name(name: str, message: Tiss, stamp: Hash) -> list[Problem]:
    """header.file-name: a name in the standard form (facts of batch and hash) that is another message's."""
    if not _STANDARD.match(name) or not stamp.computed:
        return []
    number = message.text("prestadorParaOperadora/loteGuias/numeroLote")
    right = epilogo.file_name(number, stamp.computed)
    if not number or name.lower() == right.lower():
        return []
    return [Problem("header.file-name", "", args=(("right", right if number.isalnum() else "?"),))]


def _newest() -> str:
    return next(iter(versions.installed()), "")


def judged_by(message: Tiss, agreed: Contract) -> tuple[str, list[Problem]]:
    """The version whose schema judges the message (empty: none is here), and what is wrong with the stated one."""
    stated = message.version
    if stated in versions.installed():
        marked = (
            [Problem("header.version-unverified", args=(("stated", stated),))] if versions.unverified(stated) else []
        )
        return stated, marked
    head = "/" + etree.QName(message.root).localname + "/cabecalho"
    where = f"{head}/{_named(message)}"
    if stated in versions.known():
        return "", [Problem("header.version-absent", where, args=(("stated", stated),))]
    meant, parts = _meant(stated)
    if meant in versions.installed():
        return meant, [Problem("header.version.form", where, args=(("right", meant),))]
    oldest = versions.known()[-1]
    if parts and parts < _meant(oldest)[1]:
        return "", [Problem("header.version.old", where, args=(("stated", meant), ("oldest", oldest)))]
    instead = _nearest(parts, agreed)
    if parts > _meant(versions.known()[0])[1]:
        told = (("stated", meant), ("known", ", ".join(versions.known())), ("used", instead))
        return instead, [Problem("header.version.new", where, args=told)]
    args = (("known", ", ".join(versions.known())), ("used", instead))
    if not stated and message.find("cabecalho/Padrao") is None:
        if message.find("cabecalho") is None:
            return instead, [Problem("header.version.missing.header", head.rpartition("/")[0], args=args)]
        return instead, [Problem("header.version.missing", head, args=args)]
    return instead, [Problem("header.version", where, args=args)]


def _named(message: Tiss) -> str:
    """The element that states the version, as this message calls it."""
    old = message.find("cabecalho/Padrao") is None and message.find("cabecalho/versaoPadrao") is not None
    return "versaoPadrao" if old else "Padrao"


def _nearest(parts: tuple[int, ...], agreed: Contract) -> str:
    """The version that judges a message whose own is not here: one of its edition, the contract's, the newest."""
    here = list(versions.installed())
    kin = [version for version in here if parts and _meant(version)[1][:2] == parts[:2]]
    contracted = [agreed.version] if agreed.version in here else []
    return next(iter((*kin, *contracted, _newest())))


def _meant(stated: str) -> tuple[str, tuple[int, ...]]:
    """A version as the standard writes it (4.03.00), however it is stated, and its numbers; empty for no version."""
    match = _VERSION.match(stated)
    if match is None:
        return "", ()
    numbers = tuple(int(part or 0) for part in match.groups())
    return "{}.{:02d}.{:02d}".format(*numbers), numbers


def told(problems: Iterable[Problem], agreed: Contract) -> tuple[Problem, ...]:
    """Findings with the severities the operator's contract gives, without those it has switched off."""
    heard = (
        p for p in problems if ruled(dict(p.args).get("code", "") if p.code == "more" else p.code) not in agreed.silent
    )
    levels = agreed.levels
    leveled = [replace(p, level=levels[ruled(p.code)]) if ruled(p.code) in levels else p for p in heard]
    return tuple(_without_echoes(leveled))


@cache
def _echoes() -> dict[str, frozenset[str]]:
    """The codes that say less than another one told of the same place (`echoes.csv`), by that other one."""
    with Path(__file__).with_name("echoes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["told"]: frozenset(r["echo"] for r in rows if r["told"] == row["told"]) for row in rows}


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """Findings without those that say less than another of their place; what blocks gives way only to what blocks."""
    dull: dict[tuple[str, str], bool] = {}
    for p in problems:
        for echo in _echoes().get(p.code, ()):
            dull[echo, p.where] = dull.get((echo, p.where), False) or p.blocks
    return [p for p in problems if not (dull.get((p.code, p.where)) or ((p.code, p.where) in dull and not p.blocks))]
