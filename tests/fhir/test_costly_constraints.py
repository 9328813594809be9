"""What the constraints of a resource may cost: processor time has an end as steps have, for one and for all together."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fhir.fhirpath import evaluation
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


@pytest.fixture
def no_looks_for_garbage() -> Iterator[None]:
    """A look through all that the tests have left is processor time of this thread too, and not the resource's."""
    gc.disable()
    yield
    gc.enable()


class Clock:
    """Stands where the engine reads its thread's processor time: each look at it takes the same, however fast this is."""

    def __init__(self, a_look: float) -> None:
        self.a_look = a_look
        self.looks = 0

    def thread_time(self) -> float:
        """Seconds, of which each look took its share."""
        self.looks += 1
        return self.looks * self.a_look


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock by which a questionnaire of 3,000 takes nine tenths of what a resource may take."""
    clock = Clock(0.0)
    monkeypatch.setattr(evaluation, "time", clock)
    assert COSTLY not in codes(questionnaire(3_000))
    clock.a_look = 0.9 * MOST_SECONDS / clock.looks
    return clock


def test_a_resource_has_a_second_of_the_processor(no_looks_for_garbage: None) -> None:
    body = questionnaire(60_000)
    began = time.thread_time()
    assert COSTLY in codes(body, until=deadline(-1))
    walked = time.thread_time() - began  # all but the costly constraint: what finding them costs on this machine
    began = time.thread_time()
    assert COSTLY in codes(body)
    spent = time.thread_time() - began - walked
    assert spent < 2 * MOST_SECONDS, "six seconds and more where only steps are counted"


def test_a_resource_has_what_it_may_take_and_no_more(clock: Clock) -> None:
    assert COSTLY not in codes(questionnaire(3_000))
    assert COSTLY in codes(questionnaire(3_500))


def test_an_ordinary_one_is_checked_to_its_end() -> None:
    assert codes(questionnaire(1_000)) == set()
    assert codes(questionnaire(10), until=deadline(-1)) == set(), "what costs little is checked however late it is"


def test_what_comes_together_has_one_end(clock: Clock) -> None:
    assert COSTLY in codes(questionnaire(3_000), until=deadline(-1))


def bundle(entries: int) -> dict[str, Any]:
    """A Bundle of questionnaires that each take nine tenths of what one may take."""
    each = [{"fullUrl": f"urn:uuid:{n}", "resource": questionnaire(3_000)} for n in range(entries)]
    return {"resourceType": "Bundle", "type": "collection", "entry": each}


def test_a_bundle_has_one_end(clock: Clock) -> None:
    assert COSTLY not in codes(bundle(3)), "each has what one may take"
    assert COSTLY in codes(bundle(4)), "all together have no more than three may take"


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
