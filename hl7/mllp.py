"""MLLP release 1 framing: `<VT> payload <FS><CR>`, read from a byte stream however it is cut.

```
0x0B  MSH|…  0x0D  PID|…  0x0D  …  0x1C 0x0D
```
"""

from __future__ import annotations

import contextlib
import socket
from typing import NamedTuple, Protocol

START = b"\x0b"
END = b"\x1c\r"
ASKED_AFTER_SECONDS = 60
"""So long a connection may be silent before the system asks whether the other side is still there: firewalls forget
one after five minutes at the earliest."""
ASKED_EVERY_SECONDS = 15
ASKED_TIMES = 4


class Line(Protocol):
    """What takes options of a socket."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """As of a socket."""


def ask_after(line: Line) -> None:
    """Let the system ask a silent other side now and then whether it is there (RFC 9293 §3.8.4).

    A connection of MLLP lasts for days. One whose other side vanished (switched off, behind a firewall that forgot it)
    ends by itself after two minutes instead of taking the next message into nothing.
    """
    with contextlib.suppress(OSError):  # it has just ended
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            ("TCP_KEEPIDLE", ASKED_AFTER_SECONDS),
            ("TCP_KEEPINTVL", ASKED_EVERY_SECONDS),
            ("TCP_KEEPCNT", ASKED_TIMES),
        ):
            if (number := getattr(socket, option, None)) is not None:  # not every system has all of them
                line.setsockopt(socket.IPPROTO_TCP, number, value)


class Frame(NamedTuple):
    """One frame's payload. `cut` is set when a new start came before its end: it is no message, but kept."""

    payload: bytes
    cut: bool = False


class FrameTooLarge(Exception):
    """A frame grew over the limit; the connection cannot be read on. `frames` are those completed before it."""

    def __init__(self, frames: list[Frame]) -> None:
        super().__init__("frame too large")
        self.frames = frames


class Framer:
    """Turns fed bytes into frames. Bytes outside a frame are dropped and counted in `stray`."""

    __slots__ = ("_buffer", "_inside", "_scanned", "limit", "stray")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.stray = 0
        self._buffer = bytearray()
        self._inside = False
        self._scanned = 0

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame."""
        return len(self._buffer) if self._inside else 0

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._inside

    def rest(self, limit: int) -> bytes:
        """What there is of an unfinished frame, up to `limit` bytes."""
        return self._taken(min(limit, len(self._buffer))) if self._inside else b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by `data`; raises FrameTooLarge."""
        if not self._buffer and not self._inside and _alone(data) and len(data) <= self.limit:
            return [Frame(data[1:-2])]
        self._buffer += data
        frames: list[Frame] = []
        while True:
            if not self._inside and not self._open():
                return frames
            end = self._buffer.find(END, max(0, self._scanned - 1))
            start = self._buffer.find(START, self._scanned, end if end >= 0 else len(self._buffer))
            if start >= 0:
                frames.append(Frame(self._taken(start), cut=True))
                del self._buffer[: start + 1]
                self._scanned = 0
                continue
            if end < 0:
                self._scanned = len(self._buffer)
                if self._scanned > self.limit:
                    raise FrameTooLarge(frames)
                return frames
            if end > self.limit:
                raise FrameTooLarge(frames)
            frames.append(Frame(self._taken(end)))
            del self._buffer[: end + 2]
            self._inside, self._scanned = False, 0

    def _taken(self, end: int) -> bytes:
        with memoryview(self._buffer) as view:
            return bytes(view[:end])

    def _open(self) -> bool:
        start = self._buffer.find(START)
        if start < 0:
            self.stray += len(self._buffer)
            self._buffer.clear()
            return False
        self.stray += start
        del self._buffer[: start + 1]
        self._inside, self._scanned = True, 0
        return True


def _alone(data: bytes) -> bool:
    """Whether `data` is exactly one whole frame: what a sender that waits for each answer sends."""
    return data[:1] == START and data.find(END) == len(data) - 2 > 0 and data.find(START, 1) < 0


def frame(payload: bytes) -> bytes:
    """`payload` as one frame."""
    return START + payload + END
