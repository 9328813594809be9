"""Connections between two users: handed on as they are, without the driver's pool in between.

The driver's pool guards every use with a timer, a task and a reset, which cost a short statement as much as itself. A
connection given back sound goes to whoever waited longest, else to the next user at once; one that failed, was
cancelled or timed out goes back to the pool, which knows how to make it whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from types import TracebackType
from typing import Any

import asyncpg

from canonical.errors import TryLater
from hub.store.failures import reaching, translated

PATIENCE_SECONDS = 30
CONNECT_SECONDS = 10
_ROUND = 256  # after so many uses the longest idle connection goes to the pool, which ends what is idle or old


class Lending:
    """The connections of one pool; last in, first out, so that what is not needed becomes idle."""

    __slots__ = ("_closing", "_free", "_out", "_pool", "_size", "_stopped", "_used", "_uses", "_waiting")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._size: int = pool.get_max_size()
        self._free: deque[Any] = deque()
        self._out = 0  # connections that are not in the pool: free, in use, or being made
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._used: dict[Any, float] = {}  # who has a connection, and since when; the longest first
        self._closing = False
        self._stopped = False
        self._uses = 0

    async def take(self) -> Any:
        """A connection for one user; raises TryLater when there is none for PATIENCE_SECONDS, or the database hangs."""
        if self._stopped:
            raise TryLater("the database does not answer", code="store.down")
        while self._free:
            connection = self._free.pop()
            try:
                if not connection.is_closed():
                    return connection
            except asyncpg.InterfaceError:  # its server ended it while nobody used it: the pool has it back already
                self._returned()
                continue
            await self._return(connection)
        if self._out >= self._size:
            with reaching():
                handed = await self._turn()
            if handed is not None:
                return handed
        else:
            self._out += 1
        try:
            with reaching():
                return await self._pool.acquire(timeout=CONNECT_SECONDS)
        except BaseException:
            self._returned()
            raise

    async def give(self, connection: Any, *, sound: bool) -> None:
        """Take back a connection, for whoever waits."""
        self._uses += 1
        old = self._uses % _ROUND == 0
        if sound and not self._closing and old and self._free:
            self._free.append(connection)
            connection = self._free.popleft()
        if old or not sound:
            await self._return(connection)
        elif not self._hand(connection):
            if self._closing:
                await self._return(connection)
            else:
                self._free.append(connection)

    def begin(self, connection: Any) -> None:
        """Its use begins: `longest` counts from now."""
        self._used[connection] = asyncio.get_running_loop().time()

    def end(self, connection: Any) -> None:
        """Its use is over."""
        del self._used[connection]

    def longest(self) -> float:
        """For how many seconds the connection that is used for the longest time has been used; 0.0 without any."""
        for since in self._used.values():
            return asyncio.get_running_loop().time() - since
        return 0.0

    @property
    def stopped(self) -> bool:
        """Whether nobody begins until `resume`."""
        return self._stopped

    def cut(self) -> None:
        """The database hangs: end every use, turn away who waits for one, and let nobody begin until `resume`."""
        self._stopped = True
        for connection in list(self._used):
            with contextlib.suppress(asyncpg.InterfaceError):  # the pool has it back already
                connection.terminate()
        for turn in self._waiting:
            _lapse(turn)

    def resume(self) -> None:
        """The database answers again."""
        self._stopped = False

    async def drain(self) -> None:
        """Give everything back to the pool: what is idle now, and from now on what is used no longer."""
        self._closing = True
        while self._free:
            await self._return(self._free.pop())

    async def _turn(self) -> Any:
        """The connection that another user hands on; None for the room of one, which is counted already."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        patience = loop.call_later(PATIENCE_SECONDS, _lapse, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it came while its user went
                self._pass_on(turn.result())
            raise
        finally:
            patience.cancel()

    def _hand(self, connection: Any) -> bool:
        """Hand a connection, or None for the room of one, to whoever has waited longest; False when nobody waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    def _pass_on(self, handed: Any) -> None:
        if handed is None:
            self._returned()
        elif not self._hand(handed):
            self._free.append(handed)

    async def _return(self, connection: Any) -> None:
        try:
            with contextlib.suppress(TimeoutError):  # it did not end what it was asked to end: the pool has cut it off
                await self._pool.release(connection)
        finally:
            self._returned()

    def _returned(self) -> None:
        """The pool has one more connection to give: its room goes to who waits, or is open."""
        if not self._hand(None):
            self._out -= 1


def _lapse(turn: asyncio.Future[Any]) -> None:
    if not turn.done():
        turn.set_exception(TimeoutError())


class Loan:
    """`async with`: a connection for the block, whose failures are told as ours (`hub.store.failures`)."""

    __slots__ = ("_connection", "_lending")

    def __init__(self, lending: Lending) -> None:
        self._lending = lending
        self._connection: Any = None

    async def __aenter__(self) -> Any:
        self._connection = await self._lending.take()
        self._lending.begin(self._connection)
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lending.end(self._connection)
        await self._lending.give(self._connection, sound=error is None)
        if error is None:
            return
        try:
            with translated():
                raise error
        except BaseException as told:
            if told is not error:
                raise
