"""One MLLP connection of ours: frames go out, and every frame that comes in is either the awaited one or a stray.

A reader runs for the whole life of the connection, so that what a partner says later (the application's answer of
enhanced mode, a late acknowledgement) is heard and handed on, also while nothing is in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from canonical.errors import PonteError, TryLater
from hl7.mllp import Framer, FrameTooLarge, frame

LARGEST_ANSWER = 4 * 1024 * 1024
Stray = Callable[[bytes], Awaitable[bytes]]
"""What is done with a frame nobody waits for; it returns what is said to it (empty: nothing)."""


class Closed(Exception):
    """The connection ended."""


class Session:
    """An open connection. `heard` are the frames since `listen`; without a listener frames are strays."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stray: Stray | None) -> None:
        self._reader = reader
        self._writer = writer
        self._stray = stray
        self._heard: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self._listening = False
        self._ended = False
        self.strays = 0
        self._task = asyncio.create_task(self._read())

    @property
    def usable(self) -> bool:
        """Whether more can be sent."""
        return not self._ended and not self._writer.is_closing()

    async def say(self, payload: bytes) -> None:
        """Send one frame; raises OSError."""
        self._writer.write(frame(payload))
        await self._writer.drain()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, frames are kept for `hear`."""
        self._listening = True
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
        with contextlib.suppress(PonteError, OSError):
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
        framer = Framer(LARGEST_ANSWER)
        ending: Exception = Closed()
        try:
            while data := await self._reader.read(65536):
                for item in framer.feed(data):
                    if item.cut:
                        self.strays += 1
                    elif self._listening:
                        self._heard.put_nowait(item.payload)
                    else:
                        await self.stray(item.payload)
        except FrameTooLarge:
            ending = TryLater("the acknowledgement is too large", code="transport.too-large")
        except OSError:
            pass
        finally:
            self._ended = True
            self._heard.put_nowait(ending)
