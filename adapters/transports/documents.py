"""Small documents that a partner publishes (keys, metadata), fetched over HTTPS from an address a tenant has set.

The address is checked before each connection and the connection goes to the very address that was checked; redirects
are not followed, the answer is bounded in size and time, and its text never reaches an error.
"""

from __future__ import annotations

import asyncio
from urllib.parse import SplitResult, urlsplit

import httpx

from adapters.transports.targets import resolve
from canonical.errors import Misconfigured, Refused, TryLater

MOST_BYTES = 256 * 1024
SECONDS = 5.0


async def fetch(url: str, *, allow_private: bool = False, most: int = MOST_BYTES, seconds: float = SECONDS) -> bytes:
    """The document at `url`; plain http only where private addresses are allowed. Raises Misconfigured, TryLater,
    Refused, Unsent."""
    parts, port = address(url, allow_private=allow_private)
    host = str(parts.hostname)
    try:
        async with asyncio.timeout(seconds):
            found = await resolve(host, port, allow_private=allow_private)
            shown = f"[{found}]" if ":" in found else found
            query = f"?{parts.query}" if parts.query else ""
            target = f"{parts.scheme}://{shown}:{port}{parts.path or '/'}{query}"
            return await _read(target, parts.netloc, host, most)
    except (TimeoutError, httpx.TimeoutException):
        raise TryLater("the partner's document did not arrive in time", code="transport.timeout") from None
    except httpx.HTTPError:
        raise TryLater("the partner's document could not be fetched", code="transport.closed") from None


def address(url: str, *, allow_private: bool = False) -> tuple[SplitResult, int]:
    """The parts and port of an address that may be asked; raises Misconfigured."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Misconfigured("the address is not valid", code="transport.address") from None
    plain = parts.scheme == "http" and allow_private
    if not (parts.scheme == "https" or plain) or not parts.hostname or "@" in parts.netloc or len(url) > 500:
        raise Misconfigured("the address must be https, without a user", code="transport.address")
    return parts, port


async def _read(target: str, netloc: str, host: str, most: int) -> bytes:
    headers = {"host": netloc, "accept": "application/json", "user-agent": "Ponte"}
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=SECONDS) as client,
        client.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as reply,
    ):
        if reply.status_code != 200:
            raise Refused(f"the partner answers with HTTP {reply.status_code}", code="transport.document")
        received = bytearray()
        async for chunk in reply.aiter_bytes():
            received += chunk
            if len(received) > most:
                raise Refused("the partner's document is too large", code="transport.document")
        return bytes(received)
