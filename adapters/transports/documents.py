"""Small documents of a partner (keys, metadata, a token), fetched over HTTPS from an address a tenant has set.

The address is checked before each connection and the connection goes to the very address that was checked; redirects
are not followed, the answer is bounded in size and time, and its text never reaches an error.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote_plus, urlencode, urlsplit

from adapters.transports.targets import resolve
from canonical.errors import Misconfigured, Refused, TryLater

MOST_BYTES = 256 * 1024
SECONDS = 5.0


async def fetch(url: str, *, allow_private: bool = False, most: int = MOST_BYTES, seconds: float = SECONDS) -> bytes:
    """The document at `url`; plain http only where private addresses are allowed. Raises Misconfigured, TryLater,
    Refused, Unsent."""
    return await _asked(url, _Asked("GET", most=most, seconds=seconds), allow_private=allow_private)


async def post(
    url: str, form: Mapping[str, str], *, basic: tuple[str, str] | None = None, allow_private: bool = False
) -> bytes:
    """The answer to a form, with a name and secret by HTTP Basic if given (RFC 6749 §2.3.1); raises as `fetch`."""
    asked = _Asked("POST", content=urlencode(form), basic=basic)
    return await _asked(url, asked, allow_private=allow_private)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of an address, and how much and how long an answer may be."""

    method: str
    content: str = ""
    basic: tuple[str, str] | None = None
    most: int = MOST_BYTES
    seconds: float = SECONDS

    @property
    def headers(self) -> dict[str, str]:
        """Its own headers."""
        found = {"accept": "application/json", "user-agent": "Ponte"}
        if self.method == "POST":
            found["content-type"] = "application/x-www-form-urlencoded"
        if self.basic is not None:
            named = ":".join(quote_plus(part) for part in self.basic)
            found["authorization"] = f"Basic {base64.b64encode(named.encode()).decode()}"
        return found


async def _asked(url: str, asked: _Asked, *, allow_private: bool) -> bytes:
    import httpx  # here: it is costly to import, and most processes fetch nothing

    from adapters.transports.http import sealing_fault

    parts, port = address(url, allow_private=allow_private)
    host = str(parts.hostname)
    try:
        async with asyncio.timeout(asked.seconds):
            found = await resolve(host, port, allow_private=allow_private)
            shown = f"[{found}]" if ":" in found else found
            query = f"?{parts.query}" if parts.query else ""
            target = f"{parts.scheme}://{shown}:{port}{parts.path or '/'}{query}"
            return await _read(target, parts.netloc, host, asked)
    except (TimeoutError, httpx.TimeoutException):
        raise TryLater("the partner's document did not arrive in time", code="transport.timeout") from None
    except (httpx.HTTPError, ssl.SSLError) as error:
        sealed = sealing_fault(error)
        code = sealed.code if sealed else "transport.closed"
        raise TryLater("the partner's document could not be fetched", code=code) from None


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


async def _read(target: str, netloc: str, host: str, asked: _Asked) -> bytes:
    import httpx  # as above

    headers = {"host": netloc, **asked.headers}
    more: dict[str, Any] = {"content": asked.content} if asked.content else {}
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=SECONDS) as client,
        client.stream(asked.method, target, headers=headers, extensions={"sni_hostname": host}, **more) as reply,
    ):
        if reply.status_code != 200:
            raise Refused(f"the partner answers with HTTP {reply.status_code}", code="transport.document")
        received = bytearray()
        async for chunk in reply.aiter_bytes():
            received += chunk
            if len(received) > asked.most:
                raise Refused("the partner's document is too large", code="transport.document")
        return bytes(received)
