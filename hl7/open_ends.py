"""Whether a segment ends in the middle of a text or a file, so that the next line, no segment, goes on with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hl7.segment import Segment

_BASE64 = re.compile(r"[A-Za-z0-9+/]{4,}={0,2}\Z")


def is_base64(text: str) -> bool:
    """Whether nothing but Base64 stands there."""
    return bool(_BASE64.match(text.strip()))


def is_open_text(segment: Segment) -> bool:
    """Whether a segment ends in the middle of a text: in OBX-5 of a text type, or in NTE-3."""
    last = len(segment.fields()) - 1
    if segment.name == "OBX":
        return last == 5 and segment.text(2) in ("TX", "FT", "ST", "")
    return segment.name == "NTE" and last == 3


def is_open_file(segment: Segment) -> bool:
    """Whether a segment ends in the middle of a file: in the data of an ED (OBX-5.5)."""
    if segment.name != "OBX" or segment.text(2) != "ED":
        return False
    return len(segment.fields()) == 6 and is_base64(segment.text(5, 5))
