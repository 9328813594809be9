"""The second factor: codes of an authenticator program (TOTP, RFC 6238 over RFC 4226) and recovery codes on paper."""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from urllib.parse import quote

from hub.users.rules import rules

_SECRET_BYTES = 20  # RFC 4226 §4 R6: 160 bits recommended
_PAPER = "abcdefghjkmnpqrstuvwxyz23456789"
_PAPER_LETTERS = 10


def secret() -> str:
    """A new secret in Base32, as authenticator programs take it."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def address(secret_text: str, house: str, login: str) -> str:
    """The `otpauth` address that a program reads from a picture or a link."""
    rule = rules()["code"]
    label = quote(f"Ponte {house}:{login}")
    issuer = quote(f"Ponte {house}")
    return (
        f"otpauth://totp/{label}?secret={secret_text}&issuer={issuer}&digits={rule['digits']}&period={rule['seconds']}"
    )


def code(secret_text: str, step: int) -> str:
    """The code of one time step (RFC 4226 §5.3); raises ValueError for what is no Base32."""
    try:
        key = base64.b32decode(secret_text)
    except binascii.Error:
        raise ValueError("the secret is not Base32") from None
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    digits: int = rules()["code"]["digits"]
    return str(number % 10**digits).zfill(digits)


def step_of(now: datetime.datetime) -> int:
    """The time step of a moment (RFC 6238 §4.2)."""
    return int(now.timestamp()) // int(rules()["code"]["seconds"])


def matched(secret_text: str, given: str, now: datetime.datetime, last: int) -> int | None:
    """The step whose code was given, near now and after the `last` one used (RFC 6238 §5.2); None for none."""
    typed = "".join(given.split())
    around, current = rules()["code"]["around"], step_of(now)
    found = None
    for step in range(current - around, current + around + 1):
        if hmac.compare_digest(code(secret_text, step).encode(), typed.encode()) and step > last:
            found = step
    return found


def recovery() -> list[str]:
    """New recovery codes, to be shown once."""
    return [_paper() for _ in range(rules()["code"]["recovery"])]


def digest(given: str) -> str:
    """What is kept of a recovery code: it has 49 bits of chance, so a plain SHA-256 cannot be searched through a door
    that counts; typed with or without its dash."""
    return hashlib.sha256("".join(char for char in given.lower() if char in _PAPER).encode()).hexdigest()


def without(kept: Sequence[str], given: str) -> list[str] | None:
    """The kept digests without the one of a code that was given; None when it is none of them."""
    told = digest(given)
    found = [each for each in kept if hmac.compare_digest(each, told)]
    return [each for each in kept if each not in found] if found else None


def _paper() -> str:
    letters = "".join(secrets.choice(_PAPER) for _ in range(_PAPER_LETTERS))
    return f"{letters[:5]}-{letters[5:]}"
