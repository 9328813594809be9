"""Messages that come in parts (2.5.1 §2.10.2): told apart from whole ones, and put together whatever their order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.problem import Problem
from hl7 import er7
from hl7.er7 import Message
from hl7.fragments import Joiner, body, joined, may_be_part, part_of, whole

HEAD = "MSH|^~\\&|LIS|HOSP|PONTE|HUB|20261122090000||{kind}|{id}|P|2.5.1||{follows}||||UNICODE UTF-8\r"
PATIENT = "PID|1||31^^^HOSP^MR||Conceição^Ana\r"
ORDER = "OBR|1|P1|F1|GLI^Glicose^L\r"


def msh(follows: str = "", kind: str = "ORU^R01", control: str = "c") -> str:
    return HEAD.format(kind=kind, id=control, follows=follows)


def read(text: str) -> Message:
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (msh() + PATIENT + ORDER, None),
        (msh() + PATIENT + ORDER + "DSC||F\r", None),
        (msh() + PATIENT + ORDER + 'DSC|""|F\r', None),
        (msh() + PATIENT + ORDER + "DSC|A1|F\r", ("", "A1", True)),
        (msh("A1") + "OBX|2|ST|X||b||||||F\r", ("A1", "", True)),
        (msh("A1") + "ADD|rest||||||F\r", ("A1", "", True)),
        (msh("A1") + "OBX|2|ST|X||b||||||F\rDSC|A2\r", ("A1", "A2", True)),
        (msh("456") + PATIENT + ORDER, ("456", "", False)),
        (msh('""') + PATIENT + ORDER, None),
        (msh(kind="QBP^Q22") + "QPD|Q22|t1\rRCP|I\rDSC|page-2|I\r", None),
    ],
)
def test_parts_are_told_from_whole_messages(text: str, told: tuple[str, str, bool] | None) -> None:
    part = part_of(read(text))
    assert (part and (part.follows, part.leads, part.certain)) == told
    for framed in (text, text.replace("\r", "\r\n"), "\ufeff" + text, text.rstrip("\r") + "\x1c\r"):
        assert may_be_part(framed.encode()) or part is None


def test_plain_messages_are_not_looked_at_twice() -> None:
    assert not may_be_part((msh() + PATIENT + ORDER + "NTE|1||DSC|A1\r").encode())
    assert not any(may_be_part(raw) for raw in (b"", b"MSH", b"MSH|", b"DSC", b"junk\rDSC|"))
    short = "MSH|^~\\&|A|B|C|D|2026||ADT^A01|c|P|2.5\n" + (PATIENT + ORDER).replace("\r", "\n")
    assert not may_be_part(short.encode()) and may_be_part((short + "DSC|A1\n").encode())


LINES = ["PID|1||31^^^HOSP^MR||Conceição^Ana", "OBR|1|P1|F1|GLI^Glicose^L"]
VALUES = st.lists(st.text("abçé |^&", min_size=1, max_size=30), min_size=1, max_size=12)


@given(VALUES, st.data())
def test_whatever_is_cut_is_joined_as_it_was(values: list[str], data: st.DataObject) -> None:
    texts = [f"OBX|{n}|FT|X^Y||.{value}.||||||F" for n, value in enumerate(values, start=1)]
    sent, parts = "\r".join([*LINES, *texts]) + "\r", [msh(control="c1") + "\r".join(LINES) + "\r"]
    for number, line in enumerate(texts, start=2):
        cut = data.draw(st.integers(0, len(line)))
        if cut > 6:  # within the segment: it ends here, with an ADD that says nothing, and goes on behind an ADD
            parts[-1] += line[:cut] + "\rADD\rDSC|p" + str(number) + "|F\r"
            parts.append(msh(f"p{number}", control=f"c{number}") + "ADD|" + line[cut:] + "\r")
        elif cut > 3:
            parts[-1] += f"DSC|p{number}|F\r"
            parts.append(msh(f"p{number}", control=f"c{number}") + line + "\r")
        else:
            parts[-1] += line + "\r"
    raws = [part.encode() for part in parts]
    made = joined(raws)
    assert isinstance(made, bytes)
    expected = read(msh(control="c1") + sent)
    assert [s.raw for s in read(made.decode()).segments] == [s.raw for s in expected.segments]
    random.Random(len(sent)).shuffle(raws)
    found = list(whole(raws))
    assert found == [made]


def two(sender: str = "LIS", pointer: str = "A1", value: str = "b") -> list[bytes]:
    first = msh() + PATIENT + ORDER + f"OBX|1|ST|X||{value}||||||F\rDSC|{pointer}\r"
    last = msh(pointer) + f"OBX|2|ST|X||{value}{value}||||||F\r"
    return [part.replace("|LIS|", f"|{sender}|").encode() for part in (first, last)]


def test_senders_and_messages_are_kept_apart() -> None:
    (a1, a2), (b1, b2) = two("LIS"), two("RIS", value="c")
    plain = (msh() + PATIENT + ORDER).encode()
    assert list(whole([a1, b1, plain, b2, a2])) == [plain, joined([b1, b2]), joined([a1, a2])]
    assert list(whole([*two(), *two(value="z")])) == [joined(two()), joined(two(value="z"))]


def test_a_part_alone_is_given_as_it_is_and_told() -> None:
    a1, a2 = two()
    assert list(whole([a2])) == [a2] and list(whole([a1, a1, a2])) == [joined([a1, a2])]
    message = er7.read(a2)
    assert isinstance(message, Message) and [p.where for p in message.problems] == ["MSH-14"]
    junk = (msh("456") + PATIENT + ORDER).encode()
    assert list(whole([junk])) == [junk]


def test_two_parts_of_one_pointer_are_not_guessed_at() -> None:
    (found,) = [item for item in whole([two()[0], two(value="z")[0]]) if isinstance(item, Problem)]
    assert (found.code, found.where) == ("er7.fragment-ambiguous", "DSC-1")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [("ORU^R01", "ORU^R30", "MSH[2]-9"), ("UNICODE UTF-8", "8859/1", "MSH[2]-18"), ("|2.5.1|", "|2.3|", "MSH[2]-12")],
)
def test_parts_that_do_not_agree_are_not_joined(old: str, new: str, where: str) -> None:
    first, last = two()
    found = joined([first, last.replace(old.encode(), new.encode())])
    assert isinstance(found, Problem) and (found.code, found.where) == ("er7.fragment-mixed", where)


def test_what_a_part_says_is_the_same_under_another_header() -> None:
    assert body(two()[0]) == body(two()[0].replace(b"|c|", b"|d|").replace(b"\r", b"\n")[:-1].replace(b"\n", b"\r"))
    assert body(b"MSH|") == b"" and isinstance(Joiner().take(b"MSH|^~\\&|"), bytes)
