"""Who is connected to a door and who was turned away: for the log, and for whoever asks `channel connections`.

Addresses, names of certificates, counts and times; nothing of what a message says.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

log = logging.getLogger("ponte.mllp")
TOLD_AGAIN_SECONDS = 60.0
MOST_ADDRESSES = 200
_REASONS = {
    "door.plain": ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"),
    "door.tls-old": ("UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW", "NO_SHARED_CIPHER", "NO_PROTOCOLS_AVAILABLE"),
    "door.no-certificate": ("PEER_DID_NOT_RETURN_A_CERTIFICATE",),
}
_EXPIRED, _NOT_YET, _REVOKED, _NO_LIST, _OLD_LIST = 10, 9, 23, 3, 12
_VERIFIED = {
    _EXPIRED: "door.certificate-expired",
    _NOT_YET: "door.certificate-expired",
    _REVOKED: "door.certificate-revoked",
    _NO_LIST: "door.revocation-list",
    _OLD_LIST: "door.revocation-list",
}


class Guest(Protocol):
    """One connection as it is listed; times are the loop's."""

    @property
    def address(self) -> str:
        """The other side's IP address."""

    @property
    def certificate(self) -> str:
        """The common name of its certificate; empty without one."""

    @property
    def since(self) -> float:
        """When it came."""

    @property
    def heard(self) -> float:
        """When something came from it last."""

    @property
    def messages(self) -> int:
        """How many frames it has sent."""


@dataclass(slots=True)
class _Turned:
    count: int = 0
    last: float = 0.0
    said: float = float("-inf")


class Book:
    """Counts who was turned away; each cause and address is told in the log once a minute at most."""

    def __init__(self) -> None:
        self._turned: dict[tuple[str, str], _Turned] = {}

    def turn_away(self, channel: str, code: str, address: str, now: float) -> None:
        """Somebody was not let in, or said what cannot be a message."""
        found = self._turned.pop((code, address), None) or _Turned()
        self._turned[code, address] = found  # the newest stand last
        while len(self._turned) > MOST_ADDRESSES:
            del self._turned[next(iter(self._turned))]
        found.count, found.last = found.count + 1, now
        if now - found.said >= TOLD_AGAIN_SECONDS:
            found.said = now
            log.warning("channel %s: turned away %s: %s (%s times by now)", channel, address, code, found.count)

    def report(self, guests: Iterable[Guest], now: float) -> dict[str, Any]:
        """Connections by address and who was turned away, as JSON; times as seconds ago."""
        by_address: dict[tuple[str, str], list[Guest]] = {}
        for guest in guests:
            by_address.setdefault((guest.address, guest.certificate), []).append(guest)
        most = sorted(by_address.items(), key=lambda one: -len(one[1]))[:MOST_ADDRESSES]
        return {
            "connections": sum(map(len, by_address.values())),
            "addresses": [_together(address, name, ones, now) for (address, name), ones in most],
            "turned_away": [
                {"code": code, "address": address, "count": one.count, "last_s": round(now - one.last)}
                for (code, address), one in reversed(self._turned.items())
            ],
        }


def _together(address: str, certificate: str, ones: list[Guest], now: float) -> dict[str, Any]:
    return {
        "address": address,
        "certificate": certificate,
        "connections": len(ones),
        "messages": sum(one.messages for one in ones),
        "open_s": round(now - min(one.since for one in ones)),
        "heard_s": round(now - max(one.heard for one in ones)),
    }


def handshake_fault(error: OSError) -> str:
    """The code of why a handshake failed, by what the TLS library says of it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFIED.get(error.verify_code, "door.certificate-issuer")
    reason = getattr(error, "reason", None) or ""
    for code, reasons in _REASONS.items():
        if reason in reasons:
            return code
    if "ALERT" in reason:
        return "door.not-trusted"
    return "door.handshake"


def name_of(certificate: dict[str, Any] | None) -> str:
    """The common name of a client's certificate, as `getpeercert` gives it."""
    parts = (certificate or {}).get("subject", ())
    return next((str(value) for part in parts for key, value in part if key == "commonName"), "")
