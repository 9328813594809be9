"""A listening socket of TLS that knows whose handshake failed, and why: the loop's own server keeps that to itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

from api.doors.guests import handshake_fault

log = logging.getLogger("ponte.mllp")
HANDSHAKE_SECONDS = 15.0
FAREWELL_SECONDS = 5.0
BREATH_SECONDS = 1.0
MOST_HANDSHAKES = 1000


class SealedServer:
    """Accepts connections, goes through their handshakes side by side, and hands them to protocols.

    `tls` may be exchanged while it runs: it serves the next connection.
    """

    def __init__(
        self, tls: ssl.SSLContext, protocol: Callable[[], asyncio.Protocol], failed: Callable[[str, str], None]
    ) -> None:
        self.tls = tls
        self._protocol = protocol
        self._failed = failed
        self._accepting: list[asyncio.Task[None]] = []
        self._greeting: set[asyncio.Task[None]] = set()
        self.sockets: list[socket.socket] = []

    async def start(self, host: str, port: int, backlog: int) -> None:
        """Listen on every address of `host`; raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                line = socket.create_server(address[:2], family=family, backlog=backlog)
                line.setblocking(False)
                self.sockets.append(line)
        except OSError:
            await self.stop()
            raise
        self._accepting = [loop.create_task(self._accept(line)) for line in self.sockets]

    async def stop(self) -> None:
        """Accept no more and give up the handshakes under way; connections made go on."""
        tasks = [*self._accepting, *self._greeting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in self.sockets:
            line.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                line, address = await loop.sock_accept(listening)
            except OSError as error:  # out of descriptors, or the other side went away again
                log.warning("a connection could not be accepted: %s", error.strerror)
                await asyncio.sleep(BREATH_SECONDS)
                continue
            if len(self._greeting) >= MOST_HANDSHAKES:
                line.close()
                self._failed("door.full", str(address[0]))
                continue
            task = loop.create_task(self._greet(line, str(address[0])))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, line: socket.socket, address: str) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol,
                line,
                ssl=self.tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=FAREWELL_SECONDS,
            )
        except (OSError, TimeoutError) as error:
            self._failed(handshake_fault(error), address)
            with contextlib.suppress(OSError):
                line.close()
