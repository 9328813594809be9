"""FHIR offline: validate files (one resource, a Bundle, or NDJSON)"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.cli import output

_LARGEST = 512 * 1024 * 1024
GOOD, FINDINGS, UNREADABLE = 0, 1, 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """The one action so far, `validate`, with its files."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="validate")
    validate = actions.add_parser(
        "validate", help="an OperationOutcome per resource; exit 0 clean, 1 findings, 2 unreadable"
    )
    validate.add_argument("files", nargs="+", type=Path, metavar="FILE")
    validate.add_argument("--profile", help="canonical address of a profile (none is installed yet)")
    validate.add_argument("--json", action="store_true", help="one JSON object per resource: file, ok, outcome")


def run(given: argparse.Namespace) -> int:
    """The worst of the files' exit codes."""
    if given.profile:
        output.complain(f"profile not installed: {given.profile[:200]}")
        return UNREADABLE
    return max(_file(path, as_json=given.json) for path in given.files)


def _file(path: Path, *, as_json: bool) -> int:
    from canonical.problem import Problem
    from fhir.validator import validate

    try:
        documents = list(_documents(path))
    except OSError as error:
        _show(path, [Problem("fhir.file.unreadable", args=(("reason", error.strerror or "?"),))], as_json=as_json)
        return UNREADABLE
    worst = GOOD
    for number, document in documents:
        unreadable = isinstance(document, Problem)
        problems = [document] if isinstance(document, Problem) else validate(document)
        _show(path, problems, as_json=as_json, line=number)
        worst = max(worst, UNREADABLE if unreadable else FINDINGS if any(p.blocks for p in problems) else GOOD)
    return worst


def _documents(path: Path) -> Iterator[tuple[int, Any]]:
    """The resources of a file with their line (0: the file is one document); a Problem for what is no JSON."""
    from canonical.problem import Problem
    from fhir import jsontext

    if path.stat().st_size > _LARGEST:
        yield 0, Problem("fhir.file.unreadable", args=(("reason", "too large"),))
        return
    raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    whole = jsontext.parse(raw)
    lines = [line for line in enumerate(raw.split(b"\n"), start=1) if line[1].strip()]
    if not isinstance(whole, Problem) or len(lines) < 2 or not lines[0][1].strip().endswith(b"}"):
        yield 0, whole
        return
    for number, line in lines:
        yield number, jsontext.parse(line)


def _show(path: Path, problems: list[Any], *, as_json: bool, line: int = 0) -> None:
    from fhir.outcome import outcome

    ok = not any(problem.blocks for problem in problems)
    if as_json:
        output.line({"file": str(path), "ok": ok, "outcome": outcome(problems)})
        return
    place = f"{path}:{line}" if line else str(path)
    output.say(f"{place}: {'ok' if ok else 'com erros / has errors'}")
    for problem in problems:
        output.say(f"  {problem.severity:<11} {problem.where:<40} {problem.text('pt')} {problem.remedy('pt')}".rstrip())
