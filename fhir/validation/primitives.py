"""Primitive types of R4: their formats, and what regular expressions miss (calendar, zone, length)."""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from jiter import LosslessFloat
from pydantic_core import PydanticCustomError, core_schema

_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?\Z")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?\Z")
_ZONE = re.compile(r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)\Z")
_PATTERNS = {
    "code": re.compile(r"[^\s]+(?: [^\s]+)*\Z"),
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}\Z"),
    "oid": re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+\Z"),
    "uuid": re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"),
    "uri": re.compile(r"\S+\Z"),
    "url": re.compile(r"\S+\Z"),
    "canonical": re.compile(r"\S+\Z"),
}
_RANGES = {"integer": (-(2**31), 2**31 - 1), "positiveInt": (1, 2**31 - 1), "unsignedInt": (0, 2**31 - 1)}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LONGEST = 1024 * 1024
KINDS = frozenset(
    (
        "boolean",
        "decimal",
        "date",
        "dateTime",
        "instant",
        "time",
        "base64Binary",
        "string",
        "markdown",
        "xhtml",
        *tuple(_PATTERNS),
        *tuple(_RANGES),
    )
)


def is_date(text: str) -> bool:
    """A date of year, month or day precision that exists in the calendar."""
    match = _DATE.match(text)
    if match is None:
        return False
    year, month, day = (int(part) if part else 1 for part in match.groups())
    try:
        datetime.date(year, month, day)
    except ValueError:
        return False
    return True


def is_datetime(text: str) -> bool:
    """A date, or a date with time to the second and a zone."""
    day, mark, rest = text.partition("T")
    if not mark:
        return is_date(text)
    zone = _ZONE.search(rest)
    return len(day) == 10 and is_date(day) and zone is not None and _TIME.match(rest[: zone.start()]) is not None


def is_instant(text: str) -> bool:
    """A full date and time with zone."""
    return "T" in text and is_datetime(text)


def is_base64(text: str) -> bool:
    """Base64 with or without white space."""
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return bool(text.strip())


def is_string(text: str) -> bool:
    """Not blank, no control characters but tab and line ends, at most 1 MiB (R4 §2.24.0.1)."""
    return bool(text) and not text.isspace() and len(text) <= _LONGEST and _CONTROL.search(text) is None


def is_xhtml(text: str) -> bool:
    """Narrative starts with a div; active content is refused."""
    lowered = text.lstrip().lower()
    return lowered.startswith("<div") and "<script" not in lowered and "javascript:" not in lowered


_TEXTS: dict[str, Callable[[str], bool]] = {
    "date": is_date,
    "dateTime": is_datetime,
    "instant": is_instant,
    "time": lambda text: _TIME.match(text) is not None,
    "base64Binary": is_base64,
    "string": is_string,
    "markdown": is_string,
    "xhtml": is_xhtml,
}


def is_decimal(value: Any) -> bool:
    """A JSON number; parsed losslessly it arrives as LosslessFloat."""
    return isinstance(value, (LosslessFloat, float)) or (isinstance(value, int) and not isinstance(value, bool))


@cache
def schema(name: str, allowed: frozenset[str] = frozenset()) -> core_schema.CoreSchema:
    """The schema of a primitive; `allowed` are the codes of a required binding."""
    if name == "boolean":
        return core_schema.no_info_plain_validator_function(_checker(name, lambda value: isinstance(value, bool)))
    if name == "decimal":
        return core_schema.no_info_plain_validator_function(_checker(name, is_decimal))
    if name in _RANGES:
        low, high = _RANGES[name]
        return core_schema.no_info_plain_validator_function(
            _checker(name, lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high)
        )
    if allowed:
        return core_schema.no_info_plain_validator_function(
            _checker("code", lambda value: isinstance(value, str) and value in allowed, error="code-of-binding")
        )
    if pattern := _PATTERNS.get(name):
        return core_schema.no_info_plain_validator_function(
            _checker(name, lambda value: isinstance(value, str) and pattern.match(value) is not None)
        )
    test = _TEXTS[name]
    return core_schema.no_info_plain_validator_function(
        _checker(name, lambda value: isinstance(value, str) and test(value))
    )


def _checker(name: str, test: Callable[[Any], bool], *, error: str = "") -> Callable[[Any], Any]:
    kind: Any = "binding" if error else name

    def check(value: Any) -> Any:
        if not test(value):
            raise PydanticCustomError(kind, "value")
        return value

    return check
