"""A header with separators too many or too few: refused, under the number by which its sender knows it."""

from __future__ import annotations

import dataclasses

import pytest

from hl7 import ack, er7
from hl7.er7 import Message
from hub.exchange.door.receive import judge_envelope, judge_header, verdict
from tests.hl7.test_heading import NOW

WHOLE = "MSH|^~\\&|HIS|HSR|PONTE|HUB|20261122080000||ADT^A01^ADT_A01|M4711|P|2.5.1|||AL|NE"
BODY = "\rPID|1||7^^^H^MR||Souza^Ana\rPV1|1|I\r"
LAST = 10  # the separators before MSH-10


def doubled(nth: int) -> str:
    parts = WHOLE.split("|")
    return "|".join([*parts[:nth], "", *parts[nth:]])


def lost(nth: int) -> str:
    parts = WHOLE.split("|")
    return "|".join([*parts[: nth - 1], parts[nth - 1] + parts[nth], *parts[nth + 1 :]])


def answered(text: str) -> tuple[str, str, list[str]]:
    """MSA-1 and MSA-2 of the answer, and the fields of its MSH."""
    raw = text.encode()
    message = er7.read(raw)
    if isinstance(message, Message):
        envelope, code = ack.envelope(message), verdict([*message.problems, *judge_header(message)])
        assert verdict([*message.problems, *judge_envelope(message)]) != "AA", "nor one that is only passed on"
        assert message.control_id == envelope.control_id
    else:
        envelope, code = ack.salvage(raw), verdict([message])
    answer = er7.read(ack.build(envelope, code, [], ack.Stamp(control_id="1", now=NOW)))
    assert isinstance(answer, Message)
    return answer.text("MSA", 1), answer.text("MSA", 2), [answer.header.text(n) for n in (11, 12)]


@pytest.mark.parametrize("text", [*map(doubled, range(1, LAST - 1)), doubled(4).replace("HSR", "HSR|")])
def test_a_separator_too_many_before_the_number(text: str) -> None:
    assert answered(text + BODY) in (("AR", "M4711", ["P", "2.5.1"]), ("AE", "M4711", ["P", "2.5.1"]))


@pytest.mark.parametrize(
    "text", [*map(lost, range(3, LAST - 1)), WHOLE.replace("MSH|", "MSH"), WHOLE.replace("|20261122080000|", "")]
)
def test_a_separator_too_few_before_the_number(text: str) -> None:
    assert answered(text + BODY) in (("AR", "M4711", ["P", "2.5.1"]), ("AE", "M4711", ["P", "2.5.1"]))


@pytest.mark.parametrize(
    ("text", "control"),
    [
        (WHOLE.replace("ADT^A01^ADT_A01", ""), "M4711"),  # in its place
        (WHOLE.replace("ADT^A01^ADT_A01", "").replace("|P|", "|X|"), "M4711"),
        (WHOLE.replace("ADT^A01^ADT_A01", "ADT"), "M4711"),
        (doubled(5).replace("2.5.1", "x"), "ADT^A01^ADT_A01"),  # not sure: what stands in MSH-10
        (doubled(5).replace("HIS", "ORU^R01|8|P|2.5"), ""),  # two places
    ],
)
def test_where_it_is_not_sure_the_field_of_msh_10_is_named(text: str, control: str) -> None:
    message = er7.read((text + BODY).encode())
    assert isinstance(message, Message)
    assert control in ("", ack.envelope(message).control_id)
    assert ack.envelope(message).control_id == message.header.raw_field(10)


def test_a_whole_header_is_read_as_it_stands() -> None:
    message = er7.read((WHOLE + BODY).encode())
    assert isinstance(message, Message)
    head = ack.envelope(message)
    assert (head.control_id, head.head.accept, head.kind) == ("M4711", "AL", "")
    assert message.heading.named and dataclasses.is_dataclass(message.heading)
