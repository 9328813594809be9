"""Search parameters without values in the index: `_text`, `_content` (R4 §3.1.1.4.13) and `near` of Location."""

from __future__ import annotations

import re
from functools import cache

from fhir.definitions.table import type_named
from fhir.search.conditions import BadQuery, Near, Words, problem
from fhir.search.values import BadValue, plain, split

MOST_CHARACTERS = 500
DEFAULT_METRES = 10_000.0
_METRES = {
    "": 1000.0, "km": 1000.0, "m": 1.0, "cm": 0.01, "[mi_i]": 1609.344, "[mi_us]": 1609.347219, "mi": 1609.344,
    "[ft_i]": 0.3048, "[nmi_i]": 1852.0,
}  # fmt: skip
_NAMES = frozenset(("_content", "_text", "_filter", "near"))
_DECIMAL = re.compile(r"[+-]?\d{1,9}(\.\d{1,30})?\Z")


@cache
def offered(type_name: str) -> tuple[tuple[str, str], ...]:
    """The parameters of this kind that a type has, with their types: what the capability statement adds."""
    words = (("_content", "string"), *((("_text", "string"),) if _has_narrative(type_name) else ()))
    return (*words, ("_filter", "special"), *((("near", "special"),) if type_name == "Location" else ()))


def read(type_name: str, name: str, text: str) -> Words | Near | None:
    """The condition of such a parameter; None when it is none of this type's. Raises BadValue, BadQuery."""
    code, mark, _ = name.partition(":")
    if mark and code in dict(offered(type_name)):
        raise BadQuery(problem("modifier", name))
    if name not in _NAMES or name not in dict(offered(type_name)):
        return None
    if name == "near":
        return _near(type_name, text)
    return None if name == "_filter" else _words(type_name, text, narrative=name == "_text")


def _has_narrative(type_name: str) -> bool:
    found = type_named(type_name)
    return found is not None and "text" in found.elements and found.elements["text"].types == ("Narrative",)


def _words(type_name: str, text: str, *, narrative: bool) -> Words:
    words = plain(text).strip()
    if not words or len(words) > MOST_CHARACTERS:
        raise BadValue
    return Words(type_name, words, narrative)


def _near(type_name: str, text: str) -> Near:
    """`latitude|longitude|distance|unit`; ten kilometres where no distance is stated."""
    parts = [plain(part).strip() for part in split(text, "|")]
    numbers, unit = parts[:3], parts[3] if len(parts) == 4 else ""
    if len(parts) not in (2, 3, 4) or unit not in _METRES or any(part and not _DECIMAL.match(part) for part in numbers):
        raise BadValue
    if not numbers[0] or not numbers[1]:
        raise BadValue
    latitude, longitude = float(numbers[0]), float(numbers[1])
    distance = float(numbers[2]) * _METRES[unit] if len(numbers) == 3 and numbers[2] else DEFAULT_METRES
    if abs(latitude) > 90 or abs(longitude) > 180 or distance < 0:
        raise BadValue
    return Near(type_name, latitude, longitude, distance)
