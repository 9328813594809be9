"""A large file on its way to the parser: every byte is looked at, and what cannot be let go is stopped."""

from __future__ import annotations

import hashlib
import re
from typing import Protocol

from tiss.rules import texts
from tiss.wire.message import LARGEST

HEAD = 1024 * 1024
_TAIL = 64 * 1024


class Readable(Protocol):
    """What is needed of a file: to read on, and to go back to the start once."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""

    def seek(self, offset: int, /) -> int:
        """Go to a place."""


class TooLarge(Exception):
    """More was read without the end of a portion than may be held at once."""


class Tap:
    """Reads a file for the parser; `held` counts the bytes since somebody last put it to 0.

    `bulk` is the digest of all bytes but the last, which `tail` holds: the hash stands among them.
    """

    def __init__(self, file: Readable, latin: bool) -> None:
        self._file, self._latin = file, latin
        self.held = self.size = 0
        self._high = False
        self._honest = False
        self._left = b""
        self.bulk = hashlib.md5(usedforsecurity=False)
        self.tail = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes; raises TooLarge."""
        piece = self._file.read(min(size, HEAD) if size > 0 else HEAD)
        self.size += len(piece)
        self.held += len(piece)
        if self.held > LARGEST:
            raise TooLarge
        if self._latin and not self._honest:
            self._look(piece)
        cut = max(len(self.tail) + len(piece) - _TAIL, 0)
        whole = self.tail + piece
        self.bulk.update(whole[:cut])
        self.tail = whole[cut:]
        return piece

    def _look(self, piece: bytes) -> None:
        """Whether bytes declared as ISO-8859-1 are all UTF-8; a character cut in two waits for the next piece."""
        whole = self._left + piece
        cut = len(whole)
        while piece and cut and whole[cut - 1] >= 0x80 and len(whole) - cut < 4:
            cut -= 1
        self._left = whole[cut:]
        if re.search(rb"[\x80-\xff]", whole[:cut]):
            self._high = True
            self._honest = not texts.lies_utf8(whole[:cut])

    @property
    def utf8(self) -> bool:
        """Whether the file is UTF-8 under another name."""
        return self._high and not self._honest
