"""TISS files offline: validate FILE…, hash FILE, build SPEC.json, show FILE"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from api.cli import output
from canonical.problem import Problem
from tiss import files, spec, stream
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
    """The four verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("validate", help="findings per file: schema, hash, every rule")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="XML files, or ZIP files of them")
    check.add_argument("--json", action="store_true", help="one JSON object per file and line")
    check.add_argument("--version", default="", help="the version agreed with the operator, such as 4.03.00")
    check.add_argument("--lang", choices=("pt", "en"), default="pt")
    digest = verbs.add_parser("hash", help="the epilogo hash a file should carry")
    digest.add_argument("file", type=Path)
    build = verbs.add_parser("build", help="a message from a JSON description")
    build.add_argument("spec", type=Path, metavar="SPEC.json")
    build.add_argument("--out", type=Path, help="write here and report on standard output")
    build.add_argument("--json", action="store_true", help="report as JSON")
    build.add_argument("--lang", choices=("pt", "en"), default="pt")
    show = verbs.add_parser("show", help="a readable summary of a file")
    show.add_argument("file", type=Path)


def run(given: argparse.Namespace) -> int:
    """0 clean, 1 findings that block, 2 unreadable."""
    verbs = {"validate": _validate, "hash": _hash, "build": _build, "show": _show}
    return verbs[given.verb](given)


def _validate(given: argparse.Namespace) -> int:
    worst = 0
    contract = Contract(version=given.version)
    for path in given.files:
        for name, content in files.contents(path):
            report = _report(content, contract)
            worst = max(worst, _code(report))
            _print(name, report, given)
    return worst


def _report(content: bytes | Path | Problem, contract: Contract) -> Report:
    if isinstance(content, Problem):
        return Report(readable=False, problems=(content,))
    if isinstance(content, Path):
        with content.open("rb") as file:
            return stream.validate(file, tables=installed(), today=_today(), contract=contract)
    return validate(content, tables=installed(), today=_today(), contract=contract)


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
            yield f"          {labels['where']}: {problem.where}"
        yield f"          {labels['remedy']}: {problem.remedy(language)}"
    yield f"  => {Path(name).name} {_ENDINGS[language][_code(report)]}"


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


def _too_large(content: Path | Problem) -> Problem:
    limit = (("limit", str(LARGEST // 1024 // 1024)),)
    return content if isinstance(content, Problem) else Problem("encoding.too-large", args=limit)


def _show(given: argparse.Namespace) -> int:
    from tiss import summary

    for name, content in files.contents(given.file):
        told = summary.of(content) if isinstance(content, bytes) else _too_large(content)
        if isinstance(told, Problem):
            output.complain(f"{name}: {told.text()}")
            return 2
        output.say(name)
        for text in told:
            output.say(text)
    return 0
