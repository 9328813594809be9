"""Of a field that repeats, each repetition is accounted for: told where nothing was made of it."""

from __future__ import annotations

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||ADT^A31^ADT_A05|c1|P|2.5.1||||||UNICODE UTF-8\rEVN||20261122090000\r"
)


def told(pid: str, *more: str) -> list[tuple[str, str]]:
    message = er7.read((HEAD + "\r".join((pid, *more)) + "\r").encode())
    assert isinstance(message, Message)
    problems = translate(message, zone="America/Sao_Paulo").problems
    return [(p.code, p.where) for p in problems if "-" in p.where]


@pytest.mark.parametrize(
    ("numbers", "where"),
    [
        ("4455^^^HSL^MR~^^^SUS^PI", "PID#3-3[2]"),
        ("^^^HSL^PI~4455^^^HSL^MR", "PID#3-3[1]"),
        ("4455^^^HSL^MR~^^^SUS^PI~^^^CNES^XX", "PID#3-3[2]"),
    ],
)
def test_a_repetition_of_which_nothing_was_made_is_told_in_its_place(numbers: str, where: str) -> None:
    found = told(f"PID|1||{numbers}||Amaral^Rute")
    assert ("field.nothing-made", where) in found


@pytest.mark.parametrize(
    "numbers",
    [
        "4455^^^HSL^MR~4455^^^HSL^MR",  # the same twice
        "4455^^^HSL^MR~^^^HSL^MR",  # no more than the first says
        "4455^^^HSL^MR~",
        '4455^^^HSL^MR~""',
        "4455^^^HSL^MR~^^^",
        "4455^^^HSL^MR~98^^^SUS^PI",  # both are numbers
    ],
)
def test_what_says_no_more_than_another_or_was_read_is_not(numbers: str) -> None:
    assert not [code for code, _ in told(f"PID|1||{numbers}||Amaral^Rute") if code == "field.nothing-made"]


def test_a_repetition_of_which_a_row_told_is_not_told_twice() -> None:
    found = told("PID|1||4455^^^HSL^MR||Amaral^Rute||||||||(11) 3333-4444~sem telefone")
    assert ("field.says-nothing", "PID#3-13") in found
    assert "field.nothing-made" not in [code for code, _ in found]


def test_many_segments_tell_it_once() -> None:
    relatives = [f"NK1|{n}|Amaral^Jo{n}o|FTH||(11) 3333-444{n}~^^CP" for n in range(1, 4)]
    message = er7.read((HEAD + "\r".join(("PID|1||4455^^^HSL^MR||Amaral^Rute", *relatives)) + "\r").encode())
    assert isinstance(message, Message)
    found = [p for p in translate(message, zone="America/Sao_Paulo").problems if p.code == "field.nothing-made"]
    assert [(p.where, dict(p.args)) for p in found] == [("NK1#4-5[2]", {"count": "3"})]
