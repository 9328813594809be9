"""The quick yes never says yes to what the full validator refuses, and says it to what a feed makes."""

from __future__ import annotations

from random import Random

import pytest
from made_records import broken, resource

from fhir.definitions.table import resource_types
from fhir.validation import quick
from fhir.validation.validator import findings, validate


@pytest.mark.parametrize("start", range(0, len(resource_types()), 37))
def test_yes_implies_valid(start: int) -> None:
    """Over every type: made resources, and each with one thing broken, ten times over."""
    random = Random(start)
    yes = wrong = 0
    for name in resource_types()[start : start + 37]:
        made = resource(name, random)
        for document in (made, *(broken(made, random) for _ in range(10))):
            found = findings(name, document) if document.get("resourceType") == name else ["type"]
            wrong += bool(found)
            if document.get("resourceType") == name and quick.accepts(document):
                yes += 1
                assert not found, (name, [problem.code for problem in found if not isinstance(problem, str)])
    assert yes > 30, "the quick way is hardly ever taken"
    assert wrong > 100, "hardly anything broken was tried"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("birthDate", "1980-02-29"),
        ("birthDate", "1981-02-28"),
        ("deceasedDateTime", "2026-03-01T10:20:30-03:00"),
        ("gender", "female"),
        ("managingOrganization", {"reference": "Organization/a"}),
        ("name", [{"family": "Conceição", "given": ["Ana"]}]),
        ("extension", [{"url": "urn:ponte:a", "valueString": "Mãe"}]),
    ],
)
def test_what_a_feed_makes_is_accepted_quickly(name: str, value: object) -> None:
    assert quick.accepts({"resourceType": "Patient", "id": "a", name: value})


@pytest.mark.parametrize("text", ["1900-02-29", "2023-02-29", "2026-04-31", "2026-00-01", "2026-13-01"])
def test_days_that_do_not_exist_are_refused(text: str) -> None:
    assert [p.code for p in validate({"resourceType": "Patient", "birthDate": text})] == ["fhir.value.date"]
