"""Connections kept for a hot path: outside the pool, statements prepared once, replaced when they break."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from hub.store.failures import translated


class Standing:
    """One connection used by one caller at a time. It is made on first use and again after any failure."""

    __slots__ = ("_connect", "_connection", "_prepared")

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        self._connect = connect
        self._connection: Any = None
        self._prepared: dict[str, Any] = {}

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """One statement in its own transaction (the functions that set the tenant themselves).

        Raises as the pool does: TryLater when the outcome is unknown or it may work later, Refused for a bad value.
        """
        try:
            if self._connection is None or self._connection.is_closed():  # its server may have ended it meanwhile
                self._prepared.clear()
                self._connection = await self._connect()
            statement = self._prepared.get(query) or await self._prepare(query)
            return await statement.fetch(*arguments)  # type: ignore[no-any-return]
        except BaseException:  # what the connection was doing is not known: it is not used again
            connection = self._release()
            if connection is not None:
                connection.terminate()
            with translated():
                raise

    async def close(self) -> None:
        """Close the connection."""
        connection = self._release()
        if connection is not None:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=5)

    async def _prepare(self, query: str) -> Any:
        statement = await self._connection.prepare(query)
        self._prepared[query] = statement
        return statement

    def _release(self) -> Any:
        connection = self._connection
        self._connection, self._prepared = None, {}
        return connection
