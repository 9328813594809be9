"""Passwords: Argon2id hashes (RFC 9106) with the parameters of `rules.toml`, and what is no good password."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from canonical.errors import Refused
from hub.users.rules import rules

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
_GROUP = 4
_AT_ONCE = asyncio.Semaphore(2)  # each is slow and large on purpose; a flood of attempts must not take the machine
_SHORT_WORD = 4


@cache
def _hasher() -> PasswordHasher:
    found = rules()["hash"]
    return PasswordHasher(time_cost=found["time_cost"], memory_cost=found["memory_kib"], parallelism=found["lanes"])


@cache
def _nobody() -> str:
    """What is verified against when there is no password, so that the time of the answer does not tell."""
    return _hasher().hash(secrets.token_urlsafe(32))


async def hashed(password: str) -> str:
    """The hash to keep."""
    async with _AT_ONCE:
        return await asyncio.to_thread(_hasher().hash, _one_form(password))


async def verified(stored: str | None, password: str) -> bool:
    """Whether the password is the one whose hash was kept; takes as long where none was."""
    if len(password) > rules()["password"]["most"]:
        password = ""
    async with _AT_ONCE:
        right = await asyncio.to_thread(_verify, stored or _nobody(), _one_form(password))
    return right and bool(stored) and bool(password)


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(stored)


def made() -> str:
    """A first password: easy to read aloud, of `first_letters` letters in groups."""
    letters = [secrets.choice(_LETTERS) for _ in range(rules()["password"]["first_letters"])]
    return "-".join("".join(letters[at : at + _GROUP]) for at in range(0, len(letters), _GROUP))


def check(password: str, *about: str) -> None:
    """Raise Refused for a password that would be guessed; `about` are words that belong to the person or the house."""
    rule = rules()["password"]
    if not rule["least"] <= len(password) <= rule["most"] or "\0" in password:
        raise Refused(f"a password has {rule['least']} to {rule['most']} characters", code="user.password-length")
    if all(char.isalpha() for char in password):
        raise Refused("a password has something else than letters", code="user.password-letters")
    plain = _plain(password)
    own = [word for text in about for word in _plain(text).split() if len(word) >= _SHORT_WORD]
    if len(set(plain)) < _SHORT_WORD or any(word in plain for word in (*rule["common"], *own)):
        raise Refused("the password holds what is guessed first", code="user.password-common")


def _verify(stored: str, password: str) -> bool:
    try:
        return bool(_hasher().verify(stored, password))
    except (Argon2Error, InvalidHashError):
        return False


def _one_form(password: str) -> str:
    """One form for what looks alike (NIST SP 800-63B-4 §3.1.1.2), whichever keyboard wrote it."""
    return unicodedata.normalize("NFKC", password)


def _plain(text: str) -> str:
    """Lower case without accents; marks divide words."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(" " if char in "._@-+" else char for char in folded if not unicodedata.combining(char))
