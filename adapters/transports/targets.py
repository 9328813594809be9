"""Where a transport may connect: addresses that a tenant sets are checked before each connection.

A name is resolved once and the connection goes to the very address that was checked, so a name that answers
differently the second time gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl

from adapters.transports import Unsent
from canonical.errors import Misconfigured


async def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """The address to connect to; raises Misconfigured for one that may not be reached, Unsent for an unknown name."""
    if not host or not 0 < port < 65536:
        raise Misconfigured("the partner's address has no host or port", code="transport.address")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unsent("the partner's name cannot be resolved", code="transport.name") from None
    addresses = [str(entry[4][0]) for entry in found]
    allowed = [address for address in addresses if allow_private or is_public(address)]
    if not allowed:
        raise Misconfigured(
            "the partner's address lies in a private range; the operator can allow that (PONTE_ALLOW_PRIVATE_TARGETS)",
            code="transport.private",
        )
    return allowed[0]


def literally_private(host: str) -> bool:
    """Whether `host` names this machine or a private range by itself, without asking anyone: an IP address in any
    spelling that `inet_aton` reads (`127.1`, `0x7f000001`), or `localhost` (RFC 6761 §6.3). Names are judged when they
    are resolved."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return not is_public(name)
    except ValueError:
        pass
    try:
        return not is_public(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        return False


def is_public(address: str) -> bool:
    """Whether an IP address is reachable over the open network: no loopback, private, link-local or mapped range."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if parsed in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)))
    return parsed.is_global and not parsed.is_multicast


_EXPIRED, _NOT_YET, _OTHER_HOST, _OTHER_ADDRESS, _REVOKED, _NO_LIST, _OLD_LIST = 10, 9, 62, 64, 23, 3, 12
"""Of OpenSSL's `X509_V_ERR_…`: the faults whose remedy is not another authority."""
_FAULTS = {
    _EXPIRED: "transport.certificate-expired",
    _NOT_YET: "transport.certificate-expired",
    _OTHER_HOST: "transport.certificate-name",
    _OTHER_ADDRESS: "transport.certificate-name",
    _REVOKED: "transport.certificate-revoked",
    _NO_LIST: "transport.revocation-list",
    _OLD_LIST: "transport.revocation-list",
}


def certificate_fault(error: ssl.SSLCertVerificationError) -> str:
    """The code of what is wrong with a server's certificate: out of date, for another name, or not trusted."""
    return _FAULTS.get(error.verify_code, "transport.certificate-issuer")
