"""The MLLP door: persistent connections, answers in order, nothing positive before the commit."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from canonical.errors import PonteError
from canonical.problem import Problem
from hl7.mllp import Frame, Framer, FrameTooLarge, frame
from hub.clock import Clock
from hub.exchange.channels import Channel
from hub.exchange.keep import Keeper
from hub.exchange.receive import receive

log = logging.getLogger("ponte.mllp")
_CHUNK = 256 * 1024
IDLE_SECONDS = 3600.0
HALF_FRAME_SECONDS = 120.0
SLOWEST_BYTES_A_SECOND = 10_000
CLOSING_SECONDS = 10.0
KEPT_OF_BROKEN = 1024 * 1024


class Listener:
    """Serves one channel on one port."""

    def __init__(self, channel: Channel, keeper: Keeper, now: Clock, limit: int) -> None:
        self.channel = channel
        self._keeper = keeper
        self._now = now
        self._limit = limit
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port; raises OSError when it is taken."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_CHUNK, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end the connections; what was not acknowledged the sender will send again."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        except PonteError as error:
            log.warning("channel %s: not acknowledged: %s", self.channel.name, error.code)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), CLOSING_SECONDS)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer(self._limit)
        clock = asyncio.get_running_loop().time
        began: float | None = None
        while True:
            deadline = None if began is None else began + HALF_FRAME_SECONDS + framer.pending / SLOWEST_BYTES_A_SECOND
            try:
                patience = IDLE_SECONDS if deadline is None else max(0.0, deadline - clock())
                data = await asyncio.wait_for(reader.read(_CHUNK), patience)
            except TimeoutError:
                data = b""
            if not data:
                await self._keep_rest(framer)
                return
            try:
                frames = framer.feed(data)
            except FrameTooLarge:
                writer.write(await self._too_large(framer))
                await asyncio.wait_for(writer.drain(), CLOSING_SECONDS)
                return
            await self._answer_all(frames, writer)
            if frames or not framer.inside:
                began = None
            if framer.inside and began is None:
                began = clock()

    async def _answer_all(self, frames: list[Frame], writer: asyncio.StreamWriter) -> None:
        """Answers in the order of the frames; one that cannot be kept ends the connection, those before it count."""
        if len(frames) == 1:
            writer.write(await self._answer(frames[0]))
        elif frames:
            answers = await asyncio.gather(*(self._answer(item) for item in frames), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException):
                    await writer.drain()
                    raise answer
                writer.write(answer)
        await writer.drain()

    async def _answer(self, item: Frame) -> bytes:
        fault = Problem("er7.cut", "MSH") if item.cut else None
        answer = await receive(self._keeper, self.channel, item.payload, self._now, fault=fault)
        return b"" if item.cut else frame(answer.payload)

    async def _too_large(self, framer: Framer) -> bytes:
        """AR for a frame over the limit; its beginning is kept, the rest is not read."""
        log.warning("channel %s: a frame over the limit; the connection is closed", self.channel.name)
        problem = Problem("er7.too-large", "MSH", args=(("limit", str(self._limit)),))
        head = framer.rest(KEPT_OF_BROKEN)
        answer = await receive(self._keeper, self.channel, head, self._now, fault=problem)
        return frame(answer.payload)

    async def _keep_rest(self, framer: Framer) -> None:
        """A frame that never ended is no message and gets no answer, but what came of it is kept."""
        rest = framer.rest(KEPT_OF_BROKEN)
        if rest:
            log.warning("channel %s: a connection ended inside a frame", self.channel.name)
            await receive(self._keeper, self.channel, rest, self._now, fault=Problem("er7.unfinished", "MSH"))
