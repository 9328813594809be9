"""A segment three separators off at one place is read in its place where three fields show it; else as sent."""

from __future__ import annotations

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.aligned import aligned

HEAD = "MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5.1\r"
PERIOD = "IN1|1|ENF|326305|SAUDE SUL||||G77||||20260101|20271231"
HOLDER = "|Lima^Rui|SEL|19800301|Rua A^^Olinda^PE^53010-000|||1"
CARD = f"{'|' * 14}00123456789012345"


def moved(line: str) -> tuple[list[str], list[str]]:
    message = er7.read(f"{HEAD}{line}\r".encode())
    assert isinstance(message, Message)
    read, told = aligned(message)
    return read.segments[1].fields(), [problem.code for problem in told]


@pytest.mark.parametrize("more", [3, 5])
def test_a_holder_and_a_card_three_fields_off_come_back(more: int) -> None:
    right = f"{PERIOD}||{HOLDER}{CARD}"
    fields, told = moved(right)
    assert not told
    line = f"{PERIOD}|||||{HOLDER}{CARD}" if more == 3 else f"IN1|1|SUS|000|SUS{'|' * 14}{HOLDER}{CARD}"
    read, told = moved(line)
    assert read[16:20] == fields[16:20] and read[36] == fields[36] and told == ["structure.shifted"]


def test_three_separators_too_few_come_back() -> None:
    read, told = moved(f"IN1|1|SUS|000|SUS{'|' * 8}{HOLDER}{CARD}")
    assert read[16:19] == ["Lima^Rui", "SEL", "19800301"] and read[36] and told == ["structure.shifted"]


@pytest.mark.parametrize(
    "line",
    [
        f"{PERIOD}|||||||19800301{'|' * 18}00123456789012345",  # two fields show it
        f"{PERIOD}|||||{HOLDER}|20260101{CARD}",  # what stands behind has no place
        f"{PERIOD}||{HOLDER}{'|' * 15}00123456789012345",  # a card alone
    ],
)
def test_what_three_fields_do_not_show_is_read_as_sent(line: str) -> None:
    read, told = moved(line)
    assert read == line.split("|") and not told


def test_an_amount_and_a_code_beside_the_card_are_none() -> None:
    line = f"{PERIOD}||{HOLDER}{'|' * 11}30|5||PL7|00123456789012345|1500.00&BRL|999999999|326305"
    read, told = moved(line)
    assert read == line.split("|") and not told
