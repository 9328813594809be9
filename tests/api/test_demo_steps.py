"""A step holds only when each of its checks holds, at least one was made, and nothing failed."""

from __future__ import annotations

from api.demo.step import Step


def test_a_step_without_a_check_does_not_hold() -> None:
    assert not Step("a", "A").held


def test_one_wrong_figure_fails_the_step_and_is_named() -> None:
    step = Step("a", "A")
    step.same("messages", 3, 3)
    assert step.held and step.figures == {"messages": 3}
    step.same("charges", 2, 1)
    assert not step.held
    assert step.as_json()["failed"] == [{"check": "charges", "expected": 2, "found": 1}]


def test_a_failure_fails_the_step() -> None:
    step = Step("a", "A")
    step.true("something", True)
    step.failure = "TimeoutError"
    assert not step.held and step.as_json()["failure"] == "TimeoutError"


def test_a_floor_is_a_check() -> None:
    step = Step("a", "A")
    step.at_least("patients", 40, 39)
    assert not step.held and step.figures["patients"] == 39
