"""Secrets at rest: sealed with AES-256-GCM under a key that lives outside the database.

The key can be turned: a new one seals from then on, the previous one still opens until everything is sealed anew.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from canonical.errors import Conflict, Misconfigured
from hub.settings import Settings, secret_file

KEY, PREVIOUS = "master.key", "master.key.previous"
KEY_VARIABLE, PREVIOUS_VARIABLE = "PONTE_MASTER_KEY", "PONTE_PREVIOUS_MASTER_KEY"


def seal(settings: Settings, plain: bytes, purpose: str) -> bytes:
    """`plain` encrypted; `purpose` (a table and name) must be the same to open it again."""
    nonce = os.urandom(12)
    return nonce + AESGCM(_current(settings)).encrypt(nonce, plain, purpose.encode())


def unseal(settings: Settings, sealed: bytes, purpose: str) -> bytes:
    """The plain bytes; raises Misconfigured when neither the master key nor the previous one sealed them."""
    found = _opened(_current(settings), sealed, purpose)
    if found is None and (previous := _previous(settings)):
        found = _opened(previous, sealed, purpose)
    if found is None:
        raise Misconfigured("a secret cannot be opened: the master key is not the one it was sealed with")
    return found


def sealed_by_current(settings: Settings, sealed: bytes, purpose: str) -> bool:
    """Whether the master key alone opens it."""
    return _opened(_current(settings), sealed, purpose) is not None


def turn(settings: Settings) -> None:
    """Make a new master key in `secrets/`, keeping the old one as the previous; running processes use it at once.

    Raises Conflict while an earlier turn is unfinished, Misconfigured where the key stands in the environment.
    """
    if os.environ.get(KEY_VARIABLE):
        raise Misconfigured(
            f"the key stands in {KEY_VARIABLE}: put the new one there and the old one into {PREVIOUS_VARIABLE}, "
            "for every process, and run this again with --again"
        )
    old = secret_file(settings, KEY)
    previous = settings.secrets / PREVIOUS
    if previous.exists() and previous.read_text(encoding="ascii") != old:
        raise Conflict("an earlier turn of the key is not finished: run it with --again, then --finish")
    _write(previous, old)
    _write(settings.secrets / KEY, secrets.token_urlsafe(32))


def forget_previous(settings: Settings) -> None:
    """The previous key opens nothing from now on; whoever calls has seen that nothing needs it."""
    (settings.secrets / PREVIOUS).unlink(missing_ok=True)


def _current(settings: Settings) -> bytes:
    return _decoded(os.environ.get(KEY_VARIABLE) or secret_file(settings, KEY))


def _previous(settings: Settings) -> bytes | None:
    text = os.environ.get(PREVIOUS_VARIABLE)
    if not text:
        try:
            text = (settings.secrets / PREVIOUS).read_text(encoding="ascii")
        except OSError:
            return None
    return _decoded(text)


def _decoded(text: str) -> bytes:
    try:
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise Misconfigured("the master key must be 32 bytes in URL-safe base64")
    return key


def _opened(key: bytes, sealed: bytes, purpose: str) -> bytes | None:
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], purpose.encode())
    except InvalidTag:
        return None


def _write(path: Path, text: str) -> None:
    """The file as a whole or not at all, readable by its owner only."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
