"""The public keys of clients (JWK Set, RFC 7517): judged when registered, fetched from where they are published.

SMART App Launch 2.2, client-confidential-asymmetric: a client registers the address of its key set (preferred, since
it can rotate by itself) or the set itself. RS384 and ES384 are what every client must be able to use.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from adapters.transports import documents
from canonical.errors import PonteError, Refused, TryLater

ALGORITHMS = ("RS384", "ES384")  # offered unless the tenant's policy says otherwise
KNOWN = {"RS256": ("RSA", ""), "RS384": ("RSA", ""), "ES256": ("EC", "P-256"), "ES384": ("EC", "P-384")}
MOST_KEYS = 20
MOST_PUBLISHED = 100  # looked at of a sign-in service
LEAST_RSA_BITS = 2048
FRESH_SECONDS = 300.0
AGAIN_SECONDS = 30.0  # an unknown key makes us look anew, but not more often than this
KEPT_SECONDS = 3600.0
_MOST_SETS = 1000
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


@dataclass(frozen=True, slots=True)
class Key:
    """One usable public key."""

    kid: str
    kind: str
    curve: str
    public: Any

    def fits(self, algorithm: str) -> bool:
        """Whether the key is of the kind an algorithm needs."""
        return KNOWN[algorithm] in ((self.kind, ""), (self.kind, self.curve))


def read(text: str | bytes) -> dict[str, Key]:
    """The keys of a JWK Set by their ids; raises Refused, which names what is wrong and never repeats the set."""
    try:
        document = json.loads(text)
        listed = document["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused('a JWK Set is a JSON object with a list "keys"', code="client.keys") from None
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_KEYS:
        raise Refused(f"a key set has 1 to {MOST_KEYS} keys", code="client.keys")
    found: dict[str, Key] = {}
    for item in listed:
        key = _key(item)
        if key.kid in found:
            raise Refused("two keys have the same kid", code="client.keys")
        found[key.kid] = key
    return found


def usable(text: str | bytes) -> dict[str, Key]:
    """Those keys of a JWK Set that can be used, by their ids: a sign-in service publishes others beside them, for
    encryption or on curves we do not know. Raises Refused for what is no set."""
    try:
        listed = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused('a JWK Set is a JSON object with a list "keys"', code="client.keys") from None
    if not isinstance(listed, list):
        raise Refused('a JWK Set is a JSON object with a list "keys"', code="client.keys")
    found: dict[str, Key] = {}
    for item in listed[:MOST_PUBLISHED]:
        with contextlib.suppress(Refused):
            key = _key(item)
            found.setdefault(key.kid, key)
    return found


def _key(item: Any) -> Key:
    if not isinstance(item, Mapping):
        raise Refused("a key is a JSON object", code="client.keys")
    if _PRIVATE & item.keys():
        raise Refused("a private key was sent: make a new pair and register its public key only", code="client.private")
    kid, kind, curve = (item.get(name, "") for name in ("kid", "kty", "crv"))
    if not isinstance(kid, str) or not 0 < len(kid) <= 200:
        raise Refused("every key needs a kid of at most 200 characters", code="client.keys")
    if (kind, curve if kind == "EC" else "") not in KNOWN.values() or item.get("use", "sig") != "sig":
        raise Refused("keys are RSA, or EC on P-256 or P-384, for signatures", code="client.keys")
    try:
        public = jwt.PyJWK(dict(item), algorithm=_algorithm(str(kind), str(curve))).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise Refused("a key cannot be read", code="client.keys") from None
    if kind == "RSA" and public.key_size < LEAST_RSA_BITS:
        raise Refused(f"an RSA key has at least {LEAST_RSA_BITS} bits", code="client.keys")
    return Key(kid, str(kind), str(curve) if kind == "EC" else "", public)


def _algorithm(kind: str, curve: str) -> str:
    return next(name for name, place in KNOWN.items() if place == (kind, curve if kind == "EC" else ""))


@dataclass(slots=True)
class _Fetched:
    keys: dict[str, Key]
    at: float  # last asked for
    since: float  # last received


class Published:
    """Key sets fetched from where clients or sign-in services publish them; one process's memory of them, bounded.
    `reader` judges a set: of a client as a whole, of a service key by key."""

    def __init__(self, reader: Callable[[bytes], dict[str, Key]] = read) -> None:
        self._reader = reader
        self._sets: dict[str, _Fetched] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def key(self, url: str, kid: str, *, allow_private: bool) -> Key | None:
        """The key `kid` of the set at `url`, looked up anew when it is not known; None when there is none."""
        known = self._sets.get(url)
        if known is not None and self._may_answer(known, kid):
            return known.keys.get(kid)
        async with self._turns.setdefault(url, asyncio.Lock()):
            known = self._sets.get(url)
            if known is None or not self._may_answer(known, kid):
                known = await self._fetch(url, known, allow_private=allow_private)
        self._turns.pop(url, None)
        return known.keys.get(kid)

    @staticmethod
    def _may_answer(known: _Fetched, kid: str) -> bool:
        age = time.monotonic() - known.at
        return age < AGAIN_SECONDS or (kid in known.keys and age < FRESH_SECONDS)

    async def _fetch(self, url: str, before: _Fetched | None, *, allow_private: bool) -> _Fetched:
        """The set as it is now. While its place does not answer, the last one known holds for an hour; one that is no
        key set stands as empty until it may be asked again."""
        now = time.monotonic()
        keys: dict[str, Key] = {}
        since = now
        try:
            keys = self._reader(await documents.fetch(url, allow_private=allow_private))
        except TryLater:
            if before is not None and now - before.since < KEPT_SECONDS:
                keys, since = before.keys, before.since
        except PonteError:
            pass
        if len(self._sets) >= _MOST_SETS:
            self._sets.clear()
        self._sets[url] = _Fetched(keys, now, since)
        return self._sets[url]
