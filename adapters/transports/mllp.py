"""The MLLP client: one persistent connection, one message in flight, its answer known by MSA-2 (2.5.1 §2.9).

An answer counts only if MSA-2 equals the MSH-10 in flight. Others (the late acknowledgement of a message that
timed out, an application's answer) are handed on and counted. After any doubt the connection is closed, so no old
answer meets a new message.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Sequence

from adapters.transports import Answer, Call, Means, Reached, Unsent
from adapters.transports.acknowledging import Acknowledging, confirmation, judge, said_of
from adapters.transports.session import CertificateRefused, Closed, Session
from adapters.transports.targets import certificate_fault, resolve
from canonical.errors import Misconfigured, TryLater
from hl7 import batch
from hl7.mllp import ask_after

_REMEMBERED = 1000  # messages whose application may still answer, late


class MllpTransport:
    """Sends HL7 v2 messages to one address. Settings: host, port, timeout_s, connect_timeout_s, tls, trust."""

    def __init__(self, means: Means) -> None:
        settings = means.settings
        self._host = str(settings.get("host", ""))
        self._port = int(settings.get("port", 0))
        self._seconds = float(settings.get("timeout_s", 30))
        self._connect_seconds = float(settings.get("connect_timeout_s", 5))
        self._means = means
        self._how = Acknowledging.of(means.acknowledge)
        self._session: Session | None = None
        self._strays = 0
        self._sent: deque[str] = deque(maxlen=_REMEMBERED)
        self._lock = asyncio.Lock()

    @property
    def strays(self) -> int:
        """Frames that came and were not the awaited answer."""
        return self._strays + (self._session.strays if self._session else 0)

    async def send(self, call: Call) -> Answer:
        """The acknowledgement of `call`; raises Unsent, TryLater, Misconfigured."""
        if not call.control_id:
            raise Misconfigured("an HL7 message without MSH-10 cannot be acknowledged", code="transport.no-control-id")
        async with self._lock:
            kept = self._session is not None and self._session.usable
            try:
                return await self._exchange(call)
            except _Unread:
                if not kept:
                    raise
            try:  # the partner closed an idle connection while this was on its way: it was not read there
                return await self._exchange(call)
            except Unsent:
                raise TryLater("the connection broke before the acknowledgement", code="transport.closed") from None

    async def _exchange(self, call: Call) -> Answer:
        session = await self._connected()
        try:
            with session.listening():
                async with asyncio.timeout(self._seconds):
                    await session.say(call.content)
                    self._sent.append(call.control_id)
                    answer = await self._answer(session, call.control_id)
                return await self._application(session, call.control_id, answer)
        except TimeoutError:
            await self._drop()
            raise _amiss(session) or TryLater("no acknowledgement in time", code="transport.timeout") from None
        except (OSError, Closed) as error:
            await self._drop()
            raise _amiss(session) or _broken(error) from None
        except BaseException:
            await self._drop()
            raise

    async def send_batch(self, calls: Sequence[Call], batch_id: str) -> dict[str, Answer]:
        """Send messages as one batch (BHS … BTS, 2.5.1 §2.10.3); the answers that came in time, by MSH-10.

        An answer to the batch as a whole (MSA-2 is BHS-11) counts for every message. Raises Unsent, Misconfigured.
        """
        async with self._lock:
            session = await self._connected()
            answers: dict[str, Answer] = {}
            try:
                with session.listening():
                    async with asyncio.timeout(self._seconds):
                        await session.say(wrapped([call.content for call in calls], batch_id))
                        self._sent.extend(call.control_id for call in calls)
                        while len(answers) < len(calls):
                            await self._collect(session, calls, batch_id, answers)
            except (TimeoutError, OSError, Closed):  # what was answered before counts, the rest is in doubt
                await self._drop()
            except BaseException:
                await self._drop()
                raise
            return answers

    async def _collect(
        self, session: Session, calls: Sequence[Call], batch_id: str, answers: dict[str, Answer]
    ) -> None:
        """The answers in the next frame: one, or a batch of them."""
        for payload in batch.split(await session.hear()).messages:
            found = {call.control_id: judge(payload, call.control_id, self._how) for call in calls}
            whole = judge(payload, batch_id, self._how)
            said = {name: answer for name, answer in found.items() if answer is not None}
            if not said and whole is None:
                await session.stray(payload)
            answers.update(said or (dict.fromkeys(found, whole) if whole is not None else {}))

    async def reach(self) -> AsyncIterator[Reached]:
        """Connect, with TLS where it is wanted, and close again; nothing is sent."""
        async with self._lock:
            await self._drop()
            await self._connected()
            await self._drop()
        yield Reached(place="host")

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()

    async def _answer(self, session: Session, control_id: str, *, final: bool = False) -> Answer:
        """The next answer to the message in flight; what answers another is handed on."""
        while True:
            payload = await session.hear()
            answer = judge(payload, control_id, self._how)
            if answer is None and not (self._how.enhanced and said_of(payload) in self._sent):
                session.others += 1
            if answer is None or (final and answer.code.startswith("ack.c")):
                await session.stray(payload)
            else:
                return answer

    async def _application(self, session: Session, control_id: str, accepted: Answer) -> Answer:
        """After CA in enhanced mode, what the application says: waited for here, or later and elsewhere."""
        if not self._how.enhanced or accepted.code != "ack.ca" or self._how.application == "none":
            return accepted
        waiting = Answer(
            content=accepted.content,
            format="hl7",
            type=accepted.type,
            code=accepted.code,
            control_id=accepted.control_id,
            charset=accepted.charset,
            awaits=True,
        )
        if self._how.application == "later":
            return waiting
        try:
            async with asyncio.timeout(self._how.seconds):
                answer = await self._answer(session, control_id, final=True)
        except (TimeoutError, OSError, Closed):  # it has the message safe: sending it again would double it
            return waiting
        if said := confirmation(answer.content):
            with contextlib.suppress(Closed):  # the answer counts, whatever became of our word about it
                await session.say(said)
        return answer

    async def _connected(self) -> Session:
        if self._session is not None and self._session.usable:
            return self._session
        await self._drop()
        address = await resolve(self._host, self._port, allow_private=self._means.allow_private)
        line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        line.setblocking(False)
        ask_after(line)
        try:
            async with asyncio.timeout(self._connect_seconds):
                await asyncio.get_running_loop().sock_connect(line, (address, self._port))
        except (OSError, TimeoutError):
            line.close()
            raise Unsent("the partner does not accept the connection", code="transport.connect") from None
        except BaseException:
            line.close()
            raise
        streams = await self._secured(line)
        self._session = Session(*streams, self._means.stray)
        return self._session

    async def _secured(self, line: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The streams of a connection, after the handshake where TLS is wanted; raises Misconfigured, Unsent."""
        try:
            tls = self._tls()
            async with asyncio.timeout(self._connect_seconds):
                return await asyncio.open_connection(
                    sock=line, ssl=tls, server_hostname=self._host if tls is not None else None
                )
        except ssl.SSLCertVerificationError as error:
            raise Misconfigured("the partner's certificate does not hold", code=certificate_fault(error)) from None
        except (OSError, TimeoutError):
            line.close()
            raise Unsent("the partner does not go through the handshake of TLS", code="transport.tls") from None

    def _tls(self) -> ssl.SSLContext | None:
        if self._means.tls is not None:
            return self._means.tls  # type: ignore[no-any-return]
        return ssl.create_default_context() if self._means.settings.get("tls") else None

    async def _drop(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            self._strays += session.strays
            await session.close()


class _Unread(TryLater):
    """The connection was reset before anything was heard: what was sent has not been read."""

    code = "transport.closed"


def _broken(error: Exception) -> TryLater:
    """What a connection that ended without an answer means for the delivery."""
    if isinstance(error, CertificateRefused):
        return TryLater("the partner does not take our certificate", code="transport.certificate-refused")
    text = "the connection broke before the acknowledgement"
    return _Unread(text) if isinstance(error, Closed) and error.unread else TryLater(text, code="transport.closed")


def _amiss(session: Session) -> TryLater | None:
    """Why what came was no answer, where something came: an operator must not take it for silence."""
    if session.alerted:
        return TryLater("the partner's port wants TLS", code="transport.tls-wanted")
    if session.unframed:
        return TryLater("what the partner answers is not framed", code="transport.ack-unframed")
    if session.others:
        return TryLater("the partner's answers name no message in flight", code="transport.ack-other")
    return None


def wrapped(messages: Sequence[bytes], batch_id: str) -> bytes:
    """Messages of one way of delimiting as a batch: BHS takes sender and receiver from the first one."""
    head = messages[0].split(b"\r", 1)[0]
    separator = head[3:4]
    fields = (head.split(separator) + [b""] * 7)[1:7]
    start = separator.join((b"BHS", *fields, b"", b"", b"", batch_id.encode("ascii")))
    body = b"".join(message.rstrip(b"\r") + b"\r" for message in messages)
    return start + b"\r" + body + separator.join((b"BTS", str(len(messages)).encode())) + b"\r"
