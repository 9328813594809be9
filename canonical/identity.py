"""Identity rules: how a record's id follows from its business key, and how keys become hashes.

Ids are deterministic within a tenant, so two senders, or two attempts, that name the same key meet in one record.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import time
import unicodedata
import uuid

from canonical.records import Key

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 §6, lower case
_PAIRS = [first + second for first in _BASE32 for second in _BASE32]


def record_id(type_name: str, key: Key) -> str:
    """The FHIR id (26 characters, lower-case base32) of a record first met under `key`."""
    digest = hashlib.blake2b(f"{type_name}|{key.system}|{key.value}".encode(), digest_size=16).digest()
    number = int.from_bytes(digest, "big") << 2  # 128 bits and two of padding are 26 digits of five bits
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def number(*parts: str) -> int:
    """A signed 64-bit number that stands for `parts` in keys and lanes."""
    joined = "\x1f".join(parts).encode()
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest(), "big", signed=True)


def bytes_number(content: bytes) -> int:
    """A signed 64-bit number of the bytes of a payload."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


def fold(text: str) -> str:
    """`text` as searched: no accents, lower case, single blanks (R4 §3.1.1.4.9)."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unaccented(text.casefold()).split())


def unaccented(text: str) -> str:
    """`text` without accents, its characters in their plainest form (NFKD)."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def new_id() -> uuid.UUID:
    """A time-ordered UUID (RFC 9562 version 7): rows made together stay together in the index."""
    stamp = time.time_ns() // 1_000_000
    value = (stamp & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def first_id(moment: datetime.datetime) -> uuid.UUID:
    """The smallest version 7 UUID that can have been made at `moment`."""
    return uuid.UUID(int=(int(moment.timestamp() * 1000) & 0xFFFFFFFFFFFF) << 80)


def moment_of(identity: uuid.UUID) -> datetime.datetime:
    """When a version 7 UUID was made, in UTC, to the millisecond."""
    return datetime.datetime.fromtimestamp((identity.int >> 80) / 1000, datetime.UTC)
