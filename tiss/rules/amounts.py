"""Numbers of a guide as whole ten-thousandths, and the arithmetic of an item, without floating point."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

SCALE = 10_000
_MOST_KNOWN = 65_536
_NUMBER = re.compile(r"\s*([+-]?)(\d+)(?:\.(\d{0,4}))?\s*\Z", re.ASCII)


class _Known(dict[str, int | None]):
    """What texts are as numbers, by text: each is read once, and looked up as quickly as a dict can."""

    def __init__(self, read: Callable[[str], int | None]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> int | None:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        self[text] = number = self._read(text)
        return number


def _scaled(text: str) -> int | None:
    match = _NUMBER.match(text)
    if match is None:
        return None
    value = int(match[2]) * SCALE + int((match[3] or "").ljust(4, "0"))
    return -value if match[1] == "-" else value


def _in_cents(text: str) -> int | None:
    value = _scaled(text)
    return None if value is None else (value + 50) // 100


_SCALED, _CENTS = _Known(_scaled), _Known(_in_cents)


def scaled(text: str) -> int | None:
    """A decimal of up to four places as a whole number of ten-thousandths; None when it is none."""
    return _SCALED[text]


def in_cents(text: str | None) -> int | None:
    """A decimal in cents, half up; None when it is absent or none."""
    return _CENTS[text] if text else None


def all_scaled(texts: Sequence[str]) -> list[int | None]:
    """`scaled` of each text."""
    return list(map(_SCALED.__getitem__, texts))


def all_in_cents(texts: Sequence[str]) -> list[int | None]:
    """`in_cents` of each text."""
    return list(map(_CENTS.__getitem__, texts))


def item_cents(quantity: int, unit: int, factor: int) -> int:
    """quantidade × valorUnitario × reducaoAcrescimo in cents, half up, from ten-thousandths."""
    return (quantity * unit * factor + 5 * 10**9) // 10**10
