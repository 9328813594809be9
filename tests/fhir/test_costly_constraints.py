"""What the constraints of a resource may cost: processor time has an end as steps have, for one and for all together."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fhir.fhirpath.engine import compiled
from fhir.fhirpath.evaluation import MOST_SECONDS, Budget, Scope, TooCostly, deadline
from fhir.fhirpath.items import resource
from fhir.validation import invariants

COSTLY = "fhir.invariant.too-costly"


def questionnaire(items: int) -> dict[str, Any]:
    """A Questionnaire of so many questions; que-2 asks for all that is below it, from every side."""
    questions = [{"linkId": str(n), "type": "string", "text": "a"} for n in range(items)]
    return {"resourceType": "Questionnaire", "status": "draft", "item": questions}


def codes(body: dict[str, Any], **given: Any) -> set[str]:
    return {problem.code for problem in invariants.check(body, blocking=True, **given)}


def test_a_resource_has_a_second_of_the_processor() -> None:
    body = questionnaire(60_000)
    began = time.thread_time()
    assert COSTLY in codes(body, until=deadline(-1))
    walked = time.thread_time() - began  # all but the costly constraint: what finding them costs on this machine
    began = time.thread_time()
    assert COSTLY in codes(body)
    spent = time.thread_time() - began - walked
    assert spent < 2 * MOST_SECONDS, "six seconds and more where only steps are counted"


def test_an_ordinary_one_is_checked_to_its_end() -> None:
    assert codes(questionnaire(1_000)) == set()
    assert codes(questionnaire(10), until=deadline(-1)) == set(), "what costs little is checked however late it is"


def test_what_comes_together_has_one_end() -> None:
    body = questionnaire(3_000)
    assert COSTLY not in codes(body)
    assert COSTLY in codes(body, until=deadline(-1))


def test_a_bundle_has_one_end(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{"fullUrl": f"urn:uuid:{n}", "resource": questionnaire(3_000)} for n in range(3)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    assert COSTLY not in codes(bundle)
    monkeypatch.setattr(invariants, "MOST_SECONDS_OF_ALL", 0.0)
    assert COSTLY in codes(bundle)


def test_steps_are_counted_across_looks_at_the_clock() -> None:
    step, item = (
        compiled("(1 | 2 | 3).repeat(iif($this < 4000, $this + 1, {})).count()"),
        resource({"resourceType": "Basic"}),
    )
    for budget in (Budget(100), Budget(20_000, until=deadline(60)), Budget(until=deadline(-1))):
        scope = Scope(item, budget=budget)
        with pytest.raises(TooCostly):
            step(scope, scope.this)
    budget = Budget(12_000, until=deadline(60))
    budget.spend(12_000)
    with pytest.raises(TooCostly):
        budget.spend(1)
