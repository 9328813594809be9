"""How a value that the schema refuses is written: told by its type and its look, so that words and repair can fit.

Only the look is told (a decimal comma, a date that begins with its day), never the value.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

from canonical.identity import unaccented
from tiss.wire.shapes import Shape

Args = tuple[tuple[str, str], ...]
_DAY_FIRST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})\Z", re.ASCII)
_LOOSE = re.compile(r"(\d{4})[/.-]?(\d{1,2})[/.-]?(\d{1,2})\Z", re.ASCII)
_WITH_HOUR = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]\d{2}:\d{2}")
_SHORT_TIME = re.compile(r"(\d|[01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\Z", re.ASCII)
_COMMA = re.compile(r"(-?(?:\d+|\d{1,3}(?:\.\d{3})+)),(\d{1,2}|\d{4,})\Z", re.ASCII)
_WHOLE = re.compile(r"(\d+)[.,]0+\Z", re.ASCII)
_DIGITS = re.compile(r"\[0-9\](?:\{(\d+)\})?\Z")
_SEPARATED = re.compile(r"-?[\d.,]*,[\d.,]*\Z|-?\d{1,3}(?:\.\d{3})+(?:\.\d+)?\Z")
_PUNCTUATION = re.compile(r"[.\-/ ]")
_NUMBERS = frozenset(("decimal", "integer", "positiveInteger", "nonNegativeInteger", "int", "long"))
_COMPACT, _CENTS = 8, 2
_TABLE = Path(__file__).with_name("spellings.csv")


def refined(kind: str, text: str, shape: Shape | None) -> tuple[str, Args]:
    """The more exact kind of a schema finding and what its words name; `kind` itself where the look tells nothing."""
    if shape is None or kind not in _LOOKS:
        return kind, ()
    look, args = _LOOKS[kind](text, shape)
    return (f"{kind}.{look}" if look else kind), args


def _datatype(text: str, shape: Shape) -> tuple[str, Args]:
    plain = text.strip()
    if shape.base in _NUMBERS:
        return _numeral(plain, shape)
    if shape.base == "date":
        return _day(plain), ()
    if shape.base == "time":
        return ("time-short" if _SHORT_TIME.match(plain) else "time"), ()
    if shape.base == "boolean" and (right := _spelled(plain, "boolean")):
        return "boolean.word", (("right", right),)
    return {"boolean": "boolean", "base64Binary": "base64"}.get(shape.base, ""), ()


def _numeral(plain: str, shape: Shape) -> tuple[str, Args]:
    if (match := _WHOLE.match(plain)) and (shape.base != "decimal" or shape.places == 0):
        return "whole", (("right", match[1]),)
    if not _SEPARATED.match(plain):
        return "number", ()
    right = number(plain, shape.places)
    return "comma", ((("right", right),) if right else ())


def _day(plain: str) -> str:
    if day(plain) is None:
        return "date"
    if _WITH_HOUR.match(plain):
        return "date-hour"
    return "day-first" if _DAY_FIRST.match(plain) else "date-loose"


def _enumeration(text: str, shape: Shape) -> tuple[str, Args]:
    plain = text.strip()
    if plain in shape.codes and plain:
        return "blanks", (("right", plain),)
    if plain.isascii() and plain.isdigit():
        same = [code for code in shape.codes if code.isdigit() and int(code) == int(plain)]
        if len(same) == 1:
            return "zero", (("right", same[0]),)
    meant = _spelled(plain, shape.name) or _alike(plain, shape.codes)
    return ("spelled", (("right", meant),)) if meant in shape.codes and meant else ("", ())


def _alike(plain: str, codes: tuple[str, ...]) -> str:
    """The one code that differs in capitals and punctuation only; empty when there is none."""
    bared = _PUNCTUATION.sub("", plain).upper()
    alike = [code for code in codes if code and _PUNCTUATION.sub("", code) == bared]
    return alike[0] if len(alike) == 1 else ""


@cache
def _spellings() -> dict[tuple[str, str], str]:
    """What codes of a type are called by people, by type and word (`spellings.csv`)."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {(row["type"], row["spelled"]): row["code"] for row in csv.DictReader(file)}


def _spelled(plain: str, kind: str) -> str:
    """The code a word of people stands for; empty when none is known."""
    word = unaccented(plain).upper()
    return _spellings().get((kind, word), "")


def _pattern(text: str, shape: Shape) -> tuple[str, Args]:
    if bare(text, shape):
        return "punctuation", ()
    only = shape.patterns[0] if len(shape.patterns) == 1 else ""
    match = _DIGITS.match(only)
    kind, wanted = ("digits", match[1] or "1") if match else _patterns().get(only, ("", ""))
    plain = text.strip()
    args = (("wanted", wanted), ("long", str(len(plain))))
    if wanted and plain.isascii() and plain.isdigit() and len(plain) < int(wanted):
        return "zero", args
    return kind, args


def _digits(text: str, shape: Shape) -> tuple[str, Args]:
    places = shape.places or 0
    whole = str(shape.digits - places) if shape.digits is not None else "-"
    return ("" if places else "whole"), (("whole", whole), ("places", str(places)))


@cache
def _patterns() -> dict[str, tuple[str, str]]:
    """What a pattern means, and how many characters it takes if these may be digits alone (`patterns.csv`)."""
    with _TABLE.with_name("patterns.csv").open(encoding="utf-8", newline="") as file:
        return {row["pattern"]: (row["kind"], row["digits"]) for row in csv.DictReader(file)}


_LOOKS: dict[str, Callable[[str, Shape], tuple[str, Args]]] = {
    "datatype": _datatype,
    "digits": _digits,
    "enumeration": _enumeration,
    "pattern": _pattern,
}


def bare(text: str, shape: Shape) -> str:
    """`text` without points, slashes, dashes and blanks, where the type takes it so; empty where it does not."""
    plain = _PUNCTUATION.sub("", text)
    if plain == text or not shape.patterns or (shape.longest is not None and len(plain) > shape.longest):
        return ""
    return plain if all(re.fullmatch(pattern, plain, re.ASCII) for pattern in shape.patterns) else ""


def number(text: str, places: int | None = None) -> str | None:
    """An amount with a decimal comma written with a point; None where the comma may be another thing.

    Three digits behind it may be thousands; one or two are decimals, and more than three where the type has so many
    `places`.
    """
    match = _COMMA.match(text.strip())
    if match is None or (len(match[2]) > _CENTS and len(match[2]) > (places or 0)):
        return None
    return f"{match[1].replace('.', '')}.{match[2]}"


def day(text: str) -> str | None:
    """A date written day first, with an hour, or without zeros or dashes, as AAAA-MM-DD; None when it is no date."""
    plain = text.strip()
    parts: tuple[str, ...]
    if match := _DAY_FIRST.match(plain):
        parts = (match[4], match[3], match[1])
    elif match := _WITH_HOUR.match(plain):
        parts = tuple(match[1].split("-"))
    elif (match := _LOOSE.match(plain)) and (not plain.isdigit() or len(plain) == _COMPACT):
        parts = (match[1], match[2], match[3])
    else:
        return None
    try:
        return date(*map(int, parts)).isoformat()
    except ValueError:
        return None


def hour(text: str) -> str | None:
    """A time as HH:MM:SS, without zone and fraction; None when it is no time."""
    plain = text.strip()
    if match := _SHORT_TIME.match(plain):
        return f"{match[1]:0>2}:{match[2]}:{match[3] or '00'}"
    match = re.match(r"\d\d:\d\d:\d\d", plain, re.ASCII)
    return match.group() if match else None
