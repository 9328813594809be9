"""Arquivos TISS: validate ARQUIVO… confere, repair corrige, show resume, hash, build; tabelas e preços"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from api import prices, tables
from api.cli import output
from canonical.problem import Problem
from tiss import files, message, repair, spec, stream, tree
from tiss.message import LARGEST
from tiss.report import Contract, Report, validate
from tiss.tables import installed

_LABELS = {
    "pt": {"error": "ERRO", "warning": "aviso", "information": "nota", "where": "onde", "remedy": "como corrigir"},
    "en": {"error": "ERROR", "warning": "warning", "information": "note", "where": "where", "remedy": "how to repair"},
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
    check.add_argument("--lang", choices=("pt", "en"), default="pt", help="língua do relatório: português ou inglês")
    digest = verbs.add_parser("hash", help="o hash que o epílogo do arquivo deve ter")
    digest.add_argument("file", type=Path, metavar="ARQUIVO")
    build = verbs.add_parser("build", help="gera a mensagem a partir de uma descrição em JSON")
    build.add_argument("spec", type=Path, metavar="SPEC.json")
    build.add_argument("--out", type=Path, metavar="ARQUIVO", help="onde gravar; o relatório vai para a tela")
    build.add_argument("--json", action="store_true", help="relatório em JSON")
    build.add_argument("--lang", choices=("pt", "en"), default="pt", help="língua do relatório: português ou inglês")
    mend = verbs.add_parser("repair", help="aplica as correções seguras e diz o que mudou")
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
    for path in given.files:
        for name, content in files.contents(path):
            report = _report(content, contract, name.rpartition("/")[2])
            worst = max(worst, _code(report))
            _print(name, report, given)
    return worst


def _report(content: bytes | Path | Problem, contract: Contract, name: str = "") -> Report:
    if isinstance(content, Problem):
        return Report(readable=not content.blocks, problems=(content,))
    if isinstance(content, Path):
        with content.open("rb") as file:
            return stream.validate(file, tables=installed(), today=_today(), contract_of=lambda _: contract)
    return validate(content, tables=installed(), today=_today(), contract=contract, name=name)


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
    for problem in report.problems:
        yield f"  {labels[problem.severity]:<8}{problem.text(language)}  [{problem.code}]"
        if problem.where:
            yield f"          {labels['where']}: {_place(report, problem, language)}"
        yield f"          {labels['remedy']}: {problem.remedy(language)}"
    if report.transaction or not report.ok:
        yield f"  => {Path(name).name} {_ENDINGS[language][_code(report)]}"


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
    for _, content in files.contents(given.file):
        report = _report(content, Contract())
        if not report.readable or not report.hash.computed:
            for problem in report.problems:
                if problem.blocks:
                    output.complain(problem.text())
            return 2
        output.say(report.hash.computed)
    return 0


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
    worst = 0
    for name, content in files.contents(given.file):
        done: repair.Repaired | Problem
        if isinstance(content, bytes):
            done = repair.repair(content, tables=installed(), today=_today())
        else:
            done = _too_large(content)
        if isinstance(done, Problem):
            output.complain(f"{name}: {done.text(given.lang)} {done.remedy(given.lang)}")
            return 2
        given.out.write_bytes(done.content)
        worst = max(worst, _code(done.report))
        if given.json:
            changes = [change.as_json() for change in done.changes]
            output.line({"changes": changes} | done.report.as_json(str(given.out), given.lang))
            continue
        for change in done.changes:
            output.say(f"  {change.title}  [{change.code}]  {change.where}")
        for text in _lines(str(given.out), done.report, given.lang):
            output.say(text)
    return worst


def _too_large(content: Path | Problem) -> Problem:
    limit = (("limit", str(LARGEST // 1024 // 1024)),)
    return content if isinstance(content, Problem) else Problem("encoding.too-large", args=limit)


def _show(given: argparse.Namespace) -> int:
    for name, content in files.contents(given.file):
        told = _told(content, given.json) if isinstance(content, bytes) else _too_large(content)
        if isinstance(told, Problem):
            output.complain(f"{name}: {told.text()}")
            return 2
        if isinstance(told, dict):
            output.line(told)
            continue
        output.say(name)
        for text in told:
            output.say(text)
    return 0


def _told(content: bytes, as_json: bool) -> list[str] | dict[str, Any] | Problem:
    """A summary, or the description of a message; a Problem when it cannot be read."""
    from tiss import summary

    if not as_json:
        return summary.of(content)
    found = message.read(content)
    return found if isinstance(found, Problem) else tree.description(found)
