"""Secrets at rest: sealed with AES-256-GCM under a key that lives outside the database."""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from canonical.errors import Misconfigured
from hub.settings import Settings, secret_file


def _key(settings: Settings) -> bytes:
    text = os.environ.get("PONTE_MASTER_KEY") or secret_file(settings, "master.key")
    try:
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise Misconfigured("the master key must be 32 bytes in URL-safe base64")
    return key


def seal(settings: Settings, plain: bytes, purpose: str) -> bytes:
    """`plain` encrypted; `purpose` (a table and name) must be the same to open it again."""
    nonce = os.urandom(12)
    return nonce + AESGCM(_key(settings)).encrypt(nonce, plain, purpose.encode())


def unseal(settings: Settings, sealed: bytes, purpose: str) -> bytes:
    """The plain bytes; raises Misconfigured when the master key is not the one they were sealed with."""
    try:
        return AESGCM(_key(settings)).decrypt(sealed[:12], sealed[12:], purpose.encode())
    except InvalidTag:
        raise Misconfigured("a secret cannot be opened: the master key is not the one it was sealed with") from None
