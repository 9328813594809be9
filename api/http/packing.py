"""gzip on the way in (FHIR, HL7 v2 over HTTP) and out of the FHIR door (RFC 9110 §8.4, §12.5.3; R4 §3.1.0.1.9).

Many clients pack what they send and all take packed answers. What comes in is unpacked a bounded part at a time, so
that a small body cannot become an endless one.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.rejected import Rejected
from canonical.problem import Problem

PACKED = ("gzip", "x-gzip")
_STEP = 1024 * 1024
_LEAST = 2048  # bytes of an answer that are worth packing
_LONG = 262_144  # an answer so long is packed beside the event loop
_LEVEL = 1
_GZIP = zlib.MAX_WBITS | 16
_PATH = "/fhir"
_TEXTS = re.compile(r"(text/|application/([a-z.-]+\+)?(json|xml|ndjson)\b)", re.IGNORECASE)
_ZERO = re.compile(r"\s*q=0(\.0*)?\s*")


def takes_gzip(header: str) -> bool:
    """Whether Accept-Encoding (`header`) names gzip and does not refuse it."""
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in (*PACKED, "*"):
            return not _ZERO.fullmatch(weight)
    return False


async def unpacked(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What gzip members hold, a bounded part at a time; raises zlib.error when they are damaged or cut short."""
    reader, fresh = zlib.decompressobj(_GZIP), True
    async for chunk in chunks:
        rest = chunk
        while rest:
            fresh = False
            yield reader.decompress(rest, _STEP)
            rest = reader.unconsumed_tail
            if reader.eof:
                rest = reader.unused_data
                reader, fresh = zlib.decompressobj(_GZIP), True
    if not fresh:
        yield reader.flush()
        if not reader.eof:
            raise zlib.error("cut short")


def plain(request: Request) -> AsyncIterator[bytes]:
    """The body of a request as it was before it was packed; raises Rejected (415) for another coding than gzip."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding in PACKED:
        return unpacked(request.stream())
    if coding != "identity":
        raise Rejected(415, [Problem("fhir.format.content-encoding")])
    return request.stream()


class Packed:
    """Packs whole answers that are texts and long enough, for those who take gzip."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        wanted = scope["type"] == "http" and scope["path"].startswith(_PATH)
        if not wanted or not takes_gzip(Headers(scope=scope).get("accept-encoding", "")):
            await self._app(scope, receive, send)
            return
        begun: list[Message] = []

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            if begun:
                start = begun.pop()
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    message = await _packed(start, message)
                await send(start)
            await send(message)

        await self._app(scope, receive, told)


async def _packed(start: Message, message: Message) -> Message:
    """The body as it is sent, with `start` saying so; as it was where packing is of no use."""
    headers, body = MutableHeaders(scope=start), bytes(message.get("body", b""))
    if len(body) < _LEAST or "content-encoding" in headers or not _TEXTS.match(headers.get("content-type", "")):
        return message
    small = await asyncio.to_thread(_pack, body) if len(body) > _LONG else _pack(body)
    headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(small))
    headers.add_vary_header("Accept-Encoding")
    return {**message, "body": small}


def _pack(body: bytes) -> bytes:
    return zlib.compress(body, _LEVEL, _GZIP)
