"""Scripted peers on real sockets: an MLLP receiver and a SOAP server that misbehave on request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hub.servers import process

END = b"\x1c\r"


def control_id(message: bytes) -> str:
    return message.split(b"\r", 1)[0].split(b"|")[9].decode()


def ids_of(messages: list[bytes]) -> list[str]:
    return [control_id(message) for message in messages]


def ack(message: bytes, code: str = "AA", answered: str = "", condition: str = "") -> bytes:
    error = f"ERR|||{condition}|E\r" if condition else ""
    text = f"MSH|^~\\&|LAB|L|PONTE|HUB|20261122||ACK^O21^ACK|A1|P|2.5\rMSA|{code}|{answered or control_id(message)}\r{error}"
    return text.encode()


def framed(payload: bytes) -> bytes:
    return b"\x0b" + payload + END


@dataclass
class MllpPeer:
    """Receives messages; `script` gives the raw bytes to answer with, None for silence, or raises to close."""

    script: Callable[[int, bytes], object] = lambda number, message: framed(ack(message))
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def ids(self) -> list[str]:
        return [control_id(message) for message in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                raw = await reader.readuntil(END)
                message = raw[1:-2]
                self.received.append(message)
                answer = self.script(len(self.received), message)
                if asyncio.iscoroutine(answer):
                    answer = await answer
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def mllp(script: Callable[[int, bytes], object] | None = None, tls: Any = None) -> AsyncIterator[MllpPeer]:
    peer = MllpPeer() if script is None else MllpPeer(script)
    async with _serving(peer.serve, limit=2**26, ssl=tls) as peer.port:
        yield peer


@dataclass
class HttpPeer:
    """Answers POSTs; `script` returns (status, content type, body), raw bytes, or None to close without answer."""

    script: Callable[[int, bytes], object]
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
                if name
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = head.split(" ", 2)
            self.received.append((headers | {":method": method, ":path": path}, body))
            answer = self.script(len(self.received), body)
            if asyncio.iscoroutine(answer):
                answer = await answer
            if isinstance(answer, tuple):
                status, kind, content = answer
                start = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n"
                answer = start.encode() + b"connection: close\r\n\r\n" + content
            if answer:
                writer.write(answer)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def http(script: Callable[[int, bytes], object]) -> AsyncIterator[HttpPeer]:
    peer = HttpPeer(script)
    async with _serving(peer.serve) as peer.port:
        yield peer


@contextlib.asynccontextmanager
async def _serving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], **how: Any
) -> AsyncIterator[int]:
    """The port at which `serve` answers each connection; at the end none of them goes on."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        await serve(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **how)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def dead_port() -> int:
    """A port nobody listens on, and that nobody is given who names none."""
    return process.free_port()
