"""Amounts as TISS writes them (`1234.50`), read into whole cents without floating point."""

from __future__ import annotations

import re
from functools import lru_cache

_AMOUNT = re.compile(r"\s*([+-]?)(\d*)(?:\.(\d*))?\s*\Z", re.ASCII)


@lru_cache(maxsize=65_536)
def cents(text: str | None) -> int | None:
    """The amount in cents, half up beyond two decimals; None when it is no decimal number."""
    match = _AMOUNT.match(text or "")
    if match is None or not (match[2] or match[3]):
        return None
    fraction = (match[3] or "").ljust(3, "0")
    amount = int(match[2] or "0") * 100 + int(fraction[:2]) + (fraction[2] >= "5")
    return -amount if match[1] == "-" else amount


def text(amount: int) -> str:
    """Cents as TISS writes them: 1050 gives `10.50`."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02d}"
