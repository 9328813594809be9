"""What comes to an MLLP port and is another protocol, known by its first bytes, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass

_HELLO = b"\x16\x03"
_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
"""A fatal alert, handshake_failure (RFC 8446 §6): the client fails at once instead of waiting."""
_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ")
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Stranger:
    """The code of who came, and what it is answered in its own protocol."""

    code: str
    answer: bytes


def known(data: bytes, *, sealed: bool) -> Stranger | None:
    """Who came, by the first bytes of a connection; None for whoever may speak MLLP. `sealed`: it came over TLS."""
    if not sealed and data.startswith(_HELLO):
        return Stranger("door.tls", _ALERT)
    if data.startswith(_METHODS):
        return Stranger("door.http", _BAD_REQUEST)
    return None


def unframed(data: bytes) -> bool:
    """Whether bytes outside of any frame look like a message that should have been in one."""
    return data.lstrip().startswith((b"MSH", b"BHS", b"FHS"))
