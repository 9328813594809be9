"""ER7, escapes, character sets and framing: what goes in comes out, however it is cut; nothing ends in a crash."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.problem import Problem
from hl7 import ack, batch, charset, er7
from hl7 import lines as reading
from hl7.er7 import STANDARD, Delimiters, Message
from hl7.escapes import escape, has_unknown, unescape
from hl7.mllp import Frame, Framer, FrameTooLarge, frame

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40)
MARKS = st.lists(st.sampled_from(list("|^~\\&#*+!@$%/")), min_size=5, max_size=5, unique=True)
HEAD = b"MSH|^~\\&|A|B|C|D|20261122||ADT^A01|7|P|2.5||||||UNICODE UTF-8\r"


@given(TEXT, MARKS)
def test_escape_round_trip(text: str, marks: list[str]) -> None:
    delimiters = Delimiters(*marks)
    escaped = escape(text, delimiters)
    assert not set(escaped) & (set(marks) - {delimiters.escape}), "no delimiter is left bare"
    assert unescape(escaped, delimiters) == text


LINES = st.sampled_from(
    (
        *(
            "PID|1||7",
            "PV1",
            "ZXX|a",
            "",
            "  ",
            "OBX|1|TX|A||more",
            "NTE|1||text",
            "free text",
            "ADD|rest",
            "ADD",
            "pv1|1",
            " PV1|1",
        ),
        *(
            "MSH|^~\\&|A",
            "PID#1",
            "OBX|1|TX|A||a\\Q\\",
            "NTE|1||a\\.br\\b",
            "NTE|1||\\C2842\\",
            "free|text",
            "P1D|2",
            "12A|x",
        ),
    )
)


@given(st.lists(LINES, max_size=6), st.sampled_from(("^~\\&", "^~", "^~\\", "^~\\&#")))
def test_plain_segments_taken_at_once_are_what_the_reader_makes_of_them(lines: list[str], declared: str) -> None:
    raw = "\r".join((f"MSH|{declared}|A|B|C|D|20261122||ADT^A01|7|P|2.5", *lines)).encode()
    found = er7.read(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(er7, "plain_names", lambda heads, mark: None)
        patch.setattr(reading, "_is_plain", lambda name: False)
        wanted = er7.read(raw)
    if isinstance(wanted, Problem) or isinstance(found, Problem):
        assert found == wanted
        return
    for name in ("MSH", "PID", "NTE", "P1D"):  # while no segment is made yet, and afterwards
        one, other = found.first(name), wanted.first(name)
        assert (one and one.raw) == (other and other.raw)
        assert [s.index for s in found.named(name)] == [s.index for s in wanted.named(name)]
    assert (found.names(), found.last_name) == (wanted.names(), wanted.last_name)
    assert found.first("MSH") is found.header is found.segments[0]
    assert [(s.name, s.index, s.raw) for s in found.segments] == [(s.name, s.index, s.raw) for s in wanted.segments]
    assert found.problems == wanted.problems
    unknown = [s for s in found.segments[1:] if has_unknown(s.raw, found.delimiters)]
    assert [p.where for p in found.problems if p.code == "field.escape"] == [f"{s.name}#{s.index}" for s in unknown[:1]]


@pytest.mark.parametrize("declared", ["\\&", "^&", "^\\", "^^~", "^~\\^"])
def test_separators_that_cannot_be_told_apart_are_refused(declared: str) -> None:
    found = er7.read(f"MSH|{declared}|A|B|C|D|20261122||ADT^A01|7|P|2.5\r".encode())
    assert isinstance(found, Problem) and (found.code, found.where) == ("er7.delimiters", "MSH-2")


@pytest.mark.parametrize("declared", ["^~\\&", "^~\\", "^~"])
def test_a_switch_of_the_character_set_is_seen_wherever_it_stands(declared: str) -> None:
    head = f"MSH|{declared}|"
    for text in (f"{head}\\C2842\\|B\rPID|1", f"{head}A|B\rPID|1||\\M28\\ \\M2842\\"):
        found = er7.read(text.encode())
        assert isinstance(found, Problem) and found.code == "charset.switching"


@given(TEXT)
def test_unescape_takes_anything(text: str) -> None:
    assert "\x00" not in unescape(text.replace("x", "\\"), STANDARD)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\", "a|b^c&d~e\\"),
        ("\\XC3A7\\\\XE7\\", "çç"),
        ("\\X00\\", "\\X00\\"),
        ("\\XZZ\\", "\\XZZ\\"),
        ("um\\.br\\dois\\.sp2\\três", "um\ndois\n\ntrês"),
        ("\\H\\negrito\\N\\", "negrito"),
        ("\\Zloc\\ \\C2842\\", "\\Zloc\\ \\C2842\\"),
        ("fim\\", "fim\\"),
    ],
)
def test_escapes(raw: str, text: str) -> None:
    assert unescape(raw, STANDARD) == text


@given(st.lists(st.lists(TEXT, min_size=1, max_size=4), min_size=1, max_size=4), MARKS)
def test_field_round_trip(repetitions: list[list[str]], marks: list[str]) -> None:
    d = Delimiters(*marks)
    field = d.repetition.join(d.component.join(escape(c, d) for c in components) for components in repetitions)
    raw = f"MSH{d.field}{d.encoding_characters}{d.field * 7}ADT\rZZZ{d.field}{field}\r"
    message = er7.read(raw.encode(), fixed_charset="UTF-8")
    assert isinstance(message, Message) and message.delimiters == d
    if field:
        segment = message.segments[1]
        for n, components in enumerate(repetitions):
            assert [segment.text(1, i, repetition=n) for i in range(1, len(components) + 1)] == components


@given(TEXT, st.sampled_from(["UNICODE UTF-8", "8859/1", "8859/15", "WINDOWS-1252", ""]))
def test_declared_charset_round_trip(text: str, name: str) -> None:
    codec = charset.NAMES[name]
    try:
        raw = f"MSH|^~\\&|A|B|C|D|||||||||||{'|' if name else ''}{name}\rNTE|1||{text}\r".encode(codec)
    except UnicodeEncodeError:
        return
    decoded = charset.decode(raw)
    assert (not isinstance(decoded, Problem) and "\ufffd" not in decoded.text) or "\ufffd" in text
    if not isinstance(decoded, Problem) and not decoded.problems:
        assert decoded.text == raw.decode(codec)


@given(st.binary(max_size=300))
def test_decoding_never_replaces(raw: bytes) -> None:
    decoded = charset.decode(HEAD + raw)
    if not isinstance(decoded, Problem) and all(p.code != "charset.double" for p in decoded.problems):
        assert decoded.text.encode(decoded.name) == HEAD + raw


@given(st.binary(max_size=400))
def test_reading_never_crashes(raw: bytes) -> None:
    for content in (raw, HEAD + raw, HEAD + b"PID|" + raw):
        message = er7.read(content)
        envelope = ack.envelope(message) if isinstance(message, Message) else ack.salvage(content)
        problems = [message] if isinstance(message, Problem) else message.problems
        answer = ack.build(envelope, "AE", problems, ack.Stamp(control_id="1", now=_now()))
        assert answer.startswith(b"MSH") and b"\rMSA" in answer
        assert isinstance(er7.read(answer), Message), "an answer can always be read"
        batch.split(content)


def _now():  # type: ignore[no-untyped-def]
    import datetime

    return datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


PAYLOAD = st.binary(min_size=0, max_size=60).map(lambda b: b.replace(b"\x0b", b" ").replace(b"\x1c", b" "))


@given(st.lists(PAYLOAD, max_size=5), st.data())
def test_frames_cut_anywhere(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(p) for p in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    framer, found = Framer(1000), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += framer.feed(stream[start:end])
    assert found == [Frame(p) for p in payloads] and not framer.inside and framer.stray == 0


@given(st.binary(max_size=200), st.integers(1, 7))
def test_framer_takes_anything(stream: bytes, step: int) -> None:
    framer = Framer(100)
    with contextlib.suppress(FrameTooLarge):
        for start in range(0, len(stream), step):
            for found in framer.feed(stream[start : start + step]):
                assert b"\x0b" not in found.payload
    assert len(framer.rest(50)) <= 50


def test_cut_frame_is_marked() -> None:
    framer = Framer(100)
    assert framer.feed(b"x\x0bone\x0btwo\x1c\r\x0bth") == [Frame(b"one", cut=True), Frame(b"two")]
    assert (framer.stray, framer.pending, framer.rest(10)) == (1, 2, b"th")


def test_frame_over_the_limit() -> None:
    with pytest.raises(FrameTooLarge):
        Framer(10).feed(b"\x0b" + b"x" * 50)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_line_ends(end: str) -> None:
    raw = HEAD.decode().replace("\r", end) + f"PID|1||9{end}"
    message = er7.read(raw.encode())
    assert isinstance(message, Message) and [s.name for s in message.segments] == ["MSH", "PID"]
    assert [p.code for p in message.problems] == ([] if end == "\r" else ["er7.line-feed"])


MESSAGE = HEAD + b"PID|1||9\r"


GOOD_BATCH = b"FHS|^~\\&\rBHS|^~\\&\r" + MESSAGE * 2 + b"BTS|2\rBHS|^~\\&\r" + MESSAGE + b"BTS|1\rFTS|2\r"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_messages_of_a_batch_keep_their_bytes(end: bytes, size: int) -> None:
    first = end.join([MESSAGE.split(b"\r")[0], b"PID|1||7", b"", b"PV1|1|I", b""])
    second = MESSAGE.rstrip(b"\r").replace(b"\r", end)  # ends without a line end, as files do
    raw = end.join([b"FHS|^~\\&", b"BHS|^~\\&"]) + end + first + end * 2 + b"# comment" + end + second
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert [item for item in batch.messages(pieces) if isinstance(item, bytes)] == [first, second]


def test_batch_counts() -> None:
    good = b"FHS|^~\\&\rBHS|^~\\&\r" + MESSAGE * 2 + b"BTS|2\rBHS|^~\\&\r" + MESSAGE + b"BTS|1\rFTS|2\r"
    contents = batch.split(good)
    assert len(contents.messages) == 3 and contents.problems == []
    wrong = batch.split(good.replace(b"BTS|2", b"BTS|3").replace(b"FTS|2", b"FTS|9"))
    assert [(p.code, p.where) for p in wrong.problems] == [
        ("structure.batch-count", "BTS-1"),
        ("structure.batch-count", "FTS-1"),
    ]
    for count in (b"2", b"0"):  # messages, or no batch
        loose = batch.split(MESSAGE * 2 + b"FTS|" + count + b"\r")
        assert len(loose.messages) == 2 and loose.problems == []
    assert [p.where for p in batch.split(MESSAGE * 2 + b"FTS|1\r").problems] == ["FTS-1"]
    cut = batch.split(good[: good.rindex(b"BTS")])
    assert [p.code for p in cut.problems] == ["structure.batch-trailer"]


@given(st.integers(1, 60))
def test_pieces_make_no_difference(size: int) -> None:
    for raw in (GOOD_BATCH, frame(MESSAGE) * 3, b"\n".join([MESSAGE, MESSAGE])):
        pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
        if raw.startswith(b"\x0b") or size > 1:
            assert list(batch.messages(pieces)) == list(batch.messages([raw]))


def test_files_of_frames_and_of_lines() -> None:
    assert batch.split(frame(MESSAGE) + b"\n" + frame(MESSAGE)).messages == [MESSAGE, MESSAGE]
    assert len(batch.split(b"\xef\xbb\xbf" + MESSAGE.replace(b"\r", b"\r\n") * 2).messages) == 2
    assert [p.code for p in batch.split(frame(MESSAGE) + b"loose").problems] == ["er7.outside"]
    assert batch.split(b" \r\n").messages == []


@pytest.mark.parametrize(
    ("version", "event", "expected"),
    [("2.3", "A01", "ACK^A01"), ("2.5.1", "A01", "ACK^A01^ACK"), ("2.1", "", "ACK")],
)
def test_answer_header_by_version(version: str, event: str, expected: str) -> None:
    kind = f"ADT^{event}" if event else "ADT"
    raw = f"MSH|^~\\&|A^1|B|C|D|2026||{kind}|x\\F\\1|T|{version}\r".encode()
    message = er7.read(raw)
    assert isinstance(message, Message)
    answer = er7.read(ack.build(ack.envelope(message), "AA", [], ack.Stamp(control_id="R1", now=_now())))
    assert isinstance(answer, Message)
    header = answer.header
    assert [header.raw_field(n) for n in (3, 4, 5, 6)] == ["C", "D", "A^1", "B"]
    assert header.raw_field(9) == expected and header.raw_field(11) == "T" and header.raw_field(12) == version
    assert answer.segments[1].raw_field(2) == "x\\F\\1", "MSA-2 is MSH-10 unchanged"


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("structure.required", b"101^Required field missing^HL70357"),
        ("structure.segment-missing", b"100^Segment sequence error^HL70357"),
        ("structure.segment-required", b"100^Segment sequence error^HL70357"),
        ("structure.segment-order", b"100^Segment sequence error^HL70357"),
        ("structure.batch-trailer", b"100^Segment sequence error^HL70357"),
        ("structure.batch-count", b"207^Application internal error^HL70357"),
        ("type.unmapped", b"200^Unsupported message type^HL70357"),
    ],
)
def test_an_error_says_the_condition_of_table_0357_that_its_problem_has(code: str, number: bytes) -> None:
    stamp = ack.Stamp(control_id="R1", now=_now())
    answer = ack.build(ack.Envelope(control_id="M1"), "AE", [Problem(code, "PV1")], stamp)
    assert b"|" + number + b"|E|" + code.encode() in answer
