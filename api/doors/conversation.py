"""One MLLP connection: frames in, answers out in their order, nothing positive before the commit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol, cast

from api.doors import strangers
from api.doors.guests import name_of
from canonical.errors import PonteError
from canonical.problem import Problem
from hl7.mllp import Frame, Framer, FrameTooLarge, ask_after, frame
from hub.exchange.channels import Channel
from hub.exchange.door.keep import AFTERWARDS, Keeper, Kept
from hub.exchange.door.receive import LARGE, Answer, Taken, answer, receive, take
from hub.exchange.door.tls import admitted

log = logging.getLogger("ponte.mllp")
IDLE_SECONDS = 86400.0
"""A sender may be silent for a night; one that vanished is found by `ask_after`. This is for those that leak."""
HALF_FRAME_SECONDS = 120.0
SLOWEST_BYTES_A_SECOND = 10_000
KEPT_OF_BROKEN = 1024 * 1024
BULKY = 256 * 1024
"""From this size on an unfinished frame needs one of the door's few places for bulky ones."""
LINGER_SECONDS = 1.0
MOST_QUEUED = 64
MOST_IN_FLIGHT = 256


class Door(Protocol):
    """What a conversation needs from its listener."""

    channel: Channel
    keeper: Keeper
    limit: int

    @property
    def full(self) -> bool:
        """Whether no more connections are taken."""

    def turn_away(self, code: str, address: str) -> None:
        """Somebody was not let in, or said what cannot be a message."""

    def arrived(self, conversation: Conversation) -> None:
        """A connection was made."""

    def left(self, conversation: Conversation) -> None:
        """A connection has ended; it gives back its place for a bulky frame."""

    def place(self, conversation: Conversation) -> bool:
        """Whether a bulky frame may be read on now; if not, the conversation is told to `resume` later."""

    def leave_place(self, conversation: Conversation) -> None:
        """The bulky frame has been kept."""

    def aside(self, raw: bytes) -> Coroutine[Any, Any, list[Answer]] | None:
        """The work that answers what is no plain message (a batch, a sequence), or None for a plain one."""

    def follow(self, said: Answer, say: Callable[[bytes], bool]) -> None:
        """More is owed to this connection than was said; it is given to `say` when it is due."""


class Conversation(asyncio.Protocol):
    """The state of one connection."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._framer = Framer(door.limit)
        self._frames: deque[Frame] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._seen = self._loop.time()
        self._began: float | None = None
        self._gone = asyncio.Event()
        self._in_flight = 0
        self._reading = True
        self._busy = self._ending = self._stalled = self._full = self._sealed = self._ours = self._greeted = False
        self.address = self.certificate = ""
        self.since = self._seen
        self.messages = 0

    @property
    def heard(self) -> float:
        """When something came last, by the loop's clock."""
        return self._seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        if (line := transport.get_extra_info("socket")) is not None:
            ask_after(line)
        self._sealed = transport.get_extra_info("sslcontext") is not None
        self.address = str((transport.get_extra_info("peername") or ("?",))[0])
        self.certificate = name_of(transport.get_extra_info("peercert")) if self._sealed else ""
        refusal = "door.full" if self._door.full else "door.certificate" if not self._admitted() else ""
        if refusal:
            self._door.turn_away(refusal, self.address)
            self._ending = True
            self._transport.abort()
        self._door.arrived(self)
        self._timer = self._loop.call_later(IDLE_SECONDS, self._tick)

    def _admitted(self) -> bool:
        if not self._sealed:
            return True
        wanted = self._door.channel.document.sender.certificates
        found = self._transport.get_extra_info("ssl_object") if self._transport is not None and wanted else None
        return not wanted or (found is not None and admitted(wanted, found.getpeercert(), found.getpeercert(True)))

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._seen = self._loop.time()
        if self._ending:
            return
        if not self._greeted:
            self._greeted = True
            if (stranger := strangers.known(data, sealed=self._sealed)) is not None:
                self._meet(stranger)
                return
        before = len(self._frames)
        try:
            self._frames.extend(self._framer.feed(data))
        except FrameTooLarge as error:
            self._frames.extend(error.frames)
            self._pump()
            self._start(self._give_up(Problem("er7.too-large", "MSH", args=(("limit", str(self._door.limit)),))))
            return
        self.messages += len(self._frames) - before
        if not self.messages and not self._framer.inside and strangers.unframed(data):
            self._door.turn_away("door.unframed", self.address)
        self._measure()
        if self._frames:
            self._pump()

    def _meet(self, stranger: strangers.Stranger) -> None:
        """Whoever speaks another protocol is told in it, and the connection ends."""
        self._door.turn_away(stranger.code, self.address)
        self._ending = self._ours = True
        if self._transport is not None:
            self._transport.write(stranger.answer)
        self._finish()

    def eof_received(self) -> bool:
        """The sender has said everything; what is under way is still answered."""
        self._end()
        return not self._sealed  # TLS knows no half-closed connection

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self._end()
        self._transport = None
        self._gone.set()
        if self._timer is not None:
            self._timer.cancel()
        self._door.left(self)

    def pause_writing(self) -> None:
        """The sender does not read its answers: it is not read either."""
        self._full = True
        self._flow()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._full = False
        self._flow()
        self._pump()

    def resume(self) -> None:
        """There is a place for the bulky frame now; the time it waited is not counted."""
        self._stalled = False
        if self._began is not None:
            self._began += self._loop.time() - self._seen
        self._seen = self._loop.time()
        self._flow()

    def say(self, payload: bytes) -> bool:
        """Send an application acknowledgement; False when the connection has ended."""
        if self._transport is None or self._ending or self._transport.is_closing():
            return False
        self._transport.write(frame(payload))
        return True

    def _say_at_last(self, payload: bytes) -> bool:
        """The one answer of original mode, after the processing: whoever waits for it may have said everything."""
        self._in_flight -= 1
        open_still = self._transport is not None and not self._transport.is_closing()
        if open_still and payload:
            self._transport.write(frame(payload))  # type: ignore[union-attr]  # just looked
        self._pump()
        return open_still

    async def close(self, seconds: float) -> None:
        """Read no more, let what is under way be answered, and close."""
        self._end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        if self._transport is not None:
            self._transport.abort()

    @property
    def _idle(self) -> bool:
        return not (self._in_flight or self._busy or self._frames or self._tasks)

    def _flow(self) -> None:
        """Read, or read no further for now."""
        wanted = self._ending or not (self._full or self._stalled or len(self._frames) > MOST_QUEUED)
        if wanted is self._reading or self._transport is None or self._transport.is_closing():
            return
        self._reading = wanted
        (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def _measure(self) -> None:
        """Watch over a frame that has begun: its deadline, and its place when it is bulky."""
        if not self._framer.inside:
            self._began = None
            return
        if self._began is None:
            self._began = self._seen
            self._arm()
        if self._framer.pending > BULKY and not self._door.place(self):
            self._stalled = True
            self._flow()

    def _deadline(self) -> float:
        if self._began is None:
            return self._seen + IDLE_SECONDS
        return self._began + HALF_FRAME_SECONDS + self._framer.pending / SLOWEST_BYTES_A_SECOND

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline(), self._tick)

    def _tick(self) -> None:
        if self._transport is None:
            return
        if self._stalled or not self._idle or self._loop.time() < self._deadline():
            self._timer = self._loop.call_at(max(self._deadline(), self._loop.time() + 1), self._tick)
        elif self._framer.inside and not self._ending:
            seconds = round(self._loop.time() - (self._began or self._seen))
            self._start(self._give_up(Problem("er7.too-slow", "MSH", args=(("seconds", str(seconds)),))))
        else:
            self._ours = True
            self._end()

    def _pump(self) -> None:
        """Hand on what has come, in order; what must be read aside lets the rest wait."""
        most = 1 if self._door.channel.document.acknowledge.when == "processed" else MOST_IN_FLIGHT
        while self._frames and not self._busy and not self._full and self._in_flight < most:
            item = self._frames.popleft()
            work = None if item.cut else self._door.aside(item.payload)
            if work is not None:
                self._busy = True
                self._start(self._several(work))
            elif item.cut or len(item.payload) > LARGE:
                self._busy = True
                self._start(self._large(item))
            else:
                self._offer(take(self._door.channel, item.payload))
        self._flow()
        self._finish()

    def _offer(self, taken: Taken) -> None:
        self._in_flight += 1
        self._door.keeper.submit(self._door.channel, taken.incoming, partial(self._kept, taken), self)
        self._loop.call_soon(taken.prepare)  # while the commit is under way

    def _kept(self, taken: Taken, outcome: Kept | PonteError) -> None:
        self._in_flight -= 1
        if isinstance(outcome, Kept):
            self._tell(answer(taken, outcome))
        else:
            self._break_off(outcome)
        if self._frames or self._ending:
            self._pump()

    def _tell(self, said: Answer) -> None:
        if said.payload and self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(said.payload))
        if said.owes == AFTERWARDS:
            self._in_flight += 1
            self._door.follow(said, self._say_at_last)
        elif said.owes:
            self._door.follow(said, self.say)

    def _break_off(self, error: PonteError) -> None:
        """What could not be kept is not answered: the connection ends, and the sender sends it again."""
        self._frames.clear()
        self._ending = True
        if self._transport is not None and not self._transport.is_closing():  # told once, however many there are
            log.warning("channel %s: not acknowledged: %s", self._door.channel.name, error.code)
            self._transport.close()

    async def _large(self, item: Frame) -> None:
        """A large or cut frame; a cut one is kept and gets no answer."""
        if item.cut:
            fault = Problem("er7.cut", "MSH")
            await receive(self._door.keeper, self._door.channel, item.payload, fault=fault)
            return
        self._offer(await asyncio.to_thread(take, self._door.channel, item.payload))

    async def _several(self, work: Coroutine[Any, Any, list[Answer]]) -> None:
        for said in await work:
            self._tell(said)

    async def _give_up(self, problem: Problem) -> None:
        """AR for a frame over the limit or behind its time; what came of it is kept, the rest is not read."""
        self._door.turn_away(problem.code, self.address)
        self._ending = self._ours = True
        self._flow()
        head = self._framer.rest(KEPT_OF_BROKEN)
        self._framer = Framer(self._door.limit)
        self._tell(await receive(self._door.keeper, self._door.channel, head, fault=problem))

    async def _unfinished(self) -> None:
        """A frame that never ended is no message and gets no answer, but what came of it is kept."""
        rest = self._framer.rest(KEPT_OF_BROKEN)
        self._framer = Framer(self._door.limit)
        if rest:
            fault = Problem("er7.unfinished", "MSH")
            self._door.turn_away(fault.code, self.address)
            await receive(self._door.keeper, self._door.channel, rest, fault=fault)

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._flow()
            if self._framer.inside:
                self._start(self._unfinished())
        self._finish()

    def _finish(self) -> None:
        """Close once everything is answered."""
        if not self._framer.inside and not self._busy:
            self._door.leave_place(self)
        if self._ending and self._idle and self._transport is not None and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            if self._ours and self._transport.can_write_eof() and not self._transport.is_closing():
                # Were the socket closed while the sender still sends, its system would drop the last answer.
                self._transport.write_eof()
                self._loop.call_later(LINGER_SECONDS, self._transport.close)
            else:
                self._transport.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._busy = False
        error = None if task.cancelled() else task.exception()
        if isinstance(error, PonteError):
            self._break_off(error)
        elif error is not None:
            log.error("channel %s: %s", self._door.channel.name, type(error).__name__)
            self._break_off(PonteError("defect", code="store.failed"))
        self._pump()
