"""A small HTTP/1.1 server over TLS for the simulator: it sees the client's certificate and can leave without a word."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 16 * 1024 * 1024
_REASONS = {200: "OK", 201: "Created", 204: "No Content", 401: "Unauthorized", 404: "Not Found", 422: "Unprocessable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: method, path, query, headers by lower-case name, body, and the subject of the client's certificate."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; with `lost` the connection is closed instead, after everything was done."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False


Handler = Callable[[Asked], Awaitable[Reply]]


class Listener:
    """Serves `handler` on a loopback port, over TLS when there is a context."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None) -> None:
        self._handler = handler
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen; `port` 0 is any free one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=self._tls, limit=LARGEST_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (asked := await _read(reader, _client(writer))) is not None:
                reply = await self._handler(asked)
                if reply.lost:
                    return
                writer.write(_bytes(reply))
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()


def _client(writer: asyncio.StreamWriter) -> str:
    """The common name of the client's certificate; empty without one."""
    certificate = writer.get_extra_info("peercert") or {}
    parts = [pair for group in certificate.get("subject", ()) for pair in group]
    return next((value for name, value in parts if name == "commonName"), "")


async def _read(reader: asyncio.StreamReader, client: str) -> Asked | None:
    """The next request; None at the end of the connection, ValueError for what is no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= LARGEST_BODY:
        raise ValueError("length")
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    body = await reader.readexactly(length) if length else b""
    return Asked(method=method, path=parts.path, query=query, headers=headers, body=body, client=client)


def _bytes(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Other')}", f"content-length: {len(reply.body)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + reply.body
