"""Latin-1 by construction: what ISO-8859-1 cannot say is transliterated, and texts are cut on a word."""

from __future__ import annotations

import re
import unicodedata

_FITS = re.compile(r"[ -~\xa0-\xff]*")
_SAME = str.maketrans(
    {
        "–": "-", "—": "-", "‒": "-", "―": "-", "−": "-", "‐": "-", "‑": "-",
        "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "‚": ",", "′": "'", "″": '"',
        "…": "...", "•": "-", "™": "(TM)", "€": "EUR", "≥": ">=", "≤": "<=", "≠": "<>", "œ": "oe", "Œ": "OE",
        "α": "alfa", "β": "beta", "γ": "gama", "μ": "µ", "\u00a0": " ", "\u2003": " ", "\u2009": " ", "\u200b": "",
        "\r": " ", "\n": " ", "\t": " ",
    }
)  # fmt: skip


def fits(text: str) -> bool:
    """Whether `text` is ISO-8859-1 without control characters."""
    return _FITS.fullmatch(text) is not None


def fit(text: str, longest: int | None = None) -> str:
    """`text` in ISO-8859-1, at most `longest` characters, cut at a word where one ends in the last quarter."""
    if not fits(text):
        text = "".join(_character(c) for c in text.translate(_SAME))
    if longest is None or len(text) <= longest:
        return text
    cut = text[:longest]
    word = cut.rfind(" ")
    return cut[:word] if word >= longest * 3 // 4 else cut


def _character(char: str) -> str:
    if fits(char):
        return char
    plain = "".join(c for c in unicodedata.normalize("NFKD", char) if fits(c))
    return plain if plain else ("" if unicodedata.category(char)[0] in "CM" else "?")
