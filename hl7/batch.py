"""Files of HL7 v2: single messages, MLLP frames, loose sequences, and batches (2.5.1 §2.10.3).

FHS? (BHS messages BTS)* FTS?; BTS-1 counts messages, FTS-1 counts batches. A wrong count is an error of the batch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from canonical.problem import Problem
from hl7.mllp import END, START

_LINES = re.compile(rb"[^\r\n]+")
_ENVELOPE = frozenset((b"FHS", b"BHS", b"BTS", b"FTS"))


@dataclass(slots=True)
class Contents:
    """The messages of a file as bytes, and what is wrong with the file itself."""

    messages: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _State:
    contents: Contents
    current: list[bytes] = field(default_factory=list)
    in_batch: int = 0
    batches: int = 0
    open_batch: bool = False
    open_file: bool = False


def split(raw: bytes) -> Contents:
    """The messages in `raw`, however they are put together; unreadable content is one message that says so."""
    contents = Contents()
    if START in raw or END in raw:
        _frames(raw, contents)
        return contents
    if not raw.strip():
        return contents
    state = _State(contents)
    for match in _LINES.finditer(raw.removeprefix(b"\xef\xbb\xbf")):
        _line(match[0], state)
    _close_message(state)
    if state.open_batch or state.open_file:
        contents.problems.append(Problem("structure.batch-trailer", "BTS" if state.open_batch else "FTS"))
    return contents


def _frames(raw: bytes, contents: Contents) -> None:
    """MLLP frames of a capture; what stands outside frames is reported."""
    for chunk in raw.split(START):
        payload, mark, rest = chunk.partition(b"\x1c")
        if payload.strip():
            contents.messages.append(payload)
        if mark and rest.strip():
            contents.problems.append(Problem("er7.outside", "MSH"))


def _line(line: bytes, state: _State) -> None:
    name = line.lstrip()[:3]
    if name == b"MSH":
        _close_message(state)
        state.current = [line]
    elif name in _ENVELOPE:
        _close_message(state)
        _envelope(name, line, state)
    elif line.strip() and not line.startswith(b"#"):  # `#` begins no segment: a comment of a collected file
        state.current.append(line)


def _envelope(name: bytes, line: bytes, state: _State) -> None:
    if name == b"FHS":
        state.open_file = True
    elif name == b"BHS":
        state.open_batch, state.in_batch = True, 0
    elif name == b"BTS":
        _count(line, state.in_batch, "BTS-1", state.contents)
        state.open_batch, state.batches = False, state.batches + 1
    else:
        _count(line, state.batches, "FTS-1", state.contents)
        state.open_file = False


def _count(line: bytes, found: int, where: str, contents: Contents) -> None:
    """BTS-1 and FTS-1, where sent, must be what was found."""
    stated = line[4:].split(line[3:4])[0].strip() if len(line) > 4 else b""
    if stated and stated != str(found).encode():
        shown = stated.decode("ascii", "replace")[:10]
        contents.problems.append(
            Problem("structure.batch-count", where, args=(("stated", shown), ("found", str(found))))
        )


def _close_message(state: _State) -> None:
    if state.current:
        state.contents.messages.append(b"\r".join(state.current) + b"\r")
        state.current = []
        state.in_batch += 1
