"""A new file only its maker can read, in the clear or encrypted as `openssl enc -aes-256-cbc -pbkdf2` reads it.

`Salted__`, eight bytes of salt, then AES-256-CBC under PBKDF2-HMAC-SHA256 of the passphrase. CBC tells no change by
itself: the manifest's hashes do, and the hash of the manifest is told where the file was made.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from canonical.errors import Misconfigured, Refused

ITERATIONS = 600_000
SHORTEST = 12
DECRYPT = f"openssl enc -d -aes-256-cbc -pbkdf2 -iter {ITERATIONS} -md sha256 -in FILE -out export.zip"
"""How the holder of the passphrase opens the file."""
_BITS = 128


class Writable(Protocol):
    """What a ZIP is written to: forwards only."""

    def write(self, piece: bytes, /) -> int:
        """Write some bytes; returns how many."""

    def flush(self) -> None:
        """Send on what is whole."""

    def close(self) -> None:
        """End the file."""


class Encrypting:
    """A file to write to, forwards only; what is written is encrypted."""

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        salt = os.urandom(8)
        derived = PBKDF2HMAC(hashes.SHA256(), 48, salt, ITERATIONS).derive(passphrase.encode())
        self._file = file
        self._cipher = Cipher(algorithms.AES256(derived[:32]), modes.CBC(derived[32:])).encryptor()
        self._padder = padding.PKCS7(_BITS).padder()
        file.write(b"Salted__" + salt)

    def write(self, piece: bytes, /) -> int:
        """Write some bytes; returns how many."""
        self._file.write(self._cipher.update(self._padder.update(piece)))
        return len(piece)

    def flush(self) -> None:
        """Nothing: a block goes out when it is whole."""

    def close(self) -> None:
        """Write the last block; the file beneath stays open."""
        self._file.write(self._cipher.update(self._padder.finalize()) + self._cipher.finalize())


@contextlib.contextmanager
def opened(target: Path, passphrase: str = "") -> Iterator[Writable]:
    """A new file, removed again when its writing fails. Raises Misconfigured, and Refused for a short passphrase."""
    if passphrase and len(passphrase) < SHORTEST:
        raise Refused(f"a passphrase has at least {SHORTEST} characters", code="tenant.passphrase")
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Misconfigured(f"cannot write {target}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            if passphrase:
                wrapped = Encrypting(file, passphrase)
                yield wrapped
                wrapped.close()
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException as failure:
        target.unlink(missing_ok=True)
        if isinstance(failure, OSError):
            raise Misconfigured(f"cannot write {target}: {failure.strerror}") from None
        raise
