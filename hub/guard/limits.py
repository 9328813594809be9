"""How many requests a minute a tenant, one of its clients, or a caller of the token address may make.

Counted in windows of a minute over all processes, in Valkey. A process takes its share in small lots, so that most
requests cost no trip; what is taken never exceeds the limit. While Valkey is down each process counts by itself
against the whole limit and says so: neither does a flood get through, nor does a broken cache stop a hospital.

`limits` of a tenant's settings: `requests_per_minute` (all its callers together), `client_requests_per_minute` (each
client, unless it has a rate of its own), `token_requests_per_minute`. Nothing stated: no limit, but for tokens.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis.asyncio as client
from redis.exceptions import RedisError

from hub.guard.tokens import Identity
from hub.world import Tenant

log = logging.getLogger("ponte.limits")
WINDOW = 60
LOTS = 50  # a limit is taken in about so many lots by one process
TOKENS_PER_CLIENT = 60
TOKENS_PER_ADDRESS = 600
RECONNECT_SECONDS = 1.0
ALARM_SECONDS = 60.0
_MOST_KEYS = 20_000
_DOWN = (RedisError, OSError, TimeoutError)
Limit = tuple[str, int]  # what is counted, and how many a minute


class Throttled(Exception):
    """Too many requests; `headers` say how long to wait."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("throttled")
        self.headers = dict(headers)


@dataclass(slots=True)
class _Window:
    """What this process knows of one count: the window, what it holds, what all have taken, and what it took alone."""

    number: int
    held: int = 0
    taken: int = 0
    owed: int = 0


def limits_of(identity: Identity, tenant: Tenant) -> list[Limit]:
    """The limits that hold for a caller; most often none."""
    stated = tenant.settings.get("limits")
    found: list[Limit] = []
    if isinstance(stated, dict):
        found += _stated(stated, "requests_per_minute", f"tenant:{tenant.id}")
    if caller := identity.client_id or (identity.login and identity.subject):
        own = f"client:{tenant.id}:{caller}"
        if identity.rate is not None:
            found.append((own, identity.rate))
        elif isinstance(stated, dict):
            found += _stated(stated, "client_requests_per_minute", own)
    return found


def token_limits(tenant: Tenant | None, client_id: str, address: str) -> list[Limit]:
    """The limits of the token address: by address, and by client and address, so that nobody shuts out another. What
    somebody typed as a client's name, which may be anything, is counted by its digest."""
    stated = tenant.settings.get("limits") if tenant is not None else None
    most = _stated(stated, "token_requests_per_minute", "") if isinstance(stated, dict) else []
    each = most[0][1] if most else TOKENS_PER_CLIENT
    place, named = network_of(address), hashlib.sha256(client_id.encode("utf-8", "replace")).hexdigest()[:32]
    return [(f"token:{place}", max(TOKENS_PER_ADDRESS, each)), (f"token:{named}:{place}", each)]


def network_of(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one, which one caller has whole."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False).network_address)
    return str(found)


def _stated(settings: Mapping[str, Any], name: str, key: str) -> list[Limit]:
    value = settings.get(name)
    return [(key, value)] if isinstance(value, int) and not isinstance(value, bool) and value > 0 else []


class Limits:
    """The counts of one process. Without an address of Valkey each process counts by itself."""

    def __init__(self, url: str = "", clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._clock = clock
        self._client: Any = None
        self._windows: dict[str, _Window] = {}
        self._down_until = 0.0
        self._alarmed = -math.inf

    async def take(self, limits: Sequence[Limit]) -> dict[str, str]:
        """Count one request against all of `limits`; returns the headers of the tightest, raises Throttled."""
        now = self._clock()
        number, left = int(now // WINDOW), max(1, math.ceil(WINDOW - now % WINDOW))
        tightest: dict[str, str] = {}
        least = math.inf
        for key, most in limits:
            window = await self._window(key, most, number)
            if window.held <= 0:
                raise Throttled({**_headers(most, 0, left), "Retry-After": str(left)})
            window.held -= 1
            remaining = max(0, most - window.taken + window.held)
            if remaining / most < least:
                least, tightest = remaining / most, _headers(most, remaining, left)
        return tightest

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _window(self, key: str, most: int, number: int) -> _Window:
        """The current window of a count, with something in hand unless the limit is reached."""
        window = self._windows.get(key)
        if window is None or window.number != number:
            if len(self._windows) >= _MOST_KEYS:
                self._windows = {k: w for k, w in self._windows.items() if w.number == number}
            window = self._windows[key] = _Window(number)
        if window.held <= 0 and window.taken < most:
            lot = max(1, most // LOTS)
            before = await self._counted(f"ponte:rate:{key}:{number}", lot, window)
            if before is None:
                before, window.owed = window.taken, window.owed + lot
            window.held += max(0, min(lot, most - before))
            window.taken = max(window.taken, min(before + lot, most))
        return window

    async def _counted(self, key: str, lot: int, window: _Window) -> int | None:
        """What all processes had taken before this lot; None while Valkey does not answer. What was taken alone is
        told then."""
        loop = asyncio.get_running_loop()
        if not self._url or loop.time() < self._down_until:
            return None
        owed, window.owed = window.owed, 0
        try:
            async with asyncio.timeout(0.5):
                if self._client is None:
                    self._client = client.from_url(self._url, protocol=2, socket_connect_timeout=0.5)
                async with self._client.pipeline(transaction=False) as pipe:
                    pipe.incrby(key, lot + owed)
                    pipe.expire(key, 2 * WINDOW)
                    after, _ = await pipe.execute()
        except _DOWN as error:
            window.owed += owed
            self._down_until = loop.time() + RECONNECT_SECONDS
            if loop.time() - self._alarmed >= ALARM_SECONDS:
                self._alarmed = loop.time()
                log.error("rate limits are counted by each process alone (%s)", type(error).__name__)
            return None
        return int(after) - lot


def _headers(most: int, remaining: int, left: int) -> dict[str, str]:
    return {"RateLimit-Limit": str(most), "RateLimit-Remaining": str(remaining), "RateLimit-Reset": str(left)}
