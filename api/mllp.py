"""The MLLP door: persistent connections, answers in order, nothing positive before the commit."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from canonical.errors import PonteError
from hl7.mllp import Frame, Framer, FrameTooLarge, frame
from hub.clock import Clock
from hub.exchange.channels import Channel
from hub.exchange.keep import Keeper
from hub.exchange.receive import receive

log = logging.getLogger("ponte.mllp")
_CHUNK = 256 * 1024
IDLE_SECONDS = 3600.0
HALF_FRAME_SECONDS = 120.0


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
        except FrameTooLarge:
            log.warning("channel %s: a frame over the limit; the connection was closed", self.channel.name)
        except PonteError as error:
            log.warning("channel %s: not acknowledged: %s", self.channel.name, error.code)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer(self._limit)
        while True:
            patience = HALF_FRAME_SECONDS if framer.pending else IDLE_SECONDS
            data = await asyncio.wait_for(reader.read(_CHUNK), patience)
            if not data:
                return
            frames = framer.feed(data)
            if len(frames) == 1:
                writer.write(await self._answer(frames[0]))
            elif frames:
                answers = await asyncio.gather(*(self._answer(item) for item in frames))
                writer.write(b"".join(answers))
            await writer.drain()

    async def _answer(self, item: Frame) -> bytes:
        answer = await receive(self._keeper, self.channel, item.payload, self._now, cut=item.cut)
        return b"" if item.cut else frame(answer.payload)
