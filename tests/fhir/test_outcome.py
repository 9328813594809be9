"""Every finding of the FHIR room and its door has words in both languages, a remedy, and an R4 issue type."""

from __future__ import annotations

import re
from pathlib import Path

from canonical.problem import Problem, catalogue
from fhir.definitions.table import codes
from fhir.outcome import ISSUE_TYPES, outcome
from fhir.validation.validator import validate

ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    "fhir",
    "hub/records",
    "hub/guard",
    "api/routes/fhir",
    "api/http/failures.py",
    "api/http/rejected.py",
    "api/routes/oauth.py",
    "api/cli/fhir.py",
)
_CODE = re.compile(r'"((?:fhir\.[a-z]+|failure)(?:[.\-][a-z\-]+)*)"')


def used() -> set[str]:
    found = set()
    for place in PLACES:
        path = ROOT / place
        for file in [path] if path.is_file() else path.rglob("*.py"):
            found |= {m for m in _CODE.findall(file.read_text(encoding="utf-8")) if m not in ISSUE_TYPES}
    return {code for code in found if not code.startswith("fhir.search.search")}


def test_every_code_has_words() -> None:
    # names of modules, and of jobs
    modules = {
        "fhir.reindex",
        "fhir.words",
        "fhir.definitions",
        "fhir.search.parameters",
        "fhir.outcome",
        "fhir.validation.validator",
        "fhir.search.query",
        "fhir.search.paths",
    }
    missing = sorted(used() - set(catalogue()) - modules)
    assert not missing, f"add rows to problems.csv for {missing}"
    for code, words in catalogue().items():
        if code.startswith(("fhir.", "failure")):
            assert all(words.text[language] and words.remedy[language] for language in ("pt", "en")), code


def test_issue_types_are_of_r4() -> None:
    assert set(ISSUE_TYPES.values()) <= codes("http://hl7.org/fhir/ValueSet/issue-type")


def test_an_outcome_is_valid_and_bilingual() -> None:
    found = outcome([Problem("fhir.search.modifier", "x", args=(("name", "x"),)), Problem("failure.gone")])
    assert validate(found) == []
    assert "modificador" in found["issue"][0]["details"]["text"] and "modifier" in found["issue"][0]["diagnostics"]
    assert validate(outcome([])) == []
