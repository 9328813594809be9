"""The least a door can do: it takes a frame, stores its bytes by the floor's own insert, and names it to its sender.

Nothing is read, judged or ordered. What it reaches of the floor is what the language, the event loop and the driver
leave; the rest of the way to the hub's own figure is what the hub does. Run as `python -m bench.bare_door PORT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, cast

import asyncpg
import uvloop

from bench.crew import await_port, spawned
from canonical.identity import new_id
from hub.servers import process
from hub.settings import Settings

_INSERT = "INSERT INTO floor.row VALUES ($1, $2)"


class _Bare(asyncio.Protocol):
    """One connection, whose sender waits for each answer; it has a database connection of its own, as in the floor."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._buffer = b""
        self._statement: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.endswith(b"\x1c\r"):
            raw, self._buffer = self._buffer[1:-2], b""
            self._task = asyncio.get_running_loop().create_task(self._store(raw))

    async def _store(self, raw: bytes) -> None:
        if self._statement is None:
            self._statement = await (await asyncpg.connect(self._url)).prepare(_INSERT)
        await self._statement.fetch(new_id(), raw)
        control = raw.split(b"|", 10)[9]
        self._transport.write(b"\x0bMSH|^~\\&|||||||ACK|1|P|2.5\rMSA|AA|" + control + b"\r\x1c\r")


@contextlib.contextmanager
def bare_door(settings: Settings) -> Iterator[int]:
    """The bare door as a process of its own: its port."""
    port = process.free_port()
    child = spawned(
        settings, ["bench.bare_door", str(port)], {"FLOOR_URL": settings.owner_database_url}, "bare-door.log"
    )
    try:
        await_port(port, child)
        yield port
    finally:
        process.stop(child, signal.SIGTERM, 10)


async def _serve(port: int) -> None:
    url = os.environ["FLOOR_URL"]
    server = await asyncio.get_running_loop().create_server(lambda: _Bare(url), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
