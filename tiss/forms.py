"""How a value that the schema refuses is written: told by its type and its look, so that words and repair can fit.

Only the look is told (a decimal comma, a date that begins with its day), never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from tiss.shapes import Shape

Args = tuple[tuple[str, str], ...]
_DAY_FIRST = re.compile(r"(\d{2})([/.-])(\d{2})\2(\d{4})\Z")
_WITH_HOUR = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]\d{2}:\d{2}")
_SHORT_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z")
_COMMA = re.compile(r"(-?(?:\d+|\d{1,3}(?:\.\d{3})+)),(\d{1,2})\Z")
_SEPARATED = re.compile(r"-?[\d.,]*,[\d.,]*\Z|-?\d{1,3}(?:\.\d{3})+(?:\.\d+)?\Z")
_PUNCTUATION = re.compile(r"[.\-/ ]")
_NUMBERS = frozenset(("decimal", "integer", "positiveInteger", "nonNegativeInteger", "int", "long"))


def refined(kind: str, text: str, shape: Shape | None) -> tuple[str, Args]:
    """The more exact kind of a schema finding and what its words name; `kind` itself where the look tells nothing."""
    if shape is None or kind not in _LOOKS:
        return kind, ()
    look, args = _LOOKS[kind](text, shape)
    return (f"{kind}.{look}", args) if look else (kind, ())


def _datatype(text: str, shape: Shape) -> tuple[str, Args]:
    plain = text.strip()
    if shape.base in _NUMBERS:
        return ("comma" if _SEPARATED.match(plain) else "number"), ()
    if shape.base == "date":
        return ("day-first" if _DAY_FIRST.match(plain) else "date-hour" if _WITH_HOUR.match(plain) else "date"), ()
    if shape.base == "time":
        return ("time-short" if _SHORT_TIME.match(plain) else "time"), ()
    return {"boolean": "boolean", "base64Binary": "base64"}.get(shape.base, ""), ()


def _enumeration(text: str, shape: Shape) -> tuple[str, Args]:
    plain = text.strip()
    if plain in shape.codes and plain:
        return "blanks", (("right", plain),)
    if plain.isascii() and plain.isdigit():
        same = [code for code in shape.codes if code.isdigit() and int(code) == int(plain)]
        if len(same) == 1:
            return "zero", (("right", same[0]),)
    return "", ()


def _pattern(text: str, shape: Shape) -> tuple[str, Args]:
    return ("punctuation" if bare(text, shape) else ""), ()


_LOOKS: dict[str, Callable[[str, Shape], tuple[str, Args]]] = {
    "datatype": _datatype,
    "enumeration": _enumeration,
    "pattern": _pattern,
}


def bare(text: str, shape: Shape) -> str:
    """`text` without points, slashes, dashes and blanks, where the type takes it so; empty where it does not."""
    plain = _PUNCTUATION.sub("", text)
    if plain == text or not shape.patterns or (shape.longest is not None and len(plain) > shape.longest):
        return ""
    return plain if all(re.fullmatch(pattern, plain, re.ASCII) for pattern in shape.patterns) else ""


def number(text: str) -> str | None:
    """An amount with a decimal comma written with a point; None where the comma may be another thing."""
    match = _COMMA.match(text.strip())
    return f"{match[1].replace('.', '')}.{match[2]}" if match else None


def day(text: str) -> str | None:
    """A date written day first, or with an hour, as AAAA-MM-DD; None when it is no date."""
    plain = text.strip()
    if match := _DAY_FIRST.match(plain):
        plain = f"{match[4]}-{match[3]}-{match[1]}"
    elif match := _WITH_HOUR.match(plain):
        plain = match[1]
    try:
        return date.fromisoformat(plain).isoformat()
    except ValueError:
        return None


def hour(text: str) -> str | None:
    """A time as HH:MM:SS, without zone and fraction; None when it is no time."""
    plain = text.strip()
    if _SHORT_TIME.match(plain):
        return f"{plain}:00"
    match = re.match(r"\d\d:\d\d:\d\d", plain)
    return match.group() if match else None
