"""Clients as a tenant's administrator keeps them: registered, listed, their keys, scopes and rate changed, revoked.

Every change is audited with who made it; neither secrets nor keys appear there. A client that is revoked stays listed:
the audit trail names it, and its name is never used again for another.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from adapters.transports import documents
from canonical.errors import Denied, Misconfigured, NotFound, Refused
from fhir.definitions.table import resource_types
from hub.find.sight import narrowed_by
from hub.guard import audit, clients, keys, scopes
from hub.guard.clients import Registration
from hub.records.requests.acting import setting_of
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

# Scopes of the hub's own doors beside FHIR's.
OWN_SCOPES = (
    "admin/*", "alarms/read", "alarms/write", "blocked/read", "channels/read", "channels/write", "clients/read",
    "clients/write",
    "console/read", "hl7/write", "metrics/read", "partners/read", "partners/write", "persons/read", "persons/write",
    "retention/read", "retention/write", "schedules/read", "schedules/write",
    "tiss/*", "tiss/read", "tiss/write", "rnds/read", "rnds/write", "users/read", "users/write",
)  # fmt: skip
SUPPORTED = (
    "system/*.cruds", "user/*.cruds", "patient/*.cruds", "system/*.*", "system/*.read", "system/*.write",
    "patient/*.read", "launch/patient", *OWN_SCOPES,
)  # fmt: skip
MOST_SCOPES = 100
MOST_RATE = 10_000_000
_COLUMNS = (
    "client_id, name, scopes, roles, active, rate, jwks, jwks_url, secret_hash IS NOT NULL AS secret, created_at, "
    "changed_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What may be shown of a client; `proof` is how it proves itself: `secret`, `keys` or `keys-url`."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    active: bool
    rate: int | None
    proof: str
    key_ids: tuple[str, ...]
    jwks_url: str
    created_at: datetime.datetime
    changed_at: datetime.datetime

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        document: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return document | {
            "scopes": list(self.scopes),
            "roles": list(self.roles),
            "key_ids": list(self.key_ids),
            "created_at": self.created_at.isoformat(),
            "changed_at": self.changed_at.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a client is to prove itself: one of a set of public keys, the address of one, or a secret made here."""

    jwks: dict[str, Any] | None = None
    jwks_url: str = ""
    secret: bool = False


async def register(
    world: World, tenant: Tenant, name: str, wanted: Registration, proof: Proof, *, actor: str
) -> tuple[str, str]:
    """The id of a new client, and its secret when that is its proof (shown only now); raises Refused, Conflict."""
    check_scopes(world, tenant, wanted.scopes)
    _check_rate(wanted.rate)
    jwks, jwks_url, secret = _proof(world, proof)
    complete = Registration(
        scopes=wanted.scopes, roles=wanted.roles, secret=secret, jwks=jwks, jwks_url=jwks_url, rate=wanted.rate
    )
    return await clients.register(world, tenant, name, complete, actor=actor), secret


async def listed(tx: Transaction) -> list[Shown]:
    """All clients, revoked ones last."""
    rows = await tx.rows(f"SELECT {_COLUMNS} FROM client WHERE tenant_id = $1 ORDER BY active DESC, name")
    return [_shown(row) for row in rows]


async def read(tx: Transaction, name: str) -> Shown:
    """One client by its name; raises NotFound."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM client WHERE tenant_id = $1 AND name = $2", name)
    if row is None:
        raise NotFound("there is no such client")
    return _shown(row)


async def prove(world: World, tenant: Tenant, name: str, proof: Proof, *, actor: str) -> str:
    """Replace how a client proves itself; returns the new secret, if that is how. Tokens it holds stay valid.

    To rotate keys without a gap, register a set with the old and the new key, then one without the old.
    """
    jwks, jwks_url, secret = _proof(world, proof)
    hashed = await asyncio.to_thread(clients.hash_of, secret) if secret else None
    async with world.transaction(tenant) as tx:
        tag = await tx.run(
            "UPDATE client SET jwks = $3, jwks_url = $4, secret_hash = $5, changed_at = now() "
            "WHERE tenant_id = $1 AND name = $2 AND active",
            name,
            jwks or None,
            jwks_url,
            hashed,
        )
        await _changed(tx, tag, tenant, name, (actor, "client-keys"))
    return secret


async def permit(world: World, tenant: Tenant, name: str, wanted: Iterable[str], *, actor: str) -> None:
    """Replace a client's scopes; tokens it holds keep theirs until they end (at most a quarter of an hour)."""
    kept = tuple(wanted)
    check_scopes(world, tenant, kept)
    async with world.transaction(tenant) as tx:
        tag = await tx.run(
            "UPDATE client SET scopes = $3, changed_at = now() WHERE tenant_id = $1 AND name = $2 AND active",
            name,
            " ".join(sorted(kept)),
        )
        await _changed(tx, tag, tenant, name, (actor, "client-scopes"))


async def pace(world: World, tenant: Tenant, name: str, rate: int | None, *, actor: str) -> None:
    """Set a client's own limit of requests a minute; None leaves the tenant's."""
    _check_rate(rate)
    async with world.transaction(tenant) as tx:
        tag = await tx.run(
            "UPDATE client SET rate = $3, changed_at = now() WHERE tenant_id = $1 AND name = $2 AND active", name, rate
        )
        await _changed(tx, tag, tenant, name, (actor, "client-rate"))


async def revoke(world: World, tenant: Tenant, name: str, *, actor: str) -> None:
    """Refuse the client and all its tokens from now on; raises NotFound when no active client has the name."""
    async with world.transaction(tenant) as tx:
        tag = await tx.run(
            "UPDATE client SET active = false, changed_at = now() WHERE tenant_id = $1 AND name = $2 AND active", name
        )
        await _changed(tx, tag, tenant, name, (actor, "client-revoke"))


async def _changed(tx: Transaction, tag: str, tenant: Tenant, name: str, event: tuple[str, str]) -> None:
    if tag.endswith(" 0"):
        raise NotFound("there is no such client, or it was revoked")
    await audit.note(tx, *event, f"client/{tenant.slug}.{name}")


def check_scopes(world: World, tenant: Tenant, wanted: Iterable[str]) -> None:
    """Raise Refused unless the hub can enforce every one of `wanted`: what it cannot it must not promise."""
    listed = list(wanted)
    if len(listed) > MOST_SCOPES:
        raise Refused(f"a client has at most {MOST_SCOPES} scopes", code="client.scopes")
    for scope in listed:
        if scope in OWN_SCOPES or scope == scopes.LAUNCH_PATIENT:
            continue
        grant = scopes.grant_of(scope)
        if grant is None or (grant.type_name != "*" and grant.type_name not in resource_types()):
            named = scope.partition("?")[0][:80]  # what follows may name a person
            raise Refused(f"{named} is not one of the scopes the hub offers", code="client.scope")
        kind = "Patient" if grant.type_name == "*" else grant.type_name
        if grant.query and narrowed_by(kind, grant.query, setting_of(world, tenant)) is None:
            raise Refused("a scope's query is not of fixed values of the type's parameters", code="client.scope-query")


def check_grantable(held: frozenset[str], wanted: Iterable[str]) -> None:
    """Raise Denied when somebody would grant more than an administrator, or more than is held by who is none."""
    if "admin/*" not in held and not all(scopes.covers(held, scope) for scope in wanted):
        raise Denied("only scopes one holds oneself can be granted", code="client.escalation")


def _check_rate(rate: int | None) -> None:
    if rate is not None and not 0 < rate <= MOST_RATE:
        raise Refused("a rate is a number of requests a minute", code="client.rate")


def _proof(world: World, proof: Proof) -> tuple[str, str, str]:
    """Key set, its address, and secret, of which one is filled; raises Refused."""
    if [proof.jwks is not None, bool(proof.jwks_url), proof.secret].count(True) != 1:
        raise Refused(
            "a client proves itself by keys, by published keys or by a secret: one of them", code="client.proof"
        )
    if proof.jwks is not None:
        text = json.dumps(proof.jwks)
        keys.read(text)
        return text, "", ""
    if proof.jwks_url:
        try:
            documents.address(proof.jwks_url, allow_private=world.settings.allow_private_targets)
        except Misconfigured as error:
            raise Refused(error.text, code=error.code) from None
        return "", proof.jwks_url, ""
    return "", "", secrets.token_urlsafe(32)


def _shown(row: Row) -> Shown:
    proof = "keys-url" if row["jwks_url"] else "keys" if row["jwks"] else "secret"
    return Shown(
        client_id=row["client_id"],
        name=row["name"],
        scopes=tuple(row["scopes"].split()),
        roles=tuple(row["roles"].split()),
        active=row["active"],
        rate=row["rate"],
        proof=proof,
        key_ids=tuple(keys.read(row["jwks"])) if row["jwks"] else (),
        jwks_url=row["jwks_url"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )
