"""The lab: a real MLLP server that takes orders, acknowledges them, and sends results back a moment later.

Its results are invented but plausible; it never forgets a result before it is acknowledged. Faults can be switched
on, and what it really received and sent can be asked for (`/lab/control`).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from adapters.transports import Call, Means
from adapters.transports.mllp import MllpTransport
from api.simulators import results
from canonical.errors import PonteError
from canonical.problem import Problem
from hl7 import ack, er7
from hl7.mllp import Framer, FrameTooLarge, frame

log = logging.getLogger("ponte.lab")
FAULTS = ("", "slow", "AE", "AR", "wrong-id", "silent", "close", "garbage")
LARGEST_MESSAGE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where the lab listens and where it sends its results; `delay_s` is the time an analysis takes."""

    port: int = 0
    results_host: str = "127.0.0.1"
    results_port: int = 0
    delay_s: float = 0.3
    retry_s: float = 1.0


@dataclass(slots=True)
class Order:
    """One taken order: the filler number the lab gave it, and the segments that ordered it."""

    filler: str
    message: er7.Message
    control: er7.Segment
    request: er7.Segment
    cancelled: bool = False


@dataclass(slots=True)
class Lab:
    """A running lab. `fault` applies to the next `fault_times` messages (-1: until switched off)."""

    config: Config
    orders: dict[str, Order] = field(default_factory=dict)
    receipts: Counter[str] = field(default_factory=Counter)
    sent: list[str] = field(default_factory=list)
    fault: str = ""
    fault_times: int = -1
    port: int = 0
    waiting: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _queue: asyncio.Queue[Order] = field(default_factory=asyncio.Queue)

    async def start(self) -> int:
        """Listen on loopback and return the port; raises OSError when it is taken."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.config.port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._run(self._send_results())
        return self.port

    async def stop(self) -> None:
        """Stop listening and end all conversations."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def report(self) -> dict[str, Any]:
        """What was really received and sent: counts and control ids, no patient data."""
        return {
            "orders": len(self.orders),
            "cancelled": sum(order.cancelled for order in self.orders.values()),
            "received": dict(self.receipts),
            "sent": list(self.sent),
            "waiting": self.waiting,
            "placers": [order.control.text(2) for order in self.orders.values()],
            "fault": self.fault,
        }

    def set_fault(self, name: str, times: int) -> None:
        """Switch a fault on or (with an empty name) off; raises ValueError for an unknown one."""
        if name not in FAULTS:
            raise ValueError(name)
        self.fault, self.fault_times = name, times

    def _run(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        framer = Framer(LARGEST_MESSAGE)
        try:
            while data := await reader.read(65536):
                for item in framer.feed(data):
                    if not item.cut and not await self._converse(item.payload, writer):
                        return
        except (ConnectionError, FrameTooLarge, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _converse(self, raw: bytes, writer: asyncio.StreamWriter) -> bool:
        """Take one message and answer it, or misbehave; False closes the connection."""
        fault = self._next_fault()
        message = er7.read(raw)
        if isinstance(message, Problem):
            envelope = ack.salvage(raw)
            writer.write(frame(self._acknowledge(envelope, "AE", [message])))
            return True
        envelope = ack.envelope(message)
        if fault in ("AE", "AR"):
            problem = Problem("er7.segment" if fault == "AE" else "store.failed", "MSH")
            writer.write(frame(self._acknowledge(envelope, "AE" if fault == "AE" else "AR", [problem])))
            return True
        self._take(message)
        return await self._answer(envelope, fault, writer)

    async def _answer(self, envelope: ack.Envelope, fault: str, writer: asyncio.StreamWriter) -> bool:
        if fault == "slow":
            await asyncio.sleep(5)
        if fault == "silent":
            return True
        if fault == "close":
            return False
        answer = self._acknowledge(envelope, "AA", [])
        if fault == "wrong-id":
            answer = answer.replace(b"MSA|AA|" + envelope.control_id.encode(), b"MSA|AA|OTHER")
        writer.write(frame(b"hello?" if fault == "garbage" else answer))
        await writer.drain()
        return True

    def _next_fault(self) -> str:
        fault = self.fault
        if fault and self.fault_times > 0:
            self.fault_times -= 1
            if self.fault_times == 0:
                self.fault, self.fault_times = "", -1
        return fault

    def _acknowledge(self, envelope: ack.Envelope, code: ack.Code, problems: list[Problem]) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        return ack.build(envelope, code, problems, ack.Stamp(control_id=results.new_control_id(), now=now))

    def _take(self, message: er7.Message) -> None:
        """Each OBR under an ORC is an order; a resent one gives no second result, a cancelled one none."""
        self.receipts[message.control_id] += 1
        control: er7.Segment | None = None
        for segment in message.segments:
            if segment.name == "ORC":
                control = segment
            elif segment.name == "OBR" and control is not None:
                self._order(message, control, segment)

    def _order(self, message: er7.Message, control: er7.Segment, request: er7.Segment) -> None:
        key = f"{request.text(2) or control.text(2)}/{request.text(4)}"
        known = self.orders.get(key)
        if control.text(1) in ("CA", "OC", "DC"):
            if known is not None:
                known.cancelled = True
        elif known is None:
            filler = f"L{len(self.orders) + 1:06d}"
            self.orders[key] = Order(filler=filler, message=message, control=control, request=request)
            self.waiting += 1
            self._queue.put_nowait(self.orders[key])

    async def _send_results(self) -> None:
        """Send the result of each order in turn, again and again until it is acknowledged."""
        settings = {"host": self.config.results_host, "port": self.config.results_port, "timeout_s": 20}
        transport = MllpTransport(Means(settings=settings, allow_private=True))
        try:
            while True:
                order = await self._queue.get()
                await asyncio.sleep(self.config.delay_s)
                if not order.cancelled:
                    await self._send(transport, order)
                self.waiting -= 1
        finally:
            with contextlib.suppress(OSError):
                await transport.close()

    async def _send(self, transport: MllpTransport, order: Order) -> None:
        identity = results.new_control_id()
        now = datetime.datetime.now(datetime.UTC)
        content = results.build(
            order.message, results.Request(order.control, order.request, order.filler), identity, now
        )
        while True:
            try:
                answer = await transport.send(Call(content=content, key=identity, control_id=identity))
            except PonteError as error:
                log.info("result %s waits: %s", identity, error.code)
            else:
                if answer.verdict == "accepted":
                    self.sent.append(identity)
                    return
                log.warning("result %s was not accepted: %s", identity, answer.code)
                if answer.verdict == "refused":
                    return
            await asyncio.sleep(self.config.retry_s)
