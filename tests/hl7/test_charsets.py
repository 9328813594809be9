"""Character sets as senders really use them: declared, silent, lying, mixed up, lost; the text is right or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.problem import Problem
from hl7 import er7
from hl7.er7 import Message

HEAD = "MSH|^~\\&|A|B|C|D|20261122||ADT^A01|7|P|2.5||||||{}\rPID|1||9||{}\r"
NAME = "Conceição^Inês Müller"
NAMES = st.text(st.sampled_from("aeç ãõáéíóúâêôàüñÇÃÉ^XyzÁÍ"), min_size=1, max_size=20)


def name_in(raw: bytes, fixed: str = "", fallback: str = "cp1252") -> tuple[str, list[str]]:
    """PID-5 and the findings; the finding alone when it was refused."""
    message = er7.read(raw, fixed_charset=fixed, fallback_charset=fallback)
    if isinstance(message, Problem):
        return "", [message.code]
    components = len(message.segments[1].raw_field(5).split("^"))
    text = "^".join(message.text("PID", 5, n) for n in range(1, components + 1))
    return text, [problem.code for problem in message.problems]


@pytest.mark.parametrize(
    ("declared", "codec", "found"),
    [
        ("UNICODE UTF-8", "utf-8", []),
        ("8859/1", "latin-1", []),
        ("8859/15", "iso8859-15", []),
        ("8859/1", "cp1252", []),
        ("", "utf-8", ["charset.undeclared"]),
        ("", "cp1252", ["charset.undeclared"]),
        ("ASCII", "utf-8", ["charset.lies"]),
        ("UNICODE UTF-8", "latin-1", ["charset.lies"]),
        ("8859/1", "utf-8", ["charset.lies"]),
        ("KLINGON", "utf-8", ["charset.unknown"]),
        ("8859/1~ISO IR87", "latin-1", []),  # a second set that the text never switches to
        ("UNICODE UTF-8~", "utf-8", []),
    ],
)
def test_the_bytes_decide(declared: str, codec: str, found: list[str]) -> None:
    assert name_in(HEAD.format(declared, NAME).encode(codec)) == (NAME, found)


def test_windows_in_disguise() -> None:
    raw = HEAD.format("8859/1", "D’Ávila – “Zé” €").encode("cp1252")
    assert name_in(raw) == ("D’Ávila – “Zé” €", ["charset.lies"])


def test_a_channel_may_fix_it() -> None:
    raw = HEAD.format("8859/1", "Café €").encode("iso8859-15")
    assert name_in(raw, fixed="8859/15") == ("Café €", [])
    assert name_in(HEAD.format("", "\xff\xfe").encode("latin-1"), fixed="UNICODE UTF-8") == (
        "",
        ["charset.undecodable"],
    )
    assert name_in(HEAD.format("", "Ñandú").encode("mac_roman"), fallback="mac_roman") == (
        "Ñandú",
        ["charset.undeclared"],
    )


@pytest.mark.parametrize("sequence", ["\\C2842\\", "\\M244A4E\\", "\\M2442\\", "\x1b(B", "\x1b$)A"])
def test_switching_is_refused(sequence: str) -> None:
    for declared in ("", "8859/1~ISO IR87", "UNICODE UTF-8"):
        assert name_in(HEAD.format(declared, f"a{sequence}b").encode()) == ("", ["charset.switching"])


@pytest.mark.parametrize("declared", ["~ISO IR87", "ASCII~ISO IR14~ISO IR87~ISO IR159", "ISO IR87"])
def test_japanese_sets_that_msh_18_names(declared: str) -> None:
    """From ASCII and back before each delimiter; the bytes of some letters are those of separators."""
    for name in ("表山^彼方", "鞍^蹄祢", "フジ^ソラ"):
        raw = HEAD.format(declared, name).encode("iso2022_jp")
        assert raw.isascii() and name_in(raw) == (name, [])


@pytest.mark.parametrize("declared", ["8859/1~ISO IR87", "~KS X 1001", "UNICODE UTF-8~ISO IR87"])
def test_sets_that_one_codec_does_not_read_together_are_refused(declared: str) -> None:
    raw = HEAD.format(declared, "山^彼方").encode("iso2022_jp")
    assert name_in(raw) == ("", ["charset.switching"])


@pytest.mark.parametrize(
    ("declared", "escaped", "text"),
    [
        ("UNICODE UTF-8", "\\XC3A7\\", "ç"),
        ("UNICODE UTF-8", "\\XE7\\", "ç"),
        ("8859/1", "\\XE7\\", "ç"),
        ("8859/1", "\\X93\\x\\X94\\", "“x”"),
        ("8859/15", "\\XA4\\", "€"),
        ("", "\\XE7E3\\", "çã"),
        ("UNICODE UTF-8", "\\X81\\", "\\X81\\"),
        ("UNICODE UTF-8", "\\X00\\", "\\X00\\"),
        ("UNICODE UTF-8", "\\XEFBFBD\\", "\\XEFBFBD\\"),
    ],
)
def test_hexadecimal_escapes(declared: str, escaped: str, text: str) -> None:
    assert name_in(HEAD.format(declared, escaped).encode())[0] == text


@given(NAMES, st.sampled_from(["latin-1", "mac_roman"]))
def test_doubled_without_loss_is_mended(name: str, misread_as: str) -> None:
    raw = HEAD.format("UNICODE UTF-8", name).encode().decode(misread_as).encode()
    text, found = name_in(raw)
    assert text.rstrip("^") == name.rstrip("^")
    assert found == ([] if name.isascii() else ["charset.double"])


@given(NAMES)
def test_what_is_right_is_left_alone(name: str) -> None:
    text, found = name_in(HEAD.format("UNICODE UTF-8", name).encode())
    assert text == name and found == []


@pytest.mark.parametrize("lost", ["Concei\ufffd\ufffdo", "Conceiï¿½o", "Concei√?o"])
def test_loss_is_refused(lost: str) -> None:
    assert name_in(HEAD.format("UNICODE UTF-8", lost).encode()) == ("", ["charset.lossy"])


@given(st.binary(max_size=120), st.sampled_from(["", "8859/1", "UNICODE UTF-8", "8859/15", "WINDOWS-1252", "8859/9"]))
def test_never_a_replacement_character(raw: bytes, declared: str) -> None:
    message = er7.read(HEAD.format(declared, "").encode()[:-1] + raw)
    if isinstance(message, Message):
        assert not any("\ufffd" in segment.raw for segment in message.segments)
        assert "\ufffd" not in message.text("PID", 5)


@pytest.mark.parametrize(("event", "refused"), [(b"A0\x98", True), (b"A01", False)])
def test_a_letter_of_two_bytes_that_takes_a_separator_of_the_header_is_refused(event: bytes, refused: bool) -> None:
    """0x98 and the separator behind it are one letter of GB 18030: the set would not stand where MSH-18 is any more."""
    head = b"MSH|^~\\&|A|B|C|D|20261122||ADT^" + event + b"|7|P|2.5.1||||||GB 18030-2000\r"
    text, found = name_in(head + "PID|1||9||欧阳^明\r".encode("gb18030"))
    assert (text, found) == (("", ["charset.undecodable"]) if refused else ("欧阳^明", []))
