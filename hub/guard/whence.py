"""From where the request comes that is being worked: the address a door saw, for the audit trail.

It belongs to one request (a context variable), so that two at once never take each other's; work without a request, as
a worker's or a command's, has none.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from contextvars import ContextVar

_ADDRESS: ContextVar[str] = ContextVar("whence", default="")


def address() -> str:
    """The caller's IP address; empty where nobody called, or none is known."""
    return _ADDRESS.get()


@contextlib.contextmanager
def coming_from(text: str) -> Iterator[None]:
    """What is done within comes from an address; a text that is none counts as unknown."""
    token = _ADDRESS.set(plain(text))
    try:
        yield
    finally:
        _ADDRESS.reset(token)


def plain(text: str) -> str:
    """An IP address as it is written shortest, IPv4 within IPv6 as IPv4; empty for anything else."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    inner = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(inner or found)
