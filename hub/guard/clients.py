"""Clients: programs of partners that get tokens by client credentials. Secrets are kept as Argon2id hashes only.

A `client_id` is `<tenant-slug>.<name>`, so the tenant is known before anything of it is read.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from canonical.errors import Conflict, NotFound, Refused
from hub.guard import audit
from hub.settings import secret_file
from hub.store.database import Transaction
from hub.world import Tenant, World

TRIAL_FILE = "demo-client.secret"  # where its secret is kept
TRIAL_SCOPES = ("system/*.*", "hl7/write", "tiss/*", "admin/*")
_HASHER = PasswordHasher()
_AT_ONCE = asyncio.Semaphore(2)  # a secret is slow to check on purpose
_NAME = re.compile(r"[a-z0-9][a-z0-9\-]{0,62}\Z")


@cache
def _nobody() -> str:
    """What is verified against when the client is unknown, so that the time of the answer does not tell."""
    return _HASHER.hash(secrets.token_urlsafe(32))


class InvalidClient(Exception):
    """The client is unknown, disabled, or has not proved itself. `reason` names a rule that its own assertion breaks;
    whether a client exists is not told."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client that has proved who it is."""

    tenant: Tenant
    client_id: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]


async def create(
    world: World,
    tenant: Tenant,
    name: str,
    *,
    scopes: Iterable[str],
    roles: Iterable[str] = (),
    secret: str = "",
) -> tuple[str, str]:
    """A new client with a secret; returns its id and its secret, which is shown only now. Raises Conflict, Refused."""
    secret = secret or secrets.token_urlsafe(32)
    wanted = Registration(scopes=tuple(scopes), roles=tuple(roles), secret=secret)
    return await register(world, tenant, name, wanted, actor="operator"), secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a client is registered with. It proves itself by `secret`, by keys (`jwks`, a JWK Set as text) or by keys
    it publishes (`jwks_url`). `rate`: its own limit of requests a minute; None leaves the tenant's."""

    scopes: tuple[str, ...]
    roles: tuple[str, ...] = ()
    secret: str = ""
    jwks: str = ""
    jwks_url: str = ""
    rate: int | None = None


async def register(world: World, tenant: Tenant, name: str, wanted: Registration, *, actor: str) -> str:
    """The id of a new client; raises Conflict, Refused."""
    if not _NAME.match(name):
        raise Refused("a client's name is lower-case letters, digits and hyphens", code="client.name")
    client_id = f"{tenant.slug}.{name}"
    hashed = await asyncio.to_thread(hash_of, wanted.secret) if wanted.secret else None
    async with world.transaction(tenant) as tx:
        tag = await tx.run(
            "INSERT INTO client (tenant_id, client_id, name, secret_hash, roles, scopes, jwks, jwks_url, rate) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant_id, client_id) DO NOTHING",
            client_id,
            name,
            hashed,
            " ".join(sorted(wanted.roles)),
            " ".join(sorted(wanted.scopes)),
            wanted.jwks or None,
            wanted.jwks_url,
            wanted.rate,
        )
        if tag.endswith(" 0"):
            raise Conflict("the client exists already", code="client.exists")
        await audit.note(tx, actor, "client-create", f"client/{client_id}")
    return client_id


def hash_of(secret: str) -> str:
    """The Argon2id hash of a secret; takes a while on purpose."""
    return _HASHER.hash(secret)


async def ensure_trial(world: World, tenant: Tenant) -> None:
    """The client `<tenant>.trial` for first steps; its secret is the one kept in the secrets folder.

    What somebody changed since stays: a secret turned, keys instead of one, a client revoked. Only where the folder
    has no secret of it, as a new folder beside an old database, it gets the new one; then nobody could know the old.
    """
    new = not (world.settings.secrets / TRIAL_FILE).exists()
    secret = secret_file(world.settings, TRIAL_FILE)
    client_id = f"{tenant.slug}.trial"
    async with world.transaction(tenant) as tx:
        row = await tx.row("SELECT secret_hash FROM client WHERE tenant_id = $1 AND client_id = $2", client_id)
    if row is None:
        await create(world, tenant, "trial", scopes=TRIAL_SCOPES, roles=("ADMIN",), secret=secret)
    elif new and row["secret_hash"]:
        hashed = await asyncio.to_thread(_HASHER.hash, secret)
        async with world.transaction(tenant) as tx:
            await tx.run(
                "UPDATE client SET secret_hash = $3 WHERE tenant_id = $1 AND client_id = $2", client_id, hashed
            )
            await audit.note(tx, "seed", "client-keys", f"client/{client_id}")


async def disable(world: World, tenant: Tenant, client_id: str) -> None:
    """Refuse the client and all its tokens from now on (within a second)."""
    async with world.transaction(tenant) as tx:
        update = "UPDATE client SET active = false, changed_at = now() WHERE tenant_id = $1 AND client_id = $2"
        await tx.run(update, client_id)
        await audit.note(tx, "operator", "client-disable", f"client/{client_id}")


async def authenticate(world: World, client_id: str, secret: str) -> Client:
    """The client; raises InvalidClient. Failed attempts at existing clients are audited."""
    if not client_id or not secret or len(client_id) > 200 or len(secret) > 500 or "\0" in client_id:
        raise InvalidClient
    try:
        tenant = await world.tenant(client_id.partition(".")[0])
    except NotFound:
        tenant = None
    row = None
    if tenant is not None:
        async with world.transaction(tenant) as tx:
            query = "SELECT secret_hash, roles, scopes, active FROM client WHERE tenant_id = $1 AND client_id = $2"
            row = await tx.row(query, client_id)
    hashed = row["secret_hash"] if row is not None and row["secret_hash"] else _nobody()
    right = await asyncio.to_thread(_verify, hashed, secret)
    if tenant is None or row is None:
        raise InvalidClient
    good = right and bool(row["active"])
    async with world.transaction(tenant) as tx:
        await audit.note(tx, client_id, "login", f"client/{client_id}", "success" if good else "failure")
    if not good:
        raise InvalidClient
    return Client(
        tenant=tenant, client_id=client_id, roles=tuple(row["roles"].split()), scopes=tuple(row["scopes"].split())
    )


async def authenticate_slowly(world: World, client_id: str, secret: str) -> Client:
    """The same, a few at a time: a flood of attempts at a page must not take the machine. Raises InvalidClient."""
    async with _AT_ONCE:
        return await authenticate(world, client_id, secret)


async def holds(tx: Transaction, client_id: str, secret: str) -> bool:
    """Whether an active client's secret is this one."""
    hashed = await tx.value(
        "SELECT secret_hash FROM client WHERE tenant_id = $1 AND client_id = $2 AND active", client_id
    )
    return bool(hashed) and await asyncio.to_thread(_verify, hashed, secret)


def _verify(hashed: str, secret: str) -> bool:
    try:
        return bool(_HASHER.verify(hashed, secret))
    except (Argon2Error, InvalidHashError):
        return False
