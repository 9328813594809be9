"""What transports over HTTP share: an address that was checked before it is connected to, and failures by phase."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.transports import Unsent
from adapters.transports.targets import certificate_fault, resolve
from canonical.errors import Misconfigured, PonteError, TryLater

FAILURES = (TimeoutError, httpx.HTTPError, ssl.SSLError)
"""What `failure` reads. The client hands an alert that comes after the handshake on as the TLS library has it."""
_REFUSALS = ("ALERT_HANDSHAKE_FAILURE", "CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
"""In the name of an alert: the other side wants a certificate of ours, or another one."""


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
    if sealed := sealing_fault(error):
        return sealed
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return Unsent("the partner does not accept the connection", code="transport.connect")
    return TryLater("the connection broke before the answer", code="transport.closed")


def sealing_fault(error: BaseException) -> PonteError | None:
    """What a failure says of TLS: the other side's certificate, ours, or a port without it; None when nothing.

    An alert is the other side's word about our certificate; TLS 1.3 sends it only after the handshake.
    """
    waiting = (ssl.SSLWantReadError, ssl.SSLWantWriteError)  # how the library says that it is not its turn
    faults = (one for one in _causes(error) if isinstance(one, ssl.SSLError) and not isinstance(one, waiting))
    fault = next(faults, None)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return Misconfigured("the partner's certificate does not hold", code=certificate_fault(fault))
    if fault is None:
        return None
    reason = fault.reason or ""
    code = "transport.certificate-refused" if any(word in reason for word in _REFUSALS) else "transport.tls"
    if isinstance(error, httpx.ConnectError):
        return Unsent("the partner does not go through the handshake of TLS", code=code)
    return TryLater("the partner ended TLS before its answer", code=code)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
