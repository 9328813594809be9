"""Access tokens: JWT RS256 with tenant, roles and scopes. Keys live sealed in the database, public ones as JWKS."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import hashlib
import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hub.guard import secrets
from hub.world import Tenant, World

ISSUER = "ponte"
AUDIENCE = "ponte"
LIFETIME = datetime.timedelta(minutes=15)
RECHECK = 0.5  # seconds for which a token's standing (revoked, client, tenant) is remembered
PURPOSE = "signing_key"
_MOST_KNOWN = 10_000
_LONGEST = 8192


class InvalidToken(Exception):
    """The token is missing, expired, revoked or not ours; the text never repeats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who calls: tenant, subject, roles and scopes, the token's id and end, the client it was given to or the `login`
    of the person who made it, the patient it is for, if any; `rate` is the client's own limit of requests a minute."""

    tenant_id: uuid.UUID
    tenant: str
    subject: str
    roles: tuple[str, ...]
    scopes: frozenset[str]
    token_id: str
    expires_at: datetime.datetime
    client_id: str = ""
    login: str = ""
    patient: str = ""
    rate: int | None = None


async def ensure_key(world: World) -> str:
    """The id of the current signing key, made on first use."""
    rows = await world.database.global_rows(
        "SELECT kid FROM signing_key WHERE retired_at IS NULL ORDER BY created_at DESC LIMIT 1"
    )
    if rows:
        return str(rows[0]["kid"])
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    kid = hashlib.sha256(jwk["n"].encode()).hexdigest()[:16]
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    await world.database.global_rows(
        "INSERT INTO signing_key (kid, sealed, public_jwk) VALUES ($1, $2, $3)",
        kid,
        secrets.seal(world.settings, private, PURPOSE),
        json.dumps({**jwk, "kid": kid, "use": "sig", "alg": "RS256"}),
    )
    return kid


async def jwks(world: World) -> dict[str, list[dict[str, Any]]]:
    """The public keys that verify our tokens, retired ones included while their tokens may live."""
    rows = await world.database.global_rows(
        "SELECT public_jwk FROM signing_key WHERE retired_at IS NULL OR retired_at > now() - interval '1 hour'"
    )
    return {"keys": [json.loads(row["public_jwk"]) for row in rows]}


async def issue(
    world: World,
    tenant: Tenant,
    subject: str,
    *,
    roles: Iterable[str],
    scopes: Iterable[str],
    lifetime: datetime.timedelta = LIFETIME,
) -> str:
    """A signed access token; a subject that is a client's id ties it to that client, so that disabling it ends this."""
    return await signed(world, claims(world, tenant, subject, roles=roles, scopes=scopes, lifetime=lifetime))


def claims(
    world: World,
    tenant: Tenant,
    subject: str,
    *,
    roles: Iterable[str],
    scopes: Iterable[str],
    lifetime: datetime.timedelta = LIFETIME,
) -> dict[str, Any]:
    """What a token says; `patient`, the id of the record that `patient/…` scopes mean, may be added."""
    now = world.now()
    stated = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "tenant": tenant.slug,
        "tid": str(tenant.id),
        "roles": sorted(roles),
        "scope": " ".join(sorted(scopes)),
        "jti": uuid.uuid4().hex,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    return {**stated, "client_id": subject} if subject.startswith(tenant.slug + ".") else stated


async def signed(world: World, stated: dict[str, Any]) -> str:
    """The token that says `stated`, under the current key."""
    kid = await ensure_key(world)
    rows = await world.database.global_rows("SELECT sealed FROM signing_key WHERE kid = $1", kid)
    private = serialization.load_der_private_key(
        secrets.unseal(world.settings, bytes(rows[0]["sealed"]), PURPOSE),
        password=None,
        unsafe_skip_rsa_key_validation=True,  # made above and unsealed unchanged; the check holds the door up for 50 ms
    )
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("the signing key is not RSA")
    return jwt.encode(stated, private, algorithm="RS256", headers={"kid": kid, "typ": "at+jwt"})


async def revoke(world: World, identity: Identity) -> None:
    """Refuse the token from now on (within RECHECK seconds in other processes)."""
    async with world.database.transaction(identity.tenant_id) as tx:
        await tx.run(
            "INSERT INTO revoked_token (tenant_id, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            identity.token_id,
            identity.expires_at,
        )


_STANDING = """
SELECT t.id, t.slug, t.name, t.zone, t.active, t.settings,
       EXISTS (SELECT 1 FROM revoked_token r WHERE r.tenant_id = c.tenant AND r.jti = $2) AS revoked,
       coalesce((SELECT k.active FROM client k WHERE k.tenant_id = c.tenant AND k.client_id = $3), $3 = '')
       AND ($4 = '' OR EXISTS (SELECT 1 FROM user_token o WHERE o.tenant_id = c.tenant AND o.jti = $2 AND o.login = $4))
       AS standing,
       (SELECT k.rate FROM client k WHERE k.tenant_id = c.tenant AND k.client_id = $3) AS rate
FROM tenant t WHERE t.id = c.tenant LIMIT 1
"""


@dataclass(slots=True)
class _Known:
    """A verified token, and until when (monotonic) its standing need not be asked again."""

    identity: Identity
    tenant: Tenant
    fresh_until: float


class Verifier:
    """Verifies tokens; remembers good ones, and asks again every RECHECK seconds whether they still stand."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys: dict[str, Any] = {}
        self._keys_until = 0.0
        self._loading = asyncio.Lock()
        self._known: dict[str, _Known] = {}

    async def caller(self, token: str) -> tuple[Identity, Tenant]:
        """The identity and tenant of a token that is valid, not revoked, of an active client; raises InvalidToken."""
        known = self._known.get(token)
        if known is None:
            identity = _identity(await self._claims(token))
        elif known.identity.expires_at > self._world.now() and known.fresh_until > time.monotonic():
            return known.identity, known.tenant
        else:
            identity = known.identity
        return await self._standing(token, identity)

    async def verify(self, token: str) -> Identity:
        """The identity of a valid token; raises InvalidToken."""
        return (await self.caller(token))[0]

    def forget_client(self, client_id: str) -> None:
        """Ask anew about all tokens of a client next time."""
        for token in [token for token, known in self._known.items() if known.identity.client_id == client_id]:
            self.forget(token)

    def forget(self, token: str) -> None:
        """Ask anew about a token next time."""
        self._known.pop(token, None)

    async def _standing(self, token: str, identity: Identity) -> tuple[Identity, Tenant]:
        self._known.pop(token, None)
        if identity.expires_at <= self._world.now():
            raise InvalidToken("the token has expired")
        rows = await self._world.database.ask(
            identity.tenant_id, _STANDING, identity.token_id, identity.client_id, identity.login
        )
        row = rows[0] if rows else None
        if row is None or not row["active"] or row["slug"] != identity.tenant:
            raise InvalidToken("the tenant is not active")
        if row["revoked"] or not row["standing"]:
            raise InvalidToken("the token was revoked")
        tenant = Tenant(
            id=row["id"],
            slug=row["slug"],
            name=row["name"],
            zone=row["zone"],
            active=True,
            settings=json.loads(row["settings"]),
        )
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        identity = dataclasses.replace(identity, rate=row["rate"])
        self._known[token] = _Known(identity, tenant, time.monotonic() + RECHECK)
        return identity, tenant

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _LONGEST or not token.isascii():
            raise InvalidToken("the token is not one of ours")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != "RS256" or header.get("typ") != "at+jwt" or "crit" in header:
                raise InvalidToken("the token is not one of ours")
            key = await self._key(str(header.get("kid", "")))
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": ["exp", "iat", "jti", "sub", "tid"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise InvalidToken("the token is not valid") from None
        return dict(claims)

    async def _key(self, kid: str) -> Any:
        """The public key `kid`; unknown names cause at most one look into the store a second."""
        if kid not in self._keys:
            async with self._loading:
                if kid not in self._keys and self._keys_until <= time.monotonic():
                    found = (await jwks(self._world))["keys"]
                    self._keys = {jwk["kid"]: jwt.PyJWK(jwk).key for jwk in found}
                    self._keys_until = time.monotonic() + 1
        if kid not in self._keys:
            raise InvalidToken("the token names an unknown key")
        return self._keys[kid]


def _identity(claims: dict[str, Any]) -> Identity:
    try:
        return Identity(
            tenant_id=uuid.UUID(claims["tid"]),
            tenant=str(claims["tenant"]),
            subject=str(claims["sub"]),
            roles=tuple(claims.get("roles", ())),
            scopes=frozenset(str(claims.get("scope", "")).split()),
            token_id=str(claims["jti"]),
            expires_at=datetime.datetime.fromtimestamp(claims["exp"], datetime.UTC),
            client_id=str(claims.get("client_id", "")),
            login=str(claims.get("login", "")),
            patient=str(claims.get("patient", "")),
        )
    except (KeyError, ValueError, TypeError, OverflowError, AttributeError):
        raise InvalidToken("the token lacks a claim") from None
