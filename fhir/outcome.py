"""OperationOutcome: findings and failures in FHIR's own words (R4 §3.1.0.1.6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from canonical.problem import Problem

# Issue type (issue-type value set) by the first parts of a problem's code; the longest match counts.
ISSUE_TYPES = {
    "fhir.structure": "structure",
    "fhir.structure.required": "required",
    "fhir.code": "code-invalid",
    "fhir.value": "value",
    "fhir.json": "structure",
    "fhir.search": "invalid",
    "fhir.search.unknown-parameter": "not-supported",
    "fhir.search.unsupported-sort": "not-supported",
    "fhir.search.no-effect": "not-supported",
    "fhir.search.modifier": "not-supported",
    "fhir.search.terminology": "not-found",
    "fhir.search.compartment": "not-found",
    "fhir.search.too-many-codes": "too-costly",
    "fhir.search.too-costly": "too-costly",
    "fhir.search.too-many-included": "too-costly",
    "fhir.terminology": "invalid",
    "fhir.terminology.code": "not-found",
    "fhir.terminology.concept-map": "not-found",
    "fhir.terminology.expression": "not-supported",
    "fhir.terminology.filter": "not-supported",
    "fhir.terminology.no-lists": "not-supported",
    "fhir.terminology.incomplete": "not-found",
    "fhir.terminology.parameter": "not-supported",
    "fhir.terminology.parameter-missing": "required",
    "fhir.terminology.system": "not-found",
    "fhir.terminology.too-costly": "too-costly",
    "fhir.terminology.too-long": "too-costly",
    "fhir.terminology.too-many-sets": "too-costly",
    "fhir.terminology.value-set": "not-found",
    "fhir.terminology.version": "not-found",
    "fhir.bundle": "invalid",
    "fhir.bundle.unresolved": "not-found",
    "fhir.conditional": "invalid",
    "fhir.conditional.ambiguous": "multiple-matches",
    "fhir.conditional.none": "not-found",
    "fhir.conditional.too-many": "multiple-matches",
    "fhir.if-none-match": "duplicate",
    "fhir.parameter": "not-supported",
    "fhir.patch": "invalid",
    "fhir.subsetted": "processing",
    "fhir.update-create": "not-supported",
    "fhir.xml": "structure",
    "fhir.format": "not-supported",
    "fhir.id-mismatch": "invalid",
    "fhir.if-match": "invalid",
    "fhir.invariant": "invariant",
    "fhir.invariant.too-costly": "too-costly",
    "fhir.profile": "invariant",
    "fhir.profile.not-installed": "not-found",
    "fhir.profile.missing": "required",
    "fhir.profile.code": "code-invalid",
    "fhir.profile.value": "value",
    "fhir.not-supported": "not-supported",
    "failure.not-found": "not-found",
    "failure.gone": "deleted",
    "failure.conflict": "conflict",
    "failure.version": "conflict",
    "failure.if-match": "required",
    "failure.denied": "forbidden",
    "failure.login": "login",
    "failure.try-later": "transient",
    "store": "transient",
    "store.value": "value",
    "failure.too-large": "too-long",
    "failure.throttled": "throttled",
}


def issue_type(code: str) -> str:
    """The issue type of a problem code."""
    key = code
    while key:
        if key in ISSUE_TYPES:
            return ISSUE_TYPES[key]
        key = key.rpartition(".")[0]
    return "processing"


def outcome(problems: Iterable[Problem]) -> dict[str, Any]:
    """The OperationOutcome of `problems`: Portuguese in details, English in diagnostics; a success without any."""
    issues = [_issue(problem) for problem in problems]
    if not issues:
        issues = [{"severity": "information", "code": "informational", "diagnostics": "No findings."}]
    return {"resourceType": "OperationOutcome", "issue": issues}


def _issue(problem: Problem) -> dict[str, Any]:
    text = " ".join(part for part in (problem.text("pt"), problem.remedy("pt")) if part)
    english = " ".join(part for part in (problem.text("en"), problem.remedy("en")) if part)
    issue: dict[str, Any] = {
        "severity": problem.severity,
        "code": issue_type(problem.code),
        "details": {"coding": [{"system": "urn:ponte:problem", "code": problem.code}], "text": text},
        "diagnostics": english,
    }
    if problem.where:
        issue["expression"] = [problem.where]
    return issue
