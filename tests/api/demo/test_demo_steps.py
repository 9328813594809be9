"""A step holds only when each of its checks holds, at least one was made, and nothing failed."""

from __future__ import annotations

import dataclasses
import json

import pytest

from api.cli.main import main
from api.demo import receiving
from api.demo.feed import Sent
from api.demo.step import Step
from api.demo.steps import STEPS
from api.demo.wire import Expected, Message
from canonical.identity import bytes_number


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


def message(lane: str, control: str, **more: object) -> Message:
    made = Message(lane=lane, control_id=control, type="ADT^A01", payload=control.encode(), expected=Expected())
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def sent(code: str, control: str) -> Sent:
    return Sent(message=message("1", "a"), code=code, control_id=control, seconds=0.0)


def test_an_answer_is_right_only_with_its_code_and_its_control_id() -> None:
    assert receiving._right(sent("AA", "a"))
    assert not receiving._right(sent("AE", "a")) and not receiving._right(sent("AA", "b"))


def test_a_lost_order_or_message_is_seen() -> None:
    messages = [message("1", "a"), message("1", "b"), message("2", "c")]
    assert receiving._orders(messages, ["c", "a", "b"]) == (2, 2)
    assert receiving._orders(messages, ["b", "a", "c"]) == (2, 1)
    assert receiving._orders(messages, ["a", "b"]) == (2, 1)


def test_a_fault_needs_its_status_finding_receipts_and_mark() -> None:
    wrong = message("faults", "x", expected=Expected(ack="AE", status="ERROR", problem="er7.cut"), shows="cut")
    twin = message("faults", "y", twin=True, shows="duplicate")
    clash = message("faults", "z", shows="conflict: again")
    key = {m.control_id: bytes_number(m.payload) for m in (wrong, twin, clash)}
    problem = '[{"code": "er7.cut"}]'
    good = {
        key["x"]: ("ERROR", problem, 1, False),
        key["y"]: ("TRANSFORMED", "[]", 2, False),
        key["z"]: ("TRANSFORMED", "[]", 1, True),
    }
    assert held([wrong, twin, clash], good)
    for control, row in (
        ("x", ("TRANSFORMED", problem, 1, False)),
        ("x", ("ERROR", "[]", 1, False)),
        ("y", ("TRANSFORMED", "[]", 1, False)),
        ("z", ("TRANSFORMED", "[]", 1, False)),
    ):
        assert not held([wrong, twin, clash], {**good, key[control]: row})
    assert not held([wrong], {})


def held(faults: list[Message], outcomes: dict[int, tuple[str, str, int, bool]]) -> bool:
    step = Step("a", "A")
    receiving._faults(faults, outcomes, step)
    return step.held


@pytest.mark.parametrize(("broken", "code"), [("", 0), ("figure", 1), ("failure", 1), ("missing", 1)])
def test_the_command_ends_with_1_for_anything_that_did_not_hold(
    broken: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["hub", *(name for name, _, _ in STEPS)]
    done = [Step(name, name) for name in (names[:-1] if broken == "missing" else names)]
    for step in done:
        step.same("figure", 1, 2 if broken == "figure" and step is done[3] else 1)
    done[2].failure = "TryLater" if broken == "failure" else ""
    monkeypatch.setattr("api.demo.run.run", lambda screen, seed: done)
    assert main(["demo", "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is (code == 0) and document["failed"] == (1 if broken == "figure" else 0)
