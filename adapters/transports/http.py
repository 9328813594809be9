"""What transports over HTTP share: an address that was checked before it is connected to, and failures by phase."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.transports import Unsent
from adapters.transports.targets import resolve
from canonical.errors import Misconfigured, PonteError, TryLater


async def checked(full: str, *, allow_private: bool) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The URL with the checked address in place of the name, the Host header, and the name for the TLS handshake.

    Raises Misconfigured for what is no address or lies in a private range, Unsent for a name that is not known.
    """
    parts = urlsplit(full)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured("the partner's URL is not an http or https address", code="transport.address")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Misconfigured("the partner's URL has no valid port", code="transport.address") from None
    address = await resolve(parts.hostname, port, allow_private=allow_private)
    shown = f"[{address}]" if ":" in address else address
    query = f"?{parts.query}" if parts.query else ""
    host = parts.netloc.rpartition("@")[2]
    return (
        f"{parts.scheme}://{shown}:{port}{parts.path or '/'}{query}",
        {"host": host},
        {"sni_hostname": parts.hostname},
    )


def failure(error: Exception) -> PonteError:
    """A failure of httpx (or a time-out) by what to do next: Unsent when surely nothing was handed over."""
    if isinstance(error, TimeoutError | httpx.ReadTimeout | httpx.WriteTimeout):
        return TryLater("no answer in time", code="transport.timeout")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        if isinstance(error.__cause__, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
            return Misconfigured("the partner's certificate is not trusted", code="transport.certificate")
        return Unsent("the partner does not accept the connection", code="transport.connect")
    return TryLater("the connection broke before the answer", code="transport.closed")
