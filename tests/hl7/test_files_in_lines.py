"""A file (OBX-5 of type ED) whose Base64 its sender wrote in lines, as mail has it (2.5.1 §2.5.2: a segment is a line)."""

from __future__ import annotations

import base64

import pytest

from hl7 import er7
from hl7 import lines as reading
from hl7.er7 import Message

FILE = base64.b64encode(bytes(range(256))).decode()
HEAD = "MSH|^~\\&|A|B|C|D|20261122||ORU^R01|1|P|2.5\rPID|1||7\rOBR|1||F1|X\rOBX|1|ED|Y||^application^pdf^Base64^"


def lines(width: int) -> list[str]:
    return [FILE[n : n + width] for n in range(0, len(FILE), width)]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("width", [76, 64, 300])
def test_its_lines_are_one_file(end: str, width: int) -> None:
    raw = HEAD.replace("\r", end) + end.join(lines(width)) + f"||||||F{end}OBX|2|ST|Z||bom||||||F{end}"
    message = er7.read(raw.encode())
    assert isinstance(message, Message)
    file, note = message.named("OBX")
    assert (file.text(5, 5), file.text(11), note.text(5)) == (FILE, "F", "bom")
    told = [p.code for p in message.problems]
    assert told.count("er7.line-in-text") == (1 if width < len(FILE) else 0)


@pytest.mark.parametrize("line", ["not a line of it", "Ab!cdef", "PI|D"])
def test_another_line_makes_the_message_unreadable(line: str) -> None:
    found = er7.read((HEAD + FILE[:76] + f"\r{line}||||||F\r").encode())
    assert not isinstance(found, Message) and found.code == "er7.segment"


def test_a_line_behind_the_end_of_the_field_is_none_of_it() -> None:
    found = er7.read((HEAD + FILE[:76] + f"||||||F\r{FILE[76:]}\r").encode())
    assert not isinstance(found, Message) and found.code == "er7.segment"


def test_a_file_is_looked_at_once_however_many_lines_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    asked = reading.is_open_file
    monkeypatch.setattr(reading, "is_open_file", lambda segment: looked.append(segment.index) or asked(segment))
    message = er7.read((HEAD + FILE + "\r" + f"{FILE[:76]}\r" * 1000).encode())
    assert isinstance(message, Message)
    assert next(iter(message.named("OBX"))).text(5, 5) == FILE + FILE[:76] * 1000
    assert len(looked) == 1
