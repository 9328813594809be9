"""Numbers of a result with what makes them one: comparator, unit (OBX-6) and reference range (OBX-7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from canonical import codes as systems
from hl7.er7 import Delimiters, Segment
from mappings.convert.datatypes import LONGEST_KEPT
from mappings.convert.decimals import may_part, settled
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import descends, number
from mappings.tables.table import Source

_POWER = re.compile(r"\s*[xX*]?\s*10\^-?[0-9]{1,2}(?:[*/ ][^^]*)?\Z")
_PLAIN = "(?:[0-9]{1,30}(?:[.,][0-9]{1,30}){0,9}|[.,][0-9]{1,30})"
_COMPARED = re.compile(rf"(<=|>=|<|>)\s*([+-]?{_PLAIN})\Z")
_RANGE = re.compile(rf"(?:de\s)?\s*([+-]?{_PLAIN})\s*(?:-|–|a|até|ate|to)\s*([+-]?{_PLAIN})\s*\Z", re.I)
_ABOVE = re.compile(
    rf"(?:maior|superior|acima|greater|above)(?: ou igual)?(?: do)?(?: que| a| de| than)?\s+({_PLAIN})\Z", re.I
)
_BELOW = re.compile(
    r"(?:(?:menor|inferior|abaixo|less|below)(?: ou igual)?(?: do)?(?: que| a| de| than)?|até|ate|up to)"
    rf"\s+({_PLAIN})\Z",
    re.I,
)


@conversion("reference-range")
def reference_range(value: Value, context: Context, argument: str) -> Any:
    """OBX-7 as referenceRange: the text always, low and high where it is `a-b`, `<b`, `>a` or says so in words."""
    units = value.sibling(6).raw
    read = _range_read(value.raw, units, value.delimiters) if len(value.raw) + len(units) <= LONGEST_KEPT else None
    if read is None:
        return _range_with(value, lambda limit: settled(limit, value, context)) or None
    return {name: {**part} if isinstance(part, dict) else part for name, part in read.items()} or None


@lru_cache(maxsize=8192)  # a feed says the same few thousand ranges again and again; each caller gets a copy
def _range_read(raw: str, units: str, delimiters: Delimiters) -> dict[str, Any] | None:
    """A range with the unit of OBX-6; empty for none, None where other fields say how its numbers are written."""
    line = delimiters.field.join(("OBX", "", "", "", "", "", units, raw))
    value = Value(raw, Source("OBX", 7), Segment(line, 0, delimiters))
    doubtful: list[str] = []

    def plain(limit: str) -> str:
        doubtful.extend([limit] if may_part(limit) else ())
        return limit

    found = _range_with(value, plain)
    return None if doubtful else found


def _range_with(value: Value, plain: Callable[[str], str | None]) -> dict[str, Any]:
    """A range whose limits `plain` makes numbers as HL7 writes them; empty where there is none."""
    text = value.full()
    if not any(c.isalnum() for c in text):  # `-` says that there is none
        return {}
    found: dict[str, Any] = {"text": text}
    unit = value.other(6)
    said = limits(text.removesuffix(unit).strip() if unit else text)
    read = {name: plain(limit) for name, limit in said.items()}
    ends = {name: quantity(one, value) for name, one in read.items() if one and number(one) is not None}
    whole = len(ends) == len(said) and not (len(ends) > 1 and descends(ends["low"], ends["high"]))
    return {**found, **(ends if whole else {})}


def limits(text: str) -> dict[str, str]:
    """The limits a range names: `a-b`, `<b`, `>a`, or in words."""
    if match := _RANGE.match(text):
        return {"low": match[1], "high": match[2]}
    if match := _COMPARED.match(text):
        return {"high" if "<" in match[1] else "low": match[2]}
    if match := _ABOVE.match(text):
        return {"low": match[1]}
    return {"high": match[1]} if (match := _BELOW.match(text)) else {}


def comparator_of(text: str) -> tuple[str, str]:
    """The comparator before a number, also in words (`até` may or may not include it: none), and the rest."""
    if text[:1].isdigit():
        return "", text
    if match := _COMPARED.match(text):
        return match[1], match[2]
    for sign, found in ((">", _ABOVE.match(text)), ("<", _BELOW.match(text))):
        if found and not text.casefold().startswith(("at", "up")):
            return f"{sign}=" if " ou igual" in text.casefold() else sign, found[1]
    return "", text


def quantity(text: str, value: Value, comparator: str = "") -> dict[str, Any]:
    """A number of OBX-5 or OBX-7 as Quantity with the unit of OBX-6."""
    found: dict[str, Any] = {"value": number(text)}
    if comparator in ("<", "<=", ">=", ">"):
        found["comparator"] = comparator
    return {**found, **unit_of(value)}


def unit_of(value: Value) -> dict[str, Any]:
    """OBX-6: the UCUM coding where one of the two is UCUM; a local unit keeps its own system, a bare one is text."""
    units = value.sibling(6)
    reader = _unit_read if len(units.raw) <= LONGEST_KEPT else _unit_read.__wrapped__
    return reader(units.raw, units.delimiters) if units.raw else {}


@lru_cache(maxsize=2048)  # a feed has few units, and asks for each three times; callers copy what they get
def _unit_read(raw: str, delimiters: Delimiters) -> dict[str, Any]:
    if _POWER.match(raw):  # a power of ten, whose caret was not escaped
        return {"unit": raw.strip()}
    units = Value(raw, Source("OBX", 6), Segment("OBX", 0, delimiters))
    first, second = _unit_of(units, 1), _unit_of(units, 4)
    if second.get("system") == systems.UCUM and first.get("system") != systems.UCUM:
        return {**second, "unit": first.get("unit") or second["unit"]}
    return first or second


def _unit_of(units: Value, start: int) -> dict[str, Any]:
    code, text, system = (units.text(start + n) for n in range(3))
    if not code and not text:
        return {}
    unit: dict[str, Any] = {"unit": text or code}
    if code and system:
        unit.update(system=systems.coding_system(system, code), code=" ".join(code.split()))
    return unit
