"""Proof by a signed assertion: private_key_jwt (RFC 7523 §3; SMART App Launch 2.2, Backend Services).

A JWT of the client about itself, for our token address, good for at most five minutes and once: its `jti` is kept in
the database until it can no longer be used, so a copy is refused by every process and after every restart.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.types import Options

from canonical.errors import NotFound
from hub.guard import audit, keys
from hub.guard.clients import Client, InvalidClient
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE = datetime.timedelta(minutes=5)
SKEW = datetime.timedelta(seconds=30)
_LONGEST = 8192
_OPTIONS: Options = {  # times and audience are judged by our clock and rules below
    "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False,
    "require": ["exp", "jti", "aud"],
}  # fmt: skip
_ROW = "SELECT jwks, jwks_url, roles, scopes, active FROM client WHERE tenant_id = $1 AND client_id = $2"


@dataclass(frozen=True, slots=True)
class _Stated:
    """What an assertion says before anything of it is believed."""

    header: dict[str, Any]
    client_id: str


def algorithms(tenant: Tenant) -> tuple[str, ...]:
    """The signature algorithms a tenant takes: `oauth.algorithms` of its settings, RS384 and ES384 by default."""
    stated = tenant.settings.get("oauth")
    listed = stated.get("algorithms") if isinstance(stated, dict) else None
    found = tuple(name for name in listed if name in keys.KNOWN) if isinstance(listed, list) else ()
    return found or keys.ALGORITHMS


def claimed(assertion: str) -> str:
    """Whom an assertion says it is of, unproved; empty when it says nothing that can be read."""
    try:
        return _stated(assertion).client_id
    except InvalidClient:
        return ""


async def authenticate(world: World, published: keys.Published, assertion: str, audience: str) -> Client:
    """The client that signed `assertion` for `audience`; raises InvalidClient. Attempts at existing clients are
    audited."""
    stated = _stated(assertion)
    try:
        tenant = await world.tenant(stated.client_id.partition(".")[0])
    except NotFound:
        raise _nobody(stated, keys.ALGORITHMS) from None
    async with world.transaction(tenant) as tx:
        row = await tx.row(_ROW, stated.client_id)
    if row is None:
        raise _nobody(stated, algorithms(tenant))
    try:
        claims = await _verified(world, published, (tenant, row), stated, assertion)
        _check(claims, stated.client_id, audience, world.now())
        async with world.transaction(tenant) as tx:
            await _use(tx, stated.client_id, claims, world.now())
            await audit.note(tx, stated.client_id, "login", f"client/{stated.client_id}")
    except InvalidClient:
        async with world.transaction(tenant) as tx:
            await audit.note(tx, stated.client_id, "login", f"client/{stated.client_id}", "failure")
        raise
    return Client(
        tenant=tenant,
        client_id=stated.client_id,
        roles=tuple(row["roles"].split()),
        scopes=tuple(row["scopes"].split()),
    )


def _nobody(stated: _Stated, taken: tuple[str, ...]) -> InvalidClient:
    """What is said of a client that is none: the same as of one whose signature is another's."""
    return InvalidClient("key" if stated.header.get("alg") in taken else "algorithm")


def _stated(assertion: str) -> _Stated:
    if len(assertion) > _LONGEST or not assertion.isascii():
        raise InvalidClient("form")
    try:
        header = jwt.get_unverified_header(assertion)
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise InvalidClient("form") from None
    client_id = claims.get("sub")
    if not isinstance(client_id, str) or claims.get("iss") != client_id or len(client_id) > 200 or "\0" in client_id:
        raise InvalidClient("subject")
    if "crit" in header or str(header.get("typ", "JWT")).upper() != "JWT":
        raise InvalidClient("form")
    return _Stated(header, client_id)


async def _verified(
    world: World, published: keys.Published, owner: tuple[Tenant, Row], stated: _Stated, assertion: str
) -> dict[str, Any]:
    """The claims, signed by a key of the client under an algorithm of the tenant; raises InvalidClient."""
    tenant, row = owner
    algorithm, kid = stated.header.get("alg"), stated.header.get("kid")
    if algorithm not in algorithms(tenant):
        raise InvalidClient("algorithm")
    if not row["active"] or not isinstance(kid, str):
        raise InvalidClient("key")
    if "jku" in stated.header and stated.header["jku"] != row["jwks_url"]:
        raise InvalidClient("key")
    if row["jwks_url"]:
        key = await published.key(row["jwks_url"], kid, allow_private=world.settings.allow_private_targets)
    else:
        key = keys.read(row["jwks"]).get(kid) if row["jwks"] else None
    if key is None or not key.fits(str(algorithm)):
        raise InvalidClient("key")
    try:
        found = jwt.decode(assertion, key.public, algorithms=[str(algorithm)], options=_OPTIONS)
    except jwt.MissingRequiredClaimError:
        raise InvalidClient("claims") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise InvalidClient("key") from None
    return dict(found)


def _check(claims: dict[str, Any], client_id: str, audience: str, now: datetime.datetime) -> None:
    if claims.get("sub") != client_id or claims.get("iss") != client_id:
        raise InvalidClient("subject")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if audience not in audiences:
        raise InvalidClient("audience")
    jti = claims["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= 500:
        raise InvalidClient("claims")
    expires = _moment(claims["exp"])
    if expires <= now - SKEW:
        raise InvalidClient("expired")
    if expires > now + LONGEST_LIFE + SKEW:
        raise InvalidClient("lifetime")
    if any(_moment(claims[name]) > now + SKEW for name in ("iat", "nbf") if name in claims):
        raise InvalidClient("expired")


def _moment(value: Any) -> datetime.datetime:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidClient("claims")
    try:
        return datetime.datetime.fromtimestamp(value, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidClient("claims") from None


async def _use(tx: Transaction, client_id: str, claims: dict[str, Any], now: datetime.datetime) -> None:
    """Keep the `jti` until the assertion is dead; raises InvalidClient when it was used before."""
    dead = "DELETE FROM used_assertion WHERE tenant_id = $1 AND client_id = $2 AND expires_at < $3"
    await tx.run(dead, client_id, now)
    tag = await tx.run(
        "INSERT INTO used_assertion (tenant_id, client_id, digest, expires_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING",
        client_id,
        hashlib.sha256(claims["jti"].encode()).hexdigest(),
        _moment(claims["exp"]) + 2 * SKEW,
    )
    if tag.endswith(" 0"):
        raise InvalidClient("replayed")
