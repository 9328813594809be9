"""verify a signed XML document: verdict, reason, what is covered, who signed"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from api.cli import output
from canonical.errors import Misconfigured
from hub.clock import utc_now
from hub.guard import pools
from signatures import xmldsig
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason, Verdict

_EXIT = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.INDETERMINATE: 3}
_WORDS = {Outcome.PASSED: "aprovada", Outcome.FAILED: "reprovada", Outcome.INDETERMINATE: "indeterminada"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The file, whom to trust and for which moment."""
    parser.add_argument("file", type=Path, help="the signed XML document")
    parser.add_argument("--trust", type=Path, metavar="DIR", help="folder of root, intermediate and CRL files")
    parser.add_argument("--at", metavar="TIME", help="the moment to judge for, ISO 8601 (default: now)")
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")


def run(given: argparse.Namespace) -> int:
    """0 passed, 1 failed, 2 unreadable or usage, 3 indeterminate."""
    at = _moment(given.at) if given.at else utc_now()
    if at is None:
        output.complain(f"--at: não é uma data ISO 8601 / not an ISO 8601 time: {given.at}")
        return 2
    trust = trust_in(given.trust)
    if trust is None:
        return 2
    try:
        document = given.file.read_bytes()
    except OSError as error:
        output.complain(f"{given.file}: {error.strerror}")
        return 2
    verdict = xmldsig.verify(document, trust=trust, at=at)
    if given.json:
        output.line({"file": str(given.file), **verdict.as_json()})
    else:
        _tell(given.file, verdict)
    return 2 if verdict.reason is Reason.UNREADABLE else _EXIT[verdict.outcome]


def _moment(text: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def trust_in(folder: Path | None) -> Trust | None:
    """The pools of a folder, empty without one; None, and a complaint, when it cannot be read."""
    if folder is None:
        return Trust()
    try:
        trust = pools.of_folder(folder)
    except Misconfigured as error:
        output.complain(error.text)
        return None
    for warning in trust.warnings:
        output.complain(f"{folder.name}/{warning.where}: {warning.text()}")
    return trust


def _tell(file: Path, verdict: Verdict) -> None:
    output.say(f"{file}: assinatura {_WORDS[verdict.outcome]}")
    for problem in verdict.problems:
        where = f" ({problem.where})" if problem.where else ""
        output.say(f"  {problem.text()}{where}")
        output.say(f"  -> {problem.remedy()}")
    if verdict.covered:
        output.say(f"  cobre: {', '.join(verdict.covered)}")
    if verdict.signer:
        number = verdict.signer.cnpj or verdict.signer.cpf or "sem CPF/CNPJ"
        output.say(f"  assinante: {verdict.signer.name} ({number})")
    output.say(
        f"  política: {verdict.policy or 'nenhuma'}; momento: {(verdict.claimed_at or verdict.time).isoformat()}"
    )
