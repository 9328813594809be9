"""Numbers of a guide as whole ten-thousandths, and the arithmetic of an item, without floating point."""

from __future__ import annotations

import re
from functools import lru_cache

SCALE = 10_000
_NUMBER = re.compile(r"\s*([+-]?)(\d+)(?:\.(\d{0,4}))?\s*\Z", re.ASCII)


@lru_cache(maxsize=65_536)
def scaled(text: str) -> int | None:
    """A decimal of up to four places as a whole number of ten-thousandths; None when it is none."""
    match = _NUMBER.match(text)
    if match is None:
        return None
    value = int(match[2]) * SCALE + int((match[3] or "").ljust(4, "0"))
    return -value if match[1] == "-" else value


@lru_cache(maxsize=65_536)
def in_cents(text: str | None) -> int | None:
    """A decimal in cents, half up; None when it is absent or none."""
    value = scaled(text) if text else None
    return None if value is None else (value + 50) // 100


def item_cents(quantity: int, unit: int, factor: int) -> int:
    """quantidade × valorUnitario × reducaoAcrescimo in cents, half up, from ten-thousandths."""
    return (quantity * unit * factor + 5 * 10**9) // 10**10
