"""Arquivos TISS: validate ARQUIVO… confere, repair corrige, show resume, hash, build; tabelas e preços"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from api import prices, tables
from api.cli import output
from canonical.problem import Problem
from hub.clock import utc_now
from tiss.checking import repair, repeats, stream
from tiss.checking.report import Contract, Report, validate
from tiss.tables.tables import installed
from tiss.wire import files, message, spec, tree
from tiss.wire.message import LARGEST

_SIGNED = (b"SignedInfo", b"assinaturaDigitalGuia")
_LABELS = {
    "pt": {"error": "ERRO", "warning": "aviso", "information": "nota", "where": "onde", "remedy": "como corrigir"},
    "en": {"error": "ERROR", "warning": "warning", "information": "note", "where": "where", "remedy": "how to repair"},
}
_SIGNATURE = {"pt": "assinatura", "en": "signature"}
_SEALS = {
    "pt": {"passed": "aprovada", "failed": "reprovada", "indeterminate": "indeterminada"},
    "en": {"passed": "passed", "failed": "failed", "indeterminate": "undecided"},
}
_ENDINGS = {
    "pt": ("pode ser enviado", "não deve ser enviado", "não é uma mensagem TISS legível"),
    "en": ("may be sent", "must not be sent", "is no readable TISS message"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser(
        "validate", help="confere arquivos: schema, hash e todas as regras, com a correção de cada achado"
    )
    check.add_argument("files", nargs="+", type=Path, metavar="ARQUIVO", help="arquivos XML, ou ZIP com eles")
    check.add_argument("--json", action="store_true", help="um objeto JSON por arquivo e linha")
    check.add_argument(
        "--version", default="", metavar="VERSÃO", help="a versão combinada com a operadora, por exemplo 4.03.00"
    )
    check.add_argument(
        "--trust", type=Path, metavar="PASTA", help="raízes, autoridades e LCR: em quem confiar nas assinaturas"
    )
    check.add_argument("--lang", choices=("pt", "en"), default="pt", help="língua do relatório: português ou inglês")
    digest = verbs.add_parser("hash", help="o hash que o epílogo do arquivo deve ter")
    digest.add_argument("file", type=Path, metavar="ARQUIVO")
    build = verbs.add_parser("build", help="gera a mensagem a partir de uma descrição em JSON")
    build.add_argument("spec", type=Path, metavar="SPEC.json")
    build.add_argument("--out", type=Path, metavar="ARQUIVO", help="onde gravar; o relatório vai para a tela")
    build.add_argument("--json", action="store_true", help="relatório em JSON")
    build.add_argument("--lang", choices=("pt", "en"), default="pt", help="língua do relatório: português ou inglês")
    mend = verbs.add_parser("repair", help="aplica as correções seguras e diz o que mudou; de um ZIP faz um ZIP")
    mend.add_argument("file", type=Path, metavar="ARQUIVO")
    mend.add_argument("--out", type=Path, required=True, metavar="ARQUIVO", help="onde gravar o arquivo corrigido")
    mend.add_argument("--json", action="store_true", help="um objeto JSON: as mudanças e o relatório do resultado")
    mend.add_argument("--lang", choices=("pt", "en"), default="pt", help="língua do relatório: português ou inglês")
    tables.arguments(verbs.add_parser("tables", help="tabelas da ANS: procurar, importar"))
    prices.arguments(verbs.add_parser("prices", help="listas de preços dos contratos: importar, procurar"))
    show = verbs.add_parser("show", help="resumo legível de um arquivo")
    show.add_argument("file", type=Path, metavar="ARQUIVO")
    show.add_argument("--json", action="store_true", help="a descrição que `tiss build` lê, uma linha por mensagem")


def run(given: argparse.Namespace) -> int:
    """0 clean, 1 findings that block, 2 unreadable."""
    verbs = {
        "validate": _validate,
        "hash": _hash,
        "build": _build,
        "show": _show,
        "repair": _repair,
        "tables": tables.run,
        "prices": prices.run,
    }
    return verbs[given.verb](given)


def _validate(given: argparse.Namespace) -> int:
    worst = 0
    contract = Contract(version=given.version)
    judge = _judge_of_signatures(given.trust)
    if judge is None:
        return 2
    seen = repeats.Seen()
    for path in given.files:
        for name, content in files.contents(path):
            report = _report(content, contract, name, seen)
            if isinstance(content, bytes):
                report = repeats.beside(seen, name, content, report, contract)
            if isinstance(content, bytes) and any(mark in content for mark in _SIGNED):
                report = judge(report, content)
            worst = max(worst, _code(report))
            _print(name, report, given)
    return worst


def _judge_of_signatures(folder: Path | None) -> Callable[[Report, bytes], Report] | None:
    """Adds to a report what is to be said of signatures, by the trust of a folder; None when it cannot be read."""

    def judge(report: Report, content: bytes) -> Report:
        from hub.billing.check import seals  # what it needs takes half a second to load, and few files are signed
        from signatures.trust import Trust

        return seals.judged(report, content, trust if trust is not None else Trust(), utc_now())

    trust = None
    if folder is not None:
        from api.cli.verify import trust_in

        trust = trust_in(folder)
        if trust is None:
            return None
    return judge


def _report(
    content: bytes | Path | Problem, contract: Contract, name: str = "", seen: repeats.Seen | None = None
) -> Report:
    if isinstance(content, Problem):
        return Report(readable=not content.blocks, problems=(content,))
    if isinstance(content, Path):
        with content.open("rb") as file:
            beside = repeats.Part(seen if seen is not None else repeats.Seen(), name)
            return stream.validate(
                file, tables=installed(), today=_today(), contract_of=lambda _: contract, beside=beside
            )
    return validate(content, tables=installed(), today=_today(), contract=contract, name=name.rpartition("/")[2])


def _today() -> date:
    return datetime.now(ZoneInfo("America/Sao_Paulo")).date()


def _code(report: Report) -> int:
    if not report.readable:
        return 2
    return 0 if report.ok else 1


def _print(name: str, report: Report, given: argparse.Namespace) -> None:
    if given.json:
        output.line(report.as_json(name, given.lang))
    else:
        for text in _lines(name, report, given.lang):
            output.say(text)


def _lines(name: str, report: Report, language: str) -> Iterable[str]:
    """A report for a person: facts, each finding with its repair, and the verdict."""
    labels = _LABELS[language]
    facts = [f"TISS {report.version}" if report.version else "", report.transaction]
    if report.guides:
        facts += [f"{report.guides} guia{'s' if report.guides > 1 else ''}", f"R$ {report.total}"]
    yield f"{name}: {', '.join(fact for fact in facts if fact) or '-'}"
    for seal in report.signatures:
        word = _SEALS[language][str(seal["verdict"])]
        yield f"  {_SIGNATURE[language]} {seal['where']}: {word}{_signer(seal['signer'])}"
    for problem in report.problems:
        yield f"  {labels[problem.severity]:<8}{problem.text(language)}{_glosa(problem, language)}  [{problem.code}]"
        if problem.where:
            yield f"          {labels['where']}: {_place(report, problem, language)}"
        yield f"          {labels['remedy']}: {problem.remedy(language)}"
    if report.transaction or not report.ok:
        yield f"  => {Path(name).name} {_ENDINGS[language][_code(report)]}"


def _glosa(problem: Problem, language: str) -> str:
    """The glosa a finding would become, where its words do not name it."""
    glosa = dict(problem.args).get("glosa", "")
    return f" (glosa {glosa})" if glosa and glosa not in problem.text(language) else ""


def _signer(told: Any) -> str:
    """Who signed, as the certificate names him; empty when nothing could be read."""
    return f" ({told['name']})" if told.get("name") else ""


def _place(report: Report, problem: Problem, language: str) -> str:
    """The guide's own number, where there is one, and the place."""
    number = report.guide(problem)
    where = problem.where
    if language == "pt":
        where = re.sub(r"\Aline (\d+)(?:, column (\d+))?\Z", _spelled, where)
    guide = {"pt": "guia nº", "en": "guide no."}[language]
    return f"{guide} {number}, {where}" if number else where


def _spelled(match: re.Match[str]) -> str:
    return f"linha {match[1]}, coluna {match[2]}" if match[2] else f"linha {match[1]}"


def _hash(given: argparse.Namespace) -> int:
    worst = 0
    for name, content in files.contents(given.file):
        report = _report(content, Contract())
        if report.hash.computed:
            output.say(report.hash.computed)
        elif not report.ok:
            worst = 2
            for problem in report.problems:
                if problem.blocks:
                    output.complain(f"{name}: {problem.text()}")
    return worst


def _build(given: argparse.Namespace) -> int:
    try:
        described = json.loads(given.spec.read_bytes())
    except (OSError, ValueError, RecursionError):
        described = None
    told: list[Problem] = []
    made = spec.message_of(described, told)
    report = _report(made, Contract())
    report = dataclasses.replace(report, problems=(*told, *report.problems))
    if isinstance(made, Problem):
        _print(str(given.spec), report, given)
        return 2
    if given.out is None:
        sys.stdout.buffer.write(made)
        sys.stdout.buffer.flush()
        for text in _lines(str(given.spec), report, given.lang):
            sys.stderr.write(text + "\n")
    else:
        given.out.write_bytes(made)
        _print(str(given.out), report, given)
    return _code(report)


def _repair(given: argparse.Namespace) -> int:
    """A ZIP becomes a ZIP: members that cannot be repaired stay in it as they were, and are told of."""
    worst, done = 0, []
    zipped = files.is_zip(given.file)
    for name, content in files.contents(given.file):
        if isinstance(content, Problem) and not content.blocks:
            continue  # covers and images
        fixed = _fixed(content)
        if isinstance(fixed, Problem):
            output.complain(f"{name}: {fixed.text(given.lang)} {fixed.remedy(given.lang)}")
            worst = 2
        else:
            worst = max(worst, _code(fixed.report))
            _tell_repair(name if zipped else str(given.out), fixed, given)
        kept = fixed.content if isinstance(fixed, repair.Repaired) else content
        if isinstance(kept, bytes):
            done.append((name.removeprefix(f"{given.file}/"), kept))
    if zipped and done:
        files.write_zip(given.out, done)
    elif done and not (worst == 2 and len(done) == 1):
        given.out.write_bytes(done[0][1])
    return worst


def _fixed(content: bytes | Path | Problem) -> repair.Repaired | Problem:
    if isinstance(content, bytes):
        return repair.repair(content, tables=installed(), today=_today())
    return _too_large(content)


def _tell_repair(name: str, done: repair.Repaired, given: argparse.Namespace) -> None:
    if given.json:
        changes = [change.as_json() for change in done.changes]
        output.line({"changes": changes} | done.report.as_json(name, given.lang))
        return
    for change in done.changes:
        output.say(f"  {change.title}  [{change.code}]  {change.where}")
    for text in _lines(name, done.report, given.lang):
        output.say(text)


def _too_large(content: Path | Problem) -> Problem:
    limit = (("limit", str(LARGEST // 1024 // 1024)),)
    return content if isinstance(content, Problem) else Problem("encoding.too-large", args=limit)


def _show(given: argparse.Namespace) -> int:
    worst = 0
    for name, content in files.contents(given.file):
        if isinstance(content, Problem) and not content.blocks:
            continue
        told = _told(content, given.json) if isinstance(content, bytes) else _too_large(content)
        if isinstance(told, Problem):
            output.complain(f"{name}: {told.text()}")
            worst = 2
            continue
        if isinstance(told, dict):
            output.line(told)
            continue
        output.say(name)
        for text in told:
            output.say(text)
    return worst


def _told(content: bytes, as_json: bool) -> list[str] | dict[str, Any] | Problem:
    """A summary, or the description of a message; a Problem when it cannot be read."""
    from tiss.checking import summary

    if not as_json:
        return summary.of(content)
    found = message.read(content)
    return found if isinstance(found, Problem) else tree.description(found)
