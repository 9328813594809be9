"""Where MSH-9 stands in a header with separators too many or too few before it (2.5.1 §2.14.9).

Such a message is refused, but its sender wants to know which one: MSA-2 must name it (§2.9.2). Only what follows the
type surely is taken: a number, then a processing id (table 0103), then a version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

TYPE = 9  # MSH
_CLOSEST, _FARTHEST = 3, 15
_TYPE = re.compile(r"[A-Za-z]{3}[^A-Za-z0-9\s][A-Za-z][A-Za-z0-9]{2}(?![A-Za-z0-9])")
_PROCESSING = re.compile(r"[PTD](?![A-Za-z0-9])")
_VERSION = re.compile(r"2\.[0-9](?:\.[0-9])?(?![0-9.])")


def place_of_type(fields: Sequence[str], component: str) -> int:
    """The number of the field that holds the message type, by fields as numbered in 2.5.1 (`fields[9]` is MSH-9).

    9 where it is there, and where no other place or more than one may be meant.
    """
    if len(fields) > TYPE and _TYPE.match(fields[TYPE]):
        return TYPE
    found = [n for n in range(_CLOSEST, min(_FARTHEST, len(fields) - 4) + 1) if _is_meant(fields[n : n + 4], component)]
    return found[0] if len(found) == 1 else TYPE


def _is_meant(fields: Sequence[str], component: str) -> bool:
    kind, control, processing, version = fields
    number = control.strip() and component not in control and not _TYPE.match(control)
    return bool(number and _TYPE.match(kind) and _PROCESSING.match(processing) and _VERSION.match(version))
