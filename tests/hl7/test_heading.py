"""Headers seen before: what is found out once for all that say the same is what each would say by itself."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.problem import Problem
from hl7 import ack, er7, heading
from hl7.er7 import Message
from hub.exchange.door.receive import judge_envelope

NOW = datetime.datetime(2026, 11, 28, 10, 0, 0, tzinfo=datetime.UTC)
TYPES = st.sampled_from(
    [
        "ADT^A01",
        "adt^a08^ADT_A01",
        "ADT",
        "ADT_A04",
        "ORU",
        "ORU^",
        "ACK",
        "ACK^A01",
        "",
        "^A01",
        " ORM ",
        "XYZ",
        "A\\T\\B",
    ]
)
VALUES = st.sampled_from(["", "A", "LAB^1.2.3^ISO", "A\\T\\B", "a b", "é"])
EVENTS = st.sampled_from([None, "", "A01", "a03", "A31"])


def message_of(stated: str, names: tuple[str, ...], stamp: str, control: str, event: str | None, marks: str) -> bytes:
    header = (
        f"MSH{marks[0]}{marks[1:]}|{names[0]}|{names[1]}|{names[2]}|{names[3]}|{stamp}||{stated}|{control}|P|{names[4]}"
    )
    header = header.replace("|", marks[0])
    return (header + (f"\rEVN{marks[0]}{event}" if event is not None else "") + "\r").encode()


def wanted_type(stated: str, event: str | None) -> str:
    """MSH-9 as `ADT^A01`, by the words of `Message.type`."""
    code, _, rest = stated.partition("^")
    code, own = code.replace("\\T\\", "&").strip().upper(), rest.partition("^")[0].strip().upper()
    if not own and code not in ("ACK", ""):
        code, _, named = code.partition("_")
        only = {"ORU": "R01", "ORM": "O01", "ORR": "O02", "DFT": "P03", "VXU": "V04"}.get(code, "")
        own = (event or "").strip().upper() or named or only
    return f"{code}^{own}" if own else code


@given(
    TYPES,
    st.tuples(VALUES, VALUES, VALUES, VALUES, st.sampled_from(["2.3", "2.5.1", "2.8^BRA", "", "3"])),
    st.lists(
        st.tuples(st.sampled_from(["20261122", "", "x"]), st.sampled_from(["1", "2", "", "A^B"]), EVENTS), max_size=4
    ),
    st.sampled_from(["|^~\\&", "|^~\\&#"]),
)
def test_a_header_seen_before_is_read_as_one_that_is_new(
    stated: str, names: tuple[str, ...], several: list[tuple[str, str, str | None]], marks: str
) -> None:
    heading._known.clear()
    warm = [er7.read(message_of(stated, names, stamp, control, event, marks)) for stamp, control, event in several]
    for message, (stamp, control, event) in zip(warm, several, strict=True):
        heading._known.clear()
        alone = er7.read(message_of(stated, names, stamp, control, event, marks))
        assert isinstance(message, Message) and isinstance(alone, Message)
        assert (message.type, message.version, message.control_id) == (alone.type, alone.version, alone.control_id)
        assert message.type == wanted_type(stated, event)
        stamps = ack.Stamp("R1", NOW)
        told = [Problem("structure.required", "PID-3")]
        for code, problems in (("AA", []), ("AE", told)):
            answers = [ack.build(ack.envelope(each), code, problems, stamps) for each in (message, alone)]  # type: ignore[arg-type]
            assert answers[0] == answers[1]
            answer = er7.read(answers[0])
            assert isinstance(answer, Message)
            assert answer.text("MSA", 2) == message.control_id.partition("^")[0]
            header = answer.header
            assert [header.raw_field(n) for n in (5, 6, 3, 4)] == [message.header.raw_field(n) for n in (3, 4, 5, 6)]
            assert header.raw_field(7) == "20261128100000+0000" and header.raw_field(10) == "R1"


def test_headings_are_shared_and_do_not_grow_without_end() -> None:
    raw = message_of("ADT^A01", ("A", "B", "C", "D", "2.5"), "2026", "1", None, "|^~\\&")
    one, other = er7.read(raw), er7.read(raw.replace(b"|2026|", b"|2027|").replace(b"|1|P", b"|2|P"))
    assert isinstance(one, Message) and isinstance(other, Message)
    assert one.heading is other.heading
    assert (one.control_id, other.control_id) == ("1", "2")
    for number in range(heading._MOST + 10):
        er7.read(raw.replace(b"|B|", b"|%d|" % number))
    assert len(heading._known) <= heading._MOST
    long = er7.read(raw.replace(b"|B|", b"|" + b"B" * 3000 + b"|"))
    assert isinstance(long, Message) and long.heading not in heading._known.values()


def test_the_same_moment_of_two_zones_is_written_in_each() -> None:
    there = NOW.astimezone(datetime.timezone(datetime.timedelta(hours=-3)))
    found = [ack.build(ack.Envelope(control_id="1"), "AA", [], ack.Stamp("R1", now)) for now in (NOW, there)]
    assert b"|20261128100000+0000|" in found[0] and b"|20261128070000-0300|" in found[1]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"MSH|^~\\&|A|B|C|D|2026||ADT^A01^ADT_A01|1|P|2.5\r", []),
        (b"MSH|*~\\&|A|B|C|D|2026||ADT*A01|1|P|2.5\r", []),
        (b"MSH|*~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\r", ["type.form"]),
        (b"MSH|^~\\&|A|B|C|D|2026||adt^A01|1|P|2.5\r", ["type.form"]),
        (b"MSH|^~\\&|A|B|C|D|2026||ADT_A01|1|P|2.5\r", ["type.form"]),
        (
            b"MSH|^~\\&|A|B|C|D|2026||||X|3.0\r",
            ["structure.required"] * 2 + ["processing.unknown", "version.unsupported"],
        ),
    ],
)
def test_what_is_wrong_with_a_header_is_told_of_each_message(raw: bytes, told: list[str]) -> None:
    for _ in range(2):
        message = er7.read(raw)
        assert isinstance(message, Message) and [problem.code for problem in judge_envelope(message)] == told
