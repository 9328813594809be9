"""Access tokens of partners: got once, shared by all connections of a tenant, renewed before they end. Memory only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MARGIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token and how many seconds it is good for from now."""

    text: str
    seconds: float


@dataclass(slots=True)
class _Held:
    text: str
    until: float


class Tokens:
    """Tokens by key (address and certificate); many that ask at once cause one request."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def get(self, key: str, fetch: Callable[[], Awaitable[Token]]) -> str:
        """The token of `key`, fetched when there is none or it ends within a minute; raises what `fetch` raises."""
        async with self._turns.setdefault(key, asyncio.Lock()):
            held = self._held.get(key)
            if held is None or held.until <= time.monotonic():
                found = await fetch()
                usable = max(found.seconds - MARGIN_SECONDS, found.seconds / 2)
                held = self._held[key] = _Held(found.text, time.monotonic() + usable)
            return held.text

    def drop(self, key: str, text: str) -> None:
        """Forget a token the partner no longer takes; one that was renewed meanwhile stays."""
        held = self._held.get(key)
        if held is not None and held.text == text:
            del self._held[key]
