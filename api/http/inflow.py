"""A request's body as a file that is read while it arrives: nothing is spooled, temporary files hold no patient data.

A thread reads; the event loop receives. The sender is asked for more only when the reader wants more, so that a body of
any size is held a piece at a time.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooSlow

from canonical.errors import TryLater

IDLE_SECONDS = 30.0


class TooMuch(Exception):
    """More came than a body may have."""


class Inflow(io.RawIOBase):
    """Reads `begun`, what has been received already, and then `rest`; it can go back while only `begun` has been read.

    To be made on the event loop and read in a thread. `read` raises TooMuch beyond `most` bytes and TryLater for a
    sender that is silent for IDLE_SECONDS.
    """

    def __init__(self, begun: bytes, rest: AsyncIterator[bytes], most: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun, self._rest, self._most = begun, rest, most
        self._at = 0
        self._left = b""
        self._flowing = False

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in what was received first; raises UnsupportedOperation for any other."""
        if self._flowing or whence != io.SEEK_SET or not 0 <= offset <= len(self._begun):
            raise io.UnsupportedOperation("seek")
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        if not self._flowing and self._at < len(self._begun):
            end = len(self._begun) if size < 0 else self._at + size
            piece = self._begun[self._at : end]
            self._at += len(piece)
            return piece
        self._flowing, self._begun = True, b""
        while not self._left:
            self._left = self._next()
            if not self._left:
                return b""
        size = len(self._left) if size < 0 else size
        piece, self._left = self._left[:size], self._left[size:]
        return piece

    def _next(self) -> bytes:
        """What the sender sends next; none at the end."""
        coming: Future[bytes | None] = asyncio.run_coroutine_threadsafe(self._receive(), self._loop)
        try:
            piece = coming.result(IDLE_SECONDS)
        except TooSlow:
            coming.cancel()
            raise TryLater("the sender stopped sending") from None
        if piece is None:
            return b""
        self._at += len(piece)
        if self._at > self._most:
            raise TooMuch
        return piece

    async def _receive(self) -> bytes | None:
        async for piece in self._rest:
            if piece:
                return piece
        return None
