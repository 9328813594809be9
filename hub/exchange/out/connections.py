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
from adapters.transports.tokens import Tokens
from canonical.errors import Misconfigured
from hub.exchange.answer import onward
from hub.exchange.partners import Partner
from hub.guard import vault
from hub.store.database import Transaction
from hub.world import Tenant, World

MOST = 256
_NAMED = ("certificate", "trust", "secret")  # keys of a transport that name entries of the vault
_HELD = (
    "SELECT name, encode(sha256(sealed), 'hex') AS mark FROM credential "
    "WHERE tenant_id = $1 AND name = ANY($2::text[]) ORDER BY name"
)
REVOCATION = "-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    settings: str
    transport: Transport


class Connections:
    """The open transports of one process, by tenant and lane; the one used longest ago is closed first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[tuple[UUID, int], _Open] = {}
        self._tokens: dict[UUID, Tokens] = {}

    async def transport(self, tenant: Tenant, partner: Partner, lane_id: int) -> Transport:
        """The lane's transport; a new one when anything it was made from changed. Raises Misconfigured."""
        key = (tenant.id, lane_id)
        settings = await self._made_from(tenant, partner)
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

    async def apart(self, tenant: Tenant, partner: Partner) -> Transport:
        """A transport of its own, which the caller closes. Raises Misconfigured."""
        return await self._make(tenant, partner)

    async def close(self) -> None:
        """Close all of them."""
        while self._open:
            _, opened = self._open.popitem()
            await opened.transport.close()

    async def _made_from(self, tenant: Tenant, partner: Partner) -> str:
        """What a transport of the partner is made from: its settings, and what the vault entries they name hold now.

        A certificate that is renewed under its name, or an address that is allowed, counts from the next delivery on.
        """
        said: list[Any] = [partner.settings.get(name) or {} for name in ("transport", "acknowledge", "allow_private")]
        transport: dict[str, Any] = partner.settings.get("transport") or {}
        names = [transport[name] for name in _NAMED if transport.get(name)]
        if names:
            async with self._world.transaction(tenant) as tx:
                said.append([(row["name"], row["mark"]) for row in await tx.rows(_HELD, names)])
        return json.dumps([*said, partner.owner], sort_keys=True)

    async def _make(self, tenant: Tenant, partner: Partner) -> Transport:
        settings: dict[str, Any] = partner.settings.get("transport") or {}
        allowed = self._world.settings.allow_private_targets or bool(partner.settings.get("allow_private"))

        async def stray(payload: bytes) -> bytes:
            return await onward.stray(self._world, tenant, partner, payload)

        means = Means(
            settings=settings,
            allow_private=allowed,
            tls=await self._tls(tenant, settings, partner.owner),
            acknowledge=partner.settings.get("acknowledge") or {},
            stray=stray,
            secret=await self._opened(tenant, settings["secret"], partner.owner) if settings.get("secret") else {},
            root=self._world.settings.folders / tenant.slug,
            tokens=self._tokens.setdefault(tenant.id, Tokens()),
        )
        return registry.transport(means)

    async def _tls(self, tenant: Tenant, settings: dict[str, Any], owner: str) -> ssl.SSLContext | None:
        """The TLS context that settings ask for: our certificate (`certificate`), whom we trust (`trust`)."""
        if not (settings.get("certificate") or settings.get("trust")):
            return None
        context = ssl.create_default_context()
        if settings.get("trust"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trusted = (await self._opened(tenant, settings["trust"], owner)).get("pem", "")
            try:
                load_trusted(context, trusted)
            except (ssl.SSLError, ValueError):
                raise Misconfigured("the trusted certificates cannot be read", code="transport.certificate") from None
        if settings.get("certificate"):
            document = await self._opened(tenant, settings["certificate"], owner)
            load_certificate(context, bytes.fromhex(document.get("pkcs12", "")), document.get("password", ""))
        return context

    async def _opened(self, tenant: Tenant, name: str, owner: str) -> dict[str, str]:
        """A vault entry; raises Misconfigured when it is not there."""
        async with self._world.transaction(tenant) as tx:
            return await vault_entry(self._world, tx, name, owner)


async def vault_entry(world: World, tx: Transaction, name: str, owner: str) -> dict[str, str]:
    """What the tenant's vault holds for `owner` under a name; raises Misconfigured."""
    found = await vault.reveal(tx, world.settings, name, owner=owner)
    if found is None:
        raise Misconfigured("a certificate or secret is not in the vault", code="transport.certificate")
    return found


def load_trusted(context: ssl.SSLContext, pem: str) -> None:
    """Trust the issuers in a PEM; with revocation lists in it (RFC 5280 §5) what stands on its issuer's is refused.

    Raises ssl.SSLError, ValueError when it cannot be read.
    """
    context.load_verify_locations(cadata=pem)
    if REVOCATION not in pem:
        return
    memory = os.memfd_create("trusted")
    try:
        os.write(memory, pem.encode("ascii", "ignore"))
        context.load_verify_locations(cafile=f"/proc/self/fd/{memory}")  # lists are read from files only
    finally:
        os.close(memory)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def load_certificate(context: ssl.SSLContext, content: bytes, password: str) -> None:
    """Give a TLS context the certificate and key of a PKCS#12; raises Misconfigured when it cannot be read."""
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
    memory = os.memfd_create("certificate")
    try:
        os.write(memory, pem)
        context.load_cert_chain(f"/proc/self/fd/{memory}", password=once)
    finally:
        os.close(memory)
