"""Connections between two users: handed on as they are, without the driver's pool in between.

The driver's pool guards every use with a timer, a task and a reset, which cost a short statement as much as itself. A
connection given back sound goes to the next user at once; one that failed, was cancelled or timed out goes back to the
pool, which knows how to make it whole.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any

import asyncpg

from hub.store.failures import reaching, translated

PATIENCE_SECONDS = 30
_ROUND = 256  # after so many uses the longest idle connection goes to the pool, which ends what is idle or old


class Lending:
    """The connections of one pool; last in, first out, so that what is not needed becomes idle."""

    __slots__ = ("_closing", "_free", "_pool", "_uses", "_waiting")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._free: deque[Any] = deque()
        self._closing = False
        self._waiting = 0
        self._uses = 0

    async def take(self) -> Any:
        """A connection for one user; raises TryLater when there is none for PATIENCE_SECONDS."""
        while self._free:
            connection = self._free.pop()
            try:
                if not connection.is_closed():
                    return connection
            except asyncpg.InterfaceError:  # its server ended it while nobody used it: the pool has it back already
                continue
            await self._pool.release(connection)
        self._waiting += 1
        try:
            with reaching():
                return await self._pool.acquire(timeout=PATIENCE_SECONDS)
        finally:
            self._waiting -= 1

    async def give(self, connection: Any, *, sound: bool) -> None:
        """Take back a connection. Whoever waits is served by the pool, in order."""
        if not sound or self._waiting or self._closing:
            await self._pool.release(connection)
            return
        self._free.append(connection)
        self._uses += 1
        if self._uses % _ROUND == 0:
            await self._pool.release(self._free.popleft())

    async def drain(self) -> None:
        """Give everything back to the pool: what is idle now, and from now on what is used no longer."""
        self._closing = True
        while self._free:
            await self._pool.release(self._free.pop())


class Loan:
    """`async with`: a connection for the block, whose failures are told as ours (`hub.store.failures`)."""

    __slots__ = ("_connection", "_lending")

    def __init__(self, lending: Lending) -> None:
        self._lending = lending
        self._connection: Any = None

    async def __aenter__(self) -> Any:
        self._connection = await self._lending.take()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._lending.give(self._connection, sound=error is None)
        if error is None:
            return
        try:
            with translated():
                raise error
        except BaseException as told:
            if told is not error:
                raise
