"""TLS of a door: the certificate and the trusted issuers from the tenant's vault, and which clients may come in.

`certificate` names a PKCS#12 in the vault, `trust` a PEM of issuers and of their revocation lists, if wanted.
TLS 1.2 is the least; keys never touch a disk.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from canonical.errors import Misconfigured
from hub.exchange.channels import Channel
from hub.exchange.out.connections import load_certificate, load_trusted
from hub.guard import secrets
from hub.world import World

_CLIENTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorTls:
    """A context for new connections; `mark` changes when the vault's entries or the settings do."""

    context: ssl.SSLContext
    mark: str


async def mark_of(world: World, channel: Channel) -> str:
    """What the door's TLS is made of, as a short mark; empty without TLS."""
    tls = channel.document.tls
    if not tls.certificate:
        return ""
    async with world.transaction(channel.tenant) as tx:
        rows = await tx.rows(
            "SELECT name, updated_at FROM credential WHERE tenant_id = $1 AND name = ANY($2::text[]) ORDER BY name",
            [tls.certificate, tls.trust],
        )
    made_of = [tls.certificate, tls.trust, tls.clients, *(f"{row['name']} {row['updated_at']}" for row in rows)]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]


async def door_tls(world: World, channel: Channel) -> DoorTls | None:
    """The TLS of a channel's door, None when it has none; raises Misconfigured when the vault lacks what it names."""
    tls = channel.document.tls
    if not tls.certificate:
        return None
    mark = await mark_of(world, channel)
    content = await _revealed(world, channel, tls.certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 judges by the letter of RFC 5280; a house's own authority must not be refused after an update.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    load_certificate(context, bytes.fromhex(str(content.get("pkcs12", ""))), str(content.get("password", "")))
    context.verify_mode = _CLIENTS[tls.clients]
    if tls.clients != "none":
        pem = str((await _revealed(world, channel, tls.trust)).get("pem", "")) if tls.trust else ""
        try:
            load_trusted(context, pem)
        except (ssl.SSLError, ValueError):
            raise Misconfigured(
                f"channel {channel.name}: the issuers of client certificates cannot be read", code="tls.trust"
            ) from None
    return DoorTls(context=context, mark=mark)


async def _revealed(world: World, channel: Channel, name: str) -> dict[str, Any]:
    async with world.transaction(channel.tenant) as tx:
        sealed = await tx.value("SELECT sealed FROM credential WHERE tenant_id = $1 AND name = $2", name)
    if sealed is None:
        raise Misconfigured(f"channel {channel.name}: the vault has no entry {name}", code="tls.certificate")
    found = json.loads(secrets.unseal(world.settings, bytes(sealed), f"credential/{name}"))
    return found if isinstance(found, dict) else {}


def admitted(patterns: Iterable[str], certificate: Mapping[str, Any] | None, binary: bytes | None) -> bool:
    """Whether a client's certificate carries a name the channel expects; without patterns any trusted one does.

    A pattern is a name (`HIS*`: common name, organisation, DNS name) or `sha256:` and the certificate's fingerprint.
    """
    wanted = list(patterns)
    if not wanted:
        return True
    if not certificate or not binary:
        return False
    names = [f"sha256:{hashlib.sha256(binary).hexdigest()}"]
    names += [value for part in certificate.get("subject", ()) for key, value in part if key in _NAMES]
    names += [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    return any(fnmatchcase(name, _pattern(one)) for name in names for one in wanted)


def _pattern(said: str) -> str:
    """A pattern as compared: fingerprints in lower case, without the colons tools put between bytes."""
    if said.lower().startswith("sha256:"):
        return "sha256:" + said[7:].replace(":", "").lower()
    return said


_NAMES = ("commonName", "organizationName", "organizationalUnitName", "serialNumber")
