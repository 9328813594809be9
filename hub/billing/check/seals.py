"""The signatures of a checked file, of message and single guides: their verdicts as findings beside the others."""

from __future__ import annotations

import csv
import datetime
from dataclasses import replace
from functools import cache
from pathlib import Path

from canonical.problem import Problem
from signatures import guides
from signatures.guides import Seal
from signatures.trust import Trust
from signatures.verdict import Outcome
from tiss.checking.report import Report
from tiss.wire import message, soap

_NO_TRUST = "signature.trust.none"


def judged(found: Report, raw: bytes, trust: Trust, at: datetime.datetime) -> Report:
    """The report with what is to be said of the signatures in `raw`, judged for the moment `at`.

    A signature that fails is an error; one nobody can decide on a warning, or only said where no root is known here.
    """
    if not found.readable:
        return found
    seals = guides.judged(_signed(raw), trust=trust, at=at)
    if not seals:
        return found
    told = tuple({"where": seal.where, **seal.verdict.as_json()} for seal in seals)
    return replace(found, problems=(*found.problems, *filter(None, map(_problem, seals))), signatures=told)


def _signed(raw: bytes) -> bytes:
    """The message itself, without an envelope that came with it."""
    if not isinstance(message.read(raw), Problem):
        return raw
    body = soap.read(raw)
    return body.content if isinstance(body, soap.Body) else raw


def _problem(seal: Seal) -> Problem | None:
    verdict = seal.verdict
    if verdict.outcome is Outcome.PASSED:
        return None
    problem = replace(verdict.as_problem(), where=seal.where)
    if (glosa := _glosa(seal)) and verdict.outcome is Outcome.FAILED:
        problem = replace(problem, args=(*problem.args, ("glosa", glosa)))
    if verdict.outcome is Outcome.FAILED:
        return replace(problem, level="error")
    return replace(problem, level="information" if problem.code == _NO_TRUST else "warning")


def _glosa(seal: Seal) -> str:
    """The code of table 38 an operator would deny with, by why a signature failed and whether it is a guide's."""
    known = _glosas().get(str(seal.verdict.reason))
    return known["guide" if "/guiasTISS/" in seal.where else "message"] if known is not None else ""


@cache
def _glosas() -> dict[str, dict[str, str]]:
    with Path(__file__).with_name("seal_glosas.csv").open(encoding="utf-8", newline="") as file:
        return {row["reason"]: row for row in csv.DictReader(file)}
