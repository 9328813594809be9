"""Connections to partners: one transport per lane, made from the partner's settings, kept while it is used.

A client certificate is a PKCS#12 in the tenant's vault (`credential`); its key never touches a disk.
"""

from __future__ import annotations

import json
import os
import ssl
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)

from adapters import registry
from adapters.transports import Means, Transport
from canonical.errors import Misconfigured
from hub.exchange.partners import Partner
from hub.guard import secrets
from hub.world import Tenant, World

MOST = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    settings: str
    transport: Transport


class Connections:
    """The open transports of one process, by tenant and lane; the one used longest ago is closed first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[tuple[UUID, int], _Open] = {}

    async def transport(self, tenant: Tenant, partner: Partner, lane_id: int) -> Transport:
        """The lane's transport; a new one when the partner's settings changed. Raises Misconfigured."""
        key = (tenant.id, lane_id)
        settings = json.dumps(partner.settings.get("transport") or {}, sort_keys=True)
        found = self._open.pop(key, None)
        if found is not None and found.settings != settings:
            await found.transport.close()
            found = None
        if found is None:
            found = _Open(settings=settings, transport=await self._make(tenant, partner))
        self._open[key] = found
        while len(self._open) > MOST:
            oldest = next(iter(self._open))
            await self._open.pop(oldest).transport.close()
        return found.transport

    async def close(self) -> None:
        """Close all of them."""
        while self._open:
            _, opened = self._open.popitem()
            await opened.transport.close()

    async def _make(self, tenant: Tenant, partner: Partner) -> Transport:
        settings: dict[str, Any] = partner.settings.get("transport") or {}
        allowed = self._world.settings.allow_private_targets or bool(partner.settings.get("allow_private"))
        tls = await self._tls(tenant, settings["certificate"]) if settings.get("certificate") else None
        return registry.transport(Means(settings=settings, allow_private=allowed, tls=tls))

    async def _tls(self, tenant: Tenant, name: str) -> ssl.SSLContext:
        async with self._world.transaction(tenant) as tx:
            row = await tx.row("SELECT sealed FROM credential WHERE tenant_id = $1 AND name = $2", name)
        if row is None:
            raise Misconfigured("the partner's client certificate is not in the vault", code="transport.certificate")
        document = json.loads(secrets.unseal(self._world.settings, bytes(row["sealed"]), f"credential/{name}"))
        return client_context(bytes.fromhex(document["pkcs12"]), document.get("password", ""))


def client_context(content: bytes, password: str) -> ssl.SSLContext:
    """A TLS context with the certificate of a PKCS#12; raises Misconfigured when it cannot be read."""
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(content, password.encode() or None)
    except ValueError:
        key = certificate = None
        others = []
    if key is None or certificate is None:
        raise Misconfigured("the client certificate cannot be opened", code="transport.certificate")
    once = os.urandom(24).hex()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(once.encode()))
    pem += b"".join(item.public_bytes(Encoding.PEM) for item in (certificate, *others))
    context = ssl.create_default_context()
    memory = os.memfd_create("certificate")
    try:
        os.write(memory, pem)
        context.load_cert_chain(f"/proc/self/fd/{memory}", password=once)
    finally:
        os.close(memory)
    return context
