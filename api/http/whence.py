"""Who really called: the peer of the connection or, behind a proxy the operator trusts, whom that proxy names.

`X-Forwarded-For` and `Forwarded` (RFC 7239) count only from trusted addresses (`PONTE_TRUSTED_PROXIES`), read from
the right: every hop was written by the one behind it, so the first that is not trusted is the caller, and what stands
before it is his own word. `X-Forwarded-Proto` of a trusted peer says whether the caller came over TLS.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from hub.guard import whence
from hub.settings import Network

_FOR = re.compile(r"(?:^|[;,\s])for=(\"[^\"]*\"|[^;,\s]+)", re.IGNORECASE)
_PORT = re.compile(r"\A(\d+\.\d+\.\d+\.\d+):\d+\Z")
_MOST_HOPS = 20


class Whence:
    """Sets the caller's address and scheme of each request, for all that comes behind."""

    def __init__(self, app: ASGIApp, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer, _ = scope.get("client") or ("", 0)
        headers = _joined(scope.get("headers", ()))
        address = caller(peer, headers, self._trusted)
        if address != peer:
            scope = {**scope, "client": (address, 0)}
        if is_trusted(peer, self._trusted) and headers.get("x-forwarded-proto", "").strip().lower() == "https":
            scope = {**scope, "scheme": "https"}
        with whence.coming_from(address):
            await self._app(scope, receive, send)


def caller(peer: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """The address of who called, by the peer's and the forwarded headers."""
    found = peer
    for _, hop in zip(range(_MOST_HOPS), _hops(headers), strict=False):
        if not is_trusted(found, trusted):
            break
        if not whence.plain(hop):
            break
        found = whence.plain(hop)
    return found


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether an address is a proxy's whose word counts."""
    text = whence.plain(address)
    return bool(text) and any(ipaddress.ip_address(text) in network for network in trusted)


def _hops(headers: Mapping[str, str]) -> Iterator[str]:
    """The addresses that the headers name, the nearest first."""
    if "x-forwarded-for" in headers:
        named = headers["x-forwarded-for"].split(",")
    else:
        named = [hop.strip('"') for hop in _FOR.findall(headers.get("forwarded", ""))]
    for hop in reversed(named):
        bare = hop.strip()
        if bare.startswith("["):
            bare = bare[1:].partition("]")[0]
        yield _PORT.sub(r"\1", bare)


def _joined(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The forwarded headers by name, repeated ones joined in their order."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.decode("latin-1").lower()
        if key in ("x-forwarded-for", "forwarded", "x-forwarded-proto"):
            text = value.decode("latin-1")
            found[key] = f"{found[key]},{text}" if key in found else text
    return found
