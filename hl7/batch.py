"""Files of HL7 v2: single messages, MLLP frames, loose sequences, and batches (2.5.1 §2.10.3).

FHS? (BHS messages BTS)* FTS?; BTS-1 counts messages, FTS-1 batches, or messages (or nought) where there is no
batch. A wrong count is an error of the batch.
A file is read piece by piece, so that its size does not matter; only one message is held at a time. A message keeps
its bytes, line ends included; blank lines around it and comments of a collected file (`#`) are not of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from canonical.problem import Problem
from hl7.mllp import END, START

_ENDS = re.compile(rb"\r\n?|\n")
_ENVELOPE = frozenset((b"FHS", b"BHS", b"BTS", b"FTS"))
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Head:
    """A segment that holds a batch together: FHS, BHS, BTS or FTS, as sent."""

    name: str
    line: bytes

    def field(self, number: int) -> bytes:
        """Field `number` of FHS or BHS as sent, at most 200 bytes (2.5.1 §2.15.2, §2.15.7); empty when absent."""
        parts = self.line.split(self.line[3:4]) if len(self.line) > 3 else []
        return parts[number - 1][:200] if 2 <= number <= len(parts) else b""


@dataclass(slots=True)
class Contents:
    """The messages of a file as bytes, and what is wrong with the file itself."""

    messages: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    parts: list[Head | bytes] = field(default_factory=list)
    """The messages between the segments that hold them together, in order."""


def split(raw: bytes) -> Contents:
    """The messages in `raw`, however they are put together, and the findings about the file."""
    contents = Contents()
    for item in _read((raw,)):
        if isinstance(item, Problem):
            contents.problems.append(item)
            continue
        contents.parts.append(item)
        if isinstance(item, bytes):
            contents.messages.append(item)
    return contents


def is_batch(raw: bytes) -> bool:
    """Whether `raw` begins like a batch."""
    return raw[:3] in (b"FHS", b"BHS") or raw[:64].lstrip()[:3] in (b"FHS", b"BHS")


def messages(chunks: Iterable[bytes]) -> Iterator[bytes | Problem]:
    """Each message of a file that comes in pieces, and each finding about the file, in order."""
    return (item for item in _read(chunks) if not isinstance(item, Head))


def _read(chunks: Iterable[bytes]) -> Iterator[bytes | Problem | Head]:
    pieces = iter(chunks)
    head = next(pieces, b"")
    reader = _frames if START in head or END in head else _lines
    yield from reader(_after(head, pieces))


def _after(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield head.removeprefix(_BOM)
    yield from pieces


def _frames(pieces: Iterator[bytes]) -> Iterator[bytes | Problem]:
    """MLLP frames of a capture; what stands outside frames is reported."""
    buffer = b""
    for piece in pieces:
        *whole, buffer = (buffer + piece).split(START)
        for chunk in whole:
            yield from _frame(chunk)
    yield from _frame(buffer)


def _frame(chunk: bytes) -> Iterator[bytes | Problem]:
    payload, mark, rest = chunk.partition(END[:1])
    if payload.strip():
        yield payload
    if mark and rest.strip():
        yield Problem("er7.outside", "MSH")


@dataclass(slots=True)
class _Batch:
    """Where a file of lines stands: the lines of the open message, blank ones that may follow it, and what the open
    envelopes have counted."""

    current: list[bytes] = field(default_factory=list)
    blank: list[bytes] = field(default_factory=list)
    in_batch: int = 0
    batches: int = 0
    open_batch: bool = False
    open_file: bool = False

    def close(self) -> Iterator[bytes]:
        """The open message, if any."""
        if self.current:
            yield b"".join(self.current)
            self.current = []
            self.in_batch += 1
        self.blank = []


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes | Problem | Head]:
    state = _Batch()
    for line in _with_ends(pieces):
        yield from _line(line, state)
    yield from state.close()
    if state.open_batch or state.open_file:
        yield Problem("structure.batch-trailer", "BTS" if state.open_batch else "FTS")


def _with_ends(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines, each with its end (CR, LF or CR LF) as sent."""
    rest, held = b"", b""  # a line's beginning, which holds no end; a CR whose LF may come with the next piece
    for piece in pieces:
        text = held + piece
        text, held = (text[:-1], b"\r") if text.endswith(b"\r") else (text, b"")
        start = 0
        for match in _ENDS.finditer(text):
            yield rest + text[start : match.end()]
            rest, start = b"", match.end()
        rest += text[start:]
    if rest or held:
        yield rest + held


def _line(line: bytes, state: _Batch) -> Iterator[bytes | Problem | Head]:
    name = line.lstrip()[:3]
    if name == b"MSH":
        yield from state.close()
        state.current = [line]
    elif name in _ENVELOPE:
        yield from state.close()
        yield from _envelope(name, line, state)
    elif not line.strip():
        state.blank.append(line)
    elif not line.startswith(b"#"):  # `#` begins no segment: a comment of a collected file
        state.current += [*state.blank, line]
        state.blank = []


def _envelope(name: bytes, line: bytes, state: _Batch) -> Iterator[Problem | Head]:
    yield Head(name.decode(), line.strip())
    if name == b"FHS":
        state.open_file = True
    elif name == b"BHS":
        state.open_batch, state.in_batch = True, 0
    elif name == b"BTS":
        yield from _count(line, state.in_batch, "BTS-1")
        state.open_batch, state.batches = False, state.batches + 1
    else:
        none = () if state.batches else (b"0",)  # a file without batches holds no batch
        yield from _count(line, state.batches or state.in_batch, "FTS-1", none)
        state.open_file = False


def _count(line: bytes, found: int, where: str, also: tuple[bytes, ...] = ()) -> Iterator[Problem]:
    """BTS-1 and FTS-1, where sent, must be what was found, or what is `also` right."""
    stated = line[4:].split(line[3:4])[0].strip() if len(line) > 4 else b""
    if stated and stated not in (str(found).encode(), *also):
        shown = stated.decode("ascii", "replace")[:10]
        yield Problem("structure.batch-count", where, args=(("stated", shown), ("found", str(found))))


def answer(parts: Iterable[Head | bytes], identity: str, moment: str) -> bytes:
    """The answers of a batch as a batch (2.5.1 §2.10.3.3): its heads turned round, its trailers with our counts.

    `identity` becomes FHS-11 and BHS-11, `moment` FHS-7 and BHS-7; the sender's own ids go into FHS-12 and BHS-12.
    Answers are bytes that end with CR; empty ones are left out.
    """
    lines: list[bytes] = []
    counts = {"BTS": 0, "FTS": 0}
    closing: list[tuple[str, bytes]] = []
    for part in parts:
        if isinstance(part, bytes):
            if part:
                lines.append(part)
                counts["BTS"] += 1
        elif part.name in ("FHS", "BHS"):
            lines.append(_turned(part, identity, moment))
            closing.append(("BTS" if part.name == "BHS" else "FTS", part.line[3:4]))
            if part.name == "BHS":
                counts["BTS"] = 0
        elif closing and closing[-1][0] == part.name:
            lines.append(_trailer(closing.pop(), counts))
    while closing:
        lines.append(_trailer(closing.pop(), counts))
    return b"".join(lines)


def _turned(head: Head, identity: str, moment: str) -> bytes:
    separator = head.line[3:4]
    names = [head.field(number) for number in (5, 6, 3, 4)]
    fields = [head.name.encode(), head.field(2), *names, moment.encode(), b"", b"", b"", identity.encode()]
    return separator.join([*fields, head.field(11)]).rstrip(separator) + b"\r"


def _trailer(open_part: tuple[str, bytes], counts: dict[str, int]) -> bytes:
    name, separator = open_part
    line = name.encode() + separator + str(counts[name]).encode() + b"\r"
    counts[name] = 0
    if name == "BTS":
        counts["FTS"] += 1
    return line
