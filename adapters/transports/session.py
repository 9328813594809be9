"""One MLLP connection of ours: frames go out, and every frame that comes in is either the awaited one or a stray.

A reader runs for the whole life of the connection, so that what a partner says later (the application's answer of
enhanced mode, a late acknowledgement) is heard and handed on, also while nothing is in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterator

from canonical.errors import PonteError, TryLater
from hl7.mllp import Framer, FrameTooLarge, frame

LARGEST_ANSWER = 4 * 1024 * 1024
TLS_ALERT = b"\x15\x03"
"""How a TLS port answers bytes that are no TLS (RFC 8446 §5.1: type 21, legacy version 3.x)."""
Stray = Callable[[bytes], Awaitable[bytes]]
"""What is done with a frame nobody waits for; it returns what is said to it (empty: nothing)."""


class Closed(Exception):
    """The connection ended. `unread`: by a reset, as a system ends one whose program has not read what came."""

    unread = False


class Reset(Closed):
    """The other side gave the connection up without having read all that was sent."""

    unread = True


class CertificateRefused(Closed):
    """The other side wanted a certificate of ours, or another one; TLS 1.3 says so only after the handshake."""


def _ending(error: OSError) -> Closed:
    """How a connection ended, by what the system or the TLS library says of it."""
    if isinstance(error, ssl.SSLError):
        return CertificateRefused()
    return Reset() if isinstance(error, ConnectionError) else Closed()


class Session:
    """An open connection. `heard` are the frames since `listen`; without a listener frames are strays."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stray: Stray | None) -> None:
        self._reader = reader
        self._writer = writer
        self._stray = stray
        self._heard: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self._listening = False
        self._ended = False
        self._framer = Framer(LARGEST_ANSWER)
        self._outside = 0
        self.strays = 0
        self.others = 0
        self.alerted = False
        self._task = asyncio.create_task(self._read())

    @property
    def usable(self) -> bool:
        """Whether more can be sent."""
        return not self._ended and not self._writer.is_closing()

    @property
    def unframed(self) -> bool:
        """Whether bytes came since `listening` that are no whole frame: outside of one, or of one without its end."""
        return self._framer.inside or self._framer.stray > self._outside

    async def say(self, payload: bytes) -> None:
        """Send one frame; raises Closed."""
        self._writer.write(frame(payload))
        try:
            await self._writer.drain()
        except OSError as error:
            raise _ending(error) from None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, frames are kept for `hear`. `others` counts those the caller found to answer none of ours."""
        self._listening = True
        self.others, self._outside = 0, self._framer.stray
        try:
            yield
        finally:
            self._listening = False

    async def hear(self) -> bytes:
        """The next frame; raises Closed, TryLater."""
        found = await self._heard.get()
        if isinstance(found, Exception):
            self._heard.put_nowait(found)
            raise found
        return found

    async def stray(self, payload: bytes) -> None:
        """Hand on a frame that answers something else; a failure to keep it is not the sender's matter."""
        self.strays += 1
        if self._stray is None:
            return
        with contextlib.suppress(PonteError, Closed):
            if answer := await self._stray(payload):
                await self.say(answer)

    async def close(self) -> None:
        """End the connection."""
        self._ended = True
        self._task.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        ending: Exception = Closed()
        try:
            while data := await self._reader.read(65536):
                self.alerted = self.alerted or data.startswith(TLS_ALERT)
                for item in self._framer.feed(data):
                    if item.cut:
                        self.strays += 1
                    elif self._listening:
                        self._heard.put_nowait(item.payload)
                    else:
                        await self.stray(item.payload)
        except FrameTooLarge:
            ending = TryLater("the acknowledgement is too large", code="transport.too-large")
        except OSError as error:
            ending = _ending(error)
        finally:
            self._ended = True
            self._heard.put_nowait(ending)
