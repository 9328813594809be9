"""A house's sign-in service by OpenID Connect: found by discovery, asked for a token, and its word judged.

OpenID Connect Core 1.0 §3.1 (authorization code), Discovery 1.0 §4, PKCE (RFC 7636), issuer in the answer (RFC 9207).
Every call goes where an address was checked (`adapters.transports.documents`); nothing a token says is believed before
its signature, and no text of the service reaches a log or a page.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import jwt
from jwt.types import Options

from adapters.transports import documents
from hub.guard import keys
from hub.guard.keys import Published

SKEW = datetime.timedelta(seconds=60)
_LONGEST = 16_384
_MOST_SUBJECT = 255
_OPTIONS: Options = {  # times, audience and issuer are judged by our clock and rules below
    "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False, "verify_iss": False,
    "require": ["iss", "sub", "aud", "exp", "iat"],
}  # fmt: skip


class Distrusted(Exception):
    """The service's word does not hold; `reason` says by which rule, for the audit trail."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a service is asked, as its discovery document says."""

    authorization: str
    token: str
    keys: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Us, as the service knows us: our id, our secret (empty for a public client), and where its answer comes."""

    client_id: str
    secret: str
    back: str


async def places(issuer: str, *, allow_private: bool) -> Places:
    """The addresses of a service; raises Distrusted when it is not the issuer it should be, and the failures of a
    fetch."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    document = _object(await documents.fetch(url, allow_private=allow_private), "discovery")
    if document.get("issuer") != issuer:
        raise Distrusted("issuer")
    found = {name: document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    for value in found.values():
        if not isinstance(value, str):
            raise Distrusted("discovery")
        documents.address(value, allow_private=allow_private)
    return Places(
        authorization=str(found["authorization_endpoint"]),
        token=str(found["token_endpoint"]),
        keys=str(found["jwks_uri"]),
    )


def question(where: Places, asker: Asker, scopes: str, secret: Mapping[str, str]) -> str:
    """The address at which the service asks the person who they are; `secret` has `state`, `nonce` and `verifier`."""
    digest = hashlib.sha256(secret["verifier"].encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": asker.client_id,
        "redirect_uri": asker.back,
        "scope": scopes,
        "state": secret["state"],
        "nonce": secret["nonce"],
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    return f"{where.authorization}{'&' if '?' in where.authorization else '?'}{urlencode(asked)}"


async def redeemed(where: Places, asker: Asker, code: str, verifier: str, *, allow_private: bool) -> str:
    """The id token for a code; raises Distrusted, and the failures of a call."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": asker.back,
        "client_id": asker.client_id,
        "code_verifier": verifier,
    }
    basic = (asker.client_id, asker.secret) if asker.secret else None
    answer = _object(await documents.post(where.token, form, basic=basic, allow_private=allow_private), "token")
    token = answer.get("id_token")
    if not isinstance(token, str) or not token.isascii() or len(token) > _LONGEST:
        raise Distrusted("token")
    return token


async def judged(
    published: Published,
    where: Places,
    token: str,
    expected: Mapping[str, str],
    now: datetime.datetime,
    *,
    allow_private: bool,
) -> dict[str, Any]:
    """The claims of an id token that holds (Core §3.1.3.7); `expected` has `issuer`, `client_id` and `nonce`. Raises
    Distrusted."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Distrusted("form") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in keys.KNOWN or "crit" in header:
        raise Distrusted("algorithm")
    if not isinstance(kid, str):
        raise Distrusted("key")
    key = await published.key(where.keys, kid, allow_private=allow_private)
    if key is None or not key.fits(str(algorithm)):
        raise Distrusted("key")
    try:
        claims = dict(jwt.decode(token, key.public, algorithms=[str(algorithm)], options=_OPTIONS))
    except jwt.MissingRequiredClaimError:
        raise Distrusted("claims") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Distrusted("signature") from None
    _check(claims, expected, now)
    return claims


def _check(claims: Mapping[str, Any], expected: Mapping[str, str], now: datetime.datetime) -> None:
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims["iss"] != expected["issuer"]:
        raise Distrusted("issuer")
    if expected["client_id"] not in audience:
        raise Distrusted("audience")
    if (len(audience) > 1 or "azp" in claims) and claims.get("azp") != expected["client_id"]:
        raise Distrusted("audience")
    if claims.get("nonce") != expected["nonce"]:
        raise Distrusted("nonce")
    if _moment(claims["exp"]) <= now - SKEW or any(
        _moment(claims[name]) > now + SKEW for name in ("iat", "nbf") if name in claims
    ):
        raise Distrusted("expired")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _MOST_SUBJECT or not subject.isprintable():
        raise Distrusted("subject")


def _moment(value: Any) -> datetime.datetime:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Distrusted("claims")
    try:
        return datetime.datetime.fromtimestamp(value, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise Distrusted("claims") from None


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise Distrusted(what) from None
    if not isinstance(found, dict):
        raise Distrusted(what)
    return found
