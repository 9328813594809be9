"""The tenant's vault: named secrets, sealed under the key outside the database; only names and dates are ever shown."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    pkcs12,
)

from canonical.errors import NotFound, Refused
from hub.guard import secrets
from hub.settings import Settings
from hub.store.database import Transaction

SIGN_IN = "sign-in"
BOUND = frozenset((SIGN_IN,))
"""Kinds whose entries are revealed only to who asks for that kind: they serve one purpose, whoever names them."""


_LISTS = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_OWNED = {"subscription/": "webhook", "watch-": "watch"}
"""Names the hub gives itself: each belongs to the partner of that kind whose code follows."""


def owner_of(name: str, content: Mapping[str, str]) -> str:
    """The one partner (`kind/code`) or channel (`channel/name`) an entry was kept for; empty: any of the tenant."""
    for prefix, kind in _OWNED.items():
        if name.startswith(prefix):
            return f"{kind}/{name.removeprefix(prefix)}"
    return content.get("for", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What may be shown of a secret."""

    name: str
    kind: str
    expires_at: datetime.datetime | None
    updated_at: datetime.datetime

    def as_json(self) -> dict[str, str | None]:
        """One JSON object."""
        expires = self.expires_at.isoformat() if self.expires_at else None
        return {
            "name": self.name,
            "kind": self.kind,
            "expires_at": expires,
            "updated_at": self.updated_at.isoformat(),
        }


async def put(
    tx: Transaction,
    settings: Settings,
    name: str,
    content: Mapping[str, str],
    *,
    kind: str,
    expires_at: datetime.datetime | None = None,
) -> None:
    """Seal and store a secret under `name`, replacing an earlier one."""
    sealed = secrets.seal(settings, json.dumps(dict(content)).encode(), f"credential/{name}")
    await tx.run(
        "INSERT INTO credential (tenant_id, name, kind, sealed, expires_at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (tenant_id, name) DO UPDATE SET kind = excluded.kind, sealed = excluded.sealed, "
        "expires_at = excluded.expires_at, updated_at = now()",
        name,
        kind,
        sealed,
        expires_at,
    )


async def reveal(
    tx: Transaction, settings: Settings, name: str, *, kind: str = "", owner: str = ""
) -> dict[str, str] | None:
    """The content of a secret; None when the tenant has none of that name, or not of the `kind` that is asked for.

    An entry of a BOUND kind is revealed only to who asks for it, one kept for a partner or channel only to that `owner`
    (`owner_of`): the document of another cannot name it for its own use.
    """
    found = await _opened(tx, settings, name, kind)
    return found if found is not None and owner_of(name, found) in ("", owner) else None


async def opens(tx: Transaction, settings: Settings, entry: Entry) -> bool:
    """Whether the entry is there and opens with the master key; raises Misconfigured when it does not open."""
    return await _opened(tx, settings, entry.name, entry.kind) is not None


async def _opened(tx: Transaction, settings: Settings, name: str, kind: str) -> dict[str, str] | None:
    row = await tx.row("SELECT kind, sealed FROM credential WHERE tenant_id = $1 AND name = $2", name)
    if row is None or (row["kind"] != kind and (kind or row["kind"] in BOUND)):
        return None
    found = json.loads(secrets.unseal(settings, bytes(row["sealed"]), f"credential/{name}"))
    return {str(key): str(value) for key, value in found.items()}


async def put_certificate(tx: Transaction, settings: Settings, name: str, content: bytes, password: str) -> None:
    """Store a PKCS#12 with its password; raises Refused when it cannot be opened or holds no key."""
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(content, password.encode() or None)
    except ValueError:
        key = certificate = None
    if key is None or certificate is None:
        raise Refused("the PKCS#12 cannot be opened with this password, or holds no key", code="tls.certificate")
    document = {"pkcs12": content.hex(), "password": password}
    await put(tx, settings, name, document, kind="pkcs12", expires_at=certificate.not_valid_after_utc)


async def put_sign_in(tx: Transaction, settings: Settings, name: str, service: tuple[str, str], password: str) -> None:
    """Store the secret that a sign-in service (its issuer, our client id there) gave us: for that service only."""
    issuer, client_id = service
    content = {"issuer": issuer, "login": client_id, "password": password}
    await put(tx, settings, name, content, kind=SIGN_IN)


async def put_key(
    tx: Transaction, settings: Settings, name: str, content: bytes, password: str = "", owner: str = ""
) -> str:
    """Store a private key for SFTP (OpenSSH or PEM) and return its public one, as a server lists it; raises Refused.

    `owner`: kept for that partner or channel alone (`owner_of`).
    """
    try:
        if content.lstrip().startswith(b"-----BEGIN OPENSSH"):
            key: object = load_ssh_private_key(content, password.encode() or None)
        else:
            key = load_pem_private_key(content, password.encode() or None)
        if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
            raise ValueError
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused("the file holds no private key that opens with this password", code="vault.key") from None
    document = {"key": content.decode("ascii", "ignore")} | ({"passphrase": password} if password else {})
    await put(tx, settings, name, document | ({"for": owner} if owner else {}), kind="ssh")
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


async def put_issuers(tx: Transaction, settings: Settings, name: str, pem: bytes) -> None:
    """Store the certificates of trusted issuers, and their revocation lists where the PEM holds some too.

    It expires with the first of them: nobody is let in by a list that is out of date. Raises Refused when the PEM holds
    no certificate.
    """
    try:
        found = x509.load_pem_x509_certificates(pem)
        lists = [x509.load_pem_x509_crl(one) for one in _LISTS.findall(pem)]
    except ValueError:
        raise Refused("the file holds no certificate in PEM form", code="tls.trust") from None
    ends = [item.not_valid_after_utc for item in found]
    expires = min(ends + [item.next_update_utc for item in lists if item.next_update_utc is not None])
    await put(tx, settings, name, {"pem": pem.decode("ascii", "ignore")}, kind="issuers", expires_at=expires)


async def entries(tx: Transaction) -> list[Entry]:
    """The names in the vault, with kind and dates."""
    rows = await tx.rows("SELECT name, kind, expires_at, updated_at FROM credential WHERE tenant_id = $1 ORDER BY name")
    return [Entry(**dict(row)) for row in rows]


async def remove(tx: Transaction, name: str) -> None:
    """Remove a secret; raises NotFound."""
    row = await tx.row("DELETE FROM credential WHERE tenant_id = $1 AND name = $2 RETURNING name", name)
    if row is None:
        raise NotFound("the vault has no such entry")
