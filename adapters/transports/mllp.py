"""The MLLP client: one persistent connection, one message in flight, its answer known by MSA-2 (2.5.1 §2.9).

An answer counts only if MSA-2 equals the MSH-10 in flight. Others (the late acknowledgement of a message that
timed out) are dropped and counted. After any doubt the connection is closed, so no old answer meets a new message.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Literal

from adapters.transports import Answer, Call, Means, Unsent
from adapters.transports.targets import resolve
from canonical.errors import Misconfigured, TryLater
from canonical.problem import Problem
from hl7 import er7
from hl7.mllp import Framer, FrameTooLarge, frame

LARGEST_ANSWER = 4 * 1024 * 1024
_REFUSAL_CONDITIONS = ("200", "201", "202", "203")


class MllpTransport:
    """Sends HL7 v2 messages to one address. Settings: host, port, timeout_s, connect_timeout_s, tls."""

    def __init__(self, means: Means) -> None:
        settings = means.settings
        self._host = str(settings.get("host", ""))
        self._port = int(settings.get("port", 0))
        self._seconds = float(settings.get("timeout_s", 30))
        self._connect_seconds = float(settings.get("connect_timeout_s", 5))
        self._means = means
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()
        self.strays = 0

    async def send(self, call: Call) -> Answer:
        """The acknowledgement of `call`; raises Unsent, TryLater, Misconfigured."""
        if not call.control_id:
            raise Misconfigured("an HL7 message without MSH-10 cannot be acknowledged", code="transport.no-control-id")
        async with self._lock:
            reader, writer = await self._connected()
            try:
                async with asyncio.timeout(self._seconds):
                    writer.write(frame(call.content))
                    await writer.drain()
                    return await self._answer(reader, call.control_id)
            except TimeoutError:
                await self._drop()
                raise TryLater("no acknowledgement in time", code="transport.timeout") from None
            except (OSError, asyncio.IncompleteReadError):
                await self._drop()
                raise TryLater("the connection broke before the acknowledgement", code="transport.closed") from None
            except BaseException:
                await self._drop()
                raise

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._stream is not None and not self._stream[0].at_eof() and not self._stream[1].is_closing():
            return self._stream
        await self._drop()
        address = await resolve(self._host, self._port, allow_private=self._means.allow_private)
        try:
            async with asyncio.timeout(self._connect_seconds):
                self._stream = await asyncio.open_connection(
                    address, self._port, ssl=self._tls(), server_hostname=self._host if self._tls() else None
                )
        except ssl.SSLCertVerificationError:
            raise Misconfigured("the partner's certificate is not trusted", code="transport.certificate") from None
        except (OSError, TimeoutError):
            raise Unsent("the partner does not accept the connection", code="transport.connect") from None
        return self._stream

    def _tls(self) -> ssl.SSLContext | None:
        if not self._means.settings.get("tls"):
            return None
        return self._means.tls or ssl.create_default_context()

    async def _answer(self, reader: asyncio.StreamReader, control_id: str) -> Answer:
        framer = Framer(LARGEST_ANSWER)
        while True:
            data = await reader.read(65536)
            if not data:
                raise asyncio.IncompleteReadError(b"", None)
            try:
                frames = framer.feed(data)
            except FrameTooLarge:
                raise TryLater("the acknowledgement is too large", code="transport.too-large") from None
            for item in frames:
                if item.cut:
                    self.strays += 1
                elif (answer := judge(item.payload, control_id)) is not None:
                    return answer
                else:
                    self.strays += 1

    async def _drop(self) -> None:
        if self._stream is not None:
            _, writer = self._stream
            self._stream = None
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()


def judge(payload: bytes, control_id: str) -> Answer | None:
    """The answer in one frame: None when it acknowledges another message; raises TryLater for what is no answer."""
    message = er7.read(payload)
    if isinstance(message, Problem):
        raise TryLater("the answer is not an HL7 message", code="transport.not-hl7")
    acknowledgement = message.first("MSA")
    if acknowledgement is None or acknowledgement.raw_field(2) != control_id:
        return None
    code = acknowledgement.text(1)
    verdicts: dict[str, Literal["accepted", "refused", "later"]] = {
        "AA": "accepted",
        "CA": "accepted",
        "AE": "refused",
        "CE": "refused",
        "AR": _rejection(message),
        "CR": _rejection(message),
    }
    if code not in verdicts:
        raise TryLater("the acknowledgement has no known code in MSA-1", code="transport.ack-unknown")
    return Answer(
        content=payload,
        format="hl7",
        type=message.type[:60],
        control_id=message.control_id[:199],
        charset=message.charset,
        verdict=verdicts[code],
        code=f"ack.{code.lower()}",
    )


def _rejection(message: er7.Message) -> Literal["refused", "later"]:
    """AR for type, event, processing id or version is final; for any other reason the same message may pass later."""
    for segment in message.named("ERR"):
        if segment.text(3) in _REFUSAL_CONDITIONS or segment.text(1, 4) in _REFUSAL_CONDITIONS:
            return "refused"
    return "later"
