"""Gives a received message an envelope of ours: MSH-3 to MSH-6 and MSH-10 anew, every other byte as it came.

Works on bytes: the delimiters of HL7 v2 are ASCII in every character set this hub reads, so nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Mapping

from hl7.er7 import Delimiters, Message
from hl7.escapes import escape


def readdressed(raw: bytes, message: Message, fields: Mapping[int, str]) -> bytes:
    """`raw` with MSH fields replaced (number → plain text, escaped here); `message` is what was read from it."""
    start = raw.index(b"MSH")
    end = min((place for mark in (b"\r", b"\n") if (place := raw.find(mark, start)) >= 0), default=len(raw))
    separator = message.delimiters.field.encode("ascii")
    parts = raw[start:end].split(separator)
    for number, text in fields.items():
        while len(parts) < number:
            parts.append(b"")
        parts[number - 1] = _encoded(text, message.charset, message.delimiters)
    return raw[:start] + separator.join(parts) + raw[end:]


def _encoded(text: str, codec: str, delimiters: Delimiters) -> bytes:
    return escape(text, delimiters).encode(codec, "replace")
